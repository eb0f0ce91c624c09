package webpush

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/webpush/webpushtest"
	"github.com/tocsin-sec/tocsin/internal/web/chromiumtest"
)

var shots = flag.String("shots", "", "folder to write screenshots to")

var (
	desk  = chromiumtest.Sight{Name: "light", Width: 1280, Height: 900}
	night = chromiumtest.Sight{Name: "dark", Width: 390, Height: 844, Phone: true, Dark: true}
	small = chromiumtest.Sight{Name: "small", Width: 360, Height: 740, Phone: true}
)

// A stage is a tocsin with a receiver of phones, its push service, and a browser
// that opens its pages.
type stage struct {
	*chromiumtest.Browser
	n      *notifier
	url    string // of the server
	pushes *webpushtest.Service
	phone  *webpushtest.Browser

	mu       sync.Mutex // guards what follows
	enrolled []string   // "ana 3f9a1c"
	followed []string   // signed links that were posted to
	broken   bool       // whether links can be followed
}

// staged opens it all. What a browser without a network cannot do is put in its
// place: PushManager.subscribe and getSubscription, which ask the browser maker's
// push service. Everything else is the browser's own.
func staged(t *testing.T) *stage {
	t.Helper()
	st := &stage{pushes: webpushtest.New(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /act/link/{token}", func(w http.ResponseWriter, r *http.Request) {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.followed = append(st.followed, r.PathValue("token"))
		if st.broken {
			w.WriteHeader(http.StatusGone)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	st.url = server.URL
	e := env(t, st.pushes)
	e.Now, e.CallbackURL = time.Now, server.URL+"/act/phones"
	e.Handle = func(h http.Handler) { mux.Handle("/act/phones/", h) }
	e.Enroll = func(_ context.Context, person, address string) error {
		s, err := parse(address)
		st.mu.Lock()
		defer st.mu.Unlock()
		st.enrolled = append(st.enrolled, person+" "+notify.BrowserMark(s.Endpoint))
		return err
	}
	st.n = opened(t, Config{AllowPrivate: true, Subject: "mailto:soc@example.com"}, e)
	st.phone = st.pushes.Subscribe("")
	st.Browser = chromiumtest.Open(t)
	st.Do("Browser.grantPermissions", chromiumtest.Args{"origin": st.url, "permissions": []string{"notifications"}}, nil)
	st.Do("ServiceWorker.enable", nil, nil)
	st.Do("Page.addScriptToEvaluateOnNewDocument", chromiumtest.Args{"source": `(() => {
		const json = ` + st.phone.Subscription() + `;
		const one = { endpoint: json.endpoint, toJSON: () => json, unsubscribe: async () => { localStorage.removeItem("subscribed"); return true; } };
		PushManager.prototype.subscribe = async options => { window.asked = options; localStorage.setItem("subscribed", "yes"); return one; };
		PushManager.prototype.getSubscription = async () => localStorage.getItem("subscribed") ? one : null;
	})()`}, nil)
	return st
}

func (st *stage) told() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.enrolled)
}

func (st *stage) posted() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.followed)
}

func (st *stage) breakLinks() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.broken = true
}

