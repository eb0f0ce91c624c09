package coverage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/plain"
)

// Alerting is how people are told of gaps.
type Alerting struct {
	Disabled bool
	// Level is that of the alert, and After is for how long a gap has to be there.
	Level tocsin.Level
	After time.Duration
	// Began is when this process began to look. Nothing is due before After has passed
	// since: what piled up while nobody looked is to come in first.
	Began time.Time
}

// due reports whether a gap is there for long enough to be told.
func (a Alerting) due(r Remembered, now time.Time) bool {
	from := r.Noted
	if a.Began.After(from) {
		from = a.Began
	}
	return now.Sub(from) >= a.After
}

// A Tiding is that a gap began, or ended: it comes in as an event like any other.
type Tiding struct {
	// Envelope is the same wherever it is made of the same memory, and Raw is too, so
	// that several replicas that tell of one gap tell of it once.
	Envelope string
	Raw      []byte

	Over  bool
	At    time.Time // when it became so
	Since time.Time
	Ended time.Time // zero unless it is over
	Count int       // how many gaps it is of

	gap   gapID
	group string
}

// Tidings are what is to be told of what is remembered: gaps that are there for long
// enough, groups that have more gaps than were told, what goes on for a week more, and
// what of it has ended. Where alerting is disabled it is the ends alone of what was
// told before.
func (m Memory) Tidings(a Alerting, now time.Time) []Tiding {
	var all []Tiding
	of := map[string][]Remembered{}
	for _, r := range m.Gaps {
		switch {
		case r.Group != "":
			of[r.Group] = append(of[r.Group], r)
		case !r.Ended.IsZero():
			all = append(all, single(r, a, r.Ended))
		case a.Disabled || !r.Kind.alerts():
		case r.Told.IsZero() && a.due(r, now):
			all = append(all, single(r, a, r.Noted))
		case !r.Told.IsZero() && now.Sub(r.Told) >= again:
			all = append(all, single(r, a, r.Told.Add(again)))
		}
	}
	for _, g := range m.Groups {
		members := of[g.ID]
		switch {
		case !g.Ended.IsZero():
			all = append(all, many(g, nil, a, g.Ended))
		case a.Disabled:
		case len(members) > g.Told:
			all = append(all, many(g, members, a, latest(g, members)))
		case now.Sub(g.ToldAt) >= again:
			all = append(all, many(g, members, a, g.ToldAt.Add(again)))
		}
	}
	return all
}

// latest is when the newest of a group was noted.
func latest(g Group, members []Remembered) time.Time {
	at := g.Since
	for _, r := range members {
		if r.Noted.After(at) {
			at = r.Noted
		}
	}
	return at
}

// What EventBridge would say of such an event.
const (
	eventSource = "tocsin.coverage"
	// DetailType is the detail-type of the event that tells of a gap.
	DetailType = "tocsin coverage gap"
)

// event is a tiding as it stands in the journal: like one of EventBridge's, so that
// rules can match it.
type event struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Detail     detail    `json:"detail"`
}

type detail struct {
	Key   string `json:"key"`
	State string `json:"state"` // "begun" or "ended"
	Kind  Kind   `json:"kind"`  // "many" of a group
	Level string `json:"level"`
	Name  string `json:"name,omitempty"` // of the account
	// What of one gap, or of many.
	Since   time.Time  `json:"since"`
	Ended   *time.Time `json:"ended,omitempty"`
	Says    string     `json:"says,omitempty"`
	Fix     string     `json:"fix,omitempty"`
	Change  string     `json:"change,omitempty"`
	Command string     `json:"command,omitempty"`
	Count   int        `json:"count,omitempty"`
	Kinds   []counted  `json:"kinds,omitempty"`
	Places  []string   `json:"places,omitempty"`
	More    int        `json:"more,omitempty"` // places that are not listed
}

type counted struct {
	Kind  Kind `json:"kind"`
	Count int  `json:"count"`
}

const (
	begun = "begun"
	ended = "ended"
	// manyKinds is the kind of an alert that stands for many gaps.
	manyKinds = "many"
	// listed is how many places the event of a group names.
	listed = 20
)

func single(r Remembered, a Alerting, at time.Time) Tiding {
	t := Tiding{gap: r.id(), At: at, Since: r.Since, Ended: r.Ended, Over: !r.Ended.IsZero(), Count: 1}
	d := detail{
		Key: string(tocsin.KeyOf(Source, r.Account, r.Region, string(r.Kind))), Kind: r.Kind, Level: a.Level.String(), Name: r.Name,
		Since: r.Since, Says: r.Says, Fix: r.Fix, Change: r.Change, Command: r.Command,
	}
	return t.made(d, r.Account, r.Region)
}

func many(g Group, members []Remembered, a Alerting, at time.Time) Tiding {
	t := Tiding{group: g.ID, At: at, Since: g.Since, Ended: g.Ended, Over: !g.Ended.IsZero(), Count: len(members)}
	d := detail{
		Key: string(tocsin.KeyOf(append([]string{Source, manyKinds}, strings.Split(g.ID, "/")...)...)), Kind: manyKinds, Level: a.Level.String(), Name: g.Name, Since: g.Since, Count: len(members),
	}
	kinds := map[Kind]int{}
	places := map[tocsin.Place]string{}
	for _, r := range members {
		kinds[r.Kind]++
		if r.Since.Before(d.Since) {
			d.Since = r.Since
		}
		places[tocsin.Place{Account: r.Account, Region: r.Region}] = label(r.Account, r.Name, r.Region)
	}
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(x, y Kind) int { return cmp.Or(kinds[y]-kinds[x], kindRank[x]-kindRank[y]) }) {
		d.Kinds = append(d.Kinds, counted{k, kinds[k]})
	}
	d.Places = slices.Sorted(maps.Values(places))
	if len(d.Places) > listed {
		d.Places, d.More = d.Places[:listed], len(d.Places)-listed
	}
	return t.made(d, g.Account, g.Region)
}

