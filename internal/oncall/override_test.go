package oncall_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// ana and bo share the odd days' turn, cy has the even ones.
func shared() oncall.Schedule {
	return schedule("UTC", oncall.Layer{Rotate: "daily", From: "2026-01-05T00:00", Turns: turns("ana+bo", "cy")})
}

func names(s string) []string { return strings.Fields(s) }

func TestV12Overrides(t *testing.T) {
	t.Parallel()
	from, until := instant(t, "2026-01-05T08:00:00Z"), instant(t, "2026-01-06T08:00:00Z")
	// one is an override of those eight hours and the 16 before, created at that minute.
	one := func(created int, kind oncall.OverrideKind, people, with string) oncall.Override {
		return oncall.Override{
			ID: string(kind) + " " + people, Kind: kind, People: names(people), With: names(with),
			From: from, Until: until, By: "lead", CreatedAt: from.Add(time.Duration(created-60) * time.Minute),
		}
	}
	of := func(schedule string, o oncall.Override) oncall.Override { o.Schedule = schedule; return o }
	for _, tt := range []struct {
		name      string
		overrides []oncall.Override
		at        string
		want      string
	}{
		{"V12 replace, in their place", []oncall.Override{one(1, oncall.Replace, "ana", "di")}, "2026-01-05T12:00:00Z", "di bo"},
		{"V12 replace only where they are on call", []oncall.Override{one(1, oncall.Replace, "ana", "di")}, "2026-01-06T07:00:00Z", "cy"},
		{"V12 replace by somebody who is on call already: once", []oncall.Override{one(1, oncall.Replace, "ana", "bo")}, "2026-01-05T12:00:00Z", "bo"},
		{"V12 replace one by two", []oncall.Override{one(1, oncall.Replace, "ana", "di eve")}, "2026-01-05T12:00:00Z", "di eve bo"},
		{"V12 replace two by one", []oncall.Override{one(1, oncall.Replace, "ana bo", "di")}, "2026-01-05T12:00:00Z", "di"},
		{"V12 before it begins", []oncall.Override{one(1, oncall.Replace, "ana", "di")}, "2026-01-05T07:59:59Z", "ana bo"},
		{"V12 as it begins", []oncall.Override{one(1, oncall.Replace, "ana", "di")}, "2026-01-05T08:00:00Z", "di bo"},
		{"V12 as it ends", []oncall.Override{one(1, oncall.Set, "di", "")}, "2026-01-06T08:00:00Z", "cy"},
		{"V12 add", []oncall.Override{one(1, oncall.Add, "di", "")}, "2026-01-05T12:00:00Z", "ana bo di"},
		{"V12 add somebody who is on call already: once", []oncall.Override{one(1, oncall.Add, "bo di", "")}, "2026-01-05T12:00:00Z", "ana bo di"},
		{"V12 remove", []oncall.Override{one(1, oncall.Remove, "ana", "")}, "2026-01-05T12:00:00Z", "bo"},
		{"V12 remove everybody: a gap", []oncall.Override{one(1, oncall.Remove, "ana bo", "")}, "2026-01-05T12:00:00Z", ""},
		{"V12 set", []oncall.Override{one(1, oncall.Set, "di eve", "")}, "2026-01-05T12:00:00Z", "di eve"},
		{"V12 replace of a set", []oncall.Override{one(1, oncall.Set, "di", ""), one(2, oncall.Replace, "di", "eve")}, "2026-01-05T12:00:00Z", "eve"},
		{"V12 a set after a replace knows nothing of it", []oncall.Override{one(2, oncall.Set, "di", ""), one(1, oncall.Replace, "di", "eve")}, "2026-01-05T12:00:00Z", "di"},
		{"V12 the order is that of creation, not that of the list", []oncall.Override{one(2, oncall.Replace, "di", "eve"), one(1, oncall.Set, "di", "")}, "2026-01-05T12:00:00Z", "eve"},
		{"V12 a chain of replacements", []oncall.Override{one(1, oncall.Replace, "ana", "di"), one(2, oncall.Replace, "di", "eve")}, "2026-01-05T12:00:00Z", "eve bo"},
		{"V12 add after remove", []oncall.Override{one(1, oncall.Remove, "ana bo", ""), one(2, oncall.Add, "di", "")}, "2026-01-05T12:00:00Z", "di"},
		{"V12 remove of an added one", []oncall.Override{one(1, oncall.Add, "di", ""), one(2, oncall.Remove, "di ana", "")}, "2026-01-05T12:00:00Z", "bo"},
		{"an absence is of every schedule", []oncall.Override{of("", one(1, oncall.Replace, "ana", "di"))}, "2026-01-05T12:00:00Z", "di bo"},
		{"an override of this schedule", []oncall.Override{of("soc", one(1, oncall.Replace, "ana", "di"))}, "2026-01-05T12:00:00Z", "di bo"},
		{"one of another schedule is not ours", []oncall.Override{of("payments", one(1, oncall.Replace, "ana", "di"))}, "2026-01-05T12:00:00Z", "ana bo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, shared(), tt.overrides...)
			at := instant(t, tt.at)
			if got := strings.Join(p.At(at), " "); got != tt.want {
				t.Errorf("At(%s) = %q, want %q", tt.at, got, tt.want)
			}
			current, _ := p.Current(at)
			if got := strings.Join(current.People, " "); got != tt.want {
				t.Errorf("Current(%s) is %q, want %q", tt.at, got, tt.want)
			}
		})
	}
}

