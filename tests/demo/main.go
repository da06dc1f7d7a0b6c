// The demo plays the product's Quick Start in network namespaces: a VPC and an
// IDC that do not know each other become one network by six steps, each an
// edit of the gateway's configuration as an administrator makes it. It checks
// what it shows, and succeeds only if all of it was seen.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(stderr)
	peer := set.String("peer", twinspan, "the customer gateway: "+twinspan+" or "+strongSwan)
	if err := set.Parse(args); err != nil {
		return 2
	}
	err := demonstrate(ctx, stdout, *peer)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "demo: interrupted; everything is cleaned up")
		return 130
	}
	fmt.Fprintf(stderr, "demo: %v\n", err)
	return 1
}

// demonstrate builds the stage, plays, and takes the stage down whatever
// happened.
func demonstrate(ctx context.Context, out io.Writer, peer string) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root; try: sudo make demo")
	}
	s, err := newStage(out, peer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for _, act := range []func(context.Context) error{
		s.createGateway, s.createCustomerGateway, s.createTunnel, s.loadPeer, s.addRoute, s.activate, s.prove,
	} {
		if err := act(ctx); err != nil {
			return errors.Join(err, s.logs())
		}
	}
	s.say("\nAll of it was seen. Cleaning up.")
	return nil
}
