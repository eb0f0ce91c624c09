package heartbeat

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Limits of what is shown of a ping's text, in characters.
const (
	maxTitle       = 300
	maxHeadline    = 80
	maxDescription = 2000
)

// dialect reads beats.
type dialect struct{}

// Read reads one beat. A source has one alert at a time, and what came last is how it
// stands: its beats are not ordered by their times, since a clock that was once far
// ahead would keep the source quiet until then.
func (dialect) Read(source string, raw []byte, _ func() (tocsin.Detection, bool)) (collect.Reading, error) {
	var b beat
	if err := json.Unmarshal(raw, &b); err != nil {
		return collect.Reading{}, fmt.Errorf("no ping: %w", err)
	}
	r := collect.Reading{
		Detection: tocsin.Detection{
			Key: tocsin.KeyOf("heartbeat", source), Dialect: "heartbeat", Type: "Heartbeat", ID: source, Level: b.Level,
			Resource: tocsin.Resource{ID: source}, FirstSeen: b.At, LastSeen: b.At,
			Description: plain.Prose(b.Text, maxDescription),
		},
		Steps: []tocsin.Fact{{Name: "ping", Value: plain.Line(string(b.Status), maxHeadline)}},
	}
	d := &r.Detection
	if d.Level == tocsin.Unknown {
		d.Level = tocsin.High
	}
	switch b.Status {
	case late:
		d.Title = source + " is silent: " + silence(b)
		d.Facts = []tocsin.Fact{{Name: "Last ping", Value: instant(b.Last)}, {Name: "Expected every", Value: plain.Line(b.Interval, maxHeadline)}}
	case overrun:
		d.Title = source + " has begun at " + instant(b.Start) + " and has not ended"
		d.Facts = []tocsin.Fact{{Name: "Began", Value: instant(b.Start)}}
	case failed:
		d.Title = source + " failed"
		if b.Exit != 0 {
			d.Title += " with exit status " + strconv.Itoa(b.Exit)
		}
		if line, _, _ := strings.Cut(strings.TrimSpace(b.Text), "\n"); line != "" {
			d.Title += ": " + plain.Prose(line, maxTitle)
		}
	case alive:
		d.End(tocsin.ReasonRecovered)
	case noted:
		d.Intent, d.Level = tocsin.IntentUpdate, tocsin.Unknown
	case started:
		r.End, r.Reason = tocsin.Ignored, "it has begun: nothing is to be told of that"
	default:
		return r, fmt.Errorf("status: %q is none of a ping's", plain.Line(string(b.Status), maxHeadline))
	}
	d.Title = plain.Cut(d.Title, maxTitle)
	d.Headline = plain.Cut(d.Title, maxHeadline)
	return r, nil
}

// silence says since when nothing was heard.
func silence(b beat) string {
	if b.Last.IsZero() {
		return "no ping yet"
	}
	return "no ping since " + instant(b.Last)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "none yet"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
