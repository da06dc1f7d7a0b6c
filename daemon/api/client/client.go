// Package client talks to the daemon over its control socket. It knows the
// documents of package api and nothing of what is behind them.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// Unreachable says that no daemon answers on the socket.
type Unreachable struct {
	Socket string
	Err    error
}

// Error names the socket and what to look at.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("the daemon does not answer on %s: %v; see: systemctl status twinspand", e.Socket, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// Client talks to one daemon. It is safe for concurrent use.
type Client struct {
	socket string
	http   http.Client
}

// dialTime bounds the connection to the socket: a daemon that does not accept
// within it is as good as none.
const dialTime = 5 * time.Second

// answerTime bounds the wait for an answer. A reload may take three quarters of it
// to change the host and to take the change back.
const answerTime = 2 * time.Minute

// New returns a client for the socket at path. Nothing is opened yet.
func New(path string) *Client {
	c := &Client{socket: path}
	dialer := net.Dialer{Timeout: dialTime}
	c.http.Transport = &http.Transport{
		ResponseHeaderTimeout: answerTime,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, "unix", path)
			if err != nil && ctx.Err() == nil {
				err = &Unreachable{path, err}
			}
			return conn, err
		},
	}
	return c
}

// Status is what the daemon does.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return call[api.Status](ctx, c, http.MethodGet, "/v1/status")
}

// Version is the daemon's.
func (c *Client) Version(ctx context.Context) (api.Program, error) {
	return call[api.Program](ctx, c, http.MethodGet, "/v1/version")
}

// Up asks for a tunnel to be negotiated, and returns it as it is then.
func (c *Client) Up(ctx context.Context, tunnel string) (api.Tunnel, error) {
	return call[api.Tunnel](ctx, c, http.MethodPost, "/v1/tunnels/"+url.PathEscape(tunnel)+"/up")
}

// Down asks for a tunnel to be down until Up, and returns it as it is then.
func (c *Client) Down(ctx context.Context, tunnel string) (api.Tunnel, error) {
	return call[api.Tunnel](ctx, c, http.MethodPost, "/v1/tunnels/"+url.PathEscape(tunnel)+"/down")
}

// Rekey replaces the keys of a tunnel that stands, and returns it as it is then:
// the old ones serve until the new ones are there.
func (c *Client) Rekey(ctx context.Context, tunnel string, what api.Rekey) (api.Tunnel, error) {
	q := url.Values{"phase": {what.Phase}, "local": {what.Local}, "remote": {what.Remote}}
	return call[api.Tunnel](ctx, c, http.MethodPost, "/v1/tunnels/"+url.PathEscape(tunnel)+"/rekey?"+q.Encode())
}

// Reload has the daemon read its files again. When they are wrong the error
// is an *api.Error with every fault, and nothing has changed.
func (c *Client) Reload(ctx context.Context) (api.Reloaded, error) {
	return call[api.Reloaded](ctx, c, http.MethodPost, "/v1/reload")
}

// Why tells how a tunnel came to the state that it is in.
func (c *Client) Why(ctx context.Context, tunnel string) (api.Why, error) {
	return call[api.Why](ctx, c, http.MethodGet, "/v1/tunnels/"+url.PathEscape(tunnel)+"/why")
}

// Traffic is what gateways and tunnels carried.
func (c *Client) Traffic(ctx context.Context, p api.Period) (api.History, error) {
	return call[api.History](ctx, c, http.MethodGet, "/v1/traffic?"+p.Query().Encode())
}

// Details are all that is to be known of the gateways, customer gateways and
// tunnels of one name.
func (c *Client) Details(ctx context.Context, name string) (api.Details, error) {
	return call[api.Details](ctx, c, http.MethodGet, "/v1/details/"+url.PathEscape(name))
}

// Events is a stream of what happens.
type Events struct {
	body  io.ReadCloser
	lines *json.Decoder
}

// Events subscribes. What the caller asks for after it returned is in the stream,
// if that is followed; else it ends with what is kept.
func (c *Client) Events(ctx context.Context, w api.Wanted) (*Events, error) {
	q := url.Values{}
	if w.Tunnel != "" {
		q.Set("tunnel", w.Tunnel)
	}
	if !w.Since.IsZero() {
		q.Set("since", w.Since.UTC().Format(time.RFC3339Nano))
	}
	q.Set("last", strconv.Itoa(min(w.Last, math.MaxInt32)))
	if !w.Follow {
		q.Set("follow", "no")
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/events?"+q.Encode())
	if err != nil {
		return nil, err
	}
	return &Events{body, json.NewDecoder(body)}, nil
}

// Next waits for an event. io.EOF says that the stream has ended, or the daemon.
func (e *Events) Next() (api.Event, error) {
	var v api.Event
	err := e.lines.Decode(&v)
	return v, err
}

// Close ends the subscription.
func (e *Events) Close() error { return e.body.Close() }

func call[T any](ctx context.Context, c *Client, method, path string) (T, error) {
	var doc T
	body, err := c.do(ctx, method, path)
	if err != nil {
		return doc, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&doc); err != nil {
		return doc, fmt.Errorf("read the daemon's answer to %s %s: %w", method, path, err)
	}
	return doc, nil
}

// do returns the body of a good answer, and what a bad one says as the error.
func (c *Client) do(ctx context.Context, method, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://twinspan"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.cause(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	return nil, refusal(res)
}

// cause takes the wrapping of net/http away: the made-up URL tells nobody
// anything. An answer that breaks off is a daemon that went away.
func (c *Client) cause(ctx context.Context, err error) error {
	var gone *Unreachable
	switch {
	case errors.As(err, &gone):
		return gone
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &Unreachable{c.socket, err}
}

func refusal(res *http.Response) error {
	var doc struct {
		Error *api.Error `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil || doc.Error == nil {
		return &api.Error{Code: api.Failed, Message: "the daemon answered " + res.Status}
	}
	return doc.Error
}
