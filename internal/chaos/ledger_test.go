package chaos_test

import (
	"crypto/sha256"
	"sync"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
)

// A ledger is what was sent and is to be found again.
type ledger struct {
	mu       sync.Mutex
	messages map[delivery]sent  // answered 2xx; guarded by mu, as is the rest
	findings map[string]finding // by id
	offered  map[delivery]bool  // sent, and not known to have been received
}

// A delivery is what makes a message one: the source and the sender's id.
type delivery struct{ source, envelope string }

// sent is a message that was answered 2xx.
type sent struct {
	finding string
	sum     [sha256.Size]byte // of the event
	answers int               // how often it was answered 2xx
}

// A finding is what should have become of what was sent of it.
type finding struct {
	events int   // different messages
	count  int64 // highest
	raised bool  // people are to be told a second time
}

func newLedger() *ledger {
	return &ledger{messages: map[delivery]sent{}, findings: map[string]finding{}, offered: map[delivery]bool{}}
}

func (l *ledger) offer(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.messages[m.delivery]; !ok {
		l.offered[m.delivery] = true
	}
}

// received takes note that m was answered 2xx.
func (l *ledger) received(m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.offered, m.delivery)
	s, again := l.messages[m.delivery]
	if !again {
		id := rig.ID(m.finding.Number)
		s = sent{finding: id, sum: sha256.Sum256(m.event)}
		f := l.findings[id]
		f.events++
		f.count = max(f.count, m.finding.Count())
		f.raised = f.raised || m.raises
		l.findings[id] = f
	}
	s.answers++
	l.messages[m.delivery] = s
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.messages)
}
