package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/coverage"
)

// A journal keeps what a source saw and put through, and says what arrived.
type journal struct {
	held map[tocsin.Key]tocsin.Held
	seen []tocsin.Sighting
	put  []tocsin.Event
}

// inspect makes the source that looks at a world, at the time of [smallWorld].
func inspect(w *world) (*inspector, *journal) {
	j := &journal{held: map[tocsin.Key]tocsin.Held{}}
	i := &inspector{w: w, every: 5 * time.Minute, env: collect.Env{
		Name: inspection, Now: w.seen,
		Held: func(context.Context, []tocsin.Key) (map[tocsin.Key]tocsin.Held, error) { return j.held, nil },
		Observe: func(_ context.Context, seen ...tocsin.Sighting) error {
			for _, s := range seen {
				s.Source = inspection
				j.seen = append(j.seen, s)
			}
			return nil
		},
	}, sink: func(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
		j.put = append(j.put, events...)
		return make([]tocsin.Receipt, len(events)), nil
	}}
	return i, j
}

// What is seen of the organisation is a picture that is green but for what is planted.
func TestTheOrganisationIsCoveredButForAFewPlaces(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	i, j := inspect(w)
	if _, err := i.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := w.seen()
	seen := coverage.World{Accounts: map[string]tocsin.Account{}, Sightings: j.seen}
	for _, a := range w.members() {
		seen.Accounts[a.id] = tocsin.Account{ID: a.id, Name: a.name}
	}
	for _, region := range w.regions {
		c := tocsin.Canary{Place: tocsin.Place{Account: admin, Region: region}, ID: region, Source: canaries, SentAt: now.Add(-3 * time.Minute), Due: now.Add(-time.Minute)}
		if region != planted.cutOff {
			c.ArrivedAt = c.SentAt.Add(distance(region))
		}
		seen.Canaries = append(seen.Canaries, c)
	}
	g := coverage.Judge(seen, now)
	var got []string
	for _, gap := range g.Gaps {
		got = append(got, string(gap.Kind)+": "+gap.Label())
	}
	slices.Sort(got)
	want := []string{
		"canary-late: ap-northeast-3 of security", "no-detector: sa-east-1 of backup",
		"not-administered: ca-central-1 of mobile-prod", "six-hourly: ap-south-1 of security",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if g.Totals.Places != 13*17 || g.Totals.Covered != 13*17-3 || g.Totals.Unknown != 0 {
		t.Errorf("totals = %+v", g.Totals)
	}
	if len(g.Notes) > 0 {
		t.Errorf("notes: %q", g.Notes)
	}
}

// Nothing is found where GuardDuty does not look.
func TestNothingIsFoundInADarkPlace(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	for range 5000 {
		if p := w.anywhere(); p.dark() {
			t.Fatalf("something is found in %s of %s", p.region, p.account.name)
		}
	}
}

func TestWhatNeverArrivedIsPutThrough(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	i, j := inspect(w)
	at := place{account: w.accounts[0], region: "eu-west-1"}
	keys := func() map[tocsin.Key]bool {
		all := map[tocsin.Key]bool{}
		for k := range w.detected {
			all[k] = true
		}
		return all
	}
	// Four findings: one that came, one of which an older version did, one that a filter
	// archived, and one that was lost.
	for _, tt := range []struct {
		archived, lost bool
		pushed         time.Duration // of its version, ago; 0 is as new as it is
		came           bool
	}{{came: true}, {came: true, pushed: time.Hour}, {archived: true}, {lost: true}} {
		before := keys()
		f := w.find(kinds[0], at)
		f.archived = tt.archived
		if err := w.detect(w.event(f, admin), tt.lost); err != nil {
			t.Fatal(err)
		}
		for k := range keys() {
			if !before[k] && tt.came {
				j.held[k] = tocsin.Held{Newest: f.updated.Add(-tt.pushed), Pushed: f.updated.Add(-tt.pushed)}
			}
		}
	}
	r, err := i.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := tocsin.Reconciliation{From: i.began, Until: w.seen(), Every: i.every, API: 4, Received: 1, Pending: 1, Suppressed: 1, Recovered: 1}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("it comes to (-want +got):\n%s", diff)
	}
	for _, s := range j.seen {
		if s.Kind == tocsin.SawReconciliation && s.Place == (tocsin.Place{Account: at.account.id, Region: at.region}) && *s.Reconciliation != want {
			t.Errorf("the place's is %+v", s.Reconciliation)
		}
	}
	if len(j.put) != 1 || j.put[0].Via != tocsin.ViaReconcile || !json.Valid(j.put[0].Raw) || !strings.Contains(string(j.put[0].Raw), `"schemaVersion":"2.0"`) {
		t.Errorf("put through: %+v", j.put)
	}
}

// An older version that comes late changes nothing of what GuardDuty has.
func TestGuardDutyHasTheNewestVersion(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	f := w.find(kinds[0], place{account: w.accounts[0], region: "eu-west-1"})
	old := *f
	w.grow(f)
	for _, v := range []*finding{f, &old} {
		if err := w.detect(w.event(v, admin), false); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range w.detected {
		if len(w.detected) != 1 || !k.version.Equal(f.updated) {
			t.Errorf("GuardDuty has %+v", w.detected)
		}
	}
}

func TestACanaryTakesTheWayOfTheFindings(t *testing.T) {
	t.Parallel()
	w := smallWorld()
	var err error
	if w.signer, err = snstest.New(time.Now); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan string, 2)
	topic := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ TopicArn, Message string }
		_ = json.NewDecoder(r.Body).Decode(&m) // what is no message has no topic
		id, _ := canary.Read([]byte(m.Message))
		arrived <- m.TopicArn + " " + id
	}))
	defer topic.Close()
	w.client, w.doors.topic = topic.Client(), topic.URL
	id := strings.Repeat("0a", 16)
	for _, tt := range []struct {
		name, region, target string
		status               int
		want                 string
	}{
		{"from a region", "eu-central-1", "AWSEvents.PutEvents", 200, "arn:aws:sns:eu-central-1:" + admin + ":guardduty " + id},
		{"from the one that is cut off", planted.cutOff, "AWSEvents.PutEvents", 200, ""},
		{"something else is asked for", "eu-central-1", "AWSEvents.PutRule", 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tocsin.Canary{ID: id, Place: tocsin.Place{Account: admin, Region: tt.region}, SentAt: time.Now()}
			body := fmt.Sprintf(`{"Entries":[{"Source":%q,"DetailType":%q,"Detail":%q}]}`, canary.Source, canary.DetailType, canary.Detail(c))
			r := httptest.NewRequest(http.MethodPost, busPath, strings.NewReader(body))
			r.Header.Set("X-Amz-Target", tt.target)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260612/"+tt.region+"/events/aws4_request, SignedHeaders=host, Signature=0")
			answer := httptest.NewRecorder()
			w.putEvents(answer, r)
			got := ""
			select {
			case got = <-arrived:
			default: // it arrives before it is answered, or never
			}
			if answer.Code != tt.status || got != tt.want {
				t.Errorf("answered %d %s, and %q arrived, want %d and %q", answer.Code, answer.Body, got, tt.status, tt.want)
			}
		})
	}
}
