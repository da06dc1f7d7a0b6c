package netio

import (
	"bytes"
	"testing"
)

func TestClassify(t *testing.T) {
	header := bytesOf(0xaa, ikeHeader)
	for _, row := range []struct {
		name string
		natt bool
		data []byte
		want kind
		body []byte
	}{
		{"nothing", false, nil, malformed, nil},
		{"nothing on NAT-T", true, nil, malformed, nil},
		{"a header", false, header, ike, header},
		{"less than a header", false, header[1:], malformed, nil},
		{"a keepalive", true, []byte{0xff}, keepalive, nil},
		{"a keepalive on the IKE port", false, []byte{0xff}, malformed, nil},
		{"two bytes 0xff", true, []byte{0xff, 0xff}, malformed, nil},
		{"a marker cut short", true, []byte{0, 0, 0}, malformed, nil},
		{"a marker alone", true, []byte{0, 0, 0, 0}, malformed, nil},
		{"a marker and a header", true, append(make([]byte, 4), header...), ike, header},
		{"a marker and less", true, append(make([]byte, 4), header[1:]...), malformed, nil},
		{"a header without a marker", true, header, esp, header},
		{"an SPI alone", true, []byte{0, 0, 1, 0}, malformed, nil},
		{"an ESP header", true, []byte{0, 0, 1, 0, 0, 0, 0, 1}, esp, []byte{0, 0, 1, 0, 0, 0, 0, 1}},
	} {
		got, body := classify(row.natt, row.data)
		if got != row.want || !bytes.Equal(body, row.body) {
			t.Errorf("%s: kind %d, body %x", row.name, got, body)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(false, []byte{})
	f.Add(true, []byte{0xff})
	f.Add(true, make([]byte, 40))
	f.Add(true, []byte{0, 0, 1, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, natt bool, data []byte) {
		what, body := classify(natt, data)
		switch what {
		case ike:
			if len(body) < ikeHeader || natt != (len(body) == len(data)-markerSize) {
				t.Errorf("an IKE message of %d bytes out of %d", len(body), len(data))
			}
		case esp:
			if !natt || len(body) < espHeader || bytes.Equal(body[:4], make([]byte, 4)) || len(body) != len(data) {
				t.Errorf("an ESP packet of %d bytes out of %d", len(body), len(data))
			}
		default:
			if body != nil {
				t.Error("a body without a kind")
			}
		}
	})
}

// FuzzEnvelope reads whatever a kernel could write.
func FuzzEnvelope(f *testing.F) {
	f.Add(make([]byte, nameSize+controlSize), controlSize)
	f.Add([]byte{}, 0) // no control message at all: the parser of package unix wants at least one byte
	f.Fuzz(func(_ *testing.T, raw []byte, size int) {
		var e envelope
		copy(e.name[:], raw)
		copy(e.control[:], raw[min(len(raw), nameSize):])
		e.remote()
		e.arrival(max(size, 0))
	})
}
