package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/sift"
)

// visible is a text of one line as it may be written to a terminal. Findings are
// written by whoever attacks: what a terminal obeys or hides is escaped, and a line
// break is a space, so that nobody writes a line of their own into a table.
func visible(text string) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(string(sift.AppendVisible(nil, []byte(text))))
}

// A table is text in columns that are aligned.
type table struct {
	out  io.Writer
	text *bytes.Buffer
	w    *tabwriter.Writer
}

// newTable begins a table, with a head if there is one.
func newTable(out io.Writer, head ...string) table {
	text := new(bytes.Buffer)
	t := table{out, text, tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

// row adds a row; its texts may come from anywhere.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = t.w.Write([]byte{'\t'}) // into memory
		}
		_, _ = t.w.Write([]byte(visible(cell)))
	}
	_, _ = t.w.Write([]byte{'\n'})
}

// line is a row of a name and a value, unless the value is empty.
func (t table) line(name, value string) {
	if value != "" {
		t.row(name, value)
	}
}

// gap is an empty line. What is below is aligned by itself.
func (t table) gap() { t.row() }

// flush writes the table, without space at the ends of lines.
func (t table) flush() error {
	_ = t.w.Flush() // into memory
	for line := range bytes.Lines(t.text.Bytes()) {
		if _, err := t.out.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// age is a duration in its largest unit: "3m", "5h", "12d".
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// distance is how far off a moment is: "3m ago", "in 1h30m", "now".
func distance(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return "in " + about(-d)
	default:
		return about(d) + " ago"
	}
}

// about is a duration to the nearest of what matters at its size: "41s", "12m",
// "1h30m", "26h", "12d".
func about(d time.Duration) string {
	const daylong = 24 * time.Hour
	switch {
	case d < time.Minute:
		return age(d)
	case d < 10*time.Hour:
		return short(d.Round(time.Minute))
	case d < 2*daylong:
		return short(d.Round(time.Hour))
	}
	return fmt.Sprintf("%dd", d.Round(daylong)/daylong)
}

// short is "2h", not "2h0m0s".
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// clock is the absolute time in the zone in which it was given: "2026-06-12 03:00
// UTC", "2026-06-12 05:00 +02:00".
func clock(t time.Time) string {
	if _, offset := t.Zone(); offset != 0 {
		return t.Format("2006-01-02 15:04 -07:00")
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// second is a time to the second, where the order of things matters.
func second(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// moment is a time absolute and relative: "2026-06-12 03:00 UTC (in 2h)"; of none
// it is empty.
func (s *shell) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return clock(t) + " (" + distance(t, s.time()) + ")"
}

// day is the clock with the day of the week before it: "Fri 2026-06-12 03:00 UTC".
func day(t time.Time) string { return t.Format("Mon ") + clock(t) }

// time is the present.
func (s *shell) time() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// timeForms are the forms without a zone that are read, in UTC.
var timeForms = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// timeHelp says in a flag's help what parseTime reads.
const timeHelp = "such as 2026-06-12T03:00:00+02:00, '2026-06-12 03:00' (UTC), 2h (from now) or -7d (ago)"

// parseTime reads what a person writes for a moment; nothing is the zero time.
func (s *shell) parseTime(flag, text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	switch text {
	case "":
		return time.Time{}, nil
	case "now":
		return s.time().UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	span, back := strings.CutPrefix(text, "-")
	d, err := config.ParseDuration(strings.TrimPrefix(span, "+"))
	if err != nil {
		return time.Time{}, usage(fmt.Errorf("--%s %q: want a time %s", flag, text, timeHelp))
	}
	if back {
		d = -d
	}
	return s.time().UTC().Add(d).Truncate(time.Second), nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// orDash is a dash for what is empty in a table.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
