package webpush

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/webpush/webpushtest"
)

// A door is the receiver's pages as the world reaches them.
type door struct {
	t      *testing.T
	n      *notifier
	h      http.Handler
	pushes *webpushtest.Service
	now    time.Time
	told   []string // "ana https://…"
	fails  error    // of Enroll
}

func opensDoor(t *testing.T, change func(*Config, *notify.Env)) *door {
	t.Helper()
	d := &door{t: t, pushes: service(t), now: notifytest.Now()}
	e := env(t, d.pushes)
	e.Now = func() time.Time { return d.now }
	d.pushes.Now = e.Now
	e.Handle = func(h http.Handler) { d.h = h }
	e.Enroll = func(_ context.Context, person, address string) error {
		s, err := parse(address)
		if err != nil || d.fails != nil {
			return errors.Join(err, d.fails)
		}
		d.told = append(d.told, person+" "+s.Endpoint)
		return nil
	}
	c := Config{AllowPrivate: true}
	if change != nil {
		change(&c, &e)
	}
	d.n = opened(t, c, e)
	return d
}

// invite gives the path of an invitation.
func (d *door) invite(person string) string {
	d.t.Helper()
	url, err := d.n.Invite(person)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimPrefix(url, "https://tocsin.example.com")
}

func (d *door) ask(method, path, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), method, "https://tocsin.example.com"+path, strings.NewReader(body))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w
}

// says holds an answer against a status and what its error says.
func (d *door) says(what string, w *httptest.ResponseRecorder, status int, text string) {
	d.t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), text) {
		d.t.Errorf("%s: %d %s, want %d and %q", what, w.Code, w.Body, status, text)
	}
}

