package memberlist

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var simPlots = flag.String("sim.plots", "", "write the plots of docs/simulation.md into this directory")

// TestSimPlots draws the plots in docs/simulation.md. In a normal run it draws
// small ones, to see that it can.
func TestSimPlots(t *testing.T) {
	nodes, crashes, seeds := 16, 10, uint64(1)
	dir := t.TempDir()
	if *simPlots != "" {
		nodes, crashes, seeds = 128, 300, 10
		dir = *simPlots
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, draw := range map[string]func() simPlot{
		"sim-detection.svg":     func() simPlot { return plotDetection(t, nodes, crashes) },
		"sim-dissemination.svg": func() simPlot { return plotDissemination(t, 2*nodes, seeds) },
	} {
		svg := draw().svg()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(svg, "<polyline"); n < 3 || strings.Contains(svg, "NaN") {
			t.Errorf("%s has %d curves", name, n)
		}
	}
}

// plotDetection shows what share of crashes is known to all members after how long.
func plotDetection(t *testing.T, nodes, crashes int) simPlot {
	p := simPlot{
		title: fmt.Sprintf("Detection of a crash, %d members", nodes),
		x:     "seconds until every member knows", y: "share of crashes", top: 1, legendLeft: true,
	}
	for _, v := range simVariants {
		if v.name != "SWIM" && v.name != "Lifeguard" && v.name != "ours, default" {
			continue
		}
		var full []float64
		for seed := range uint64(crashes) {
			_, all := crashLatency(t, seed, nodes, v.configure)
			full = append(full, all)
		}
		slices.Sort(full)
		c := simCurve{name: fmt.Sprintf("%s, SuspicionMult %d", v.name, v.alpha)}
		for i, x := range full {
			c.points = append(c.points, [2]float64{x, float64(i) / float64(crashes)}, [2]float64{x, float64(i+1) / float64(crashes)})
		}
		p.curves = append(p.curves, c)
	}
	p.right = 5 * math.Ceil(p.widest()/5)
	return p
}

// plotDissemination shows how many members have heard news after how many
// gossip intervals, and how many should have.
func plotDissemination(t *testing.T, nodes int, seeds uint64) simPlot {
	p := simPlot{
		title: fmt.Sprintf("Dissemination of one update, %d members, 3 gossip targets", nodes),
		x:     "gossip intervals since the update", y: "share of members that know", top: 1, right: 6,
	}
	theory := simCurve{name: "theory: x' = k x (1 - x/n)", dashed: true}
	for x := 0.0; x <= p.right; x += 0.05 {
		theory.points = append(theory.points, [2]float64{x, infectedInTheory(nodes, 3, x) / float64(nodes)})
	}
	p.curves = append(p.curves, theory)
	for _, v := range []struct {
		name string
		off  mechanism
	}{{"measured, gossip at ticks", mechEagerGossip | mechPattern}, {"measured, as it is", 0}} {
		var times []float64
		for seed := range seeds {
			times = append(times, infection(t, seed, nodes, v.off)...)
		}
		slices.Sort(times)
		c := simCurve{name: v.name}
		for i, x := range times {
			c.points = append(c.points, [2]float64{x, float64(i+1) / float64(len(times))})
		}
		c.points = append(c.points, [2]float64{p.right, 1})
		p.curves = append(p.curves, c)
	}
	return p
}

// infectedInTheory is SWIM's equation of section 4.1, x' = βx(n-x), for members
// that each tell fanout others per interval: how many of n know after t intervals.
func infectedInTheory(n int, fanout, t float64) float64 {
	return float64(n) / (1 + float64(n-1)*math.Exp(-fanout*t))
}

// simPlot is curves over a common pair of axes that begin at zero.
type simPlot struct {
	title, x, y string
	right, top  float64 // where the axes end
	curves      []simCurve
	legendLeft  bool // the legend is at the upper left, not at the lower right
}

type simCurve struct {
	name   string
	dashed bool
	points [][2]float64
}

func (p simPlot) widest() (x float64) {
	for _, c := range p.curves {
		for _, pt := range c.points {
			x = max(x, pt[0])
		}
	}
	return x
}

// svg draws the plot.
func (p simPlot) svg() string {
	const width, height, left, bottom, above, aside = 720, 400, 64, 52, 44, 20
	px := func(x float64) float64 { return left + x/p.right*(width-left-aside) }
	py := func(y float64) float64 { return height - bottom - y/p.top*(height-bottom-above) }
	colors := []string{"#6b7280", "#d97706", "#2563eb", "#059669"}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#1f2937">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15" font-weight="bold">%s</text>`+"\n", left, p.title)
	step := math.Max(1, math.Ceil(p.right/10))
	for x := 0.0; x <= p.right; x += step {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#e5e7eb"/><text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`+"\n",
			px(x), py(0), px(x), py(p.top), px(x), py(0)+18, x)
	}
	for i := 0; i <= 4; i++ {
		y := p.top * float64(i) / 4
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#e5e7eb"/><text x="%.1f" y="%.1f" text-anchor="end">%g %%</text>`+"\n",
			px(0), py(y), px(p.right), py(y), px(0)-6, py(y)+4, 100*y)
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", px(p.right/2), height-12, p.x)
	fmt.Fprintf(&b, `<text x="14" y="%.1f" text-anchor="middle" transform="rotate(-90 14 %.1f)">%s</text>`+"\n", py(p.top/2), py(p.top/2), p.y)
	for i, c := range p.curves {
		color, dash := colors[i%len(colors)], ""
		if c.dashed {
			dash = ` stroke-dasharray="6 4"`
		}
		var points []string
		lastX, lastY := -10.0, -10.0
		for _, pt := range c.points {
			x, y := px(pt[0]), py(pt[1])
			if pt[0] > p.right {
				break
			}
			// Nobody sees less than a pixel; the last point counts all the same.
			if math.Abs(x-lastX)+math.Abs(y-lastY) >= 1 || pt == c.points[len(c.points)-1] {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
				lastX, lastY = x, y
			}
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2"%s points="%s"/>`+"\n", color, dash, strings.Join(points, " "))
		x, y := width-aside-250, height-bottom-20*(len(p.curves)-i)
		if p.legendLeft {
			x, y = left+12, above+20*(i+1)
		}
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"%s/><text x="%d" y="%d">%s</text>`+"\n",
			x, y, x+24, y, color, dash, x+32, y+4, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
