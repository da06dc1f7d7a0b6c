package ikesim

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/ike"
	"github.com/twinspan/twinspan/xfrm"
)

var update = flag.Bool("update", false, "write the traces of the stories anew")

// TestStories plays testdata/*.txt. README.md there explains the language. The
// trace after the line of dashes is what must happen, to the millisecond.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, _ := strings.Cut(string(text), dashes)
			s := play(t, script)
			got := s.w.Trace()
			if *update {
				if err := os.WriteFile(file, []byte(script+dashes+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("the trace is\n%swants\n%s", got, want)
			}
		})
	}
}

const dashes = "----\n"

// story is a script that is being played.
type story struct {
	t      *testing.T
	w      *World
	hosts  map[string]*Host
	peers  map[string]*ike.Peer
	plays  bool // the hosts are configured
	script string
}

func play(t *testing.T, script string) *story {
	w, a, b := two(t)
	pa, pb := Between(gz, addrA, addrB, 1)
	s := &story{t: t, w: w, hosts: map[string]*Host{"a": a, "b": b}, peers: map[string]*ike.Peer{"a": &pa, "b": &pb}}
	for i, line := range strings.Split(script, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			s.script = fmt.Sprintf("line %d, %s", i+1, line)
			s.do(words[0], words[1:])
		}
	}
	return s
}

// do obeys one line.
func (s *story) do(verb string, args []string) {
	s.t.Helper()
	switch verb {
	case "pairs":
		pa, pb := Between(gz, addrA, addrB, s.number(args[0]))
		*s.peers["a"], *s.peers["b"] = pa, pb
	case "a", "b":
		s.set(s.peers[verb], args)
		if s.plays {
			s.hosts[verb].Configure(*s.peers[verb])
		}
	case "lose":
		s.w.Rule = LoseFirst(args...)
	case "lose-all":
		s.w.Rule = func(Datagram) []Arrival { return nil }
	case "deliver":
		s.w.Rule = nil
	case "twice":
		s.w.Rule = Twice(s.duration(args[0]))
	case "run":
		s.configure()
		s.w.Run(s.duration(args[0]))
	default:
		s.act(verb, args)
	}
}

// act is what happens to one of the hosts, or what is wanted of it.
func (s *story) act(verb string, args []string) {
	s.t.Helper()
	s.configure()
	h := s.hosts[args[0]]
	switch verb {
	case "up":
		h.Step(ike.Initiate{Tunnel: gz})
	case "down":
		h.Step(ike.Close{Tunnel: gz})
	case "restart":
		h.Restart()
	case "send":
		fate, arrived := h.Send(h.Peer(gz), h.Peer(gz).Children[s.number(args[1])].Sel)
		s.w.tell("%-7sa packet: %v, arrived: %v", h.Name, fate, arrived)
	case "expire":
		s.expire(h)
	case "fail":
		h.Plane.FailPut(errors.New("no such algorithm"))
	case "remove":
		h.Configure()
	case "want":
		s.want(args)
	default:
		s.t.Fatalf("%s: no such verb", s.script)
	}
}

func (s *story) configure() {
	if s.plays {
		return
	}
	s.plays = true
	for _, name := range []string{"b", "a"} {
		s.hosts[name].Configure(*s.peers[name])
	}
}

// expire makes the newest inbound SA of a host reach its hard limit.
func (s *story) expire(h *Host) {
	c := h.Status(gz).Pairs[0].Child
	if c == nil {
		s.t.Fatalf("%s: there is no child", s.script)
	}
	h.must(h.Plane.DropSA(h.t.Context(), c.SPIIn, c.Local.Addr()))
	h.Plane.Emit(xfrm.Expired{SPI: c.SPIIn, Dst: c.Local.Addr(), ReqID: c.ReqID, Hard: true})
	s.w.tell("%-7sthe inbound SA reaches its hard limit", h.Name)
	h.hear()
}

func (s *story) want(args []string) {
	s.t.Helper()
	switch {
	case args[0] == "up":
		s.w.WantUp(gz)
	case args[0] == "datagrams":
		s.w.WantDatagrams(s.number(args[1]))
	case args[1] == "sas":
		s.hosts[args[0]].WantSAs(s.number(args[2]))
	default:
		h := s.hosts[args[0]]
		h.WantState(gz, s.state(strings.ReplaceAll(args[1], "-", " ")))
		if len(args) > 2 {
			h.WantFault(gz, s.cause(strings.ReplaceAll(args[2], "-", " ")))
		}
	}
}

// set changes a peer's configuration.
func (s *story) set(p *ike.Peer, settings []string) {
	s.t.Helper()
	p.Children = slices.Clone(p.Children) // the engine holds the old ones
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		switch key {
		case "start":
			p.Start = map[string]ike.Start{"active": ike.Active, "passive": ike.Passive, "flow_trigger": ike.FlowTrigger}[value]
		case "mode":
			p.Mode = map[string]ike.Mode{"main": ike.Main, "aggressive": ike.Aggressive}[value]
		case "psk":
			p.Keys = []xfrm.Secret{xfrm.NewSecret([]byte(value))}
		case "id":
			p.LocalID = ike.ID{Kind: ike.IDFQDN, Text: value}
		case "ike":
			p.Proposals = []ike.Proposal{s.proposal(value)}
		case "esp":
			for i := range p.Children {
				p.Children[i].Proposals = []ike.Proposal{s.proposal(value)}
			}
		case "remote":
			p.Children[0].Sel.Remote = netip.MustParsePrefix(value)
		case "lifetime":
			for i := range p.Children {
				p.Children[i].Lifetime.Time = s.duration(value)
			}
		case "ike-lifetime":
			p.Lifetime.Time = s.duration(value)
		default:
			s.t.Fatalf("%s: no setting %q", s.script, key)
		}
	}
}

// proposal reads "aes256-sha1-group14".
func (s *story) proposal(text string) ike.Proposal {
	s.t.Helper()
	words := append(strings.Split(text, "-"), "group0")
	var p ike.Proposal
	switch {
	case words[0] == "des":
		p.Cipher = xfrm.DESCBC
	case words[0] == "3des":
		p.Cipher = xfrm.TripleDESCBC
	default:
		p.Cipher, p.KeyBits = xfrm.AESCBC, s.number(strings.TrimPrefix(words[0], "aes"))
	}
	for h := xfrm.MD5; h <= xfrm.SHA512; h++ {
		if h.String() == words[1] {
			p.Hash = h
		}
	}
	p.Group = ike.Group(s.number(strings.TrimPrefix(words[2], "group")))
	return p
}

func (s *story) state(word string) ike.State {
	for st := ike.Down; st <= ike.Silent; st++ {
		if st.String() == word {
			return st
		}
	}
	s.t.Fatalf("%s: no state %q", s.script, word)
	return 0
}

func (s *story) cause(word string) ike.Cause {
	for c := ike.CauseTimeout; c <= ike.CauseSilent; c++ {
		if c.String() == word {
			return c
		}
	}
	s.t.Fatalf("%s: no cause %q", s.script, word)
	return 0
}

func (s *story) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("%s: %v", s.script, err)
	}
	return n
}

func (s *story) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%s: %v", s.script, err)
	}
	return d
}
