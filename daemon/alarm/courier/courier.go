// Package courier brings notices to their receivers: by e-mail, to a webhook, to
// an Alertmanager, to a program. What cannot be delivered waits in a bounded queue
// that outlives the process, and is tried again at growing pauses. It knows
// nothing of rules. Whoever gives it notices never waits: neither for a dead
// server nor for a full disk.
package courier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/twinspan/twinspan/daemon/alarm"
)

// Receiver is who notices are delivered to.
type Receiver interface {
	// Deliver hands over all notices or none. An error that is Refused will
	// stay, any other may pass.
	Deliver(ctx context.Context, notices []alarm.Notice) error
}

// Refused says that it is of no use to try again.
type Refused struct{ error }

func (r Refused) Unwrap() error { return r.error }

// Bounds of the work.
const (
	deliverTime = 30 * time.Second
	mostMail    = 64 // orders that wait for the courier
	mostHistory = 200
	lastOutcome = 3 * time.Second // at the end
	lastWrite   = 2 * time.Second
)

// Log is the history of what was to be told, newest last.
type Log struct {
	Entries []Entry
	Waiting int    // notices that are not delivered yet
	Lost    uint64 // that never will be
}

// Entry is a notice and what became of it.
type Entry struct {
	alarm.Notice
	Delivered time.Time `json:"delivered,omitzero"`
	Error     string    `json:"error,omitempty"` // of the last try
}

// record is the file.
type record struct {
	Version int            `json:"version"`
	Memory  alarm.Memory   `json:"memory"`
	Waiting []alarm.Notice `json:"waiting,omitempty"`
	History []Entry        `json:"history,omitempty"`
}

// version is that of the file.
const version = 1

// Options of a courier.
type Options struct {
	File string                                // "" for none
	Save func(file string, data []byte) error  // writes it whole or not at all
	Warn func(what string, attrs ...slog.Attr) // is told of what goes wrong
}

// Courier delivers. Its methods may be called from any goroutine, and never wait
// for a receiver or the disk.
type Courier struct {
	options  Options
	orders   chan func(*desk)
	writes   chan []byte
	finished chan outcome
	closed   chan struct{} // nobody takes an outcome any more
	first    *desk
}

// desk is the state, which belongs to the goroutine of Serve.
type desk struct {
	queue     *queue
	history   []Entry
	memory    alarm.Memory
	receivers map[string]Receiver // nil until they are set
	busy      map[string]bool     // receivers that a delivery is under way to
	changed   bool                // since the file was written
}

// outcome is how a delivery ended.
type outcome struct {
	batch []alarm.Notice
	err   error
}

// Open reads what a former life left, and returns it. A file that cannot be read
// is a warning: the courier begins with nothing then.
func Open(o Options) (*Courier, alarm.Memory, error) {
	r, err := read(o.File)
	c := &Courier{
		options: o, orders: make(chan func(*desk), mostMail), writes: make(chan []byte, 1), finished: make(chan outcome), closed: make(chan struct{}),
		first: &desk{queue: newQueue(r.Waiting), history: r.History, memory: r.Memory, busy: map[string]bool{}},
	}
	return c, r.Memory, err
}

func read(file string) (record, error) {
	if file == "" {
		return record{}, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return record{}, nil
	}
	var r record
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && r.Version != version {
		err = fmt.Errorf("it is of version %d, and this program knows %d", r.Version, version)
	}
	if err != nil {
		return record{}, fmt.Errorf("the alarms of before the start are lost, %s cannot be read: %w; it will be written anew", file, err)
	}
	return r, nil
}

// SetReceivers replaces the receivers by name.
func (c *Courier) SetReceivers(all map[string]Receiver) {
	c.order(func(d *desk) { d.receivers = all })
}

// Post delivers notices, and keeps a memory for the next life.
func (c *Courier) Post(notices []alarm.Notice, m alarm.Memory) {
	c.order(func(d *desk) {
		for _, n := range notices {
			d.queue.add(n)
			d.enter(n)
		}
		d.memory, d.changed = m, true
	})
}

// order leaves an order on the desk, and drops it when the desk is full: whoever
// gives orders does not wait.
func (c *Courier) order(do func(*desk)) {
	select {
	case c.orders <- do:
	default:
		c.options.Warn("alarm notices were dropped: too many at once")
	}
}

