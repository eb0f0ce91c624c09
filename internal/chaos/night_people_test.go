package chaos_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

// An answer is what somebody does about an alert.
type answer struct {
	ID    string `json:"id"` // the same however often it is sent
	Alert int64  `json:"alert"`
	// Do is a notify.Do, or what is done on a page: "give back", "snooze",
	// "hand over", "mute".
	Do string `json:"do"`
	By string `json:"by"` // a person
	// Receiver and From are through what they answer, as the vendor calls them; Link
	// is one of a mail. Both empty: they do it on a page.
	Receiver string `json:"receiver,omitempty"`
	From     string `json:"from,omitempty"`
	Link     string `json:"link,omitempty"`
}

// A deed is what comes so many minutes after an alert was first heard of.
type deed struct {
	after int
	do    string
}

// crowd is how people take what they are told. What they do about an alert depends
// on its number and the seed, and on nothing else.
type crowd struct {
	seed  uint64
	names map[string]string // people by address

	mu      sync.Mutex
	affairs map[int64]*affair // by alert; guarded by mu
}

// An affair is an alert that people heard of.
type affair struct {
	since time.Time
	deeds []deed // to come
	done  int
	ways  []answer // by which people were told of it themselves, in order
}

func newCrowd(seed uint64) *crowd {
	c := &crowd{seed: seed, names: map[string]string{}, affairs: map[int64]*affair{}}
	for name, address := range addresses {
		for _, a := range address {
			c.names[a] = name
		}
	}
	return c
}

// addresses are those of people, for the vendors.
var addresses = map[string][]string{
	"ana": {"UANA00001", "+12025550101", "ana@example.com"},
	"bo":  {"UBO000001", "+12025550102", "bo@example.com"},
	"cy":  {"UCY000001", "+12025550103"},
	"dee": {"dee@example.com", "+4930123401"},
	"eve": {"eve@example.com", "+4930123402"},
	"fin": {"UFIN00001", "+4930123403"},
	"fay": {"+81312345601"},
	"gus": {"UGUS00001", "+81312345602"},
	"hal": {"UHAL00001", "hal@example.com"},
	"ida": {"UIDA00001", "ida@example.com"},
}

func (c *crowd) dice(alert int64) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%d", c.seed, alert)
	return int(h.Sum64() >> 8 % 1_000_000)
}

// deeds are what people do about an alert.
func (c *crowd) deeds(alert int64) []deed {
	d := c.dice(alert)
	quick, slow := 1+d/100%6, 12+d/100%14
	switch d := d % 100; {
	case d < 45:
		return []deed{{quick, "acknowledge"}}
	case d < 60:
		return []deed{{slow, "acknowledge"}}
	case d < 68:
		return []deed{{2, "escalate"}, {7, "acknowledge"}}
	case d < 72:
		return []deed{{3, "close"}}
	case d < 76:
		return []deed{{4, "expected"}}
	case d < 80:
		return []deed{{2, "acknowledge"}, {10, "give back"}, {20, "acknowledge"}}
	case d < 83:
		return []deed{{2, "snooze"}, {45, "acknowledge"}}
	case d < 86:
		return []deed{{3, "hand over"}, {14, "acknowledge"}}
	case d < 88:
		return []deed{{4, "mute"}}
	}
	return nil // nobody answers
}

// hear takes note that somebody was called.
func (c *crowd) hear(t take) {
	if t.alert == 0 || t.kind != "opened" && t.kind != "raised" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.affairs[t.alert]
	if a == nil {
		a = &affair{since: t.at, deeds: c.deeds(t.alert)}
		c.affairs[t.alert] = a
	}
	if len(a.deeds) == 0 && a.done > 0 && t.at.Sub(a.since) > 40*time.Minute {
		// Called again, when they thought that it was done with.
		a.since, a.deeds = t.at, []deed{{3, "close"}}
	}
	way := answer{By: c.names[t.to]}
	switch t.vendor {
	case "twilio":
		way.Receiver, way.From = "sms", t.to
	case "slack":
		way.Receiver, way.From = "soc", t.to
	default:
		way.Link = t.link
	}
	if way.By != "" { // and not in a channel, before everybody's eyes
		a.ways = append(a.ways, way)
	}
}

// due are what people do now, and that they are done with it.
func (c *crowd) due(now time.Time) []answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []answer
	for id, a := range c.affairs {
		for len(a.deeds) > 0 && !now.Before(a.since.Add(time.Duration(a.deeds[0].after)*time.Minute)) {
			all = append(all, c.answer(id, a, a.deeds[0].do))
			a.deeds = a.deeds[1:]
			a.done++
		}
	}
	slices.SortFunc(all, func(x, y answer) int { return cmp.Or(cmp.Compare(x.Alert, y.Alert), cmp.Compare(x.ID, y.ID)) })
	return all
}

// answer is done by whoever was told last, by the way by which they were; or if
// nobody was told in person, by somebody who looks at the channel.
func (c *crowd) answer(alert int64, a *affair, do string) answer {
	way := answer{By: "ana", Receiver: "soc", From: "UANA00001"}
	if n := len(a.ways); n > 0 {
		way = a.ways[n-1]
	}
	way.ID, way.Alert, way.Do = fmt.Sprintf("answer-%d-%d", alert, a.done), alert, do
	switch do {
	case "acknowledge":
	case "close", "escalate", "expected":
		way.Link = "" // it acknowledges
	default:
		way.Receiver, way.From, way.Link = "", "", ""
	}
	return way
}
