package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twinspan/twinspan/daemon/api"
)

// anHour is a gateway that is used more and more, a tunnel that knows little, and
// one that knows nothing.
func anHour() api.History {
	h := api.History{Version: api.Schema, Time: noon, From: ago(time.Hour), To: noon, StepSecond: 60}
	rising := api.Carried{Kind: api.KindGateway, Name: "TomVPNGw", BandwidthMbps: 10, KnownSecond: 3600, BytesIn: 2_200_000_000, BytesOut: 1000,
		In: api.Rate{Average: 4.95e6, P95: 8.8e6, Peak: 9.99e6}, Out: api.Rate{}, Health: &api.Health{Loss: 0.015, DelayMs: 12.34}}
	short := api.Carried{Kind: api.KindTunnel, Name: "上海办公室", Gateway: "TomVPNGw", BandwidthMbps: 10, KnownSecond: 600, Drops: 3,
		In: api.Rate{Peak: 1234}}
	for i := range 60 {
		at := h.From.Add(time.Duration(i) * time.Minute)
		rising.Points = append(rising.Points, api.Moment{From: at, Known: true, In: float64(i) * 1.6e5})
		short.Points = append(short.Points, api.Moment{From: at, Known: i >= 50, In: float64(i%2) * 1000})
	}
	h.Subjects = []api.Carried{rising, short, {Kind: api.KindTunnel, Name: "new", Gateway: "TomVPNGw", BandwidthMbps: 10, Points: short.Points[:0]}}
	return h
}

func TestTrafficIsDrawn(t *testing.T) {
	d := &canned{history: anHour()}
	socket := serve(t, d)
	for file, s := range map[string]seat{"traffic.txt": {env: map[string]string{"LANG": "zh_CN.UTF-8"}}, "traffic-ascii.txt": {}} {
		code, out, errs := s.run(t, "traffic", "TomVPNGw", "--last", "90m", "--socket", socket)
		if code != exitDone || errs != "" {
			t.Errorf("exit %d, %s", code, errs)
		}
		golden(t, file, out)
	}
	if d.asked[0] != "traffic TomVPNGw 1h30m0s" {
		t.Errorf("asked for %q", d.asked)
	}
	d.history = api.History{}
	if _, out, _ := (seat{}).run(t, "traffic", "--socket", socket); out != "nothing is configured that could carry traffic\n" {
		t.Errorf("of nothing: %q", out)
	}
}

func TestTrafficJSONIsTheDaemonsDocument(t *testing.T) {
	_, out, _ := seat{}.run(t, "traffic", "--json", "--socket", serve(t, &canned{history: anHour()}))
	var h api.History
	if err := json.Unmarshal([]byte(out), &h); err != nil || len(h.Subjects) != 3 || len(h.Subjects[0].Points) != 60 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTrafficOfNoTime(t *testing.T) {
	for _, last := range []string{"0s", "-1h", "25h"} {
		if code, _, errs := (seat{}).run(t, "traffic", "--last="+last); code != exitUsage {
			t.Errorf("--last %s: exit %d, %s", last, code, errs)
		}
	}
}

func TestTrafficAsAChart(t *testing.T) {
	socket := serve(t, &canned{history: anHour()})
	file := filepath.Join(t.TempDir(), "traffic.png")
	if code, out, errs := (seat{}).run(t, "traffic", "--png", file, "--socket", socket); code != exitDone || errs != "" {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil || picture.Bounds().Dx() < 400 || picture.Bounds().Dy() < 200 {
		t.Fatalf("%v, %v", err, picture)
	}
	colours := map[any]bool{}
	for x := range picture.Bounds().Dx() {
		for y := range picture.Bounds().Dy() {
			colours[picture.At(x, y)] = true
		}
	}
	if len(colours) < 4 {
		t.Errorf("%d colours, want paper, axes and curves", len(colours))
	}
	if code, _, errs := (seat{}).run(t, "traffic", "--png", filepath.Join(file, "x"), "--socket", socket); code != exitFailed || errs == "" {
		t.Errorf("into a file that cannot be: exit %d, %s", code, errs)
	}
}
