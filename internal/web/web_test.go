package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// serve answers a request without a body.
func serve(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// get answers GET path.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	return serve(h, http.MethodGet, path)
}

// post sends a form as our own pages do.
func post(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// says checks status and words of an answer.
func says(t *testing.T, w *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status = %d, want %d", w.Code, status)
	}
	for _, word := range words {
		if !strings.Contains(w.Body.String(), word) {
			t.Errorf("page lacks %q; it says:\n%s", word, brief(w.Body.String()))
		}
	}
}

func brief(page string) string {
	_, main, _ := strings.Cut(page, "<main")
	return main[:min(len(main), 3000)]
}

// oldest is the first alert of the fixtures that is as asked.
func find(t *testing.T, p *Pages, f store.AlertFilter) tocsin.Alert {
	t.Helper()
	var found []tocsin.Alert
	err := p.opts.Store.View(context.Background(), func(tx *store.Tx) (err error) {
		found, _, err = tx.Alerts(f)
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("Alerts(%+v) = %d alerts, %v", f, len(found), err)
	}
	return found[0]
}

var open = store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen}}

func TestPagesAnswer(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for _, tt := range []struct {
		name, path string
		status     int
		words      []string
	}{
		{"open alerts are the start", "/", 200, []string{"is calling a C2 server", "payments-prod (111122223333)", `<time datetime="2026-11-21T`, "2 notifications"[2:]}},
		{"the search finds an account between asterisks", "/?q=" + url.QueryEscape("*123456789123*"), 200, []string{"CloudTrail trail org-trail was stopped by root"}},
		{"the search takes wildcards", "/?q=" + url.QueryEscape("bucket*everybody"), 200, []string{"Bucket acme-exports"}},
		{"an account may be named", "/?account=data-lake", 200, []string{"Bucket acme-exports"}},
		{"a type by its beginning", "/?type=CryptoCurrency:", 200, []string{"is mining cryptocurrency"}},
		{"closed alerts say why", "/?status=closed", 200, []string{"False positive"}},
		{"a filter that leaves nothing says what to do", "/?q=nowhere", 200, []string{"No alert matches", "Clear the filters"}},
		{"a page after the last", "/?page=99", 200, []string{"There is no such page"}},
		{"a level that does not exist", "/?level=banana", 400, []string{"is none of informational, low"}},
		{"an order that does not exist", "/?sort=colour", 400, []string{"no order"}},
		{"a page that is no number", "/?page=-1", 400, []string{"is not a number"}},
		{"an alert", "/alerts/60", 200, []string{"Run first", "aws ec2 describe-instances", "Acknowledge", "Close alert", "sns:org-topic"}},
		{"no such alert", "/alerts/9999", 404, []string{"There is nothing here"}},
		{"an alert that is no number", "/alerts/abc", 404, []string{"There is nothing here"}},
		{"the inbound log", "/inbound", 200, []string{"Mapped Appended", "Mapping Failed", "Mapped Ignored", "×3", "below the minimum of account sandbox"}},
		{"the inbound log by verdict", "/inbound?verdict=malformed", 200, []string{"unexpected end of input"}},
		{"the inbound log by account between asterisks", "/inbound?account=" + url.QueryEscape("*123456789123*"), 200, []string{"Stealth:IAMUser/CloudTrailLoggingDisabled"}},
		{"the inbound log of one alert", "/inbound?alert=60", 200, []string{"Backdoor:EC2"}},
		{"a verdict that does not exist", "/inbound?verdict=lost", 400, []string{"no verdict"}},
		{"one event", "/inbound/1", 200, []string{"Download, byte for byte", "GuardDuty Finding", "Mapped"}},
		{"no such event", "/inbound/99999", 404, []string{"There is nothing here"}},
		{"the delivery ledger", "/notifications", 200, []string{"Parked: nobody was told by these", "Send again", "pagerduty: 503 Service Unavailable", "route 2"}},
		{"the ledger by state", "/notifications?state=failed", 200, []string{"channel_not_found"}},
		{"the ledger of nobody", "/notifications?receiver=nobody", 200, []string{"No notification matches"}},
		{"sources", "/sources", 200, []string{"Pending confirmation", "Confirmed", "Unsubscribed", "https://tocsin.example.com/in/org-topic/***", "Never heard of", "acquired-co"}},
		{"what is nowhere", "/nowhere", 404, []string{"No page has the address /nowhere."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			says(t, get(p, tt.path), tt.status, tt.words...)
		})
	}
}

