package escalation_test

import (
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/escalation"
)

func TestPreview(t *testing.T) {
	t.Parallel()
	forEver := policy(t, step(t, "pri", 10), step(t, "sec", 5))
	forEver.Repeat = -1
	once := three(t)
	once.NotifyOnlyBelow = tocsin.High
	ring := policy(t, step(t, "ana bo cy", 5))
	ring.Steps[0].Assign, ring.Repeat = escalation.RoundRobin, 1
	for _, tt := range []struct {
		name   string
		policy escalation.Policy
		level  tocsin.Level
		world  world
		want   []string
	}{
		{"to the end", three(t), tocsin.Medium, world{}, []string{
			"0s [pri] policy p, step 1 of 3: told pri",
			"5m [sec] policy p, step 2 of 3: told sec",
			"15m [mgr] policy p, step 3 of 3: told mgr",
			"30m [soc] policy p: nobody answered; told the fallback, receiver soc",
			"30m [] nothing more",
		}},
		{"the fallback is reminded", policy(t, step(t, "pri", 90)), tocsin.Critical, world{}, []string{
			"0s [pri] policy p, step 1 of 1: told pri",
			"1h30m [soc] policy p: nobody answered; told the fallback, receiver soc",
			"1h30m [] the fallback is told again every 1h until somebody answers",
		}},
		{"two passes of many", forEver, tocsin.High, world{}, []string{
			"0s [pri] policy p, step 1 of 2: told pri",
			"10m [sec] policy p, step 2 of 2: told sec",
			"15m [pri] policy p, step 1 of 2, pass 2: told pri",
			"25m [sec] policy p, step 2 of 2, pass 2: told sec",
			"25m [] and so on, until somebody answers",
		}},
		{"told once", once, tocsin.Medium, world{}, []string{
			"0s [pri] policy p, step 1 of 3: told pri",
			"0s [] nothing more: what is below high is told once",
		}},
		{"a round goes on from where it is", ring, tocsin.Low, world{turns: map[string]int{"p1": 2}}, []string{
			"0s [cy] policy p, step 1 of 1: told cy",
			"5m [ana] policy p, step 1 of 1, pass 2: told ana",
			"10m [soc] policy p: nobody answered in 2 passes; told the fallback, receiver soc",
			"10m [] nothing more",
		}},
		{
			"nobody at first, and another on call later", policy(t, step(t, "schedule:soc", 5)), tocsin.Low,
			world{schedules: map[string]func(int) []string{"soc": func(minute int) []string {
				if minute < 12 {
					return nil
				}
				return []string{"bo"}
			}}},
			[]string{
				"0s [] policy p, step 1 of 1: skipped; schedule soc: nobody is on call",
				"0s [soc] policy p: nobody could be reached, tried again every 5m; told the fallback, receiver soc",
				"15m [bo] policy p, step 1 of 1: told bo",
				"20m [soc] policy p: nobody answered; told the fallback, receiver soc",
				"20m [] nothing more",
			},
		},
		{"nobody at all", policy(t, step(t, "pri", 5)), tocsin.Low, world{away: map[string][]span{"pri": always, "soc": always}}, []string{
			"0s [] policy p, step 1 of 1: skipped; pri: disabled",
			"0s [] policy p: nobody could be reached, tried again every 5m; the fallback cannot be told, tried again in 5m: receiver soc: disabled",
			"24h [] and so on, every 5m until somebody can be reached",
		}},
		{"nobody answers, nor can the fallback", policy(t, step(t, "pri", 5)), tocsin.Low, world{away: map[string][]span{"soc": always}}, []string{
			"0s [pri] policy p, step 1 of 1: told pri",
			"5m [] policy p: nobody answered; the fallback cannot be told, tried again in 5m: receiver soc: disabled",
			"24h5m [] and so on, every 5m until somebody can be reached",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range escalation.Preview(tt.policy, tt.level, &tt.world, start) {
				got = append(got, fmt.Sprint(e.After, " ", slices.Concat(e.People, e.Receivers), " ", e.Text))
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Preview (-want +got):\n%s", diff)
			}
			if again := escalation.Preview(tt.policy, tt.level, &tt.world, start); len(again) != len(tt.want) {
				t.Errorf("the second preview has %d lines: the first changed something", len(again))
			}
		})
	}
}
