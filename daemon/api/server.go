package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Daemon is what the server serves. Its methods are called from many
// goroutines at once. An error that is an *Error is answered as it is, any
// other one as Failed.
type Daemon interface {
	Status(ctx context.Context) (Status, error)
	Up(ctx context.Context, tunnel string) (Tunnel, error)
	Down(ctx context.Context, tunnel string) (Tunnel, error)
	Rekey(ctx context.Context, tunnel string, what Rekey) (Tunnel, error)
	Reload(ctx context.Context) (Reloaded, error)
	Why(ctx context.Context, tunnel string) (Why, error)
	Traffic(ctx context.Context, p Period) (History, error)
	Details(ctx context.Context, name string) (Details, error)
	Alarms(ctx context.Context) (Alarms, error)
	// TestReceiver returns once the receiver took a test notice.
	TestReceiver(ctx context.Context, name string) error
	Silence(ctx context.Context, what Silence) (Alarms, error)
	// Events delivers the events that are kept and, when they are followed,
	// what happens from then on until ctx ends or the daemon stops; then the
	// channel is closed.
	Events(ctx context.Context, w Wanted) (<-chan Event, error)
}

// Bounds of the server: what a caller can make it hold or wait for.
const (
	maxBody   = 64 << 10
	maxHeader = 16 << 10
	readTime  = 10 * time.Second
	writeTime = 30 * time.Second
	idleTime  = 2 * time.Minute
)

// Server answers on the control socket.
type Server struct {
	daemon  Daemon
	program string
	mux     *http.ServeMux
	http    http.Server
}

// NewServer returns a server for d, which calls itself program.
func NewServer(d Daemon, program string) *Server {
	mux := http.NewServeMux()
	s := &Server{daemon: d, program: program, mux: mux}
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/version", s.version)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/traffic", s.traffic)
	mux.HandleFunc("GET /v1/details/{name}", s.details)
	mux.HandleFunc("GET /v1/tunnels/{name}/why", s.why)
	mux.HandleFunc("POST /v1/tunnels/{name}/up", s.change(s.up))
	mux.HandleFunc("POST /v1/tunnels/{name}/down", s.change(s.down))
	mux.HandleFunc("POST /v1/tunnels/{name}/rekey", s.change(s.rekey))
	mux.HandleFunc("POST /v1/reload", s.change(s.reload))
	mux.HandleFunc("GET /v1/alarms", s.alarms)
	mux.HandleFunc("POST /v1/receivers/{name}/test", s.change(s.testReceiver))
	mux.HandleFunc("POST /v1/silences", s.change(s.silence))
	mux.HandleFunc("/", s.unknown)
	s.http = http.Server{
		Handler:           http.MaxBytesHandler(mux, maxBody),
		ReadHeaderTimeout: readTime,
		ReadTimeout:       readTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       withCaller,
		ErrorLog:          log.New(io.Discard, "", 0), // a caller's broken request is the caller's matter
	}
	return s
}

// Handle adds a resource that is no document of this package. It is called
// before Serve.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Serve answers on l until Close, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the server and every connection.
func (s *Server) Close() error { return s.http.Close() }

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	doc, err := s.daemon.Status(r.Context())
	answer(w, doc, err)
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	doc, err := s.daemon.Why(r.Context(), r.PathValue("name"))
	answer(w, doc, err)
}

func (s *Server) details(w http.ResponseWriter, r *http.Request) {
	doc, err := s.daemon.Details(r.Context(), r.PathValue("name"))
	answer(w, doc, err)
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	answer(w, Program{Version: Schema, Program: s.program}, nil)
}

// oneTunnel is the answer to a command for a tunnel: what it is right after.
type oneTunnel struct {
	Version int `json:"version"`
	Tunnel
}

func (s *Server) up(r *http.Request) (any, error) {
	t, err := s.daemon.Up(r.Context(), r.PathValue("name"))
	return oneTunnel{Schema, t}, err
}

func (s *Server) down(r *http.Request) (any, error) {
	t, err := s.daemon.Down(r.Context(), r.PathValue("name"))
	return oneTunnel{Schema, t}, err
}

// rekey reads what is to be replaced from the query: phase, local and remote.
func (s *Server) rekey(r *http.Request) (any, error) {
	q := r.URL.Query()
	what := Rekey{Phase: q.Get("phase"), Local: q.Get("local"), Remote: q.Get("remote")}
	t, err := s.daemon.Rekey(r.Context(), r.PathValue("name"), what)
	return oneTunnel{Schema, t}, err
}

func (s *Server) reload(r *http.Request) (any, error) { return s.daemon.Reload(r.Context()) }

// change lets only those change anything who may.
func (s *Server) change(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := mayChange(r.Context()); err != nil {
			answer(w, nil, err)
			return
		}
		doc, err := do(r)
		answer(w, doc, err)
	}
}

func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	answer(w, nil, &Error{Code: NotFound, Message: "no resource " + r.Method + " " + r.URL.Path +
		"; there are GET /v1/status, /v1/events, /v1/alarms, /v1/version, /v1/traffic, /v1/details/NAME and /v1/tunnels/NAME/why, /metrics, /healthz and /readyz, POST /v1/reload, /v1/silences and /v1/receivers/NAME/test, and POST /v1/tunnels/NAME/up, down and rekey"})
}

// events streams one event per line. The header goes out once the
// subscription stands, so that a caller who then asks for something sees all
// that follows from it.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	wanted, err := wantedOf(r.URL.Query())
	if err != nil {
		answer(w, nil, err)
		return
	}
	events, err := s.daemon.Events(r.Context(), wanted)
	if err != nil {
		answer(w, nil, err)
		return
	}
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // that of the request would end the stream
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if err := out.Flush(); err != nil {
		return
	}
	lines := json.NewEncoder(w)
	for e := range events {
		_ = out.SetWriteDeadline(time.Now().Add(writeTime))
		if lines.Encode(e) != nil || out.Flush() != nil {
			return // the caller is gone; its context ends the subscription
		}
	}
}

// wantedOf reads a request for events: tunnel=NAME; last=N and since=TIME for
// those that are kept; follow=no for nothing else.
func wantedOf(q url.Values) (Wanted, error) {
	w := Wanted{Tunnel: q.Get("tunnel"), Follow: q.Get("follow") != "no"}
	if text := q.Get("since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return w, &Error{Code: BadRequest, Message: "since=" + text + " is no time; write one as in 2026-03-04T12:00:00Z"}
		}
		w.Since, w.Last = at, math.MaxInt
	}
	if text := q.Get("last"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return w, &Error{Code: BadRequest, Message: "last=" + text + " is no number of events"}
		}
		w.Last = int(n)
	}
	return w, nil
}

func answer(w http.ResponseWriter, doc any, err error) {
	status := http.StatusOK
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Code: Failed, Message: err.Error()}
		}
		status, doc = e.Code.status(), failure{Schema, e}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	_ = out.Encode(doc) // nobody is left to tell when the caller has gone
}
