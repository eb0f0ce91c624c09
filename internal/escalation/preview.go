package escalation

import (
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// An Expected is one line of what would happen.
type Expected struct {
	// After is how long after the alert opened.
	After Duration `json:"after"`
	// Kind is empty in the line that says how it goes on.
	Kind      Kind     `json:"kind,omitempty"`
	Text      string   `json:"text"`
	People    []string `json:"people,omitempty"`
	Receivers []string `json:"receivers,omitempty"`
}

// patience is how long a preview goes on while nobody can be reached.
const patience = Duration(24 * time.Hour)

// Preview is what would happen to an alert of that level that opens now, if
// nobody ever acknowledged it: until the fallback has it, through the second pass
// of a policy without an end, or for a day of trying where nobody can be reached.
// The last line may say how it goes on. Nothing is told, and no round moves.
func Preview(p Policy, level tocsin.Level, w World, now time.Time) []Expected {
	now = tocsin.Millis(now)
	r := &rehearsal{World: w, turns: map[int]int{}}
	s := Start(p, now)
	var lines []Expected
	var since time.Time // when nobody could be reached any more
	for {
		at := s.At
		after := Duration(at.Sub(now))
		var acts []Act
		s, acts = Fire(p, s, Facts{Status: tocsin.StatusOpen, Level: level}, at, r)
		for _, a := range acts {
			if a.Turn != nil {
				r.turns[a.Turn.Step] = a.Turn.Next
			}
			if !a.Again {
				lines = append(lines, Expected{After: after, Kind: a.Kind, Text: a.Text, People: a.People, Receivers: a.Receivers})
			}
		}
		if stuck := s.Empty || s.Exhausted && !s.FallbackTold; !stuck {
			since = time.Time{}
		} else if since.IsZero() {
			since = at
		}
		if more, over := outlook(p, s, level, at, since); over {
			if more != "" {
				lines = append(lines, Expected{After: Duration(at.Sub(now)), Text: more})
			}
			return lines
		}
	}
}

// outlook reports whether the preview ends here, and how it would go on.
func outlook(p Policy, s tocsin.Escalation, level tocsin.Level, at, since time.Time) (more string, over bool) {
	switch {
	case s.Ended == ToldOnce:
		return fmt.Sprintf("nothing more: what is below %s is told once", p.NotifyOnlyBelow), true
	case s.Ended != "":
		return "nothing more", true
	case !since.IsZero() && at.Sub(since) >= time.Duration(patience):
		return fmt.Sprintf("and so on, every %s until somebody can be reached", retry), true
	case s.Exhausted && s.FallbackTold:
		return fmt.Sprintf("the fallback is told again every %s until somebody answers", Duration(p.RemindsEvery(level))), true
	case p.Repeat < 0 && s.Pass > 1:
		return "and so on, until somebody answers", true
	}
	return "", false
}

// A rehearsal is the world as it would be, with rounds that move on.
type rehearsal struct {
	World
	turns map[int]int
}

func (r *rehearsal) Turn(policy string, step int) int {
	if t, ok := r.turns[step]; ok {
		return t
	}
	return r.World.Turn(policy, step)
}
