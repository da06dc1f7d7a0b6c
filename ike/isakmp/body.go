package isakmp

import (
	"encoding/binary"
	"fmt"
)

// IDType is the type of an identification (RFC 2407 §4.6.2.1).
type IDType uint8

// The types of identification.
const (
	IPv4Addr   IDType = 1
	FQDN       IDType = 2
	UserFQDN   IDType = 3
	IPv4Subnet IDType = 4
	IPv6Addr   IDType = 5
	IPv6Subnet IDType = 6
	IPv4Range  IDType = 7
	IPv6Range  IDType = 8
)

// Identification is the body of an ID payload.
type Identification struct {
	Type     IDType
	Protocol uint8 // of IP, 0 for any
	Port     uint16
	Data     []byte
}

// ParseID reads the body of an ID payload.
func ParseID(b []byte) (Identification, error) {
	r := reader{b: b}
	id := Identification{Type: IDType(r.u8()), Protocol: r.u8(), Port: r.u16()}
	if r.bad {
		return id, fmt.Errorf("identification: %w", ErrTruncated)
	}
	id.Data = r.b
	return id, nil
}

// Append writes the body of an ID payload.
func (id Identification) Append(b []byte) []byte {
	b = append(b, byte(id.Type), id.Protocol)
	b = binary.BigEndian.AppendUint16(b, id.Port)
	return append(b, id.Data...)
}

// NotifyType is the type of a notification.
type NotifyType uint16

// The notifications of RFC 2408 §3.14.1, RFC 2407 §4.6.3 and RFC 3706 §5.2.
const (
	InvalidPayload       NotifyType = 1
	InvalidCookie        NotifyType = 4
	InvalidMajorVersion  NotifyType = 5
	InvalidExchange      NotifyType = 7
	InvalidProtocol      NotifyType = 10
	InvalidSPI           NotifyType = 11
	InvalidTransform     NotifyType = 12
	NoProposalChosen     NotifyType = 14
	PayloadMalformed     NotifyType = 16
	InvalidKey           NotifyType = 17
	InvalidID            NotifyType = 18
	InvalidHash          NotifyType = 23
	AuthenticationFailed NotifyType = 24
	Connected            NotifyType = 16384
	ResponderLifetime    NotifyType = 24576
	InitialContact       NotifyType = 24578
	RUThere              NotifyType = 36136
	RUThereAck           NotifyType = 36137
)

var notifyNames = map[NotifyType]string{
	1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 3: "SITUATION-NOT-SUPPORTED", 4: "INVALID-COOKIE",
	5: "INVALID-MAJOR-VERSION", 6: "INVALID-MINOR-VERSION", 7: "INVALID-EXCHANGE-TYPE", 8: "INVALID-FLAGS",
	9: "INVALID-MESSAGE-ID", 10: "INVALID-PROTOCOL-ID", 11: "INVALID-SPI", 12: "INVALID-TRANSFORM-ID",
	13: "ATTRIBUTES-NOT-SUPPORTED", 14: "NO-PROPOSAL-CHOSEN", 15: "BAD-PROPOSAL-SYNTAX", 16: "PAYLOAD-MALFORMED",
	17: "INVALID-KEY-INFORMATION", 18: "INVALID-ID-INFORMATION", 19: "INVALID-CERT-ENCODING",
	20: "INVALID-CERTIFICATE", 21: "CERT-TYPE-UNSUPPORTED", 22: "INVALID-CERT-AUTHORITY",
	23: "INVALID-HASH-INFORMATION", 24: "AUTHENTICATION-FAILED", 25: "INVALID-SIGNATURE",
	26: "ADDRESS-NOTIFICATION", 27: "NOTIFY-SA-LIFETIME", 28: "CERTIFICATE-UNAVAILABLE",
	29: "UNSUPPORTED-EXCHANGE-TYPE", 30: "UNEQUAL-PAYLOAD-LENGTHS", 16384: "CONNECTED",
	24576: "RESPONDER-LIFETIME", 24577: "REPLAY-STATUS", 24578: "INITIAL-CONTACT",
	36136: "R-U-THERE", 36137: "R-U-THERE-ACK",
}

func (n NotifyType) String() string {
	if name, ok := notifyNames[n]; ok {
		return name
	}
	return fmt.Sprintf("NOTIFY-%d", uint16(n))
}

// IsError tells the notifications that say that something failed.
func (n NotifyType) IsError() bool { return n < Connected }

// Notification is the body of a notify payload.
type Notification struct {
	Protocol Protocol
	SPI      []byte
	Type     NotifyType
	Data     []byte
}

// ParseNotify reads the body of a notify payload. The DOI is not looked at:
// some peers write 0.
func ParseNotify(b []byte) (Notification, error) {
	r := reader{b: b}
	r.u32()
	n := Notification{Protocol: Protocol(r.u8())}
	spiSize := int(r.u8())
	n.Type = NotifyType(r.u16())
	n.SPI = r.take(spiSize)
	if r.bad {
		return n, fmt.Errorf("notification: %w", ErrTruncated)
	}
	n.Data = r.b
	return n, nil
}

// Append writes the body of a notify payload.
func (n Notification) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, DOIIPsec)
	b = append(b, byte(n.Protocol), byte(len(n.SPI)))
	b = binary.BigEndian.AppendUint16(b, uint16(n.Type))
	return append(append(b, n.SPI...), n.Data...)
}

// Deletion is the body of a delete payload.
type Deletion struct {
	Protocol Protocol
	SPIs     [][]byte // all of the same size
}

// ParseDelete reads the body of a delete payload. The count must be what the
// bytes hold.
func ParseDelete(b []byte) (Deletion, error) {
	r := reader{b: b}
	r.u32() // DOI
	d := Deletion{Protocol: Protocol(r.u8())}
	size, n := int(r.u8()), int(r.u16())
	if r.bad || size == 0 || n*size != len(r.b) {
		return Deletion{}, fmt.Errorf("deletion: %w", ErrTruncated)
	}
	for range n {
		d.SPIs = append(d.SPIs, r.take(size))
	}
	return d, nil
}

// Append writes the body of a delete payload.
func (d Deletion) Append(b []byte) []byte {
	size := 0
	if len(d.SPIs) > 0 {
		size = len(d.SPIs[0])
	}
	b = binary.BigEndian.AppendUint32(b, DOIIPsec)
	b = append(b, byte(d.Protocol), byte(size))
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.SPIs)))
	for _, spi := range d.SPIs {
		b = append(b, spi...)
	}
	return b
}
