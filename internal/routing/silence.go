package routing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wallclock"
	"github.com/tocsin-sec/tocsin/pattern"
)

const day = 24 * time.Hour

// How long a silence may last, from its beginning.
const (
	LongestSilence     = 30 * day
	LongestMaintenance = 365 * day // and mutes
)

// Silences say which alerts nobody is told of for a while. They are a snapshot of
// what the store has: immutable, and safe for many goroutines. The nil Silences
// hold nothing.
type Silences struct {
	all      []quiet
	keys     map[tocsin.Key][]int // mutes of one key
	set      *pattern.Set[int]
	patterns bool
}

// A quiet is a silence ready to be asked.
type quiet struct {
	tocsin.Silence
	window *wallclock.Window // nil if it does not recur
}

// NewSilences makes a snapshot. A silence that cannot be understood holds nothing;
// the error names all of those, and the rest are good to use all the same.
func NewSilences(list []tocsin.Silence) (*Silences, error) {
	ss := &Silences{keys: map[tocsin.Key][]int{}, set: pattern.NewSet[int]()}
	var problems []error
	for _, s := range list {
		if err := ss.add(s); err != nil {
			problems = append(problems, fmt.Errorf("%s %d: %w", s.Kind, s.ID, err))
		}
	}
	return ss, errors.Join(problems...)
}

func (ss *Silences) add(s tocsin.Silence) error {
	q := quiet{Silence: s}
	if s.Every != nil {
		w, err := wallclock.Recurrence(*s.Every).Window()
		if err != nil {
			return fmt.Errorf("every: %w", err)
		}
		q.window = w
	}
	i := len(ss.all)
	if s.Key != "" {
		ss.all, ss.keys[s.Key] = append(ss.all, q), append(ss.keys[s.Key], i)
		return nil
	}
	p, err := patternOf(s.Pattern)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	ss.all, ss.patterns = append(ss.all, q), true
	ss.set.Add(i, p)
	return nil
}

func patternOf(text json.RawMessage) (*pattern.Pattern, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, errors.New("is missing")
	}
	p := new(pattern.Pattern)
	return p, p.UnmarshalJSON(text)
}

// Holding says which silence in force holds the alert, and until when at most. Of
// several it is the one that ends last, and of those that end together the oldest.
func (ss *Silences) Holding(a tocsin.Alert, account tocsin.Account, now time.Time) (s tocsin.Silence, until time.Time, ok bool) {
	if ss == nil || len(ss.all) == 0 {
		return tocsin.Silence{}, time.Time{}, false
	}
	var room [16]int
	hits := append(room[:0], ss.keys[a.Key]...)
	if ss.patterns {
		// A document is a JSON object. Could it not be matched all the same, people are
		// told.
		hits, _ = ss.set.Match(Document(a, account), hits)
	}
	for _, i := range hits {
		q := &ss.all[i]
		end, in := q.inForce(now)
		if in && (!ok || end.After(until) || end.Equal(until) && q.ID < s.ID) {
			s, until, ok = q.Silence, end, true
		}
	}
	return s, until, ok
}

// Hold is what Holding finds, in the words that the alert keeps. At the end people
// are told if the alert is as bad as the silence says, or if nobody knows how bad
// it is; after a mute they are not.
func (ss *Silences) Hold(a tocsin.Alert, account tocsin.Account, now time.Time) (tocsin.Hold, bool) {
	s, until, ok := ss.Holding(a, account, now)
	if !ok {
		return tocsin.Hold{}, false
	}
	worst := max(a.Level, a.Worst)
	return tocsin.Hold{
		By:    string(s.Kind) + " " + strconv.FormatInt(s.ID, 10),
		Until: until,
		Tell:  s.Kind != tocsin.KindMute && (worst == tocsin.Unknown || worst >= notifyFrom(s)),
	}, true
}

func notifyFrom(s tocsin.Silence) tocsin.Level {
	if s.NotifyFrom == tocsin.Unknown {
		return tocsin.High
	}
	return s.NotifyFrom
}

// inForce reports whether the silence holds anything at that time, and until when.
func (q *quiet) inForce(now time.Time) (until time.Time, ok bool) {
	end := ends(q.Silence)
	if now.Before(q.From) || !now.Before(end) {
		return time.Time{}, false
	}
	if q.window == nil {
		return end, true
	}
	over, in := q.window.At(now)
	if in && !over.IsZero() && over.Before(end) {
		end = over.UTC()
	}
	return end, in
}

