package guarddutyapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// maxNotes is how many notes the Status has.
const maxNotes = 5

// Status says until when findings are checked, what came of it, and what fails.
func (s *Source) Status(ctx context.Context) collect.Status {
	st := s.pull.Status()
	sum, known, err := s.summary(ctx)
	var lines []tocsin.Fact
	switch {
	case err != nil:
		st.State = "failing"
		lines = append(lines, tocsin.Fact{Name: "Checked until", Value: "it could not be looked up"})
	case !known:
		if st.State == "ok" {
			st.State = "pending"
		}
		lines = append(lines, tocsin.Fact{Name: "Checked until", Value: "not yet"})
	case sum.Places == 0 && sum.Failed > 0:
		lines = append(lines, tocsin.Fact{Name: "Checked until", Value: "not yet: no place could be asked"})
	case sum.Places == 0:
		lines = append(lines, tocsin.Fact{Name: "Checked until", Value: "there is no detector to ask"})
	default:
		lines = append(lines, tocsin.Fact{Name: "Checked until", Value: told(sum.Sum)})
		if late := s.env.Now().Sub(sum.At); late > 3*s.Every+term {
			st.State = "failing"
			lines = append(lines, tocsin.Fact{Name: "Last compared", Value: sum.At.UTC().Format(time.RFC3339) + ", which is too long ago"})
		}
	}
	if known && err == nil {
		lines = append(lines, tocsin.Fact{Name: "Detectors", Value: fmt.Sprintf("%d compared, %d places could not be asked", sum.Places, sum.Failed)})
	}
	st.Lines = append(lines, st.Lines...)
	st.Lines = append(st.Lines, s.noted()...)
	return st
}

// told is what came of comparing, as people read it.
func told(r tocsin.Reconciliation) string {
	return fmt.Sprintf("%s: received %d, API %d, recovered %d, pending %d, suppressed %d, unexplained %d",
		r.Until.UTC().Format(time.RFC3339), r.Received, r.API, r.Recovered, r.Pending, r.Suppressed, r.Unexplained)
}

// noted is what policies do not allow, each with where.
func (s *Source) noted() []tocsin.Fact {
	s.mu.Lock()
	defer s.mu.Unlock()
	where := map[string][]string{}
	for _, part := range slices.Sorted(maps.Keys(s.notes)) {
		for _, action := range s.notes[part] {
			where[action] = append(where[action], part)
		}
	}
	var lines []tocsin.Fact
	for _, action := range slices.Sorted(maps.Keys(where)) {
		if len(lines) == maxNotes {
			break
		}
		parts := where[action]
		value := action + " is not allowed: " + parts[0]
		if len(parts) > 1 {
			value += fmt.Sprintf(" and %d more", len(parts)-1)
		}
		lines = append(lines, tocsin.Fact{Name: "Not seen", Value: value})
	}
	return lines
}
