package netio

// kind is what a datagram is, by its port and its first bytes.
type kind uint8

const (
	malformed kind = iota
	keepalive
	ike
	esp
)

const (
	// markerSize is the length of the non-ESP marker: four zero bytes where ESP
	// has its SPI (RFC 3948 §2.2).
	markerSize = 4
	// ikeHeader is the length of the ISAKMP header (RFC 2408 §3.1), and of
	// IKEv2's. What is shorter is not IKE and takes no place in the queue.
	ikeHeader = 28
	// espHeader is SPI and sequence number (RFC 4303 §2).
	espHeader = 8
)

// classify tells what a datagram is, and returns the IKE message or ESP packet
// in it. The three share the NAT-T port; the IKE port has IKE only.
func classify(natt bool, data []byte) (kind, []byte) {
	if !natt {
		return ifLong(ike, data, ikeHeader)
	}
	if len(data) == 1 && data[0] == 0xff {
		return keepalive, nil
	}
	if len(data) < markerSize {
		return malformed, nil
	}
	if [markerSize]byte(data) == [markerSize]byte{} {
		return ifLong(ike, data[markerSize:], ikeHeader)
	}
	return ifLong(esp, data, espHeader)
}

func ifLong(k kind, body []byte, header int) (kind, []byte) {
	if len(body) < header {
		return malformed, nil
	}
	return k, body
}