func TestAnOverrideIsRefused(t *testing.T) {
	t.Parallel()
	from := instant(t, "2026-01-05T08:00:00Z")
	good := oncall.Override{ID: "o1", Kind: oncall.Replace, People: names("ana"), With: names("bo"), From: from, Until: from.Add(time.Hour)}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*oncall.Override)
		want   string
	}{
		{"without an id", func(o *oncall.Override) { o.ID = "" }, `override "": id: is empty`},
		{"of an unknown kind", func(o *oncall.Override) { o.Kind = "move"; o.With = nil }, `override "o1": kind: "move" is none of replace, add, remove, set`},
		{"of nobody", func(o *oncall.Override) { o.People = nil }, `override "o1": people: there is nobody`},
		{"that sets nobody", func(o *oncall.Override) { o.Kind, o.With, o.People = oncall.Set, nil, nil }, `override "o1": people: there is nobody`},
		{"of one person twice", func(o *oncall.Override) { o.People = names("ana ana") }, `override "o1": people: "ana" is there twice`},
		{"with nobody instead", func(o *oncall.Override) { o.With = nil }, `override "o1": with: there is nobody to come instead; to have nobody come, remove`},
		{"with somebody twice", func(o *oncall.Override) { o.With = names("bo bo") }, `override "o1": with: "bo" is there twice`},
		{"that adds with somebody instead", func(o *oncall.Override) { o.Kind = oncall.Add }, `override "o1": with: is of replace, not of add`},
		{"that ends as it begins", func(o *oncall.Override) { o.Until = o.From }, `override "o1": until: 2026-01-05T08:00:00Z is not after from`},
		{"without a beginning", func(o *oncall.Override) { o.From = time.Time{} }, `override "o1": from: is left out`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := good
			tt.change(&o)
			err := o.Validate()
			if err == nil || err.Error() != tt.want {
				t.Errorf("Validate() = %v, want %s", err, tt.want)
			}
			if _, err := oncall.New(oncall.History{{Schedule: shared()}}, []oncall.Override{o}); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

func TestAnOverrideAsJSON(t *testing.T) {
	t.Parallel()
	from := instant(t, "2026-01-05T08:00:00Z")
	o := oncall.Override{ID: "o1", Schedule: "soc", Kind: oncall.Replace, People: names("ana"), With: names("bo"), From: from, Until: from.Add(time.Hour), By: "ana", Reason: "dentist", CreatedAt: from.Add(-time.Hour)}
	text, err := json.Marshal(o)
	want := `{"id":"o1","schedule":"soc","kind":"replace","people":["ana"],"with":["bo"],"from":"2026-01-05T08:00:00Z","until":"2026-01-05T09:00:00Z","by":"ana","reason":"dentist","created_at":"2026-01-05T07:00:00Z"}`
	if err != nil || string(text) != want {
		t.Errorf("Marshal = %s, %v, want %s", text, err, want)
	}
	var back oncall.Override
	if err := json.Unmarshal(text, &back); err != nil || !cmp.Equal(o, back) {
		t.Errorf("Unmarshal = %v, %v, want %v", back, err, o)
	}
}

func TestASwapIsTwoReplacementsAcceptedByBoth(t *testing.T) {
	t.Parallel()
	s := schedule("UTC", oncall.Layer{Rotate: "daily", From: "2026-01-05T00:00", Turns: turns("ana", "bo", "cy")})
	monday, now := instant(t, "2026-01-05T00:00:00Z"), instant(t, "2026-01-02T12:00:00Z")
	swap := oncall.Swap{
		ID: "s1", Schedule: "soc", By: "ana", Reason: "concert", CreatedAt: instant(t, "2026-01-01T00:00:00Z"), Accepted: names("bo ana"),
		A: oncall.Slot{Person: "ana", From: monday, Until: monday.Add(24 * time.Hour)},
		B: oncall.Slot{Person: "bo", From: monday.Add(24 * time.Hour), Until: monday.Add(48 * time.Hour)},
	}
	both, err := swap.Overrides(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range both {
		if !o.CreatedAt.Equal(now) || o.Schedule != "soc" || o.By != "ana" || o.Reason != "concert" {
			t.Errorf("override %+v, want one of soc, by ana because of the concert, created at %s", o, now)
		}
	}
	got := lines(plan(t, s, both...).Shifts(monday, monday.Add(72*time.Hour)))
	if diff := cmp.Diff([]string{"01-05 00:00+00:00 24h bo", "01-06 00:00+00:00 24h ana", "01-07 00:00+00:00 24h cy"}, got); diff != "" {
		t.Errorf("Shifts (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name   string
		change func(*oncall.Swap)
		want   string
	}{
		{"one has not accepted", func(s *oncall.Swap) { s.Accepted = names("ana") }, `swap "s1": bo has not accepted`},
		{"the slots overlap", func(s *oncall.Swap) { s.B.From = s.A.From }, `swap "s1": the slots overlap`},
		{"with oneself", func(s *oncall.Swap) { s.B.Person = "ana" }, `swap "s1": ana cannot swap with themselves`},
		{"a slot has no length", func(s *oncall.Swap) { s.B.Until = s.B.From }, `override "s1/b": until: 2026-01-06T00:00:00Z is not after from`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := swap
			tt.change(&s)
			if _, err := s.Overrides(now); err == nil || err.Error() != tt.want {
				t.Errorf("Overrides() = %v, want %s", err, tt.want)
			}
		})
	}
}
