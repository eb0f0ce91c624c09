package canary_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/tocsin-sec/tocsin"
	form "github.com/tocsin-sec/tocsin/internal/canary"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/canary"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	own   = awstest.Account // of the key
	shop  = "222233334444"
	audit = "333344445555"
	roles = "arn:aws:iam::{account}:role/tocsin-canary"
)

// A cloud is AWS as far as canaries are concerned: STS, EventBridge and GuardDuty of
// every account and region. What is put on a bus travels by deliver. Nothing listens:
// it is the transport of a client.
type cloud struct {
	t   testing.TB
	aws *awstest.Server // checks signatures and inputs

	mu        sync.Mutex // guards what follows
	accounts  map[string]key
	deliver   func(at tocsin.Place, event []byte)
	cut       map[tocsin.Place]bool // from where nothing arrives
	allCut    bool
	lag       time.Duration // how long everything is on its way
	down      bool          // nobody answers
	hang      bool          // nobody answers, and keeps waiting
	denies    map[string]bool
	frequency string
	detectors map[tocsin.Place]string // their status; none is ENABLED, "none" is none
	sampled   map[tocsin.Place]int    // how often each place was asked for a sample
	puts      []tocsin.Place
	requests  int
}

type key struct{ account, secret, token string }

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{
		t: t, aws: awstest.New(t), accounts: map[string]key{awstest.KeyID: {own, awstest.Secret, ""}}, cut: map[tocsin.Place]bool{},
		denies: map[string]bool{}, frequency: "FIFTEEN_MINUTES", detectors: map[tocsin.Place]string{}, sampled: map[tocsin.Place]int{},
	}
	for _, account := range []string{own, shop, audit} {
		c.aws.Assuming(strings.ReplaceAll(roles, "{account}", account), "")
	}
	return c
}

// change changes the cloud while it is in use.
func (c *cloud) change(change func(*cloud)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *cloud) sent() []tocsin.Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.puts)
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+)`)

// RoundTrip is all of AWS.
func (c *cloud) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.requests++
	down, hang := c.down, c.hang
	c.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	found := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	if found == nil {
		c.t.Errorf("%s %s is not signed", r.Method, r.URL)
		return nil, errors.New("not signed")
	}
	at, service := tocsin.Place{Region: found[2]}, found[3]
	c.mu.Lock()
	k, known := c.accounts[found[1]]
	c.mu.Unlock()
	at.Account = k.account
	if want := service + "." + at.Region + ".amazonaws.com"; !known || r.URL.Host != want {
		c.t.Errorf("%s asked with key %s, want a key that is known and %s", r.URL.Host, found[1], want)
	}
	w := httptest.NewRecorder()
	switch action := actionOf(body); {
	case service == "sts" && action == "AssumeRole":
		c.assume(w, r, body)
	case service == "sts":
		c.signed(r, body, k, service, at.Region)
		fmt.Fprintf(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%[1]s:user/x</Arn><UserId>x</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, k.account)
	case service == "events":
		c.events(w, r, body, at)
	case service == "guardduty":
		c.signed(r, body, k, service, at.Region)
		c.guardduty(w, r, body, at)
	default:
		c.t.Errorf("nobody expects a request to %s", service)
		w.WriteHeader(http.StatusNotFound)
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func actionOf(body []byte) string {
	values, _ := url.ParseQuery(string(body))
	return values.Get("Action")
}

// ask has awstest answer, which checks the signature and the input.
func (c *cloud) ask(w *httptest.ResponseRecorder, r *http.Request, body []byte) {
	in := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	in.Header, in.Host, in.ContentLength = r.Header, r.URL.Host, int64(len(body))
	in.RequestURI = r.URL.RequestURI()
	c.aws.ServeHTTP(w, in)
}

// signed checks a signature by making it once more.
func (c *cloud) signed(r *http.Request, body []byte, k key, service, region string) {
	again, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return
	}
	for name := range strings.SplitSeq(credential.FindStringSubmatch(r.Header.Get("Authorization"))[4], ";") {
		if name != "host" && name != "content-length" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	when, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		c.t.Error(err)
	}
	id := credential.FindStringSubmatch(r.Header.Get("Authorization"))[1]
	if err := v4.NewSigner().SignHTTP(r.Context(), sdk.Credentials{AccessKeyID: id, SecretAccessKey: k.secret, SessionToken: k.token}, again, fmt.Sprintf("%x", sum(body)), service, region, when); err != nil {
		c.t.Error(err)
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		c.t.Errorf("%s %s is signed %s, want %s", r.Method, r.URL, got, want)
	}
}

var issued = regexp.MustCompile(`<AccessKeyId>(.*)</AccessKeyId><SecretAccessKey>(.*)</SecretAccessKey><SessionToken>(.*)</SessionToken>`)

func (c *cloud) assume(w *httptest.ResponseRecorder, r *http.Request, body []byte) {
	c.ask(w, r, body)
	values, _ := url.ParseQuery(string(body))
	if got := issued.FindStringSubmatch(w.Body.String()); got != nil {
		c.change(func(c *cloud) {
			c.accounts[got[1]] = key{strings.Split(values.Get("RoleArn"), ":")[4], got[2], got[3]}
		})
	}
}

func (c *cloud) denied(w http.ResponseWriter, action string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.denies[action] {
		return false
	}
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"not authorized to perform: %s"}`, action)
	return true
}

