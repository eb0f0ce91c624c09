package canary

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// grid reads how places stand: a line is an account, a letter a region: "." is well,
// "x" ill, "?" unsure and " " no place.
func grid(lines ...string) (all []standing) {
	for i, line := range lines {
		for j, c := range line {
			h, ok := map[rune]health{'.': well, 'x': ill, '?': unsure}[c]
			if ok {
				all = append(all, standing{tocsin.Place{Account: fmt.Sprint("a", i), Region: fmt.Sprint("r", j)}, h, noon})
			}
		}
	}
	return all
}

// names are alarms as a test writes them: "r0", "a1", "a1/r0", "all", with their places.
func names(alarms []alarm) []string {
	var all []string
	for _, a := range alarms {
		name := strings.Trim(a.Account+"/"+a.Region, "/")
		if name == "" {
			name = "all"
		}
		all = append(all, fmt.Sprint(name, ":", a.Places))
	}
	return all
}

func TestOneThingThatBreaksIsOneAlert(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"all is well", []string{"...", "..."}, nil},
		{"the only place", []string{"x"}, []string{"a0/r0:1"}},
		{"a place", []string{"x..", "..."}, []string{"a0/r0:1"}},
		{"two places that have nothing in common", []string{"x..", ".x."}, []string{"a0/r0:1", "a1/r1:1"}},
		{"a region", []string{"x..", "x..", "x..", "..."}, []string{"r0:3"}},
		{"all of a small region", []string{"x..", "x.."}, []string{"r0:2"}},
		{"two of a region's four", []string{"x..", "x..", "...", "..."}, []string{"a0/r0:1", "a1/r0:1"}},
		{"an account", []string{"xxx", "...", "..."}, []string{"a0:3"}},
		{"a region and an account", []string{"xxxxx", "x....", "x....", "x....", "x...."}, []string{"a0:5", "r0:4"}},
		{"two regions", []string{"xx.", "xx.", "xx."}, []string{"r0:3", "r1:3"}},
		{"everything", []string{"xx", "xx"}, []string{"all:4"}},
		{"everything of the only account", []string{"xx"}, []string{"a0:2"}},
		{"everything of the only region", []string{"x", "x", "x"}, []string{"r0:3"}},
		{"what is not known yet is not told", []string{"x?", "??"}, []string{"a0/r0:1"}},
		{"too much to tell of one by one", []string{
			"x............", ".x...........", "..x..........", "...x.........", "....x........", ".....x.......", "......x......", ".......x.....",
			"........x....", ".........x...", "..........x..", "............",
		}, []string{"all:11"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := names(judge(silent, nil, grid(tt.lines...), noon, time.Hour, false).begun)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("judge(%q) begins (-want +got):\n%s", tt.lines, diff)
			}
		})
	}
}

func TestAnAlertGoesOnUntilAllOfItIsWell(t *testing.T) {
	t.Parallel()
	var before []alarm
	now := noon
	for _, step := range []struct {
		name                  string
		lines                 []string
		begun, changed, ended []string
	}{
		{"a place goes", []string{"x..", "...", "..."}, []string{"a0/r0:1"}, nil, nil},
		{"the rest of its region goes", []string{"x..", "x..", "x.."}, []string{"r0:2"}, nil, nil},
		{"it stays so", []string{"x..", "x..", "x.."}, nil, nil, nil},
		{"the first is back", []string{"...", "x..", "x.."}, nil, nil, []string{"a0/r0:1"}},
		{"and goes again", []string{"x..", "x..", "x.."}, nil, []string{"r0:3"}, nil},
		{"one comes late and is not trusted yet", []string{"?..", "x..", "x.."}, nil, nil, nil},
		{"two are back", []string{"...", "...", "x.."}, nil, []string{"r0:1"}, nil},
		{"everything goes", []string{"xxx", "xxx", "xxx"}, []string{"all:6"}, []string{"r0:3"}, nil},
		{"everything is back", []string{"...", "...", "..."}, nil, nil, []string{"r0:3", "all:6"}},
	} {
		r := judge(silent, before, grid(step.lines...), now, time.Minute, false)
		if diff := cmp.Diff([][]string{step.begun, step.changed, step.ended}, [][]string{names(r.begun), names(r.changed), names(r.ended)}); diff != "" {
			t.Errorf("%s: begun, changed, ended (-want +got):\n%s", step.name, diff)
		}
		before, now = r.now, now.Add(time.Minute)
	}
}