func TestSearchLeavesOthersOut(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for path, other := range map[string]string{
		"/?q=*123456789123*":          "is calling a C2 server",
		"/?level=critical":            "is mining cryptocurrency",
		"/?region=us-east-1":          "is calling a C2 server",
		"/?status=closed":             `class="badge t-open"`,
		"/inbound?verdict=filtered":   "Mapping Failed",
		"/inbound?source=api":         "<td class=\"c-source\">org-topic",
		"/notifications?state=parked": "row n-delivered",
	} {
		w := get(p, path)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), other) {
			t.Errorf("GET %s = %d; it must not show %q", path, w.Code, other)
		}
	}
}

func TestEmptyStoreLeadsOn(t *testing.T) {
	t.Parallel()
	p := bare(t)
	says(t, get(p, "/"), 200, "No source is connected yet", `href="/sources"`)
	says(t, get(p, "/inbound"), 200, "Nothing has come in yet")
	says(t, get(p, "/notifications"), 200, "Nobody had to be told yet")
	says(t, get(p, "/sources"), 200, "No source is configured")
	p.opts.Sources = func(context.Context) []SourceInfo { return fixtureSources() }
	says(t, get(p, "/"), 200, "Nothing has come in yet", "Look at the sources")
}

func TestPagingShowsEveryAlertOnce(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	seen := map[string]int{}
	path := "/?status=all"
	for pages := 0; path != ""; pages++ {
		if pages > 3 {
			t.Fatalf("more pages than alerts; at %s", path)
		}
		body := get(p, path).Body.String()
		for _, part := range strings.Split(body, `class="rowlink" href="`)[1:] {
			href, _, _ := strings.Cut(part, `"`)
			seen[href]++
		}
		path = ""
		if _, rest, ok := strings.Cut(body, `rel="next" href="`); ok {
			href, _, _ := strings.Cut(rest, `"`)
			path = strings.ReplaceAll(href, "&amp;", "&")
		}
	}
	if len(seen) != 60 {
		t.Errorf("paging showed %d alerts, want 60", len(seen))
	}
	for href, n := range seen {
		if n != 1 {
			t.Errorf("paging showed %s %d times, want once", href, n)
		}
	}
}