// events takes what is put on a bus, and has it travel as EventBridge delivers it.
func (c *cloud) events(w *httptest.ResponseRecorder, r *http.Request, body []byte, at tocsin.Place) {
	if c.denied(w, "events:PutEvents") {
		return
	}
	c.ask(w, r, body)
	var in struct {
		Entries []struct {
			Source, DetailType, Detail, EventBusName string
			Time                                     float64
		}
	}
	var out struct{ Entries []struct{ EventId string } } //nolint:revive // it is AWS's name
	if json.Unmarshal(body, &in) != nil || json.Unmarshal(w.Body.Bytes(), &out) != nil || len(in.Entries) != len(out.Entries) {
		return // awstest refused it
	}
	for i, e := range in.Entries {
		c.change(func(c *cloud) { c.puts = append(c.puts, at) })
		c.travel(at, fmt.Appendf(nil,
			`{"version":"0","id":%q,"detail-type":%q,"source":%q,"account":%q,"time":%q,"region":%q,"resources":[],"detail":%s}`,
			out.Entries[i].EventId, e.DetailType, e.Source, at.Account, time.Unix(int64(e.Time), 0).UTC().Format(time.RFC3339), at.Region, e.Detail))
	}
}

func (c *cloud) travel(at tocsin.Place, event []byte) {
	c.mu.Lock()
	lost, lag, deliver := c.allCut || c.cut[at], c.lag, c.deliver
	c.mu.Unlock()
	if lost || deliver == nil {
		return
	}
	if lag == 0 {
		deliver(at, event)
		return
	}
	time.AfterFunc(lag, func() { deliver(at, event) })
}

func (c *cloud) guardduty(w *httptest.ResponseRecorder, r *http.Request, body []byte, at tocsin.Place) {
	status := "ENABLED"
	c.mu.Lock()
	if s := c.detectors[at]; s != "" {
		status = s
	}
	frequency := c.frequency
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + r.URL.Path {
	case "GET /detector":
		switch {
		case c.denied(w, "guardduty:ListDetectors"):
		case status == "none":
			fmt.Fprint(w, `{"detectorIds":[]}`)
		default:
			fmt.Fprint(w, `{"detectorIds":["12abc34d567e8fa901bc2d34e56789f0"]}`)
		}
	case "GET /detector/12abc34d567e8fa901bc2d34e56789f0":
		if !c.denied(w, "guardduty:GetDetector") {
			fmt.Fprintf(w, `{"status":%q,"serviceRole":"r","findingPublishingFrequency":%q}`, status, frequency)
		}
	case "POST /detector/12abc34d567e8fa901bc2d34e56789f0/findings/create":
		if c.denied(w, "guardduty:CreateSampleFindings") {
			return
		}
		var in struct{ FindingTypes []string }
		if err := json.Unmarshal(body, &in); err != nil || len(in.FindingTypes) != 1 {
			c.t.Errorf("CreateSampleFindings with %s, want one type", body)
		}
		fmt.Fprint(w, `{}`)
		c.change(func(c *cloud) { c.sampled[at]++ })
		c.publish(at, in.FindingTypes[0])
	default:
		c.t.Errorf("nobody expects %s %s", r.Method, r.URL.Path)
		w.WriteHeader(http.StatusNotFound)
	}
}

