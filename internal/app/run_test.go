package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// patience bounds what a test waits for on a busy machine.
const patience = 20 * time.Second

const token = "0123456789abcdef"

// basic is a configuration with one source and the rules given.
const basic = `
listen: 127.0.0.1:0
sources: {events: {https: {token: 0123456789abcdef, max_requests: 1}}}
rules: [{use: guardduty}]
fallback: terminal
receivers: {terminal: {console: {}}}
`

// parse is a configuration with a store of its own.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("tocsin.yml", []byte(text), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	c.Store = "sqlite:" + t.TempDir()
	return c
}

// A house is an App that runs.
type house struct {
	*app.App
	log *buffer
	out *buffer
	// end asks it to end and returns what Run returned.
	end func() error
}

// A buffer may be written by many.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start runs an App until its end is asked for, at the latest when the test ends.
func start(t *testing.T, o app.Options) *house {
	t.Helper()
	h := &house{log: &buffer{}, out: &buffer{}}
	o.Log, o.Out, o.Version = slog.New(slog.NewTextHandler(h.log, nil)), h.out, "test"
	var err error
	if h.App, err = app.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	h.end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("it does not end")
		}
	})
	t.Cleanup(func() { _ = h.end() })
	until(t, "it is ready", func() bool {
		status, _ := get(t, h.URL()+"/readyz")
		return status == http.StatusOK
	})
	return h
}

// until asks again and again until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-tick.C
	}
}

// client trusts anybody, and uses no connection twice, so that none is open at the
// end.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{
	DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a certificate of the test's own
}}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	return ask(t, http.MethodGet, url, "")
}

func post(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	return ask(t, http.MethodPost, url, body)
}