// proof is what the last message to a browser holds.
func (d *door) proof() string {
	d.t.Helper()
	taken := d.pushes.Taken()
	if len(taken) == 0 {
		d.t.Fatalf("nothing was sent; refused was %q", d.pushes.Refused())
	}
	text, err := json.Marshal(map[string]string{"proof": read(d.t, taken[len(taken)-1].Text).Proof})
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func TestAPersonEnrolsABrowser(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	b := d.pushes.Subscribe("")
	join := d.invite("ana")
	if !strings.HasPrefix(join, "/act/phones/join/") || len(join) > 140 {
		t.Errorf("the invitation is %s (%d characters); want one that a QR code shows well", join, len(join))
	}
	d.says("the page", d.ask("GET", join, ""), 200, "ana")
	d.says("before", d.ask("GET", join+"/state", ""), 200, `"enrolled":false`)
	d.says("the subscription", d.ask("POST", join+"/subscription", b.Subscription()), 200, "sent")
	if len(d.told) != 0 {
		t.Fatal("somebody is told by an address that nobody has proved")
	}
	p := d.pushes.Taken()[0]
	if got := read(t, p.Text); got.Confirm != join+"/proof" || len(got.Proof) < 20 || p.TTL != lifeOfCode || p.Header.Get("Urgency") != "high" {
		t.Errorf("the proof is sent as %+v, TTL %s", got, p.TTL)
	}
	d.says("another proof", d.ask("POST", join+"/proof", `{"proof":"AAAAAAAAAAAAAAAAAAAAAA"}`), 403, "not that of the browser")
	d.says("no proof", d.ask("POST", join+"/proof", `nonsense`), 400, "no proof")
	d.fails = errors.New("the store is away")
	d.says("the proof, and the store is away", d.ask("POST", join+"/proof", d.proof()), 409, "The store is away")
	d.fails = nil
	d.says("the proof once more", d.ask("POST", join+"/proof", d.proof()), 200, `"person":"ana"`)
	if want := "ana " + b.Endpoint(); len(d.told) != 1 || d.told[0] != want {
		t.Errorf("told are %q, want %s", d.told, want)
	}
	d.says("after", d.ask("GET", join+"/state", ""), 200, `"enrolled":true`)
	d.says("the page, after", d.ask("GET", join, ""), 410, "was used")

	d.says("the same browser, whose answer was lost", d.ask("POST", join+"/subscription", b.Subscription()), 200, "sent")
	d.says("its proof", d.ask("POST", join+"/proof", d.proof()), 200, "ana")
	d.says("another browser", d.ask("POST", join+"/subscription", d.pushes.Subscribe("").Subscription()), 410, "was used")
}

func TestAnInvitationIsForOneBrowserThoughTwoAsk(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	join := d.invite("ana")
	first, second := d.pushes.Subscribe(""), d.pushes.Subscribe("")
	d.says("first", d.ask("POST", join+"/subscription", first.Subscription()), 200, "sent")
	early := d.proof()
	d.says("second", d.ask("POST", join+"/subscription", second.Subscription()), 200, "sent")
	d.says("the first's proof", d.ask("POST", join+"/proof", early), 403, "asked last")
	d.says("the second's proof", d.ask("POST", join+"/proof", d.proof()), 200, "ana")
	d.says("the first once more", d.ask("POST", join+"/subscription", first.Subscription()), 410, "was used")
	if want := "ana " + second.Endpoint(); len(d.told) != 1 || d.told[0] != want {
		t.Errorf("told are %q, want %s", d.told, want)
	}
}

func TestAnInvitationThatIsNone(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	other := opensDoor(t, nil)
	join := d.invite("ana")
	token := path.Base(join)
	raw, err := coding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	forged := coding.EncodeToString(bytes.Replace(raw, []byte(`"ana"`), []byte(`"eve"`), 1))
	for name, bad := range map[string]string{
		"of another tocsin": path.Base(other.invite("ana")), "cut off": token[:len(token)-4], "for somebody else": forged,
		"nonsense": "x", "very long": strings.Repeat("A", linkMost+4),
	} {
		for _, way := range []string{"GET ", "GET /state", "POST /subscription", "POST /proof"} {
			method, rest, _ := strings.Cut(way, " ")
			d.says(name+" "+way, d.ask(method, "/act/phones/join/"+bad+rest, "{}"), 404, "no invitation of ours")
		}
		if got := d.ask("GET", "/act/phones/join/"+bad+"/manifest.webmanifest", "").Body.String(); strings.Contains(got, "/join/") {
			t.Errorf("%s: the manifest starts at it: %s", name, got)
		}
	}
	d.now = d.now.Add(linkLife + time.Second)
	d.says("over", d.ask("GET", join, ""), 410, "expired")
	d.says("over", d.ask("POST", join+"/subscription", d.pushes.Subscribe("").Subscription()), 410, "expired")
	if len(d.pushes.Taken()) != 0 {
		t.Error("something was sent")
	}
}

func TestAnInvitationSendsNoMoreThanItShould(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	join := d.invite("ana")
	for range triesMost {
		d.says("a try", d.ask("POST", join+"/subscription", d.pushes.Subscribe("").Subscription()), 200, "sent")
	}
	d.says("one more", d.ask("POST", join+"/subscription", d.pushes.Subscribe("").Subscription()), 429, "tried too often")

	guarded := opensDoor(t, func(c *Config, _ *notify.Env) { c.AllowPrivate = false })
	inside := strings.Replace(guarded.pushes.Subscribe("").Subscription(), "127.0.0.1", "169.254.169.254", 1)
	join = guarded.invite("ana")
	guarded.says("an endpoint within the cloud", guarded.ask("POST", join+"/subscription", inside), 422, "not a public address")
	guarded.says("no subscription", guarded.ask("POST", join+"/subscription", `{"endpoint":"https://push.example/1"}`), 422, "P256dh")
	guarded.says("too much", guarded.ask("POST", join+"/subscription", strings.Repeat(" ", subscriptionMost+1)), 400, "subscription")
	if len(guarded.pushes.Taken())+len(guarded.pushes.Refused()) != 0 {
		t.Error("something was sent")
	}
}

func TestAPushServiceThatRefusesTheProof(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	d.pushes.Answers(webpushtest.Answer{Status: 403, Echo: true})
	b := d.pushes.Subscribe("")
	w := d.ask("POST", d.invite("ana")+"/subscription", b.Subscription())
	d.says("the page is told", w, 502, "did not take a message")
	if strings.Contains(w.Body.String(), b.Name) || strings.Contains(w.Body.String(), "vapid t=") {
		t.Errorf("the answer tells a secret: %s", w.Body)
	}
}

func TestWhoCanInvite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, callback, want string }{
		{"over https", callback, ""},
		{"on this machine", "http://localhost:8080/act/phones", ""},
		{"on this machine by number", "http://127.0.0.1:8080/act/phones", ""},
		{"without TLS", "http://tocsin.example.com/act/phones", "public_url does not begin with https://, and browsers take notifications from no other page"},
		{"without a public URL", "", "public_url is not set, so that no phone can open the link"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := env(t, nil)
			e.CallbackURL = tt.callback
			e.Enroll = func(context.Context, string, string) error { return nil }
			url, err := opened(t, Config{}, e).Invite("ana")
			if got := fmt.Sprint(err); tt.want != "" && got != tt.want || tt.want == "" && (err != nil || !strings.HasPrefix(url, tt.callback+"/join/")) {
				t.Errorf("Invite = %q, %v, want %q", url, err, tt.want)
			}
		})
	}
	if _, err := opened(t, Config{}, env(t, nil)).Invite("ana"); err == nil {
		t.Error("somebody is invited where nobody can be enrolled")
	}
}

