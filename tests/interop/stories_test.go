package interop

import (
	"testing"
	"time"
)

// comings are the stories of a tunnel that comes up, begun by either end.
func comings() []story {
	var all []story
	for _, theirs := range []bool{false, true} {
		for i, suite := range []string{
			"3des-md5-group5", "3des-sha1-group14", "aes128-sha1-group5", "aes192-sha256-group14", "aes256-sha1-group14", "aes256-sha512-group16",
		} {
			esp := suite
			if theirs == (i%2 == 0) {
				esp = withoutGroup(suite)
			}
			all = append(all, story{
				name: "main mode, " + suite + ", " + pfs(esp != suite) + ", " + who(theirs), theirs: theirs,
				set: func(t *tunnel) { t.ike, t.esp = suite, esp },
			})
		}
		all = append(all,
			story{name: "a Unicode key, " + who(theirs), theirs: theirs, set: func(t *tunnel) { t.key = `密钥 "ключ" \ # {🔑}` }},
			story{name: "both ends have names, " + who(theirs), theirs: theirs, set: names},
			story{name: "one end has a name, " + who(theirs), theirs: theirs, set: func(t *tunnel) { t.remoteID = "idc.example.com" }},
		)
	}
	all = append(all, story{name: "a packet begins, " + who(false), demand: true, set: onDemand})
	if kernelESP() { // strongSwan's plane in user space cannot ask for an SA
		all = append(all, story{name: "a packet begins, " + who(true), theirs: true, demand: true, set: func(t *tunnel) { t.otherStart = "flow_trigger" }})
	}
	return all
}

func names(t *tunnel) { t.localID, t.remoteID = "vpc.example.com", "idc.example.com" }

func active(t *tunnel) { t.start = "active" }

func onDemand(t *tunnel) { t.start = "flow_trigger" }

// lives are the stories of what happens to a tunnel that stands.
func lives() []story {
	return []story{
		{name: "the peer closes the pair, a packet brings it back", set: onDemand, then: thePairIsClosed},
		{name: "the peer closes the pair it began, a packet brings it back", theirs: true, set: onDemand, then: thePairIsClosed},
		{name: "the peer closes all, a packet brings it back", set: onDemand, then: allIsClosed},
		{name: "the peer closes all that it began, a packet brings it back", theirs: true, set: onDemand, then: allIsClosed},
		{name: "the peer closes all, we are active", set: active, then: func(p *play) {
			p.must(p.peer.closeAll(p.ctx))
			p.resumes(15 * time.Second)
		}},
		{name: "the peer closes all and begins again", then: func(p *play) {
			p.must(p.peer.closeAll(p.ctx))
			p.gone(p.ctx, p.T, p.ours)
			p.must(p.peer.initiate(p.ctx, p.mirror()))
			p.resumes(5 * time.Second)
		}},
		{name: "we close and begin again", then: weClose},
		{name: "we close what the peer began, and begin", theirs: true, then: weClose},
		{name: "we crash, and begin again", set: active, then: weCrash},
		{name: "we crash, and a packet begins again", set: onDemand, then: weCrash},
		{name: "we crash, and the peer begins again", then: func(p *play) {
			p.crash()
			p.must(p.peer.closeAll(p.ctx))
			p.must(p.peer.initiate(p.ctx, p.mirror()))
			p.resumes(5 * time.Second)
		}},
		{name: "we stop and start again", set: active, then: func(p *play) {
			p.must(p.daemon().Stop())
			p.gone(p.ctx, p.T, p.peer)
			p.must(p.daemon().Start(p.ctx))
			p.resumes(15 * time.Second)
		}},
		{name: "the peer reboots and begins again", then: func(p *play) {
			p.peer.kill()
			p.must(p.peer.boot(p.ctx, p.mirror()))
			p.must(p.peer.initiate(p.ctx, p.mirror()))
			p.resumes(5 * time.Second)
		}},
		{name: "the peer reboots and begins what it had begun", theirs: true, then: func(p *play) {
			p.peer.kill()
			p.must(p.peer.boot(p.ctx, p.mirror()))
			p.must(p.peer.initiate(p.ctx, p.mirror()))
			p.resumes(5 * time.Second)
		}},
		{name: "the peer rekeys the pair", then: thePeerRekeysThePair},
		{name: "the peer rekeys the pair that it began", theirs: true, then: thePeerRekeysThePair},
		{name: "the peer rekeys phase 1", then: thePeerRekeysPhase1},
		{name: "the peer rekeys the phase 1 that it began", theirs: true, then: thePeerRekeysPhase1},
	}
}

func TestTunnelsComeUp(t *testing.T) { tellAll(t, twoNetworks(), append(comings(), severalPairs()...)) }

func TestTunnelsLive(t *testing.T) { tellAll(t, twoNetworks(), lives()) }