func ask(t *testing.T, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// finding is GuardDuty's n-th.
func finding(n int) string {
	return fmt.Sprintf(`{"version":"0","id":"envelope-%d","detail-type":"GuardDuty Finding","source":"aws.guardduty","account":"111122223333","time":"2026-06-12T02:00:00Z","region":"eu-west-1",
"detail":{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"finding-%d","type":"Backdoor:EC2/Spambot","severity":8,
"createdAt":"2026-06-12T02:00:00.000Z","updatedAt":"2026-06-12T02:00:00.000Z","resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0abc"}},"service":{"count":1}}}`, n, n)
}

func (h *house) in(source, token string) string { return h.URL() + "/in/" + source + "/" + token }

// First breath: what has come as far as the store is kept and answered as ever.
func TestADeliveryUnderWayAtTheEndIsKeptAndAnswered(t *testing.T) {
	t.Parallel()
	c := parse(t, basic)
	h := start(t, app.Options{Config: c})
	held, release := make(chan struct{}), make(chan struct{})
	writing := make(chan error, 1)
	go func() { // nothing can be committed as long as this holds the store
		writing <- h.Store().Update(context.Background(), func(*store.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held

	type reply struct {
		status int
		answer string
	}
	answered := make(chan reply, 1)
	deliver := func() {
		status, answer := post(t, h.in("events", token), finding(1))
		answered <- reply{status, answer}
	}
	go deliver()
	// max_requests is 1: an empty list is told to come again while the delivery has
	// the only place.
	full := 0
	until(t, "the delivery waits for the store", func() bool {
		select {
		case <-answered: // the empty list had the place
			go deliver()
			full = 0
		default:
		}
		if status, _ := post(t, h.in("events", token), "[]"); status == http.StatusServiceUnavailable {
			full++
		} else {
			full = 0
		}
		return full == 3
	})
	ended := make(chan error, 1)
	go func() { ended <- h.end() }()
	until(t, "it is stopping", func() bool { return strings.Contains(h.log.String(), "stopping") })
	close(release)
	if err := <-writing; err != nil {
		t.Fatal(err)
	}
	if r := <-answered; r.status != http.StatusAccepted || !strings.Contains(r.answer, `"verdict":"opened"`) {
		t.Errorf("the delivery was answered %d %s, want 202", r.status, r.answer)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://")); err == nil {
		t.Errorf("somebody listens after the end (%v)", conn.Close())
	}

	// And it is there when the next one starts, which owes the message if this one
	// did not send it.
	again := start(t, app.Options{Config: c})
	if status, body := get(t, again.URL()+"/api/alerts/1"); status != http.StatusOK || !strings.Contains(body, "finding-1") {
		t.Errorf("after the restart the alert is answered %d %s", status, body)
	}
	until(t, "the message is delivered", func() bool {
		_, body := get(t, again.URL()+"/api/alerts/1")
		return strings.Contains(body, `"state":"delivered"`)
	})
	if n := strings.Count(h.out.String()+again.out.String(), "i-0abc"); n != 1 {
		t.Errorf("it was told %d times:\n%s%s", n, h.out, again.out)
	}
}

// What comes too late is told to come again, and never that it was kept.
func TestABodyThatArrivesAfterTheEndWasAskedForIsToComeAgain(t *testing.T) {
	t.Parallel()
	h := start(t, app.Options{Config: parse(t, basic)})
	body, rest := io.Pipe()
	reading := make(chan struct{})
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, h.in("events", token), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	patient := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: patience}}
	type reply struct{ status, retryAfter string }
	answered := make(chan reply, 1)
	go func() {
		defer close(answered)
		resp, err := patient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		answered <- reply{resp.Status, resp.Header.Get("Retry-After")}
		_ = resp.Body.Close()
	}()
	<-reading
	ended := make(chan error, 1)
	go func() { ended <- h.end() }()
	until(t, "it is stopping", func() bool { return strings.Contains(h.log.String(), "stopping") })
	// The address is closed once nothing is taken in any more.
	until(t, "it listens no more", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL(), "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(rest, finding(1)); err != nil {
		t.Fatal(err)
	}
	_ = rest.Close()
	if r := <-answered; !strings.HasPrefix(r.status, "503 ") || r.retryAfter == "" {
		t.Errorf("answered %s, Retry-After %q, want 503 with one", r.status, r.retryAfter)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// ours matches a goroutine that runs code of the program, tests apart.
var ours = regexp.MustCompile(`tocsin/internal/(app|engine|store|web|api|collect|notify)[a-z/]*\.\(?\*?[A-Za-z]`)

// Not parallel: it looks at every goroutine there is.
func TestNothingIsLeftRunning(t *testing.T) {
	h := start(t, app.Options{Config: parse(t, basic)})
	if status, answer := post(t, h.in("events", token), finding(1)); status != http.StatusAccepted {
		t.Fatalf("answered %d %s", status, answer)
	}
	running := func() (left []string) {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for g := range strings.SplitSeq(string(stacks), "\n\n") {
			if ours.MatchString(g) && !strings.Contains(g, "testing.(*T)") && !strings.Contains(g, "testing.tRunner") {
				left = append(left, g)
			}
		}
		return left
	}
	if len(running()) == 0 {
		t.Fatal("nothing runs before the end: this test sees nothing")
	}
	if err := h.end(); err != nil {
		t.Fatal(err)
	}
	until(t, "every goroutine has ended:\n"+strings.Join(running(), "\n\n"), func() bool { return len(running()) == 0 })
}

func TestReloadIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const after = `
listen: 127.0.0.1:0
intake: 127.0.0.1:1
sources: {bus: {https: {token: fedcba9876543210}}}
rules: [{name: nothing, pattern: {source: [aws.guardduty]}, drop: not today}]
fallback: other
receivers: {other: {console: {}}}
`
	next := parse(t, after)
	first := parse(t, basic)
	var load struct { // what the next Reload reads
		config *config.Config
		err    error
	}
	h := start(t, app.Options{Config: first, Reload: func() (*config.Config, error) { return load.config, load.err }})
	inForce := func(what string, n int) {
		t.Helper()
		status, answer := post(t, h.in("events", token), finding(n))
		if status != http.StatusAccepted || !strings.Contains(answer, `"verdict":"opened"`) {
			t.Errorf("%s: answered %d %s, want the old configuration in force", what, status, answer)
		}
		if status, _ := post(t, h.in("bus", "fedcba9876543210"), finding(n)); status != http.StatusNotFound {
			t.Errorf("%s: the new source answers %d", what, status)
		}
	}
	inForce("at first", 1)

	load.err = errors.New("tocsin.yml:5:10: no such thing")
	if err := h.Reload(); err == nil || err.Error() != "tocsin.yml:5:10: no such thing" {
		t.Errorf("Reload of a file with a mistake = %v", err)
	}
	inForce("after a file with a mistake", 2)

	// Even one whose last source cannot be opened changes nothing.
	halfGood := *next
	halfGood.Sources = append(slices.Clip(halfGood.Sources), config.Source{
		Name: "broken", Kind: "https", Open: func(collect.Env) (collect.Collector, error) { return nil, errors.New("its disk is gone") },
	})
	load.config, load.err = &halfGood, nil
	if err := h.Reload(); err == nil || err.Error() != "source broken: its disk is gone" {
		t.Errorf("Reload with a source that cannot be opened = %v", err)
	}
	inForce("after a source that cannot be opened", 3)

	load.config = next
	if err := h.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, _ := post(t, h.in("events", token), finding(4)); status != http.StatusGone {
		t.Errorf("the old source answers %d, want 410: it was there once", status)
	}
	until(t, "the new source takes events", func() bool { // it may be just about to
		status, answer := post(t, h.in("bus", "fedcba9876543210"), finding(5))
		return status == http.StatusAccepted && strings.Contains(answer, "not today")
	})
	for _, key := range []string{"intake", "store"} {
		if !strings.Contains(h.log.String(), "in force only after a restart\" key="+key) {
			t.Errorf("that %s changed in vain is not told:\n%s", key, h.log)
		}
	}
	if strings.Contains(h.log.String(), "key=listen") {
		t.Error("that listen changed is told, and it did not")
	}
	if err := h.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := h.Reload(); err == nil {
		t.Error("it can be reloaded after its end")
	}
}

func TestReloadUnderLoadSendsNobodyAway(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.ReplaceAll(basic, ", max_requests: 1", ""))
	h := start(t, app.Options{Config: c, Reload: func() (*config.Config, error) { return c, nil }})
	const senders, each = 4, 10
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if status, answer := post(t, h.in("events", token), finding(s*each+i)); status != http.StatusAccepted {
					t.Errorf("an event is answered %d %s", status, answer)
				}
			}
		})
	}
	for range 20 {
		if err := h.Reload(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	var totals store.Totals
	err := h.Store().View(t.Context(), func(tx *store.Tx) (err error) {
		totals, err = tx.Totals()
		return err
	})
	if err != nil || totals.Verdicts[tocsin.Opened] != senders*each {
		t.Errorf("%d of %d events opened an alert (%v)", totals.Verdicts[tocsin.Opened], senders*each, err)
	}
	if err := h.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestWithoutAFileThereIsNothingToReload(t *testing.T) {
	t.Parallel()
	h := start(t, app.Options{Config: parse(t, basic)})
	if err := h.Reload(); err == nil || !strings.Contains(err.Error(), "embedded defaults") {
		t.Errorf("Reload = %v", err)
	}
}

// Whoever was given a URL need not be given another after a restart.
func TestTheTokenOfASourceIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	c := parse(t, `
listen: 127.0.0.1:0
sources: {one: {https: {}}, two: {https: {}}}
rules: [{use: guardduty}]
fallback: terminal
receivers: {terminal: {console: {}}}
`)
	urls := func() map[string]string {
		h := start(t, app.Options{Config: c})
		tokens := map[string]string{}
		for source, facts := range h.Connect(true) {
			for _, f := range facts {
				if f.Name == "Endpoint with token" {
					tokens[source] = f.Value[strings.LastIndexByte(f.Value, '/')+1:]
				}
			}
			if status, answer := post(t, h.in(source, tokens[source]), `[]`); status != http.StatusAccepted {
				t.Errorf("source %s answers its own token with %d %s", source, status, answer)
			}
		}
		if status, _ := post(t, h.in("one", tokens["two"]), `[]`); status != http.StatusUnauthorized {
			t.Errorf("source one answers the token of source two with %d", status)
		}
		_, page := get(t, h.URL()+"/sources")
		for _, token := range tokens {
			if strings.Contains(page, token) || strings.Contains(h.log.String(), token) {
				t.Error("a token is on the page of sources, or in the log")
			}
		}
		if err := h.end(); err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	first, second := urls(), urls()
	for _, source := range []string{"one", "two"} {
		if len(first[source]) != 43 || first[source] != second[source] { // 256 bits in base64
			t.Errorf("source %s: token %q, after a restart %q", source, first[source], second[source])
		}
	}
	if first["one"] == first["two"] {
		t.Error("two sources have the same token")
	}
}

func TestReadyIsWhetherEventsCanBeTakenIn(t *testing.T) {
	t.Parallel()
	h := start(t, app.Options{Config: parse(t, basic)})
	var ready struct {
		Ready   bool
		Error   string
		Sources map[string]string
	}
	status, body := get(t, h.URL()+"/readyz")
	if err := json.Unmarshal([]byte(body), &ready); err != nil || status != http.StatusOK || !ready.Ready || ready.Sources["events"] != "ok" {
		t.Errorf("readyz answers %d %s (%v)", status, body, err)
	}
	if err := h.Store().Close(); err != nil {
		t.Fatal(err)
	}
	status, body = get(t, h.URL()+"/readyz")
	if err := json.Unmarshal([]byte(body), &ready); err != nil || status != http.StatusServiceUnavailable || ready.Ready || ready.Error != "the store does not answer" {
		t.Errorf("with its store closed readyz answers %d %s (%v)", status, body, err)
	}
	// It lives, and tells senders to come again.
	if status, body := get(t, h.URL()+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz answers %d %q", status, body)
	}
	if status, answer := post(t, h.in("events", token), finding(1)); status != http.StatusServiceUnavailable || strings.Contains(answer, "closed") {
		t.Errorf("a delivery is answered %d %s, want 503", status, answer)
	}
	if status, body := get(t, h.URL()+"/"); status != http.StatusServiceUnavailable || strings.Contains(body, "closed") {
		t.Errorf("a page is answered %d", status)
	}
}

func TestMetricsFollowTheRulesOfPrometheus(t *testing.T) {
	t.Parallel()
	h := start(t, app.Options{Config: parse(t, basic)})
	// Something of everything, so that no metric is left out for want of a value.
	for n, body := range []string{finding(1), finding(1), "{", finding(2)} {
		if status, answer := post(t, h.in("events", token), body); status != http.StatusAccepted {
			t.Fatalf("delivery %d is answered %d %s", n, status, answer)
		}
	}
	var text string
	until(t, "both are told", func() bool {
		_, text = get(t, h.URL()+"/metrics")
		return strings.Contains(text, `tocsin_notifications_total{receiver="terminal",state="delivered"} 2`)
	})
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "tocsin_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	kinds, helped := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(text) {
		if word := strings.Fields(line); len(word) > 3 && word[1] == "HELP" {
			helped[word[2]] = true
		} else if len(word) == 4 && word[1] == "TYPE" && strings.HasPrefix(word[2], "tocsin_") {
			kinds[word[2]] = word[3]
		}
	}
	for _, name := range []string{
		"tocsin_events_total", "tocsin_accept_duration_seconds", "tocsin_accept_errors_total", "tocsin_commit_events", "tocsin_notifications_total",
		"tocsin_notification_duration_seconds", "tocsin_fallback_notifications_total", "tocsin_notification_oldest_due_seconds", "tocsin_build_info",
	} {
		if kinds[name] == "" || !helped[name] {
			t.Errorf("%s is missing, or has no help", name)
		}
	}
	for name, kind := range kinds {
		if strings.HasSuffix(name, "_total") != (kind == "counter") {
			t.Errorf("%s is a %s", name, kind)
		}
	}
	for _, line := range []string{
		`tocsin_events_total{source="events",verdict="opened"} 2`, `tocsin_events_total{source="events",verdict="duplicate"} 1`,
		`tocsin_events_total{source="events",verdict="malformed"} 1`, `tocsin_build_info{version="test"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
}

func TestSendersAreServedWithTLSAndPeopleOnLoopback(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	intake := l.Addr().String()
	_ = l.Close()
	c := parse(t, fmt.Sprintf("%s\nintake: %s\ntls: {certificate: %s/tls.crt, key: %s/tls.key}\n", basic, intake, dir, dir))
	h := start(t, app.Options{Config: c})
	if status, answer := post(t, "https://"+intake+"/in/events/"+token, finding(1)); status != http.StatusAccepted {
		t.Errorf("a sender is answered %d %s", status, answer)
	}
	for _, path := range []string{"/", "/inbound", "/api/alerts", "/metrics"} {
		if status, _ := get(t, "https://"+intake+path); status != http.StatusNotFound {
			t.Errorf("%s at the address for senders answers %d, want 404", path, status)
		}
		if status, _ := get(t, h.URL()+path); status != http.StatusOK {
			t.Errorf("%s at the address for people answers %d, want 200", path, status)
		}
	}
}

// What fails lets go of what it had: the next start is not in its way.
func TestAnAddressInUseIsToldAndNothingIsHeld(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, basic)
	c.Listen = l.Addr().String()
	_, err = app.New(t.Context(), app.Options{Config: c})
	if err == nil || !strings.Contains(err.Error(), "choose another address with listen: in the configuration") {
		t.Errorf("New = %v", err)
	}
	_ = l.Close()
	h := start(t, app.Options{Config: c})
	if err := h.end(); err != nil {
		t.Error(err)
	}
}