func TestAcknowledge(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	id := find(t, p, open).ID
	path := fmt.Sprintf("/alerts/%d", id)

	w := post(p, path+"/acknowledge", url.Values{"by": {" Ana \n Ferreira "}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != path {
		t.Fatalf("acknowledge = %d to %q, want 303 to %s", w.Code, w.Header().Get("Location"), path)
	}
	says(t, get(p, path), 200, "Acknowledged by <strong>Ana Ferreira</strong>")

	w = post(p, path+"/acknowledge", url.Values{"by": {"marek"}})
	says(t, w, 409, "already acknowledged by Ana Ferreira", "2026-11-21 03:07:00 UTC")
}

func TestNameIsRemembered(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	id := find(t, p, open).ID
	w := post(p, fmt.Sprintf("/alerts/%d/acknowledge", id), url.Values{"by": {"Ana Ferreira"}})
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("cookies = %v, want one, HttpOnly and Lax", cookies)
	}
	r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/alerts/%d", id), nil)
	r.AddCookie(cookies[0])
	w = httptest.NewRecorder()
	p.ServeHTTP(w, r)
	says(t, w, 200, `name="by" value="Ana Ferreira"`)
}

func TestWithoutANameItIsWeb(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	id := find(t, p, open).ID
	w := post(p, fmt.Sprintf("/alerts/%d/acknowledge", id), nil)
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 0 {
		t.Errorf("acknowledge = %d with cookies %v, want 303 and none", w.Code, w.Result().Cookies())
	}
	says(t, get(p, fmt.Sprintf("/alerts/%d", id)), 200, "Acknowledged by <strong>web</strong>")
}

func TestClose(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	path := fmt.Sprintf("/alerts/%d", find(t, p, open).ID)

	says(t, post(p, path+"/close", url.Values{"by": {"ana"}}), 400, "Closing needs a reason")
	says(t, post(p, path+"/close", url.Values{"reason": {"archived"}}), 400, "Closing needs a reason")
	w := post(p, path+"/close", url.Values{"by": {"ana"}, "reason": {"expected"}, "note": {"red team\nweek\x00"}})
	if w.Code != http.StatusSeeOther {
		t.Fatalf("close = %d, want 303", w.Code)
	}
	says(t, get(p, path), 200, "Closed by <strong>ana</strong>", "Expected", "expected: red team\nweek")
	says(t, post(p, path+"/close", url.Values{"reason": {"fixed"}}), 409, "already closed by ana (Expected)")
	says(t, post(p, path+"/acknowledge", nil), 409, "already closed by ana")
}

func TestSendAgain(t *testing.T) {
	t.Parallel()
	p, sc := filled(t)
	notifications := func(state tocsin.State) []tocsin.Notification {
		var list []tocsin.Notification
		err := sc.store.View(t.Context(), func(tx *store.Tx) (err error) {
			list, err = tx.Notifications(store.NotificationFilter{States: []tocsin.State{state}})
			return err
		})
		if err != nil || len(list) == 0 {
			t.Fatalf("notifications that are %s: %d, %v", state, len(list), err)
		}
		return list
	}
	parked := notifications(tocsin.Parked)[0]
	path := fmt.Sprintf("/notifications/%d/retry", parked.ID)
	w := post(p, path, url.Values{"alert": {fmt.Sprint(parked.Alert)}})
	if want := fmt.Sprintf("/alerts/%d", parked.Alert); w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
		t.Errorf("send again = %d to %q, want 303 to %s", w.Code, w.Header().Get("Location"), want)
	}
	if again := notifications(tocsin.Pending)[0]; again.Receiver != parked.Receiver || again.Why != "sent again by web" {
		t.Errorf("what is owed is %+v, want it to %s once more", again, parked.Receiver)
	}
	// nothing outside is ever an address to go back to
	w = post(p, path, url.Values{"alert": {"//evil.example"}})
	if got := w.Header().Get("Location"); got != "/notifications" {
		t.Errorf("send again goes to %q, want /notifications", got)
	}
	says(t, post(p, fmt.Sprintf("/notifications/%d/retry", notifications(tocsin.Delivered)[0].ID), nil), 409, "Somebody else was faster")
	says(t, post(p, "/notifications/99999/retry", nil), 404)
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	id := find(t, p, open).ID
	for name, header := range map[string]http.Header{
		"by Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"by Origin":         {"Origin": {"https://evil.example"}},
		"by a null Origin":  {"Origin": {"null"}},
	} {
		r := httptest.NewRequest(http.MethodPost, fmt.Sprintf("/alerts/%d/acknowledge", id), strings.NewReader("by=evil"))
		r.Header = header
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		t.Run(name, func(t *testing.T) { says(t, w, 403, "That form came from another site") })
	}
	if a := find(t, p, open); a.ID != id {
		t.Errorf("alert %d was changed by another site", id)
	}
}

func TestRawIsByteForByte(t *testing.T) {
	t.Parallel()
	raws := map[string][]byte{
		"event-1.json": []byte("{\"a\" :  1,\r\n \"a\":2, \"z\":\"\\u202e\"}\n"),
		"event-2.txt":  []byte("\x00\xff<script>alert(1)</script>\r\n"),
		"event-3.txt":  {},
	}
	s := openStore(t)
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		for _, name := range []string{"event-1.json", "event-2.txt", "event-3.txt"} {
			ev := &tocsin.Event{Source: "api", Via: "https", ReceivedAt: fixtureNow, Raw: raws[name], Verdict: tocsin.Malformed}
			if err := tx.Journal([]*tocsin.Event{ev}, []string{""}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := newPages(Options{Store: s, Act: openScene(t, s)})
	for i, name := range []string{"event-1.json", "event-2.txt", "event-3.txt"} {
		w := get(p, fmt.Sprintf("/inbound/%d/raw", i+1))
		if !bytes.Equal(w.Body.Bytes(), raws[name]) {
			t.Errorf("%s = %q, want %q", name, w.Body.Bytes(), raws[name])
		}
		for header, want := range map[string]string{
			"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
			"Content-Disposition": `attachment; filename="` + name + `"`,
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s = %q, want %q", name, header, got, want)
			}
		}
		says(t, get(p, fmt.Sprintf("/inbound/%d", i+1)), 200)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	for _, path := range []string{"/", "/alerts/1", "/inbound/1/raw", "/nowhere", p.assets.urls["tocsin.css"]} {
		h := get(p, path).Header()
		for header, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "same-origin",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("GET %s: %s = %q, want %q", path, header, got, want)
			}
		}
	}
	if got := get(p, "/").Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("pages: Cache-Control = %q, want no-store", got)
	}
}

