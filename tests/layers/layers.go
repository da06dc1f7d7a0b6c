// Package layers holds the table of which package may import which, and the
// tests that compare the tree with it. It knows nothing of what the packages
// do; nothing imports it.
package layers

// Module is the module's path.
const Module = "github.com/twinspan/twinspan"

// Row is one package of the house.
type Row struct {
	Imports []string // packages of ours that its code may import
	Tests   []string // what its _test files may import beside TestImports and Imports
	Pure    bool     // no socket, no clock, no file, no log: see Impure
}

// TestImports are the packages of ours that any _test file may import.
var TestImports = []string{"xfrm/xfrmtest", "tests/netns"}

// House is the import table: what is not in it is not allowed. Imports run one
// way; the words come first (xfrm, ike), what uses them below.
var House = map[string]Row{
	"xfrm":           {Pure: true},
	"xfrm/kernel":    {Imports: []string{"xfrm"}},
	"xfrm/userspace": {Imports: []string{"xfrm"}},
	"xfrm/xfrmtest":  {Imports: []string{"xfrm"}},

	"ike":        {Imports: []string{"xfrm"}, Pure: true},
	"ike/suite":  {Imports: []string{"ike", "xfrm"}, Pure: true},
	"ike/crypt":  {Imports: []string{"ike", "ike/suite", "xfrm"}, Pure: true},
	"ike/isakmp": {Pure: true},
	"ike/v1":     {Imports: []string{"ike", "ike/suite", "ike/crypt", "ike/isakmp", "xfrm"}, Pure: true},
	"ike/tunnel": {Imports: []string{"ike", "ike/suite", "xfrm"}, Pure: true},
	"ike/engine": {Imports: []string{"ike", "ike/tunnel", "ike/v1", "ike/isakmp", "xfrm"}, Pure: true},
	"ike/ikesim": {Imports: []string{"ike", "ike/engine", "xfrm", "xfrm/xfrmtest"}, Tests: []string{"ike/suite"}, Pure: true},

	"daemon": {Imports: []string{
		"xfrm", "xfrm/kernel", "xfrm/userspace",
		"ike", "ike/suite", "ike/engine",
		"daemon/config", "daemon/plan", "daemon/netio", "daemon/netcfg", "daemon/monitor", "daemon/monitor/history", "daemon/monitor/metrics", "daemon/api",
		"daemon/alarm", "daemon/alarm/courier",
	}},
	"daemon/alarm":           {Pure: true},
	"daemon/alarm/courier":   {Imports: []string{"daemon/alarm", "xfrm"}},
	"daemon/config":          {Imports: []string{"daemon/alarm", "xfrm"}},
	"daemon/plan":            {Imports: []string{"daemon/alarm", "daemon/config", "ike", "ike/suite", "xfrm"}},
	"daemon/peerconfig":      {Imports: []string{"daemon/config", "daemon/plan", "ike", "ike/suite", "xfrm"}, Pure: true},
	"daemon/netio":           {},
	"daemon/netcfg":          {},
	"daemon/monitor":         {},
	"daemon/monitor/history": {Pure: true},
	"daemon/monitor/metrics": {},
	"daemon/api":             {Imports: []string{"daemon/config", "daemon/plan"}},
	"daemon/api/client":      {Imports: []string{"daemon/api"}},

	"cmd/twinspand": {Imports: []string{"daemon", "daemon/api", "daemon/config"}},
	"cmd/twinspan":  {Imports: []string{"daemon/api", "daemon/api/client", "daemon/config", "daemon/peerconfig", "daemon/plan"}},

	"tests/layers":     {},
	"tests/vm":         {},
	"tests/netns":      {},
	"tests/swan":       {Imports: []string{"tests/netns"}},
	"tests/libreswan":  {Imports: []string{"tests/netns"}},
	"tests/twin":       {Imports: []string{"daemon/api", "tests/netns"}},
	"tests/monitoring": {Tests: []string{"daemon/api", "tests/twin"}},
	"tests/interop":    {Tests: []string{"tests/netns", "tests/swan", "tests/libreswan", "tests/twin", "daemon/api"}},
	"tests/hostile":    {Imports: []string{"ike", "ike/crypt", "ike/isakmp", "xfrm", "tests/netns", "tests/twin"}},
	"tests/bench":      {},
	"tests/bench/load": {Imports: []string{"xfrm", "ike", "ike/engine", "daemon/netio", "tests/netns", "tests/swan", "tests/twin"}},
	"tests/demo":       {Imports: []string{"daemon/api", "tests/netns", "tests/swan", "tests/twin"}},
}

// Nameless are the package names that say nothing of what is inside.
var Nameless = []string{"util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "shared"}

// Impure are the imports that a pure package may not have, by prefix. Addresses
// (net/netip) are values and stay allowed.
var Impure = []string{"net", "os", "syscall", "log", "context", "golang.org/x/sys", "github.com/"}

// Clock are the functions of package time that a pure package may not call:
// the time is an argument.
var Clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// Logs are the trees that may log; the others return what they have to say.
var Logs = []string{"daemon", "cmd/"}