// publish has a sample finding travel: the first at once, one that is there already
// when the detector publishes updates.
func (c *cloud) publish(at tocsin.Place, kind string) {
	c.mu.Lock()
	n, deliver, lost := c.sampled[at], c.deliver, c.allCut || c.cut[at]
	wait := map[string]time.Duration{"FIFTEEN_MINUTES": 15 * time.Minute, "ONE_HOUR": time.Hour, "SIX_HOURS": 6 * time.Hour}[c.frequency]
	c.mu.Unlock()
	if lost || deliver == nil {
		return
	}
	now := time.Now().UTC().Format(time.RFC3339)
	event := fmt.Appendf(nil, `{"version":"0","id":"s-%d","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":%q,"time":%q,"region":%q,"resources":[],`+
		`"detail":{"schemaVersion":"2.0","accountId":%[2]q,"region":%[4]q,"partition":"aws","id":"aaaabbbbccccddddeeeeffff00001111","arn":"arn:aws:guardduty:%[4]s:%[2]s:detector/d/finding/f",`+
		`"type":%[5]q,"title":"[SAMPLE] ...","severity":2,"createdAt":%[3]q,"updatedAt":%[3]q,"resource":{"resourceType":"Instance"},"service":{"serviceName":"guardduty","detectorId":"d","count":%[6]d,"archived":false,"additionalInfo":{"sample":true}}}}`,
		n, at.Account, now, at.Region, kind, n)
	if n == 1 {
		deliver(at, event)
		return
	}
	time.AfterFunc(wait, func() { deliver(at, event) })
}

func sum(b []byte) []byte {
	h := sha256.New()
	_, _ = h.Write(b)
	return h.Sum(nil)
}

// An aviary is the memory of canaries, as the store has it.
type aviary struct {
	mu     sync.Mutex
	all    map[string]*tocsin.Canary
	err    error
	failed []string

	slow time.Duration // how long noting takes
}

func newAviary() *aviary { return &aviary{all: map[string]*tocsin.Canary{}} }

func (a *aviary) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *aviary) Send(_ context.Context, cs ...tocsin.Canary) (sent []tocsin.Canary, err error) {
	time.Sleep(a.slow)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	for _, c := range cs {
		if a.all[c.ID] == nil {
			a.all[c.ID] = &c
			sent = append(sent, c)
		}
	}
	return sent, nil
}

func (a *aviary) Fail(_ context.Context, id, why string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	a.all[id].Error = why
	a.failed = append(a.failed, why)
	return nil
}

func (a *aviary) Latest(context.Context) ([]tocsin.Canary, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	newest, arrived := map[tocsin.Place]tocsin.Canary{}, map[tocsin.Place]tocsin.Canary{}
	for _, c := range a.all {
		if c.SentAt.After(newest[c.Place].SentAt) {
			newest[c.Place] = *c
		}
		if !c.ArrivedAt.IsZero() && c.SentAt.After(arrived[c.Place].SentAt) {
			arrived[c.Place] = *c
		}
	}
	for at, c := range arrived {
		if newest[at].ID == c.ID {
			delete(arrived, at)
		}
	}
	return slices.Concat(slices.Collect(maps.Values(arrived)), slices.Collect(maps.Values(newest))), nil
}

// arrive takes an event, as the engine does.
func (a *aviary) arrive(at tocsin.Place, event []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil { // the database is away, and nobody can take it
		return
	}
	id, ok := form.Read(event)
	for _, c := range a.all {
		if (ok && c.ID == id || !ok && c.Sample != "" && c.Place == at) && c.ArrivedAt.IsZero() {
			c.ArrivedAt, c.Path = time.Now(), "sqs:org-queue"
		}
	}
}

// list are the canaries that were noted, by when they were sent.
func (a *aviary) list() (all []tocsin.Canary) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.all {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(x, y tocsin.Canary) int { return x.SentAt.Compare(y.SentAt) })
	return all
}

// A memory is one that all replicas share, and that looks and writes in one step, as the
// server's does. A replica may have to wait before it writes.
type memory struct {
	*collecttest.Memory
	one  *sync.Mutex // who writes
	wait time.Duration
}

