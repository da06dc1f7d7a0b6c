package daemon

import (
	"context"
	"errors"
)

// Cleanup takes everything of ours off the host: SAs, policies, devices,
// routes, and last the guard.
func Cleanup(ctx context.Context) error { return cleanup(ctx, linux{}) }

func cleanup(ctx context.Context, h host) error {
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	hostNet, err := h.Network()
	if err != nil {
		return err
	}
	defer hostNet.Close()
	// User space leaves nothing behind; the kernel only where it can ESP.
	if name, _, err := h.Choose("auto"); err == nil && name == planeKernel {
		if err := emptyPlane(ctx, h); err != nil {
			return err
		}
	}
	return hostNet.Clear(ctx)
}

func emptyPlane(ctx context.Context, h host) error {
	plane, err := h.Plane(planeKernel, nil)
	if err != nil {
		return err
	}
	defer plane.Close()
	if _, err := sweep(ctx, plane); err != nil {
		return err
	}
	return errors.Join(plane.SetPolicies(ctx, nil), plane.SetLinks(ctx, nil))
}
