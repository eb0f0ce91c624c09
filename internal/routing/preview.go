package routing

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
)

// What a [Preview] names is bounded.
const (
	maxTypes = 10
	maxLater = 100
)

// A Preview is what a silence would have hidden, or did hide.
type Preview struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Hid says that it did.
	Hid    bool `json:"hid,omitempty"`
	Alerts int  `json:"alerts"`
	// Notifications are the messages about openings that were sent and would not
	// have been.
	Notifications int                  `json:"notifications"`
	ByLevel       map[tocsin.Level]int `json:"by_level,omitempty"`
	ByType        []TypeCount          `json:"by_type,omitempty"` // the most frequent first, ten at most
	// Sequences counts those that became part of an attack sequence, Suspects those
	// that share a resource, a principal or an address with one within a day, and
	// Fixed those that somebody closed as fixed.
	Sequences int `json:"sequences"`
	Suspects  int `json:"suspects"`
	Fixed     int `json:"fixed"`
	// Later are the alerts so counted, the worst first, a hundred at most.
	Later []Later `json:"later,omitempty"`
}

// A TypeCount is how many alerts of a type there were.
type TypeCount struct {
	Type   string `json:"type"`
	Alerts int    `json:"alerts"`
}

// Later is a hidden alert that was worth knowing of.
type Later struct {
	Alert int64        `json:"alert"`
	Type  string       `json:"type"`
	Level tocsin.Level `json:"level"`
	What  LaterKind    `json:"what"`
	// Sequence is the alert of the attack sequence, and By what ties them: "finding
	// 60c2", "resource i-0abc".
	Sequence int64  `json:"sequence,omitempty"`
	By       string `json:"by,omitempty"`
}

// A LaterKind is what became of a hidden alert.
type LaterKind string

// What may become of one. An attack sequence is one of GuardDuty's
// (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-extended-threat-detection.html).
const (
	LaterSequence LaterKind = "sequence" // part of an attack sequence, or one itself
	LaterSuspect  LaterKind = "suspect"  // it shares a resource, principal or address with one within a day
	LaterFixed    LaterKind = "fixed"    // closed as fixed
)

// Preview says what the silence would have hidden of the alerts that opened from
// then until then, whichever time it is for: of a recurring one, those that opened
// within its windows. They are judged as they are now, but open and with nobody
// assigned. The alerts may come in any order, and the answer is the same; attack
// sequences from outside that time count for what came of the hidden ones.
func (rs *Routes) Preview(s tocsin.Silence, from, to time.Time, alerts iter.Seq[tocsin.Alert]) (Preview, error) {
	s.From, s.Until, s.EndedAt = from, to, time.Time{}
	return rs.hidden(s, Preview{From: from, To: to}, alerts)
}

// Report says what the silence hid of the alerts that opened while it was in force.
func (rs *Routes) Report(s tocsin.Silence, alerts iter.Seq[tocsin.Alert]) (Preview, error) {
	return rs.hidden(s, Preview{From: s.From, To: ends(s), Hid: true}, alerts)
}

func (rs *Routes) hidden(s tocsin.Silence, p Preview, alerts iter.Seq[tocsin.Alert]) (Preview, error) {
	one, err := NewSilences([]tocsin.Silence{s})
	if err != nil {
		return Preview{}, err
	}
	p.ByLevel = map[tocsin.Level]int{}
	types := map[string]int{}
	var hid []footprint
	sequences := map[string][]footprint{} // by account
	for a := range alerts {
		if isSequence(a) {
			sequences[a.Account] = append(sequences[a.Account], footprintOf(a))
		}
		if !rs.hides(one, a) {
			continue
		}
		p.Alerts++
		p.Notifications += len(a.Told)
		p.ByLevel[a.Level]++
		types[a.Type]++
		hid = append(hid, footprintOf(a))
	}
	for t, n := range types {
		p.ByType = append(p.ByType, TypeCount{t, n})
	}
	slices.SortFunc(p.ByType, func(a, b TypeCount) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.Type, b.Type))
	})
	p.ByType = p.ByType[:min(len(p.ByType), maxTypes)]
	for _, t := range hid {
		p.regret(t, sequences[t.Account])
	}
	slices.SortFunc(p.Later, func(a, b Later) int {
		return cmp.Or(cmp.Compare(laterOrder[a.What], laterOrder[b.What]), cmp.Compare(b.Level, a.Level), cmp.Compare(a.Alert, b.Alert))
	})
	p.Later = p.Later[:min(len(p.Later), maxLater)]
	return p, nil
}

var laterOrder = map[LaterKind]int{LaterSequence: 0, LaterSuspect: 1, LaterFixed: 2}

// hides reports whether the silence would have held the alert when it opened, or
// when it opened again last.
func (rs *Routes) hides(one *Silences, a tocsin.Alert) bool {
	account := rs.Account(a.Account)
	a.Status, a.Assignee = tocsin.StatusOpen, ""
	for _, opened := range []time.Time{a.OpenedAt, a.EpisodeStart()} {
		if _, _, held := one.Holding(a, account, opened); held {
			return true
		}
	}
	return false
}