func TestAssetsAreNamedByContent(t *testing.T) {
	t.Parallel()
	p := bare(t)
	page := get(p, "/").Body.String()
	for name, kind := range map[string]string{"tocsin.css": "text/css; charset=utf-8", "tocsin.js": "text/javascript; charset=utf-8", "tocsin.svg": "image/svg+xml"} {
		path := p.assets.urls[name]
		if !strings.Contains(page, `"`+path+`"`) {
			t.Errorf("the page does not load %s", path)
		}
		w := get(p, path)
		want, err := static.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), want) || w.Header().Get("Content-Type") != kind ||
			!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("GET %s = %d, %v", path, w.Code, w.Header())
		}
		says(t, get(p, "/static/"+name), 404)
	}
}

func TestWrongMethod(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	r := httptest.NewRequest(http.MethodDelete, "/alerts/1", nil)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	says(t, w, 405, "does not take DELETE", "GET")
	if got := w.Header().Get("Allow"); !strings.Contains(got, "GET") {
		t.Errorf("Allow = %q, want GET in it", got)
	}
	says(t, get(p, "/alerts/1/acknowledge"), 405, "It takes POST")
}

func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p, sc := filled(t)
	p.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := sc.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/alerts/1", "/inbound", "/inbound/1/raw", "/notifications", "/sources"} {
		w := get(p, path)
		says(t, w, 503, "The database does not answer", "not lost")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("GET %s has no Retry-After", path)
		}
	}
	if !strings.Contains(log.String(), "page failed") {
		t.Errorf("log = %q, want a line for operators", log.String())
	}
}

// A brokenEngine fails as no store or alert does.
type brokenEngine struct{ engine.Asks }

func (brokenEngine) Acknowledge(context.Context, int64, engine.Ask) (tocsin.Alert, error) {
	return tocsin.Alert{}, errors.New("a secret detail")
}

func (brokenEngine) Retry(context.Context, int64, string) error { panic("a bug") }

func (brokenEngine) Close(context.Context, int64, engine.Ask, tocsin.Reason, time.Time) (tocsin.Alert, error) {
	return tocsin.Alert{}, fmt.Errorf("alert 1: %w", store.ErrStale)
}

func TestFaultsOfOurs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p, _ := filled(t)
	p.opts.Act, p.opts.Log = brokenEngine{p.opts.Act}, slog.New(slog.NewTextHandler(&log, nil))

	w := post(p, "/alerts/1/acknowledge", nil)
	says(t, w, 500, "Something went wrong here")
	if strings.Contains(w.Body.String(), "secret detail") {
		t.Error("the page shows the error itself")
	}
	_, rest, _ := strings.Cut(w.Body.String(), `Reference <code class="pick">`)
	reference, _, ok := strings.Cut(rest, "<")
	if !ok || !strings.Contains(log.String(), reference) || !strings.Contains(log.String(), "secret detail") {
		t.Errorf("log = %q, want the error under reference %q", log.String(), reference)
	}
	says(t, post(p, "/notifications/1/retry", nil), 500, "Something went wrong here")
	says(t, post(p, "/alerts/1/close", url.Values{"reason": {"fixed"}}), 409, "Somebody else was faster", `href="/alerts/1"`)
}

func TestFormThatIsTooLarge(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	says(t, post(p, "/alerts/1/close", url.Values{"note": {strings.Repeat("x", maxForm)}}), 413, "too much text")
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	resp, err := http.Head(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || len(b) != 0 {
		t.Errorf("HEAD / = %d with %d bytes, want 200 and none", resp.StatusCode, len(b))
	}
}
