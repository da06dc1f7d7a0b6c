package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// otherGroup is a fault with all that can be told of it.
var otherGroup = &api.Fault{
	Cause: "proposal", Text: "no IKE proposal in common: the nearest differ in DH group",
	Ours: "AES-CBC-256/SHA1/GROUP2, AES-CBC-128/SHA1/GROUP2", Theirs: "AES-CBC-256/SHA1/GROUP14",
	Advice: `write dh_group = "GROUP14" in [vpn_tunnel.shanghai.ike]`, PeerAdvice: "set DH group GROUP2 in phase 1",
	Parameter: "ike.dh_group",
	Compared: []api.Parameter{
		{Name: "ike.encryption", Ours: "AES-CBC-256", Theirs: "AES-CBC-256", Agrees: true},
		{Name: "ike.dh_group", Ours: "GROUP2", Theirs: "GROUP14"},
	},
}

// explained are tunnels of all kinds.
func explained() []api.Why {
	pair := &api.Pair{Local: "10.9.0.0/16", Remote: "10.1.0.0/16"}
	key := &api.Fault{
		Cause: "authentication", Text: "the pre-shared keys differ", Advice: "write the same pre_shared_key on both sides",
		Parameter: "pre_shared_key", Compared: []api.Parameter{{Name: "pre_shared_key"}},
	}
	hidden := &api.Fault{
		Cause: "selectors", Text: "the peer does not have this pair of networks", PeerAdvice: "add them",
		Compared: []api.Parameter{{Name: "spd.local", Ours: "10.9.0.0/16"}, {Name: "spd.peer", Ours: "10.1.0.0/16"}},
	}
	return []api.Why{
		{Tunnel: "shanghai", State: "negotiating", Since: ago(4*time.Minute + 12*time.Second), Pairs: 1, Try: 9,
			NextTry: noon.Add(12 * time.Second), Fault: otherGroup, Negotiations: []api.Negotiation{
				{Began: ago(20 * time.Minute), Last: ago(time.Minute), Took: 60.04, Count: 9, Initiator: true, Exchange: "main mode", Result: api.ResultFailed, Fault: otherGroup},
				{Began: ago(2 * time.Hour), Last: ago(2 * time.Hour), Count: 1, Exchange: "main mode", Result: api.ResultFailed, Fault: key},
				{Began: ago(3 * time.Hour), Last: ago(3 * time.Hour), Took: 0.21, Count: 1, Initiator: true, Exchange: "quick mode", Pair: pair, Result: api.ResultUp},
			}},
		{Tunnel: "key", State: "down", Since: ago(time.Second), Pairs: 2, Fault: key},
		{Tunnel: "hidden", State: "partly up", Since: ago(time.Second), PairsUp: 1, Pairs: 2, Fault: hidden},
		{Tunnel: "TomVPNConn", State: "up", Since: ago(3 * time.Hour), PairsUp: 1, Pairs: 1, Negotiations: []api.Negotiation{
			{Began: ago(3 * time.Hour), Last: ago(3 * time.Hour), Took: 0.21, Count: 1, Initiator: true, Exchange: "quick mode", Pair: pair, Result: api.ResultUp},
		}},
	}
}

func TestWhy(t *testing.T) {
	for _, utf8 := range []bool{true, false} {
		var text strings.Builder
		for _, w := range explained() {
			w.Version, w.Time = api.Schema, noon
			s := seat{}
			if utf8 {
				s = seat{tty: true, env: map[string]string{"LANG": "en_US.UTF-8"}}
			}
			code, out, errs := s.run(t, "why", w.Tunnel, "--socket", serve(t, &canned{why: w}))
			if code != exitDone || errs != "" {
				t.Errorf("%s: exit %d, %s", w.Tunnel, code, errs)
			}
			text.WriteString(out + "\n")
		}
		if utf8 {
			golden(t, "why-colour.txt", text.String())
		} else {
			golden(t, "why.txt", text.String())
		}
	}
}

func TestWhyJSONIsTheDaemonsDocument(t *testing.T) {
	w := explained()[0]
	w.Version, w.Time = api.Schema, noon
	_, out, _ := seat{}.run(t, "why", "shanghai", "--json", "--socket", serve(t, &canned{why: w}))
	var got api.Why
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Fault.Parameter != "ike.dh_group" || len(got.Negotiations) != 3 {
		t.Errorf("%v: %s", err, out)
	}
}
