package inbox

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Person is somebody who is told and may answer, with their addresses.
type Person struct {
	Name     string // "ana"
	FullName string // "Ana Lima"
	Slack    string // "U012AB3CD"
	Phone    string // "+12025550101"
	Mail     string // "ana@example.com"
}

// Called is how others call them.
func (p Person) Called() string {
	if p.FullName != "" {
		return p.FullName
	}
	return p.Name
}

// First is the first of their names, where there is little room.
func (p Person) First() string {
	first, _, _ := strings.Cut(p.Called(), " ")
	return first
}

func (b *Inbox) person(is func(p Person) bool) (Person, bool) {
	i := slices.IndexFunc(b.people, is)
	if i < 0 {
		return Person{}, false
	}
	return b.people[i], true
}

func (b *Inbox) named(name string) (Person, bool) {
	return b.person(func(p Person) bool { return p.Name == name })
}

// Link is the address behind a word ("Acknowledge") in the newest mail to somebody
// about an alert, and whether there is one.
func (b *Inbox) Link(to string, alert int64, word string) (address string, ok bool) {
	p, known := b.named(to)
	if !known {
		return "", false
	}
	about := "(#" + strconv.FormatInt(alert, 10) + ")"
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `: (http\S+)$`)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mails {
		if !slices.Contains(m.To, p.Mail) || !strings.Contains(m.Subject, about) {
			continue
		}
		found := line.FindStringSubmatch(m.Text)
		return strings.Join(found[min(len(found), 1):], ""), found != nil
	}
	return "", false
}

// await waits until ok, which is asked whenever anything was taken, and no longer
// than most. b.mu is held while ok is asked.
func (b *Inbox) await(ctx context.Context, most time.Duration, ok func() bool) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		b.mu.Lock()
		done, news := ok(), b.news
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-news:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// formMax bounds what a form of the page may hold.
const formMax = 16 << 10

// acts does what a form of the page asks for and shows the page again, at what
// changed. What went wrong is shown there, too.
func (b *Inbox) acts(w http.ResponseWriter, r *http.Request, do func() (anchor string)) {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	anchor := do()
	// Relative, since the page may stand anywhere.
	w.Header().Set("Location", "./"+stateOf(b, r.PostForm).link("")+"#"+anchor)
	w.WriteHeader(http.StatusSeeOther)
}
