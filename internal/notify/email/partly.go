package email

import (
	netmail "net/mail"
	"slices"
	"sync"
	"time"
)

const (
	// partlyMost bounds the messages remembered. Beyond it the oldest is forgotten,
	// and its next attempt is for everybody.
	partlyMost = 1024
	// stragglers is for how long those who were deferred are tried on their own once
	// others have the mail. A greylist lets mail in after minutes (RFC 6647); later
	// messages of the alert wait for this one, for those who have it too.
	stragglers = time.Hour
)

// partly remembers who has a message that others are still to get, so that its
// next attempt is for those alone. It is lost with the process: then everybody
// gets the message again, with the same Message-ID, and nobody is left out.
type partly struct {
	mu       sync.Mutex
	messages map[string]taken // by [notify.Message].ID
}

// taken is who has a message, by address, and since when the first of them.
type taken struct {
	by    []string
	since time.Time
}

// missing are those of to who do not have the message.
func (p *partly) missing(id string, to []*netmail.Address) []*netmail.Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	by := p.messages[id].by
	return slices.DeleteFunc(slices.Clone(to), func(a *netmail.Address) bool { return slices.Contains(by, a.Address) })
}

// add says who has the message now that more of them do.
func (p *partly) add(id string, more []string, now time.Time) taken {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, known := p.messages[id]
	if len(more) == 0 {
		return t
	}
	if !known {
		t.since = now
		p.makeRoom()
	}
	t.by = slices.Concat(t.by, more)
	p.messages[id] = t
	return t
}

// makeRoom makes room for one more message.
func (p *partly) makeRoom() {
	if p.messages == nil {
		p.messages = map[string]taken{}
	}
	if len(p.messages) < partlyMost {
		return
	}
	oldest := ""
	for id, t := range p.messages {
		if oldest == "" || t.since.Before(p.messages[oldest].since) {
			oldest = id
		}
	}
	delete(p.messages, oldest)
}

// forget is for a message that nobody is to get any more.
func (p *partly) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.messages, id)
}
