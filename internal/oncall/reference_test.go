package oncall_test

import (
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// A wall is what a zone's clock shows, looked at every five minutes of a year and
// a bit: the rule of Resolve, by trying it. Everything that it is asked of lies on
// five minutes.
type wall struct {
	begin  time.Time
	latest []time.Time // the latest that the clock has shown, as if it were UTC
}

const tick = 5 * time.Minute

func look(zone *time.Location, begin time.Time, length time.Duration) *wall {
	w := &wall{begin: begin.Add(-48 * time.Hour)}
	latest := time.Time{}
	for t := w.begin; t.Before(begin.Add(length + 48*time.Hour)); t = t.Add(tick) {
		y, m, d := t.In(zone).Date()
		hh, mm, ss := t.In(zone).Clock()
		if shows := time.Date(y, m, d, hh, mm, ss, 0, time.UTC); shows.After(latest) {
			latest = shows
		}
		w.latest = append(w.latest, latest)
	}
	return w
}

// first is the first instant at which the clock shows civil or later.
func (w *wall) first(civil time.Time) time.Time {
	i := sort.Search(len(w.latest), func(i int) bool { return !w.latest[i].Before(civil) })
	return w.begin.Add(time.Duration(i) * tick)
}

// A layer as somebody would work it out by hand: all hand-offs, one after the
// other, and all windows.
type byHand struct {
	handOffs []time.Time // hand-off 0 is the first
	people   []string
	windows  [][2]time.Time
}

func (b *byHand) at(t time.Time) []string {
	covered := len(b.windows) == 0
	for _, w := range b.windows {
		covered = covered || (!t.Before(w[0]) && t.Before(w[1]))
	}
	if !covered {
		return nil
	}
	k := -1
	for i, h := range b.handOffs {
		if !h.After(t) {
			k = i
		}
	}
	return []string{b.people[k%len(b.people)]}
}

var five = []string{"ana", "bo", "cy", "di", "eve"}

// months is k months after a, on the last day of shorter ones.
func months(a time.Time, k int) time.Time {
	first := time.Date(a.Year(), a.Month()+time.Month(k), 1, a.Hour(), a.Minute(), 0, 0, time.UTC)
	for d := a.Day(); ; d-- {
		if t := first.AddDate(0, 0, d-1); t.Month() == first.Month() {
			return t
		}
	}
}

func TestAtAndShiftsAreWhatOneWorksOutByHand(t *testing.T) {
	t.Parallel()
	year := 366 * 24 * time.Hour
	plain := func(step time.Duration) func(time.Time, int) time.Time {
		return func(a time.Time, k int) time.Time { return a.Add(time.Duration(k) * step) }
	}
	for _, place := range []struct{ zone, begin string }{
		{"America/New_York", "2026-01-01T00:00"},
		{"America/New_York", "2048-06-01T00:00"}, // over the last day of a leap year, where only the zone's rule reaches
		{"Europe/London", "2026-01-01T00:00"},
		{"Australia/Lord_Howe", "2048-02-01T00:00"},
		{"Africa/Cairo", "2026-01-01T00:00"},
		{"Pacific/Apia", "2011-06-01T00:00"},
	} {
		t.Run(place.zone+" "+place.begin[:4], func(t *testing.T) {
			t.Parallel()
			z := zone(t, place.zone)
			anchor, err := time.Parse("2006-01-02T15:04", place.begin)
			if err != nil {
				t.Fatal(err)
			}
			w := look(z, anchor, year)
			for _, r := range []struct {
				rotate  string
				from    time.Duration // after midnight
				handOff func(time.Time, int) time.Time
				window  [2]time.Duration // of a day; the same is none
			}{
				{"hourly", 0, plain(time.Hour), [2]time.Duration{}},
				{"5 hours", 30 * time.Minute, plain(5 * time.Hour), [2]time.Duration{}},
				{"daily", 150 * time.Minute, plain(24 * time.Hour), [2]time.Duration{}},
				{"daily", 0, plain(24 * time.Hour), [2]time.Duration{20 * time.Hour, 32 * time.Hour}},
				{"weekly", 100 * time.Minute, plain(7 * 24 * time.Hour), [2]time.Duration{2 * time.Hour, 3 * time.Hour}},
				{"monthly", 30*24*time.Hour + 2*time.Hour, months, [2]time.Duration{}},
				{"every shift", 90 * time.Minute, plain(24 * time.Hour), [2]time.Duration{90 * time.Minute, 135 * time.Minute}},
			} {
				name := fmt.Sprintf("%s at %s, window %s", r.rotate, r.from, r.window)
				first := anchor.Add(r.from)
				layer := oncall.Layer{Rotate: r.rotate, From: first.Format("2006-01-02T15:04"), Turns: turns(five...)}
				hand := byHand{people: five}
				begin := w.first(first)
				end := begin.Add(year - 40*24*time.Hour)
				for k := 0; ; k++ {
					h := w.first(r.handOff(first, k))
					if h.After(end) {
						break
					}
					hand.handOffs = append(hand.handOffs, h)
				}
				if r.window[0] != r.window[1] {
					clock := func(d time.Duration) string {
						return time.Time{}.Add(d).Format("15:04")
					}
					layer.Windows = []oncall.Window{{From: clock(r.window[0]), To: clock(r.window[1])}}
					for d := anchor.AddDate(0, 0, -1); d.Before(end.AddDate(0, 0, 2)); d = d.AddDate(0, 0, 1) {
						hand.windows = append(hand.windows, [2]time.Time{w.first(d.Add(r.window[0])), w.first(d.Add(r.window[1]))})
					}
				}
				agree(t, name, z, plan(t, schedule(place.zone, layer)), hand, begin, end)
			}
		})
	}
}

// agree compares At, Shifts, Gaps and what was worked out by hand: every seven
// minutes of the days around those on which clocks change, and every 67 of others.
func agree(t *testing.T, name string, z *time.Location, p *oncall.Plan, hand byHand, begin, end time.Time) {
	t.Helper()
	shifts := p.Shifts(begin, end)
	gaps := p.Gaps(begin, end)
	step := func(at time.Time) time.Duration {
		_, before := at.Add(-36 * time.Hour).In(z).Zone()
		if _, after := at.Add(36 * time.Hour).In(z).Zone(); before != after {
			return 7 * time.Minute
		}
		return 67 * time.Minute
	}
	for at := begin; at.Before(end); at = at.Add(step(at)) {
		for len(shifts) > 0 && !at.Before(shifts[0].End) {
			shifts = shifts[1:]
		}
		for len(gaps) > 0 && !at.Before(gaps[0].End) {
			gaps = gaps[1:]
		}
		// By hand goes linearly: what is over can be left.
		for len(hand.handOffs) > len(hand.people) && !hand.handOffs[len(hand.people)].After(at) {
			hand.handOffs = hand.handOffs[len(hand.people):]
		}
		for len(hand.windows) > 1 && !hand.windows[0][1].After(at) {
			hand.windows = hand.windows[1:]
		}
		upTo := byHand{handOffs: hand.handOffs[:min(len(hand.handOffs), len(hand.people)+1)], people: hand.people, windows: hand.windows[:min(2, len(hand.windows))]}
		want := upTo.at(at)
		if got := p.At(at); !slices.Equal(got, want) {
			t.Fatalf("%s: At(%s) = %v, want %v", name, at.Format(time.RFC3339), got, want)
		}
		var shift []string
		if len(shifts) > 0 && !at.Before(shifts[0].Start) {
			shift = shifts[0].People
		}
		if !slices.Equal(shift, want) {
			t.Fatalf("%s: Shifts have %v at %s, want %v", name, shift, at.Format(time.RFC3339), want)
		}
		if gap := len(gaps) > 0 && !at.Before(gaps[0].Start); gap != (want == nil) {
			t.Fatalf("%s: Gaps say %v at %s, and on call are %v", name, gap, at.Format(time.RFC3339), want)
		}
	}
}