// Log tells what happened, until ctx ends.
func (c *Courier) Log(ctx context.Context) (Log, error) {
	answer := make(chan Log, 1)
	c.order(func(d *desk) { answer <- Log{slices.Clone(d.history), len(d.queue.waiting), d.queue.lost} })
	select {
	case l := <-answer:
		return l, nil
	case <-ctx.Done():
		return Log{}, ctx.Err()
	}
}

// Serve delivers until ctx ends. What waits then is in the file.
func (c *Courier) Serve(ctx context.Context) error {
	defer close(c.closed)
	d := c.first
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		c.work(ctx, d)
		timer.Reset(d.rest(time.Now()))
		select {
		case <-ctx.Done():
		case do := <-c.orders:
			do(d)
			c.obey(d)
		case o := <-c.finished:
			d.settle(time.Now(), o)
			if o.err != nil {
				c.options.Warn("alarm notices could not be delivered", slog.String("receiver", o.batch[0].Receiver), slog.Any("reason", o.err))
			}
		case <-timer.C:
		}
	}
	c.finish(d)
	close(c.writes)
	select {
	case <-written:
	case <-time.After(lastWrite): // a disk that hangs
	}
	return nil
}

// finish takes the last orders and the last outcomes.
func (c *Courier) finish(d *desk) {
	limit := time.After(lastOutcome)
	for waiting := true; waiting && len(d.busy) > 0; {
		select {
		case o := <-c.finished:
			d.settle(time.Now(), o)
		case <-limit: // a server that neither answers nor hangs up
			waiting = false
		}
	}
	c.obey(d)
	c.save(d)
}

// obey takes the orders that are there, so that many are one writing of the file.
func (c *Courier) obey(d *desk) {
	for {
		select {
		case do := <-c.orders:
			do(d)
		default:
			return
		}
	}
}

// rest is how long nothing is to be done.
func (d *desk) rest(now time.Time) time.Duration {
	if wake, ok := d.queue.wake(now); ok {
		return wake.Sub(now)
	}
	return time.Hour
}

// work begins the deliveries that are due, one at a time to each receiver.
func (c *Courier) work(ctx context.Context, d *desk) {
	now := time.Now()
	if d.receivers != nil {
		d.queue.keep(now, func(name string) bool { return d.receivers[name] != nil })
	}
	for name, r := range d.receivers {
		batch := d.queue.next(now, name)
		if d.busy[name] || len(batch) == 0 {
			continue
		}
		d.busy[name] = true
		go func() {
			ctx, cancel := context.WithTimeout(ctx, deliverTime)
			defer cancel()
			select {
			case c.finished <- outcome{batch, r.Deliver(ctx, batch)}:
			case <-c.closed:
			}
		}()
	}
	if d.changed {
		d.changed = false
		c.save(d)
	}
}

// settle notes how a delivery ended.
func (d *desk) settle(now time.Time, o outcome) {
	name := o.batch[0].Receiver
	delete(d.busy, name)
	d.changed = true
	var refused Refused
	switch {
	case o.err == nil || errors.As(o.err, &refused):
		d.queue.done(o.batch)
	default:
		d.queue.failed(now, name)
	}
	for _, n := range o.batch {
		d.ended(now, n, o.err)
	}
}

// enter puts a notice into the history; that an alarm goes on is none.
func (d *desk) enter(n alarm.Notice) {
	if n.Event == alarm.Repeated {
		return
	}
	d.history = append(d.history, Entry{Notice: n})
	d.history = d.history[max(0, len(d.history)-mostHistory):]
}

// ended notes in the history what became of a notice.
func (d *desk) ended(now time.Time, n alarm.Notice, err error) {
	i := slices.IndexFunc(d.history, func(e Entry) bool { return e.Notice == n })
	switch {
	case i < 0:
	case err == nil:
		d.history[i].Delivered, d.history[i].Error = now.UTC().Truncate(time.Millisecond), ""
	default:
		d.history[i].Error = err.Error()
	}
}

// save has the file written. What is not yet written of before is overtaken.
func (c *Courier) save(d *desk) {
	if c.options.File == "" {
		return
	}
	data, err := json.Marshal(record{version, d.memory, d.queue.waiting, d.history})
	if err != nil {
		c.options.Warn("the alarms could not be written down", slog.Any("reason", err))
		return
	}
	select {
	case <-c.writes:
	default:
	}
	c.writes <- data
}

// write writes the file: in a goroutine of its own, as a disk may hang.
func (c *Courier) write() {
	for data := range c.writes {
		if err := c.options.Save(c.options.File, data); err != nil {
			c.options.Warn("the alarms could not be written down; after a restart what waits is lost", slog.Any("reason", err))
		}
	}
}