// ends is when the silence is over, at its time or before.
func ends(s tocsin.Silence) time.Time {
	if !s.EndedAt.IsZero() && s.EndedAt.Before(s.Until) {
		return s.EndedAt
	}
	return s.Until
}

// Check tells all that is wrong with a silence that somebody wants to make or to
// change, a line each that begins with the field: "reason: say why, …". A From that
// is not set is now.
func Check(s tocsin.Silence, now time.Time) error {
	var problems []error
	say := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf(field+": "+format, args...))
	}
	if strings.TrimSpace(s.Author) == "" {
		say("author", "is missing")
	}
	if strings.TrimSpace(s.Reason) == "" {
		say("reason", "say why, for those who look for what it hides")
	}
	checkWhat(s, say)
	if s.Every != nil && s.Kind != tocsin.KindMaintenance {
		say("every", "only maintenance recurs")
	} else if s.Every != nil {
		_, err := wallclock.Recurrence(*s.Every).Window()
		if problems, ok := errors.AsType[wallclock.Problems](err); ok {
			for _, p := range problems {
				say("every", "%w", p)
			}
		}
	}
	if s.NotifyFrom < tocsin.Unknown || s.NotifyFrom > tocsin.Critical {
		say("notify_from", "no %s", s.NotifyFrom)
	}
	checkTimes(s, now, say)
	return errors.Join(problems...)
}

// checkWhat checks what is to be silenced.
func checkWhat(s tocsin.Silence, say func(field, format string, args ...any)) {
	switch {
	case s.Key != "" && s.Kind != tocsin.KindMute:
		say("key", "only a mute is of one alert's key; want a pattern")
	case s.Key != "" && len(s.Pattern) > 0 && string(s.Pattern) != "null":
		say("pattern", "and key: want one of them")
	case s.Key != "":
	default:
		p, err := patternOf(s.Pattern)
		if err == nil {
			err = CheckFields([]byte(p.String()))
		}
		if err != nil {
			say("pattern", "%w", err)
		}
	}
}

// checkTimes checks when it is in force.
func checkTimes(s tocsin.Silence, now time.Time, say func(field, format string, args ...any)) {
	longest, days := LongestSilence, "30 days is the longest; planned maintenance may last 365"
	switch s.Kind {
	case tocsin.KindSilence:
	case tocsin.KindMaintenance, tocsin.KindMute:
		longest, days = LongestMaintenance, "365 days is the longest"
	default:
		say("kind", "%q is none of %s, %s, %s", s.Kind, tocsin.KindSilence, tocsin.KindMaintenance, tocsin.KindMute)
		return
	}
	from := s.From
	if from.IsZero() {
		from = now
	}
	switch until := s.Until.UTC().Format(time.RFC3339); {
	case s.Until.IsZero():
		say("until", "is missing: every silence ends")
	case !s.Until.After(now):
		say("until", "%s is over already", until)
	case !s.Until.After(from):
		say("until", "%s is not after its beginning", until)
	case s.Until.Sub(from) > longest:
		say("until", "%s is too late: %s", until, days)
	}
}

// ParseSilence reads a silence as somebody sends it, JSON with the fields of
// [tocsin.Silence], makes it the author's and checks it. What only the store says
// is left out: its ID, and when it was made, ended and reported. A pattern may be
// JSON in a string.
func ParseSilence(text []byte, author string, now time.Time) (tocsin.Silence, error) {
	var sent tocsin.Silence
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&sent); err != nil {
		return tocsin.Silence{}, fmt.Errorf("silence: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return tocsin.Silence{}, errors.New("silence: something follows the JSON object")
	}
	s := tocsin.Silence{
		Kind: sent.Kind, Pattern: sent.Pattern, Key: sent.Key, Author: author, Reason: strings.TrimSpace(sent.Reason),
		From: tocsin.Millis(sent.From), Until: tocsin.Millis(sent.Until), Every: sent.Every, NotifyFrom: notifyFrom(sent), Version: sent.Version,
	}
	if sent.From.IsZero() {
		s.From = tocsin.Millis(now)
	}
	if string(s.Pattern) == "null" {
		s.Pattern = nil
	}
	if err := Check(s, now); err != nil {
		return tocsin.Silence{}, err
	}
	if len(s.Pattern) > 0 {
		p, err := patternOf(s.Pattern)
		if err != nil {
			return tocsin.Silence{}, fmt.Errorf("pattern: %w", err)
		}
		s.Pattern = json.RawMessage(p.String())
	}
	return s, nil
}