func TestAChangeIsNotToldOfAtOnce(t *testing.T) {
	t.Parallel()
	r := judge(silent, nil, grid("x.", "x.", "x."), noon, time.Hour, false)
	r = judge(silent, r.now, grid("x.", "x.", ".."), noon.Add(59*time.Minute), time.Hour, false)
	if len(r.changed) != 0 {
		t.Errorf("told of %v before the hour", names(r.changed))
	}
	r = judge(silent, r.now, grid("x.", "x.", ".."), noon.Add(time.Hour), time.Hour, false)
	if diff := cmp.Diff([]string{"r0:2"}, names(r.changed)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestNothingBeginsWhileJudgementIsHeld(t *testing.T) {
	t.Parallel()
	before := []alarm{{Trouble: silent, scope: scope{"a1", "r1"}, Places: 1}}
	r := judge(silent, before, grid("x.", ".."), noon, time.Hour, true)
	if len(r.begun) != 0 || len(r.now) != 0 || len(r.ended) != 1 {
		t.Errorf("judge = %+v, want nothing to begin, and what is over to end", r)
	}
}

func TestAlarmsOfOneTroubleAreNotAnothers(t *testing.T) {
	t.Parallel()
	before := []alarm{{Trouble: unsent, scope: scope{"a0", "r0"}, Places: 1}}
	r := judge(silent, before, grid("x."), noon, time.Hour, false)
	if diff := cmp.Diff([]string{"a0/r0:1"}, names(r.begun)); diff != "" || len(r.now) != 1 {
		t.Errorf("begun (-want +got):\n%s", diff)
	}
}

func TestTrails(t *testing.T) {
	t.Parallel()
	sent := func(minute int) tocsin.Canary {
		at := noon.Add(time.Duration(minute) * time.Minute)
		return tocsin.Canary{ID: fmt.Sprint(minute), SentAt: at, Due: at.Add(5 * time.Minute)}
	}
	arrived := func(minute, after int) tocsin.Canary {
		c := sent(minute)
		c.ArrivedAt = c.SentAt.Add(time.Duration(after) * time.Minute)
		return c
	}
	refused := func(minute int) tocsin.Canary {
		c := sent(minute)
		c.Error = "denied"
		return c
	}
	for _, tt := range []struct {
		name            string
		canaries        []tocsin.Canary
		minute          int
		heard, sendable health
	}{
		{"nothing yet", nil, 0, unsure, unsure},
		{"one is under way", []tocsin.Canary{sent(0)}, 4, unsure, well},
		{"it is due just now", []tocsin.Canary{sent(0)}, 5, unsure, well},
		{"it is late", []tocsin.Canary{sent(0)}, 6, ill, well},
		{"it arrived", []tocsin.Canary{sent(0), arrived(0, 1)}, 6, well, well},
		{"one was lost, and a later one arrived", []tocsin.Canary{sent(0), arrived(5, 1)}, 30, well, well},
		{"one arrived, and a later one is late", []tocsin.Canary{arrived(0, 1), sent(5)}, 11, ill, well},
		{"a late one arrived, and no more is known", []tocsin.Canary{arrived(0, 9), sent(5)}, 9, unsure, well},
		{"a late one arrived long ago", []tocsin.Canary{arrived(0, 9)}, 14, well, well},
		{"one after it arrived in time", []tocsin.Canary{arrived(0, 9), arrived(5, 1)}, 9, well, well},
		{"an older one arrives after a newer one", []tocsin.Canary{arrived(5, 1), arrived(0, 9)}, 9, well, well},
		{"one could not be sent", []tocsin.Canary{arrived(0, 1), refused(5)}, 30, well, unsure},
		{"two could not, of late", []tocsin.Canary{arrived(0, 1), refused(5), refused(6)}, 7, well, unsure},
		{"two could not for long", []tocsin.Canary{arrived(0, 1), refused(5), refused(10)}, 10, well, ill},
		{"the same seen twice is one", []tocsin.Canary{arrived(0, 1), refused(5), refused(5)}, 30, well, unsure},
		{"then one could", []tocsin.Canary{arrived(0, 1), refused(5), refused(10), sent(15)}, 16, well, well},
		{"one that was noted could not be sent", []tocsin.Canary{arrived(0, 1), sent(5), refused(5)}, 30, well, unsure},
		{"what is late stays late though no more can be sent", []tocsin.Canary{sent(0), refused(5), refused(10)}, 20, ill, ill},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var tr trail
			for _, c := range tt.canaries {
				tr.take(c)
			}
			now := noon.Add(time.Duration(tt.minute) * time.Minute)
			if h, s := tr.heard(now, 5*time.Minute), tr.sendable(now, 5*time.Minute); h != tt.heard || s != tt.sendable {
				t.Errorf("at %d minutes: heard %v, sendable %v; want %v, %v", tt.minute, h, s, tt.heard, tt.sendable)
			}
		})
	}
}

