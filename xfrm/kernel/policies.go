package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/twinspan/twinspan/xfrm"
)

// SetPolicies makes our policies those of want. It compares want with what the
// kernel has, so that a policy that stays the same is not touched, and adds and
// replaces before it deletes. When the kernel refuses one, the others are still
// put in, but nothing is deleted: rather one policy too many than a network
// without its policy.
//
// The kernel knows a policy by its selector and if_id. Two of want that share
// both are refused.
func (b *Backend) SetPolicies(ctx context.Context, want []xfrm.Policy) error {
	wanted, err := rulesOf(want)
	if err != nil {
		return err
	}
	b.setting.Lock()
	defer b.setting.Unlock()
	gone, err := b.compare(ctx, wanted)
	if err != nil {
		return err
	}
	if err := b.applyRules(ctx, msgUpdPolicy, "add", wanted.missing(), (*rule).appendUpdate); err != nil {
		return err
	}
	return b.applyRules(ctx, msgDelPolicy, "delete", gone, (*rule).appendDelete)
}

// wishes is what the kernel shall hold. Of each rule it notes whether it is
// there already.
type wishes struct {
	rules []rule
	there []bool
	index map[ruleKey]int32
}

// missing lists the rules that are not there yet, one direction after the
// other, outbound last: packets set out when their answers can come in. It is
// also quicker than policy by policy, because the kernel enlarges its tables
// for each direction apart, waits for all processors each time, and searches
// tables that are too small meanwhile.
func (w *wishes) missing() []*rule {
	var all []*rule
	for _, dir := range []byte{dirForward, dirIn, dirOut} {
		for i := range w.rules {
			if r := &w.rules[i]; !w.there[i] && r.info[atDir] == dir {
				all = append(all, r)
			}
		}
	}
	return all
}

func rulesOf(want []xfrm.Policy) (*wishes, error) {
	w := &wishes{
		rules: make([]rule, 0, 3*len(want)),
		there: make([]bool, 3*len(want)),
		index: make(map[ruleKey]int32, 3*len(want)),
	}
	for _, p := range want {
		if err := checkPolicy(p); err != nil {
			return nil, fmt.Errorf("policy %v: %w", p.Sel, err)
		}
		for _, r := range rules(p) {
			key := r.key()
			if i, twice := w.index[key]; !twice {
				w.index[key] = int32(len(w.rules))
				w.rules = append(w.rules, r)
			} else if w.rules[i] != r {
				return nil, fmt.Errorf("policy %v: there are two with this selector on if_id %#x; give each selector to one tunnel", p.Sel, p.IfID)
			}
		}
	}
	return w, nil
}

// compare marks what is there of w and returns the rules of ours that w has not.
func (b *Backend) compare(ctx context.Context, w *wishes) (gone []*rule, err error) {
	err = b.eachRule(ctx, func(r rule) {
		i, wanted := w.index[r.key()]
		if !wanted {
			gone = append(gone, &r)
		} else if w.rules[i] == r {
			w.there[i] = true
		}
	})
	return gone, err
}

// eachRule calls f for every policy of ours.
func (b *Backend) eachRule(ctx context.Context, f func(r rule)) error {
	nothing := func(b []byte) []byte { return appendZeros(b, sizePolicyID) }
	err := b.policies.dump(ctx, msgGetPolicy, nothing, func(m message) error {
		if r, whole := decodeRule(m.body); m.kind == msgNewPolicy && whole && xfrm.IsOurs(r.ifID) {
			f(r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the policies: %w", err)
	}
	return nil
}

// applyRules sends one request for each rule. The error names the first that
// the kernel refused. To delete what is gone is no error.
func (b *Backend) applyRules(ctx context.Context, kind uint16, verb string, all []*rule, body func(r *rule, b []byte) []byte) error {
	b.policies.mu.Lock()
	defer b.policies.mu.Unlock()
	var first error
	count := 0
	err := b.policies.batch(ctx, len(all), func(b []byte, i int, flags uint16, seq uint32) []byte {
		return appendMessage(b, kind, flags, seq, func(b []byte) []byte { return body(all[i], b) })
	}, func(i int, refusal error) {
		if kind == msgDelPolicy && errors.Is(refusal, unix.ENOENT) {
			return
		}
		count++
		if first == nil {
			first = fmt.Errorf("%s policy %v: %w", verb, all[i], refusal)
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s policies: %w", verb, err)
	case count > 1:
		return fmt.Errorf("%w (and %d more)", first, count-1)
	}
	return first
}

// String names a rule in an error.
func (r *rule) String() string {
	in := reader{b: r.info[:]}
	sel := in.selector()
	return fmt.Sprintf("%v -> %v (direction %d, if_id %#x)", sel.src, sel.dst, r.info[atDir], r.ifID)
}

// policiesHeld puts the kernel's rules together again. A policy of which a
// direction is missing, or is not as we would have made it, is left out: it is
// not the one that was asked for.
func (b *Backend) policiesHeld(ctx context.Context) ([]xfrm.Policy, error) {
	held := map[ruleKey]rule{}
	var out []rule
	err := b.eachRule(ctx, func(r rule) {
		held[r.key()] = r
		if r.info[atDir] == dirOut {
			out = append(out, r)
		}
	})
	var all []xfrm.Policy
	for i := range out {
		if p, ok := out[i].policy(); ok && complete(p, held) {
			all = append(all, p)
		}
	}
	return all, err
}

func complete(p xfrm.Policy, held map[ruleKey]rule) bool {
	for _, r := range rules(p) {
		if held[r.key()] != r {
			return false
		}
	}
	return true
}
