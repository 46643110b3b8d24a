package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// narrator tells a person what happens and when.
type narrator struct {
	w     io.Writer
	start time.Time
}

const (
	screenWidth = 80 // columns
	timeWidth   = 11 // of them for the time in front
)

// line writes text as it is.
func (n *narrator) line(format string, args ...any) { fmt.Fprintf(n.w, format+"\n", args...) }

// say writes what happened just now, with the time since the start.
func (n *narrator) say(format string, args ...any) {
	n.paragraph(fmt.Sprintf("%7.2f s", time.Since(n.start).Seconds()), fmt.Sprintf(format, args...))
}

// note writes an explanation below the last thing said.
func (n *narrator) note(format string, args ...any) { n.paragraph("", fmt.Sprintf(format, args...)) }

// tie stands for a space at which no line is broken.
const tie = "~"

// item writes one entry of a list below the last thing said.
func (n *narrator) item(label, text string) {
	n.wrap(fmt.Sprintf("%*s%s  ", timeWidth, "", label), text)
}

// paragraph writes text behind a label as wide as a time.
func (n *narrator) paragraph(label, text string) { n.wrap(fmt.Sprintf("%-*s", timeWidth, label), text) }

// wrap writes text in lines that fit the screen. The first begins with label,
// the others below its end.
func (n *narrator) wrap(label, text string) {
	indent := strings.Repeat(" ", len(label))
	line := label
	for _, word := range strings.Fields(text) {
		switch {
		case line == label || line == indent:
			line += word
		case len(line)+1+len(word) <= screenWidth:
			line += " " + word
		default:
			n.line("%s", strings.ReplaceAll(line, tie, " "))
			line = indent + word
		}
	}
	n.line("%s", strings.TrimRight(strings.ReplaceAll(line, tie, " "), " "))
}

// seconds is a duration as people say it.
func seconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return "less than" + tie + "0.01" + tie + "s"
	}
	return fmt.Sprintf("%.2f"+tie+"s", d.Seconds())
}

// listing is "a", "a and b", "a, b and c".
func listing(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// table writes rows in columns; the first row is the header.
func (n *narrator) table(rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "  %-*s", width[i], cell)
		}
		n.line("%s", strings.TrimRight(b.String(), " "))
	}
}