func TestATrailIsBounded(t *testing.T) {
	t.Parallel()
	var tr trail
	for i := range 10_000 {
		tr.take(tocsin.Canary{ID: fmt.Sprint(i), SentAt: noon.Add(time.Duration(i) * time.Minute), Due: noon.Add(time.Duration(i+5) * time.Minute)})
	}
	if c, _ := tr.missing(noon.Add(1e4 * time.Minute)); len(tr.out) != maxOut || c.ID != "0" {
		t.Errorf("%d are kept, the first missing is %s; want %d and the very first", len(tr.out), c.ID, maxOut)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Minute: "1h30m", 24 * time.Hour: "1d", 25 * time.Hour: "1d1h",
		10 * time.Hour: "10h", 20 * time.Minute: "20m", 100 * time.Millisecond: "100ms",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestASlot(t *testing.T) {
	t.Parallel()
	s := &source{Config: Config{Every: time.Hour}}
	for _, tt := range []struct {
		name   string
		newest tocsin.Canary
		now    time.Time
		want   string
	}{
		{"the first", tocsin.Canary{}, noon.Add(7 * time.Minute), "12:00"},
		{"sent already", tocsin.Canary{SentAt: noon.Add(time.Second)}, noon.Add(59 * time.Minute), ""},
		{"the next hour", tocsin.Canary{SentAt: noon.Add(time.Second)}, noon.Add(time.Hour), "13:00"},
		{"soon after one that could not be sent", tocsin.Canary{SentAt: noon.Add(time.Second), Error: "denied"}, noon.Add(5 * time.Minute), "12:05"},
		{"not at once", tocsin.Canary{SentAt: noon.Add(time.Second), Error: "denied"}, noon.Add(4 * time.Minute), ""},
		{"one that could not be sent, it was thought, and arrived", tocsin.Canary{SentAt: noon, Error: "timeout", ArrivedAt: noon}, noon.Add(5 * time.Minute), ""},
		{"a clock was far ahead", tocsin.Canary{SentAt: noon.Add(48 * time.Hour)}, noon.Add(time.Minute), "12:00"},
		{"a clock is a little ahead", tocsin.Canary{SentAt: noon.Add(30 * time.Second)}, noon, ""},
	} {
		got := ""
		if slot, ok := s.slot(tt.newest, tt.now); ok {
			got = slot.Format("15:04")
		}
		if got != tt.want {
			t.Errorf("%s: slot %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestIDsAreNotGuessed(t *testing.T) {
	t.Parallel()
	key, p := []byte("secret"), tocsin.Place{Account: "111122223333", Region: "eu-west-3"}
	first := id(key, p, noon, modeEvent)
	if len(first) != 32 || first != id(key, p, noon, modeEvent) {
		t.Errorf("id = %s, want 32 digits and the same again", first)
	}
	for name, other := range map[string]string{
		"another secret": id([]byte("other"), p, noon, modeEvent), "another time": id(key, p, noon.Add(time.Minute), modeEvent),
		"another place": id(key, tocsin.Place{Account: p.Account, Region: "us-east-1"}, noon, modeEvent), "a sample": id(key, p, noon, modeSample),
	} {
		if other == first {
			t.Errorf("%s makes the same id", name)
		}
	}
}
