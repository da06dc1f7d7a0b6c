package netns

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// behindNAT are the Quick Start's sites with a translator before the gateway.
func behindNAT() Sites {
	s := QuickStart()
	s.VPC.Behind = netip.MustParsePrefix("172.16.0.2/24")
	return s
}

// A flow has the public address and another port than its own; after a rebind
// it has another one still; and who was not asked does not come in.
func TestATranslatorHidesItsGateway(t *testing.T) {
	b := ForTest(t, behindNAT())
	inside, outside := listen(t, b.Gateway), listen(t, b.Customer)
	first := seenAs(t, inside, outside)
	if first.Addr() != b.Sites.VPC.Public.Addr() || first.Port() == 500 {
		t.Errorf("seen as %v", first)
	}
	if again := seenAs(t, inside, outside); again != first {
		t.Errorf("seen as %v and then as %v", first, again)
	}
	if _, err := outside.WriteTo([]byte("answer"), net.UDPAddrFromAddrPort(first)); err != nil {
		t.Fatal(err)
	}
	if from := receive(t, inside); from.Addr() != b.Sites.IDC.Public.Addr() {
		t.Errorf("the answer is from %v", from)
	}
	if err := b.Translators[0].Rebind(); err != nil {
		t.Fatal(err)
	}
	if moved := seenAs(t, inside, outside); moved == first || moved.Addr() != first.Addr() {
		t.Errorf("seen as %v and after a rebind as %v", first, moved)
	}
	if _, err := outside.WriteTo([]byte("too late"), net.UDPAddrFromAddrPort(first)); err != nil {
		t.Fatal(err)
	}
	if err := inside.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, from, err := inside.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("%v came in through a flow that is no more", from)
	}
}

// listen opens UDP port 500.
func listen(t *testing.T, space *Space) (conn net.PacketConn) {
	t.Helper()
	err := space.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", ":500")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// seenAs is the address that a datagram from inside has outside.
func seenAs(t *testing.T, inside, outside net.PacketConn) netip.AddrPort {
	t.Helper()
	if _, err := inside.WriteTo([]byte("question"), &net.UDPAddr{IP: net.IPv4(202, 108, 22, 5), Port: 500}); err != nil {
		t.Fatal(err)
	}
	return receive(t, outside)
}

func receive(t *testing.T, conn net.PacketConn) netip.AddrPort {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(Patience(time.Second))); err != nil {
		t.Fatal(err)
	}
	_, from, err := conn.ReadFrom(make([]byte, 100))
	if err != nil {
		t.Fatal(err)
	}
	return from.(*net.UDPAddr).AddrPort()
}
