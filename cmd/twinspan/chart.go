package main

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"time"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"

	"github.com/twinspan/twinspan/daemon/api"
)

// The size of one chart, and how many go into one picture.
const (
	chartWidth  = 1000
	chartHeight = 320
	mostCharts  = 40
)

var (
	inColour   = drawing.Color{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	outColour  = drawing.Color{R: 0xff, G: 0x7f, B: 0x0e, A: 0xff}
	tierColour = drawing.Color{R: 0xd6, G: 0x27, B: 0x28, A: 0xff}
)

// chart draws a history into a PNG file, one chart below the other.
func (c *cli) chart(file string, h api.History) error {
	if len(h.Subjects) == 0 || len(h.Subjects) > mostCharts {
		return fmt.Errorf("a picture holds 1 to %d charts, not %d; name one gateway or tunnel", mostCharts, len(h.Subjects))
	}
	paper := image.NewRGBA(image.Rect(0, 0, chartWidth, chartHeight*len(h.Subjects)))
	for i, s := range h.Subjects {
		drawn, err := c.plot(s, h)
		if err != nil {
			return fmt.Errorf("draw the traffic of %q: %w", s.Name, err)
		}
		at := image.Rect(0, i*chartHeight, chartWidth, (i+1)*chartHeight)
		draw.Draw(paper, at, drawn, image.Point{}, draw.Src)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, paper); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// plot is the chart of one subject: in, out, and the tier where the traffic
// comes near it.
func (c *cli) plot(s api.Carried, h api.History) (image.Image, error) {
	top := 1.2 * max(s.In.Peak, s.Out.Peak, 1000)
	lines := append(curves("in", inColour, s.Points, func(m api.Moment) float64 { return m.In }),
		curves("out", outColour, s.Points, func(m api.Moment) float64 { return m.Out })...)
	if limit := float64(s.BandwidthMbps) * 1e6; limit > 0 && limit < 2*top {
		top = max(top, 1.1*limit)
		lines = append(lines, chartdraw.TimeSeries{Name: "tier", Style: chartdraw.Style{StrokeColor: tierColour, StrokeWidth: 1, StrokeDashArray: []float64{6, 4}},
			XValues: []time.Time{h.From, h.To}, YValues: []float64{limit, limit}})
	}
	// The ground is there whether anything is known or not.
	lines = append(lines, chartdraw.TimeSeries{Style: chartdraw.Style{StrokeColor: drawing.ColorBlack, StrokeWidth: 1}, XValues: []time.Time{h.From, h.To}, YValues: []float64{0, 0}})
	graph := chartdraw.Chart{
		Title: fmt.Sprintf("%s: p95 in %s, out %s", drawable(s), bits(s.In.P95), bits(s.Out.P95)), Width: chartWidth, Height: chartHeight,
		YAxisSecondary: chartdraw.YAxis{Style: chartdraw.Style{Hidden: true}},
		Font:           chartdraw.GetDefaultFont(),
		Background:     chartdraw.Style{Padding: chartdraw.Box{Top: 50, Left: 20, Right: 20, Bottom: 20, IsSet: true}},
		XAxis: chartdraw.XAxis{
			Range: &chartdraw.ContinuousRange{Min: float64(h.From.UnixNano()), Max: float64(h.To.UnixNano())},
			ValueFormatter: func(v any) string {
				at, _ := v.(float64)
				return time.Unix(0, int64(at)).In(c.zone).Format("15:04")
			},
		},
		YAxis: chartdraw.YAxis{
			Range: &chartdraw.ContinuousRange{Min: 0, Max: top},
			ValueFormatter: func(v any) string {
				rate, _ := v.(float64)
				return bits(rate)
			},
		},
		Series: lines,
	}
	if s.KnownSecond > 0 {
		graph.Elements = []chartdraw.Renderable{chartdraw.Legend(&graph)}
	}
	var drawn bytes.Buffer
	if err := graph.Render(chartdraw.PNG, &drawn); err != nil {
		return nil, err
	}
	return png.Decode(&drawn)
}

// drawable is the name of a subject, or what it is where the font lacks a letter
// of the name.
func drawable(s api.Carried) string {
	font := chartdraw.GetDefaultFont()
	for _, r := range s.Name {
		if font.Index(r) == 0 {
			return tier(api.Carried{Kind: s.Kind, Gateway: "a VPN gateway", BandwidthMbps: s.BandwidthMbps})
		}
	}
	return s.Name
}

// curves are the stretches of time in which something is known, a line each. The
// first one has the name, for the legend.
func curves(name string, colour drawing.Color, points []api.Moment, of func(api.Moment) float64) []chartdraw.Series {
	var lines []chartdraw.TimeSeries
	known := false
	for _, p := range points {
		if p.Known && !known {
			lines = append(lines, chartdraw.TimeSeries{Name: name, Style: chartdraw.Style{StrokeColor: colour, StrokeWidth: 2}})
			name = ""
		}
		if known = p.Known; known {
			line := &lines[len(lines)-1]
			line.XValues, line.YValues = append(line.XValues, p.From), append(line.YValues, of(p))
		}
	}
	all := make([]chartdraw.Series, len(lines))
	for i, line := range lines {
		all[i] = line
	}
	return all
}