// made writes the event.
func (t Tiding) made(d detail, account, region string) Tiding {
	d.State = begun
	if t.Over {
		d.State, d.Ended = ended, &t.Ended
	}
	t.Envelope = fmt.Sprintf("%s/%s/%d/%d", d.Key, d.State, t.At.UnixMilli(), t.Count)
	raw, err := json.Marshal(event{
		Version: "0", ID: t.Envelope, DetailType: DetailType, Source: eventSource, Account: account, Region: region, Time: t.At, Detail: d,
	})
	if err != nil {
		raw = []byte("{}") // cannot be: it holds texts, numbers and times
	}
	t.Raw = raw
	return t
}

// Limits of what is shown, in characters.
const (
	maxHeadline    = 80
	maxTitle       = 300
	maxDescription = 2000
)

// Read reads the event of a tiding. The error says that it is none.
func Read(raw []byte) (tocsin.Detection, error) {
	var ev event
	if err := json.Unmarshal(raw, &ev); err != nil {
		return tocsin.Detection{}, fmt.Errorf("no gap of coverage: %w", err)
	}
	d := ev.Detail
	if ev.Source != eventSource || d.Key == "" || (d.State != begun && d.State != ended) {
		return tocsin.Detection{}, fmt.Errorf("no gap of coverage: source %q, state %q", plain.Line(ev.Source, maxHeadline), plain.Line(d.State, maxHeadline))
	}
	level, err := tocsin.ParseLevel(d.Level)
	if err != nil {
		return tocsin.Detection{}, fmt.Errorf("gap of coverage: %w", err)
	}
	name := plain.Line(d.Name, maxHeadline)
	out := tocsin.Detection{
		Key: tocsin.Key(d.Key), Dialect: Source, Type: "Coverage:" + plain.Line(string(d.Kind), maxHeadline), ID: d.Key, Level: level,
		Account: plain.Line(ev.Account, maxHeadline), Region: plain.Line(ev.Region, maxHeadline),
		FirstSeen: d.Since, LastSeen: ev.Time, CreatedAt: d.Since, UpdatedAt: ev.Time, Command: plain.Line(d.Command, maxTitle),
	}
	if out.Region != "" {
		out.Partition = partitionOf(out.Region)
	}
	if d.Kind == manyKinds {
		readMany(&out, d, name)
	} else {
		readOne(&out, d, name)
	}
	out.Title = plain.Cut(out.Title, maxTitle)
	out.Headline = plain.Cut(out.Title, maxHeadline)
	if d.State == ended {
		out.Intent, out.Over, out.OverReason = tocsin.IntentClose, true, string(tocsin.ReasonRecovered)
	}
	return out, nil
}

func readOne(out *tocsin.Detection, d detail, name string) {
	info, _ := d.Kind.Info()
	what := cmp.Or(info.headline, "has a gap")
	where := label(out.Account, name, out.Region)
	out.Title = where + " " + what
	out.Description = plain.Line(d.Says, maxDescription)
	out.Resource = tocsin.Resource{Type: "Place", ID: strings.Trim(out.Account+"/"+out.Region, "/"), Name: where}
	out.Facts = facts("What", d.Says, "Since", instant(d.Since), "Next", d.Fix, "Mends it", d.Change)
}

func readMany(out *tocsin.Detection, d detail, name string) {
	n := int64(len(d.Places) + d.More)
	where, dark := "the organisation", count(n, "place")+" are dark"
	switch {
	case out.Region != "" && out.Account != "":
		where = label(out.Account, name, out.Region)
		dark = where + " is dark"
	case out.Region != "":
		where = out.Region
		dark = where + " is dark in " + count(n, "account")
	case out.Account != "":
		where = cmp.Or(name, out.Account)
		dark = where + " is dark in " + count(n, "region")
	}
	var what []string
	for _, k := range d.Kinds {
		info, _ := k.Kind.Info()
		what = append(what, strings.ToLower(info.Title)+" ("+strconv.Itoa(k.Count)+")")
	}
	out.Title = dark + ": " + strings.Join(what, ", ")
	out.Description = plain.Line("Many gaps began together, and are told at once. The Coverage page lists them.", maxDescription)
	out.Resource = tocsin.Resource{Type: "Places", ID: cmp.Or(out.Region, out.Account, "organisation"), Name: where}
	places := strings.Join(d.Places, ", ")
	if d.More > 0 {
		places += " and " + strconv.Itoa(d.More) + " more"
	}
	out.Facts = facts("What", strings.Join(what, ", "), "Where", places, "Since", instant(d.Since), "Next", "Look at the Coverage page: what they have in common is likely where it broke.")
}

// facts are pairs of a name and a value; those without a value are left out.
func facts(pairs ...string) []tocsin.Fact {
	var all []tocsin.Fact
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := plain.Line(pairs[i+1], maxSays); v != "" {
			all = append(all, tocsin.Fact{Name: pairs[i], Value: v})
		}
	}
	return all
}