// A footprint is what is kept of an alert to find out what became of it.
type footprint struct {
	ID                      int64
	Account, Type           string
	Level                   tocsin.Level
	Finding, Resource, Name string
	Principal, IP           string
	Ours, Part              string   // fact of a sequence; the sequence that a finding names
	Linked                  []string // findings of a sequence
	Findings                string   // fact of a sequence, where Linked was not kept yet
	Begin, End              time.Time
	Fixed                   bool
}

func isSequence(a tocsin.Alert) bool { return strings.HasPrefix(a.Type, "AttackSequence:") }

func footprintOf(a tocsin.Alert) footprint {
	t := footprint{
		ID: a.ID, Account: a.Account, Type: a.Type, Level: a.Level, Finding: a.Detection.ID, Resource: a.Resource.ID, Name: a.Resource.Name,
		Principal: a.Actor.Principal, IP: a.Actor.IP, Linked: a.Linked, Begin: a.OpenedAt, End: a.OpenedAt, Fixed: a.CloseReason == tocsin.ReasonFixed,
	}
	for _, at := range []time.Time{a.FirstSeen, a.LastSeen, a.ReopenedAt, a.HeardAt} {
		if at.IsZero() {
			continue
		}
		if at.Before(t.Begin) {
			t.Begin = at
		}
		if at.After(t.End) {
			t.End = at
		}
	}
	for _, f := range a.Facts {
		switch f.Name {
		case "Ours":
			t.Ours = f.Value
		case "Findings":
			t.Findings = f.Value
		case "Sequence":
			t.Part = f.Value
		}
	}
	return t
}

// regret counts what became of a hidden alert.
func (p *Preview) regret(t footprint, sequences []footprint) {
	later := Later{Alert: t.ID, Type: t.Type, Level: t.Level}
	for _, s := range sequences {
		what, by := t.tie(s)
		better := later.What == "" || laterOrder[what] < laterOrder[later.What] || what == later.What && s.ID < later.Sequence
		if what != "" && better {
			later.What, later.Sequence, later.By = what, s.ID, by
		}
	}
	switch {
	case later.What == LaterSequence:
		p.Sequences++
	case later.What == LaterSuspect:
		p.Suspects++
	case t.Fixed:
		later.What = LaterFixed
	default:
		return
	}
	if t.Fixed {
		p.Fixed++
	}
	p.Later = append(p.Later, later)
}

// tie is what ties an alert to an attack sequence of its account: a finding for
// sure, and a resource or an actor of about the same time likely.
func (t footprint) tie(s footprint) (what LaterKind, by string) {
	switch {
	case t.ID == s.ID:
		return LaterSequence, "is one"
	case strings.HasPrefix(t.Type, "AttackSequence:"):
		return "", ""
	case t.Finding != "" && s.links(t.Finding):
		return LaterSequence, "finding " + t.Finding
	case s.Finding != "" && t.Part == s.Finding:
		return LaterSequence, "names sequence " + s.Finding
	case t.Begin.After(s.End.Add(day)) || t.End.Before(s.Begin.Add(-day)):
		return "", ""
	}
	for _, r := range []string{t.Resource, t.Name} {
		if r != "" && (r == s.Resource || r == s.Name || names(s.Ours, r)) {
			return LaterSuspect, "resource " + r
		}
	}
	if t.Principal != "" && t.Principal == s.Principal {
		return LaterSuspect, "principal " + t.Principal
	}
	if t.IP != "" && t.IP == s.IP {
		return LaterSuspect, "address " + t.IP
	}
	return "", ""
}

// links reports whether the finding is a signal of the sequence. Alerts from before
// all of its findings were kept name some of them in a fact.
func (t footprint) links(finding string) bool {
	if len(t.Linked) > 0 {
		return slices.Contains(t.Linked, finding)
	}
	return names(t.Findings, finding)
}

// names reports whether the word stands in the text by itself.
func names(text, word string) bool {
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		i += at
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if !inWord(before) && !inWord(after) {
			return true
		}
		at = i + 1
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:", r))
}

// String is a line of it: "would have hidden 412 alerts in 90 days (2 critical, 410
// low), 1 of which later became part of an attack sequence".
func (p Preview) String() string {
	var b strings.Builder
	if p.Hid {
		b.WriteString("hid ")
	} else {
		b.WriteString("would have hidden ")
	}
	fmt.Fprintf(&b, "%s in %s", plural(p.Alerts, "alert"), span(p.To.Sub(p.From)))
	if p.Alerts == 0 {
		return b.String()
	}
	levels := slices.Sorted(maps.Keys(p.ByLevel))
	slices.Reverse(levels)
	for i, l := range levels {
		if i == 0 {
			b.WriteString(" (")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", p.ByLevel[l], l)
	}
	b.WriteString(")")
	if p.Sequences > 0 {
		fmt.Fprintf(&b, ", %d of which later became part of an attack sequence", p.Sequences)
	}
	if p.Suspects > 0 {
		fmt.Fprintf(&b, ", %d with a resource or an actor of one", p.Suspects)
	}
	if p.Fixed > 0 {
		fmt.Fprintf(&b, ", %d closed as fixed", p.Fixed)
	}
	return b.String()
}

// span is a time in days, or in hours where it is less than two.
func span(d time.Duration) string {
	if d < 2*day {
		return plural(int((d+time.Hour-1)/time.Hour), "hour")
	}
	return plural(int((d+day-1)/day), "day")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