func (st *stage) invite(t *testing.T, person string) string {
	t.Helper()
	url, err := st.n.Invite(person)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// deliver gives the newest message to the service worker as a browser does that
// has decrypted it.
func (st *stage) deliver(t *testing.T) payload {
	t.Helper()
	var last webpushtest.Push
	for start := time.Now(); ; { // the page's request is under way
		if taken := st.pushes.Taken(); len(taken) > 0 {
			last = taken[len(taken)-1]
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("nothing came to the push service; it refused %q", st.pushes.Refused())
		}
		st.Ask("new Promise(after => setTimeout(after, 20))", nil)
	}
	st.push(t, string(last.Text))
	return read(t, last.Text)
}

func (st *stage) push(t *testing.T, text string) {
	t.Helper()
	var event struct {
		Registrations []struct {
			RegistrationID, ScopeURL string
			IsDeleted                bool
		}
	}
	for start := time.Now(); len(event.Registrations) == 0; { // the browser says so when it comes to it
		err := json.Unmarshal(st.Event("ServiceWorker.workerRegistrationUpdated"), &event)
		if len(event.Registrations) == 0 && time.Since(start) > 20*time.Second {
			t.Fatalf("no service worker is registered: %v", err)
		}
		st.Ask("new Promise(after => setTimeout(after, 20))", nil)
	}
	st.Do("ServiceWorker.deliverPushMessage", chromiumtest.Args{"origin": st.url, "registrationId": event.Registrations[0].RegistrationID, "data": text}, nil)
}

// A shown notification, as the browser has it.
type shown struct {
	Title, Body, Tag           string
	Silent, RequireInteraction bool
	Actions                    []struct{ Action, Title string }
}

func (st *stage) shown(t *testing.T, tag string) shown {
	t.Helper()
	st.Until("notification "+tag+" is shown", fmt.Sprintf(`navigator.serviceWorker.ready.then(r => r.getNotifications({ tag: %q })).then(all => all.length === 1)`, tag))
	var s shown
	st.Ask(fmt.Sprintf(`navigator.serviceWorker.ready.then(r => r.getNotifications({ tag: %q })).then(([n]) => ({
		Title: n.title, Body: n.body, Tag: n.tag, Silent: n.silent, RequireInteraction: n.requireInteraction, Actions: n.actions.map(a => ({ Action: a.action, Title: a.title })),
	}))`, tag), &s)
	return s
}

func (st *stage) say(id string) string {
	var text string
	st.Ask(fmt.Sprintf(`(() => { const e = document.getElementById(%q); return e && e.checkVisibility() ? e.textContent.trim() : ""; })()`, id), &text)
	return text
}

// keep writes a screenshot where -shots says.
func (st *stage) keep(t *testing.T, name string) {
	t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*shots, "join-"+name+".png"), st.Whole(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// faults are what a page is never to have: what is wider than the window, a button
// too small for a thumb, text too faint to read (WCAG 2.2, 1.4.3), and what a screen
// reader could not say.
const faults = `(() => {
	const out = [];
	if (document.documentElement.scrollWidth > document.documentElement.clientWidth) out.push("wider than the window");
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	for (const e of document.querySelectorAll("h1, h2, p, li, strong, span, button, a, header")) {
		if (!e.checkVisibility() || !e.textContent.trim()) continue;
		let behind = e;
		while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
		const [hi, lo] = [light(rgba(getComputedStyle(e).color)), light(rgba(getComputedStyle(behind).backgroundColor))].sort((x, y) => y - x);
		if ((hi + .05) / (lo + .05) < 4.5) out.push("faint: " + e.textContent.trim().slice(0, 40));
	}
	for (const e of document.querySelectorAll("button, .links a")) if (e.checkVisibility() && e.getBoundingClientRect().height < 44) out.push("small: " + e.textContent);
	if (document.querySelectorAll("h1").length !== 1) out.push("not one h1");
	if (!document.querySelector("main")) out.push("no main");
	return out;
})()`

func (st *stage) judge(t *testing.T, name string) {
	t.Helper()
	var found []string
	if st.Ask(faults, &found); len(found) > 0 {
		t.Errorf("%s: %q", name, found)
	}
	st.keep(t, name)
}

// TestBrowserEnrols is the whole way of a phone: the page of an invitation, the
// proof, an alert, its buttons, and the end.
func TestBrowserEnrols(t *testing.T) {
	t.Parallel()
	st := staged(t)
	st.Do("Page.enable", nil, nil)
	invitation := st.invite(t, "ana")
	for _, sight := range []chromiumtest.Sight{desk, night, small} {
		st.Visit(invitation, sight)
		st.Until("the page offers its button", `!document.getElementById("ask").hidden`)
		st.judge(t, "offer-"+sight.Name)
	}
	st.installable(t, invitation)

	st.Ask(`document.getElementById("tell").click()`, nil)
	proof := st.deliver(t)
	st.Until("the page says that it is done", `document.getElementById("status").textContent.startsWith("Done")`)
	if got := st.shown(t, proof.Tag); got.Body != "This browser is told as ana from now on." || got.Silent {
		t.Errorf("the proof is shown as %+v", got)
	}
	mark := notify.BrowserMark(st.phone.Endpoint())
	if want := "ana " + mark; fmt.Sprint(st.told()) != "["+want+"]" {
		t.Errorf("enrolled are %q, want %s alone", st.told(), want)
	}
	if got := st.say("told"); !strings.Contains(got, "ana") || !strings.Contains(got, "browser "+mark) {
		t.Errorf("the page says %q, want who is told and browser %s", got, mark)
	}
	var key string
	st.Ask(`btoa(String.fromCharCode(...window.asked.applicationServerKey)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")`, &key)
	if header := st.pushes.Taken()[0].Header.Get("Authorization"); !strings.HasSuffix(header, "k="+key) {
		t.Errorf("the browser was asked for the key %s, and messages are signed as %s", key, header)
	}
	st.judge(t, "told-small")
	st.alerts(t)
	st.ends(t, invitation)
	for _, complaint := range st.Complaints() {
		// The network says so of an answer that is not 2xx.
		if !strings.Contains(complaint, "410 (Gone)") {
			t.Errorf("a page complained: %s", complaint)
		}
	}
}

// installable asks the browser itself what it has against the page as an app.
func (st *stage) installable(t *testing.T, invitation string) {
	t.Helper()
	var manifest struct {
		URL    string
		Data   string
		Errors []struct{ Message string }
	}
	st.Do("Page.getAppManifest", nil, &manifest)
	if len(manifest.Errors) > 0 || !strings.Contains(manifest.Data, strings.TrimPrefix(invitation, st.url)) {
		t.Errorf("manifest %s: %+v\n%s", manifest.URL, manifest.Errors, manifest.Data)
	}
	var against struct {
		InstallabilityErrors []struct {
			ErrorID        string
			ErrorArguments []struct{ Name, Value string }
		}
	}
	st.Do("Page.getInstallabilityErrors", nil, &against)
	for _, e := range against.InstallabilityErrors {
		t.Errorf("the browser would not install it: %s %v", e.ErrorID, e.ErrorArguments)
	}
}

// alerts has alerts told, and answers them.
func (st *stage) alerts(t *testing.T) {
	t.Helper()
	n := to{st.n, st.phone.Subscription()}
	m := notifytest.Messages()[0].Message
	m.At, m.AlertURL = time.Now(), ""
	for _, do := range []string{"acknowledge", "escalate", "expected"} {
		m.Actions = append(m.Actions, notify.Action{Do: notify.Do(do), Label: strings.ToUpper(do[:1]) + do[1:], URL: st.url + "/act/link/" + do})
	}
	tell := func(kind tocsin.Kind) {
		t.Helper()
		m.Kind, m.At = kind, m.At.Add(time.Second)
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		st.deliver(t)
	}
	tag := notify.DedupKey(m)
	tell(tocsin.TellOpened)
	got := st.shown(t, tag)
	if got.Title != "■ CRITICAL · prod-payments eu-west-1" || !strings.HasPrefix(got.Body, "EC2 i-0abc123def456789a (web-1) is calling a C2 server\n") || got.Silent || !got.RequireInteraction {
		t.Errorf("a critical alert is shown as %+v", got)
	}
	if len(got.Actions) != 2 || got.Actions[0].Action != "acknowledge" || got.Actions[1].Title != "Escalate" {
		t.Errorf("its buttons are %+v, want Acknowledge and Escalate", got.Actions)
	}

	worker := st.Worker(st.url + "/act/phones/worker.js")
	press := func(button string) {
		worker.Ask(fmt.Sprintf(`registration.getNotifications({ tag: %q }).then(([n]) => clicked(n.data, %q)).then(() => true)`, tag, button), nil)
	}
	press("acknowledge")
	if got := st.shown(t, tag); got.Title != "Acknowledge: done" || !got.Silent || fmt.Sprint(st.posted()) != "[acknowledge]" {
		t.Errorf("after the button it shows %+v, and %q was followed", got, st.posted())
	}

	call := m // swapped by the push service: it comes after what came of it
	m.Alert.Status, m.Alert.AckedBy = tocsin.StatusAcked, "bo"
	tell(tocsin.TellAcknowledged)
	st.Until("the notification says who has taken it on", fmt.Sprintf(`navigator.serviceWorker.ready.then(r => r.getNotifications({ tag: %q })).then(all => all[0]?.title.includes("ACKNOWLEDGED by bo"))`, tag))
	if got := st.shown(t, tag); !got.Silent || got.RequireInteraction {
		t.Errorf("an acknowledgement is shown as %+v, want no sound", got)
	}
	late, err := render(call, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	worker.Ask(fmt.Sprintf(`pushed({ json: () => (%s) }).then(() => true)`, late), nil)
	if got := st.shown(t, tag); !strings.Contains(got.Title, "ACKNOWLEDGED by bo") || !got.Silent {
		t.Errorf("a call that comes late is shown as %+v, want who has taken it on, quietly", got)
	}

	m.Kind, m.Alert.ID, m.Alert.Status, m.Alert.AckedBy = tocsin.TellOpened, 5000, tocsin.StatusOpen, ""
	tag = notify.DedupKey(m)
	tell(tocsin.TellOpened)
	st.shown(t, tag)
	st.breakLinks()
	press("escalate")
	if got := st.shown(t, tag); got.Title != "Escalate: NOT done" || got.Silent || !strings.Contains(got.Body, "It cannot be done any more.") {
		t.Errorf("after a button that did not work it shows %+v", got)
	}

	st.push(t, "this is not JSON")
	if got := st.shown(t, "tocsin-unread"); !strings.Contains(got.Body, "could not read") || got.Silent {
		t.Errorf("a message that cannot be read is shown as %+v", got)
	}

	st.Ask(fmt.Sprintf("location.hash = %q", tag), nil)
	st.Until("the page lists the messages", `document.querySelectorAll("#list li").length >= 2`)
	st.Until("the message of the address is marked", `document.querySelectorAll("#list li.here").length === 1`)
	var links []string
	st.Ask(`[...document.querySelectorAll("#list li.here a")].map(a => a.textContent)`, &links)
	if fmt.Sprint(links) != "[Acknowledge Escalate Expected]" {
		t.Errorf("the page links %q, want all three actions: a phone may show no buttons", links)
	}
	st.judge(t, "messages-small")
	worker.Ask(`lost().then(() => true)`, nil)
	if got := st.shown(t, "tocsin-lost"); got.Silent || !got.RequireInteraction || !strings.Contains(got.Body, "another invitation") {
		t.Errorf("a browser that has changed its address shows %+v", got)
	}
	st.Until("the page says nothing of being told", `document.getElementById("told").hidden`)
}

// ends looks at what is left of an invitation, and at the app without one.
func (st *stage) ends(t *testing.T, invitation string) {
	t.Helper()
	st.Visit(invitation, night)
	if got := st.say("problem"); !strings.Contains(got, "was used") {
		t.Errorf("an invitation that was used says %q", got)
	}
	st.judge(t, "used-dark")
	st.Visit(st.url+"/act/phones/", small)
	st.Until("the app's page lists the messages", `document.querySelectorAll("#list li").length >= 2`)
	st.judge(t, "home-small")
	st.Ask(`document.getElementById("forget").click()`, nil)
	st.Until("the messages are forgotten", `document.getElementById("messages").hidden`)
}

// TestBrowserRefuses shows what goes wrong, in words.
func TestBrowserRefuses(t *testing.T) {
	t.Parallel()
	st := staged(t)
	invitation := st.invite(t, "ana")
	st.phone.Unsubscribe()
	st.Visit(invitation, small)
	st.Until("the page offers its button", `!document.getElementById("ask").hidden`)
	st.Ask(`document.getElementById("tell").click()`, nil)
	st.Until("the page says what is wrong", `!document.getElementById("trouble").hidden`)
	if got := st.say("trouble"); !strings.Contains(got, "push service did not take a message") {
		t.Errorf("the page says %q", got)
	}
	st.judge(t, "trouble-small")

	st.Ask(`Notification.requestPermission = async () => "denied"; document.getElementById("tell").click()`, nil)
	st.Until("the page says how to allow them", `document.getElementById("trouble").textContent.includes("are blocked")`)

	st.Do("Emulation.setUserAgentOverride", chromiumtest.Args{"userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"}, nil)
	st.Do("Page.addScriptToEvaluateOnNewDocument", chromiumtest.Args{"source": "delete window.PushManager"}, nil)
	st.Visit(invitation, small)
	st.Until("the page says how to install it", `!document.getElementById("ios").hidden && document.getElementById("ask").hidden`)
	st.judge(t, "iphone-small")
	for _, bad := range []string{st.url + "/act/phones/join/nonsense", invitation[:len(invitation)-3]} {
		st.Visit(bad, small)
		if got := st.say("problem"); !strings.Contains(got, "no invitation of ours") {
			t.Errorf("%s says %q", bad, got)
		}
	}
	st.judge(t, "broken-small")
}