func (m *memory) Save(ctx context.Context, key string, value []byte) error {
	time.Sleep(m.wait)
	m.one.Lock()
	defer m.one.Unlock()
	return m.Memory.Save(ctx, key, value)
}

func (m *memory) First(ctx context.Context, key string, value []byte) ([]byte, error) {
	time.Sleep(m.wait)
	m.one.Lock()
	defer m.one.Unlock()
	kept, err := m.Load(ctx, key)
	if err != nil || kept != nil {
		return kept, err
	}
	return value, m.Memory.Save(ctx, key, value)
}

// A scene is what replicas of one source share.
type scene struct {
	*cloud
	aviary *aviary
	memory *memory
	begun  time.Time
	log    collecttest.Log
	seen   []tocsin.Sighting

	told sync.Mutex
	// events are what the sink got, and known their envelopes.
	events  []tocsin.Event
	known   map[string]bool
	sinkErr error
}

// newScene makes a scene. It is made outside a bubble of synctest, since a server
// is begun.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{cloud: newCloud(t), aviary: newAviary(), memory: &memory{Memory: &collecttest.Memory{}, one: new(sync.Mutex)}, known: map[string]bool{}}
	s.deliver = s.aviary.arrive
	return s
}

// sink is the journal: what it has it does not take again.
func (s *scene) sink(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	s.told.Lock()
	defer s.told.Unlock()
	if s.sinkErr != nil {
		return nil, s.sinkErr
	}
	for _, ev := range events {
		if id := ev.Envelope + string(ev.Raw); !s.known[id] {
			s.known[id] = true
			s.events = append(s.events, ev)
		}
	}
	return make([]tocsin.Receipt, len(events)), nil
}

// lines are what was told so far: when, counted from the beginning, and what.
func (s *scene) lines(t *testing.T) (lines []string) {
	t.Helper()
	s.told.Lock()
	defer s.told.Unlock()
	for _, ev := range s.events {
		d := s.read(t, ev)
		what := d.Title
		if d.Over {
			what = "over: " + string(d.Key)
		} else if d.Intent == tocsin.IntentUpdate {
			what = "news: " + d.Title
		}
		lines = append(lines, fmt.Sprintf("%v %s", ev.ReceivedAt.Sub(s.begun).Round(time.Second), what))
	}
	return lines
}

func (s *scene) read(t *testing.T, ev tocsin.Event) tocsin.Detection {
	t.Helper()
	r, err := canary.Kind.Dialect.Read(ev.Source, ev.Raw, nil)
	if err != nil || r.End != "" || ev.Via != "canary" || ev.Source != "canaries" || ev.Envelope == "" {
		t.Fatalf("event %+v %s: %+v, %v", ev, ev.Raw, r, err)
	}
	return r.Detection
}

func (s *scene) env() collect.Env {
	return collect.Env{
		Name: "canaries", Log: slog.New(slog.NewTextHandler(&s.log, nil)), Now: time.Now,
		HTTP:  &http.Client{Transport: s.cloud, Timeout: 10 * time.Second},
		State: s.memory, Canaries: s.aviary,
		Sightings: func(_ context.Context, kind tocsin.SightingKind) ([]tocsin.Sighting, error) {
			return slices.DeleteFunc(slices.Clone(s.seen), func(x tocsin.Sighting) bool { return x.Kind != kind }), nil
		},
	}
}

// start runs a replica.
func (s *scene) start(t *testing.T, c canary.Config) (collect.Collector, func() error) {
	t.Helper()
	if s.begun.IsZero() {
		s.begun = time.Now()
	}
	source, err := opener(c)(s.env())
	if err != nil {
		t.Fatal(err)
	}
	return source, collecttest.Begin(t, source, s.sink)
}

func opener(c canary.Config) func(collect.Env) (collect.Collector, error) {
	return func(env collect.Env) (collect.Collector, error) {
		if c.AccessKeyID == "" {
			c.AccessKeyID, c.SecretAccessKey = awstest.KeyID, secret.New(awstest.Secret)
		}
		return canary.Kind.Open(func(into any) error {
			*into.(*canary.Config) = c
			return nil
		}, env)
	}
}
