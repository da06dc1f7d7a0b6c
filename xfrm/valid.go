package xfrm

import "fmt"

// CanHave reports an encapsulation that an SA cannot change to: between ESP in
// UDP and plain ESP lies a negotiation.
func (sa SA) CanHave(e Encap) error {
	if plain := (Encap{}); (sa.Encap == plain) != (e == plain) {
		return fmt.Errorf("SA %#08x: from ports %+v it cannot change to %+v; ESP in UDP and plain ESP are negotiated", sa.SPI, sa.Encap, e)
	}
	return nil
}

// Valid reports an SA that no data plane may take: one without a direction,
// with a reserved SPI, addresses of two families, an if_id that is not ours, an
// unknown suite, or keys of another size than the suite's.
func (sa SA) Valid() error {
	switch {
	case sa.Dir != In && sa.Dir != Out:
		return fmt.Errorf("SA %#08x: %v is no direction", sa.SPI, sa.Dir)
	case sa.SPI < MinSPI:
		return fmt.Errorf("SA %#08x: SPIs below %d are reserved", sa.SPI, MinSPI)
	case !sa.Src.IsValid() || !sa.Dst.IsValid() || sa.Src.Is4() != sa.Dst.Is4():
		return fmt.Errorf("SA %#08x: %v and %v are not the ends of one tunnel", sa.SPI, sa.Src, sa.Dst)
	case !IsOurs(sa.IfID):
		return fmt.Errorf("SA %#08x: if_id %#x is not ours", sa.SPI, sa.IfID)
	}
	if err := sa.Suite.Valid(); err != nil {
		return fmt.Errorf("SA %#08x: %w", sa.SPI, err)
	}
	if got, want := sa.EncKey.Len(), sa.Suite.EncKeySize(); got != want {
		return fmt.Errorf("SA %#08x: encryption key of %d bytes; %v takes %d", sa.SPI, got, sa.Suite, want)
	}
	if got, want := sa.AuthKey.Len(), sa.Suite.Hash.Size(); got != want {
		return fmt.Errorf("SA %#08x: integrity key of %d bytes; %v takes %d", sa.SPI, got, sa.Suite, want)
	}
	return nil
}