func TestThePagesKeepToThemselves(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	join := d.invite(`<b>"ana"</b>`)
	for _, at := range []string{join, "/act/phones/", "/act/phones/worker.js", "/act/phones/manifest.webmanifest", join + "/state", "/act/phones/nothing"} {
		h := d.ask("GET", at, "").Header()
		if got := h.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; script-src 'self';") || strings.Contains(got, "unsafe") || !strings.Contains(got, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy is %q", at, got)
		}
		if h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers are %v", at, h)
		}
	}
	page := d.ask("GET", join, "").Body.String()
	if strings.Contains(page, "<b>") || strings.Contains(page, "<style") || strings.Contains(page, "<script>") || strings.Contains(page, " style=") || strings.Contains(page, " onclick=") {
		t.Errorf("the page holds what it must not: %s", page)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "https://tocsin.example.com"+join+"/subscription", strings.NewReader("{}"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	d.says("another site's page", w, 403, "")
	for at, want := range map[string]int{"/act/phones/join.html": 404, "/act/phones/..%2fpages.go": 404, "/act/phones/page": 404, "/act/phones//evil.example/": 404, "/act/other/": 404, "/act/phones": 308} {
		if got := d.ask("GET", at, ""); got.Code != want {
			t.Errorf("GET %s = %d, want %d", at, got.Code, want)
		}
	}
	if got := d.ask("GET", "/act/phones/worker.js", ""); got.Header().Get("Cache-Control") != "no-cache" || got.Header().Get("ETag") == "" {
		t.Errorf("the service worker is kept by browsers: %v", got.Header())
	}
}

func TestAPublicURLWithAPath(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, func(_ *Config, e *notify.Env) { e.CallbackURL = "https://tocsin.example.com/alarm/act/phones" })
	join := d.invite("ana")
	whole, cut := d.ask("GET", join, ""), d.ask("GET", strings.TrimPrefix(join, "/alarm"), "")
	if !strings.HasPrefix(join, "/alarm/act/phones/join/") || whole.Code != 200 || cut.Code != 200 {
		t.Errorf("%s: %d with the proxy's path and %d without it, want 200 for both", join, whole.Code, cut.Code)
	}
	d.says("the page", whole, 200, `src="/alarm/act/phones/app.js"`)
}

// TestTheIconsAreThere holds the manifest against the files.
func TestTheIconsAreThere(t *testing.T) {
	t.Parallel()
	d := opensDoor(t, nil)
	var manifest struct {
		Display, Scope string
		StartURL       string `json:"start_url"`
		Icons          []struct{ Src, Sizes, Purpose string }
	}
	if err := json.Unmarshal(d.ask("GET", "/act/phones/manifest.webmanifest", "").Body.Bytes(), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Display != "standalone" || manifest.StartURL != "/act/phones/" || manifest.Scope != "/act/phones/" {
		t.Errorf("manifest is %+v", manifest)
	}
	var sizes []string
	for _, icon := range manifest.Icons {
		w := d.ask("GET", icon.Src, "")
		c, err := png.DecodeConfig(w.Body)
		if got := fmt.Sprintf("%dx%d", c.Width, c.Height); err != nil || got != icon.Sizes || w.Header().Get("Content-Type") != "image/png" {
			t.Errorf("%s is %s, %v, want %s", icon.Src, got, err, icon.Sizes)
		}
		sizes = append(sizes, strings.TrimSpace(icon.Sizes+" "+icon.Purpose))
	}
	for _, want := range []string{"192x192", "512x512", "512x512 maskable"} {
		if !slices.Contains(sizes, want) {
			t.Errorf("no icon %s among %q", want, sizes)
		}
	}
	names, err := fs.Glob(files, "page/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name = path.Base(name); path.Ext(name) != ".html" {
			d.says(name, d.ask("GET", "/act/phones/"+name, ""), 200, "")
		}
	}
}
