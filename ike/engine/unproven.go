package engine

// unproven bounds what is computed for addresses that may be forged. Main mode
// computes nothing before the peer has used our cookie; the answer to a first
// message of aggressive mode is a computation of its own, and whoever sends many
// must not keep busy what everybody waits for. When there are as many as there
// may be, a source that has a share of them has to try again; one that has not
// is still taken in, up to twice as many in all.
type unproven struct {
	most int
	jobs map[uint64]addrs // where they were asked for, by job
}

// share is which part of the computations a source must have to pay for the
// newcomer.
const share = 4

// full tells whether another computation for a source would be too many.
func (u *unproven) full(from addrs) bool {
	if len(u.jobs) < u.most {
		return false
	}
	own := 0
	for _, at := range u.jobs {
		if at == from {
			own++
		}
	}
	return own >= u.most/share || len(u.jobs) >= 2*u.most
}

// add notes a job that a session asks for, if its peer's address may be forged.
func (u *unproven) add(job uint64, s *session) {
	if !s.initiator() && !s.established() && !s.carrier.Progressed() {
		u.jobs[job] = s.addrs
	}
}

// done notes that a job is over; one that was not counted is no error.
func (u *unproven) done(job uint64) { delete(u.jobs, job) }
