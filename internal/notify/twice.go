package notify

import (
	"strconv"
	"sync"
	"time"
)

// Asks reports whether it is asked once more before it is done: it ends the alert, or
// changes something out there, so that an accidental tap would be missed, or costly.
func (d Do) Asks() bool {
	_, runs := d.Runs()
	return runs || d == DoExpected || d == DoClose
}

const (
	confirmTime = 20 * time.Second // between the two presses
	askedMost   = 1024             // that are waited for
)

// Twice are the first presses of buttons that ask once more, for vendors whose buttons
// cannot ask by themselves. A second press within twenty seconds counts, if it is of the
// same person, and not the first one delivered again. The zero Twice is ready, and safe
// for concurrent use; it knows what was pressed here, so that where replicas take turns
// one more press may be needed.
type Twice struct {
	mu    sync.Mutex // guards first
	first map[string]pressed
}

// pressed is the first press of a button.
type pressed struct {
	id string // the answer's
	at time.Time
}

// Confirmed reports whether the answer may be done now. If not, words say what the next
// press does.
func (t *Twice) Confirmed(a Answer, now time.Time) (words string, ok bool) {
	if !a.Do.Asks() {
		return "", true
	}
	key := a.From + " " + strconv.FormatInt(a.Alert, 10) + " " + string(a.Do)
	t.mu.Lock()
	defer t.mu.Unlock()
	first, asked := t.first[key]
	again := asked && a.ID != "" && first.id == a.ID
	if asked && !again && now.Sub(first.at) <= confirmTime {
		delete(t.first, key)
		return "", true
	}
	if t.first == nil || len(t.first) >= askedMost {
		t.first = map[string]pressed{}
	}
	if !again {
		t.first[key] = pressed{a.ID, now}
	}
	number := "#" + strconv.FormatInt(a.Alert, 10)
	if name, runs := a.Do.Runs(); runs {
		return Truncate(Clean(name), 60, Runes) + " runs for alert " + number + " then, and your name stands with it on the timeline. Press once more to run it.", false
	}
	return "Alert " + number + " is closed then, and nobody is told of it any more. Press once more to do so.", false
}
