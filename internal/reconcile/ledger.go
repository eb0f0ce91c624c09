package reconcile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// Window is the time of last change that is counted: the last day.
const Window = 24 * time.Hour

// A Record is a finding as it was judged last.
type Record struct {
	Key     tocsin.Key
	Account string
	Updated time.Time
	Class   Class
	// Waiting and Due are those of the [Judgement].
	Waiting, Due time.Time
	// Filter is why it is suppressed.
	Filter string
}

// A Ledger is what is known of one detector's findings: up to when they were looked at,
// and how each that changed within the [Window] was judged. It is kept after each step,
// so that a process that ends in the middle goes on where it was, and lists once more
// what it listed already: which changes nothing.
type Ledger struct {
	Detector string // its id
	// From is the oldest change that was looked at, Until where the next look begins:
	// all that changed before was seen.
	From, Until time.Time
	// Since is when the watching of the detector began.
	Since   time.Time
	Records map[string]Record // by the finding's id
}

// Note takes in how a finding was judged. What was recovered stays recovered, though
// the event may come after all: it should have come before.
func (l *Ledger) Note(id string, r Record) {
	if l.Records == nil {
		l.Records = map[string]Record{}
	}
	if was, ok := l.Records[id]; ok && was.Class == Recovered && r.Class == Received && was.Updated.Equal(r.Updated) {
		return
	}
	l.Records[id] = r
}

// Open are the ids of the findings that something is waited for, or that GuardDuty did
// not give.
func (l *Ledger) Open() []string {
	var ids []string
	for id, r := range l.Records {
		if r.Class == Pending || r.Class == Unexplained {
			ids = append(ids, id)
		}
	}
	return ids
}

// Forget drops what changed before the window, unless something of it is waited for.
func (l *Ledger) Forget(now time.Time) {
	begin := l.Begin(now)
	for id, r := range l.Records {
		if r.Updated.Before(begin) && (r.Class != Pending || r.Updated.Before(begin.Add(-Window))) {
			delete(l.Records, id)
		}
	}
}

// Begin is the beginning of the window.
func (l *Ledger) Begin(now time.Time) time.Time {
	if begin := now.Add(-Window); begin.After(l.From) {
		return begin
	}
	return l.From
}

// Counts are the findings of each account that changed within the window, as far as
// all was looked at. Each of the accounts has some, if only zeros.
func (l *Ledger) Counts(now time.Time, accounts ...string) map[string]tocsin.Reconciliation {
	begin := l.Begin(now)
	counts := make(map[string]tocsin.Reconciliation, len(accounts))
	for _, a := range accounts {
		counts[a] = tocsin.Reconciliation{From: begin, Until: l.Until}
	}
	for _, r := range l.Records {
		if r.Updated.Before(begin) || !r.Updated.Before(l.Until) {
			continue
		}
		c, ok := counts[r.Account]
		if !ok {
			c = tocsin.Reconciliation{From: begin, Until: l.Until}
		}
		c.API++
		switch r.Class {
		case Received:
			c.Received++
		case Pending:
			c.Pending++
		case Suppressed:
			c.Suppressed++
		case Recovered:
			c.Recovered++
		case Unexplained:
			c.Unexplained++
		}
		counts[r.Account] = c
	}
	return counts
}

// Filters are how many findings within the window each filter archived.
func (l *Ledger) Filters(now time.Time) map[string]int64 {
	begin, by := l.Begin(now), map[string]int64{}
	for _, r := range l.Records {
		if r.Filter != "" && !r.Updated.Before(begin) {
			by[r.Filter]++
		}
	}
	return by
}

// kept is a ledger as it is kept: times are Unix milliseconds, 0 for none.
type kept struct {
	Version  int               `json:"version"`
	Detector string            `json:"detector"`
	From     int64             `json:"from"`
	Until    int64             `json:"until"`
	Since    int64             `json:"since"`
	Records  map[string]record `json:"records"`
}

type record struct {
	Key     string `json:"k"`
	Account string `json:"a"`
	Updated int64  `json:"u"`
	Class   Class  `json:"c"`
	Waiting int64  `json:"w,omitempty"`
	Due     int64  `json:"d,omitempty"`
	Filter  string `json:"f,omitempty"`
}

// version is that of the form in which ledgers are kept.
const version = 1

// maxKept is how much a ledger may be when it is unpacked, in bytes.
const maxKept = 256 << 20

// Marshal gives the ledger as it is kept: JSON, packed with gzip.
func (l *Ledger) Marshal() ([]byte, error) {
	k := kept{
		Version: version, Detector: l.Detector, From: millis(l.From), Until: millis(l.Until), Since: millis(l.Since),
		Records: make(map[string]record, len(l.Records)),
	}
	for id, r := range l.Records {
		k.Records[id] = record{string(r.Key), r.Account, millis(r.Updated), r.Class, millis(r.Waiting), millis(r.Due), r.Filter}
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(z).Encode(k); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Unmarshal reads what [Ledger.Marshal] gave.
func Unmarshal(data []byte) (*Ledger, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxKept+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKept {
		return nil, errors.New("it is too large")
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	if k.Version != version {
		return nil, fmt.Errorf("it is of version %d, want %d", k.Version, version)
	}
	l := &Ledger{Detector: k.Detector, From: moment(k.From), Until: moment(k.Until), Since: moment(k.Since), Records: make(map[string]Record, len(k.Records))}
	for id, r := range k.Records {
		l.Records[id] = Record{tocsin.Key(r.Key), r.Account, moment(r.Updated), r.Class, moment(r.Waiting), moment(r.Due), r.Filter}
	}
	return l, nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
