package daemon

import (
	"context"
	"fmt"
)

// Guard sets the guard of the configuration at path and nothing else: at boot,
// before there is a network that could forward what is not guarded yet. Where a
// daemon runs the guard stands already.
func Guard(ctx context.Context, path string) error { return guard(ctx, path, linux{}) }

func guard(ctx context.Context, path string, h host) error {
	p, err := load(path)
	if err != nil {
		return err
	}
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	hostNet, err := h.Network()
	if err != nil {
		return fmt.Errorf("open the network configuration: %w", err)
	}
	defer hostNet.Close()
	if err := hostNet.SetGuards(ctx, guards(p)); err != nil {
		return fmt.Errorf("set the guard: %w", err)
	}
	return nil
}
