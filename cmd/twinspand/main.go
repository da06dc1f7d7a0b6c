// Twinspand is the gateway's daemon. It runs in the foreground, tells systemd
// when it is ready, and keeps its state in the kernel and,
// but for the history of the traffic and the alarms, its files nowhere.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/twinspan/twinspan/daemon"
	"github.com/twinspan/twinspan/daemon/config"
)

// The exit codes, the same as twinspan's.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitInvalid = 4
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var broken failure
	var faults config.Faults
	switch {
	case err == nil:
		return exitDone
	case !errors.As(err, &broken):
		fmt.Fprintf(stderr, "twinspand: %v; see: twinspand --help\n", err)
		return exitUsage
	case errors.As(err, &faults):
		fmt.Fprintf(stderr, "twinspand: the configuration is invalid; nothing was touched\n%v\n", faults)
		return exitInvalid
	}
	fmt.Fprintf(stderr, "twinspand: %v\n", err)
	return exitFailed
}

// failure is an error of the work itself; any other is wrong usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

type flags struct {
	config, socket string
	state          string
	level          slog.Level
	guard, cleanup bool
}

func newRoot(stderr io.Writer) *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:           "twinspand",
		Short:         "The daemon of the Twinspan VPN gateway",
		Version:       version(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := work(cmd.Context(), f, stderr, cmd.Root().Version); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	root.SetVersionTemplate("twinspand {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	set := root.Flags()
	set.StringVar(&f.config, "config", "/etc/twinspan", "the configuration: a file, or a directory with twinspan.toml and conf.d/*.toml")
	set.StringVar(&f.socket, "socket", daemon.DefaultSocket, "the control socket")
	set.StringVar(&f.state, "state", cmp.Or(os.Getenv("STATE_DIRECTORY"), "/var/lib/twinspan"), "the directory of what outlives the process; also $STATE_DIRECTORY")
	set.TextVar(&f.level, "log-level", slog.LevelInfo, "the least that is logged: debug, info, warn or error")
	set.BoolVar(&f.guard, "guard", false, "set the guard of the configuration, nothing else, and exit")
	set.BoolVar(&f.cleanup, "cleanup", false, "take all that is ours off the host, the guard included, and exit")
	root.MarkFlagsMutuallyExclusive("guard", "cleanup")
	return root
}

func work(ctx context.Context, f flags, stderr io.Writer, version string) error {
	if f.cleanup {
		return daemon.Cleanup(ctx)
	}
	if f.guard {
		return daemon.Guard(ctx, f.config)
	}
	reload := make(chan struct{}, 1)
	stop := onHangup(reload)
	defer stop()
	return daemon.Run(ctx, daemon.Options{
		ConfigPath: f.config,
		Socket:     f.socket,
		State:      f.state,
		Log:        slog.New(newHandler(stderr, f.level)),
		Version:    version,
		Reload:     reload,
	})
}

// onHangup asks for a reload at every SIGHUP until it is stopped. Signals that
// come while one waits are that one.
func onHangup(reload chan<- struct{}) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hangup:
				select {
				case reload <- struct{}{}:
				default:
				}
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(done)
	}
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
