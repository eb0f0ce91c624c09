package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/oncall"
)

// parse reads a form of ours. What is no form is the sender's fault.
func parse(r *http.Request) error {
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || err == nil {
		return err
	}
	return &problem{
		Status: http.StatusBadRequest, Title: "That form cannot be read",
		Words: "What was sent is not a form of this page.",
		Next:  "Use the form on the page.", Href: pageOf(r), Link: "Go back",
	}
}

// readForm reads a form and returns what it is about, the id in the path.
func readForm(r *http.Request) (id int64, err error) {
	if id, err = pathID(r, "id"); err != nil {
		return 0, err
	}
	return id, parse(r)
}

// An inputError says what of a form cannot be used; engine has its own.
type inputError struct{ error }

func (e inputError) Unwrap() error { return e.error }

// wrong is an input that cannot be used. It begins with the field's name.
func wrong(format string, args ...any) error { return inputError{fmt.Errorf(format, args...)} }

// isInput reports whether the error is about what was typed.
func isInput(err error) bool {
	_, ours := errors.AsType[inputError](err)
	_, theirs := errors.AsType[engine.InputError](err)
	return ours || theirs
}

// maxNote is the longest note kept, in runes.
const maxNote = 4000

// lines is a text of several lines that a person typed.
func lines(r *http.Request, name string) string {
	text := []rune(strings.TrimSpace(plain(strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue(name), "\r\n", "\n"), "\uFFFD"))))
	return string(text[:min(len(text), maxNote)])
}

// local times as browsers send them (https://html.spec.whatwg.org/#local-dates-and-times).
const inputTime = "2006-01-02T15:04"

// wallTime reads a field of date and time by the clock of the zone; zero if it is
// empty. A time that clocks skip is the jump.
func wallTime(r *http.Request, name, label string, zone *time.Location) (time.Time, error) {
	s := line(r.FormValue(name), 40)
	if s == "" {
		return time.Time{}, nil
	}
	if len(s) > len(inputTime) { // some browsers send seconds
		s = s[:len(inputTime)]
	}
	at, err := oncall.ParseCivil(s)
	if err != nil {
		return time.Time{}, wrong("%s: %w", label, err)
	}
	return oncall.Resolve(at, zone), nil
}

// zoneOf is the clock by which the times of a form are meant.
func zoneOf(r *http.Request) *time.Location {
	zone, err := time.LoadLocation(line(r.FormValue("zone"), 60))
	if err != nil {
		return time.UTC
	}
	return zone
}

// tomorrow is 09:00 on the next day, by the zone's clock.
func tomorrow(now time.Time, zone *time.Location) time.Time {
	y, m, d := now.In(zone).AddDate(0, 0, 1).Date()
	return oncall.Resolve(oncall.Civil{Year: y, Month: m, Day: d, Hour: 9}, zone)
}

// names are the values of a field with several, each once, without empty ones.
func names(r *http.Request, field string) []string {
	var all []string
	seen := map[string]bool{}
	for _, s := range r.PostForm[field] {
		if s = line(s, 200); s != "" && !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	return all
}
