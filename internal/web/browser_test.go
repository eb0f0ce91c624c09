package web

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

var (
	desk  = sight{name: "light", width: 1280, height: 900}
	night = sight{name: "dark", width: 1280, height: 900, dark: true}
	phone = sight{name: "phone", width: 390, height: 844, phone: true}
	small = sight{name: "small", width: 360, height: 740, phone: true, dark: true}
	// slim is bright and as narrow as any: with night it shows what all four do.
	slim = sight{name: "slim", width: 360, height: 740, phone: true}
)

// sights are how each page is looked at; to keep pictures, in every way.
func sights() []sight {
	if *shots != "" {
		return []sight{desk, night, phone, small}
	}
	return []sight{slim, night}
}

// overflow names what is wider than the window.
const overflow = `(() => {
	const wide = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth <= wide) return [];
	const boxes = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > wide + 1)
		.slice(0, 5).map(e => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right) + " > " + wide);
	// A word that leaves its box makes the box no wider.
	const words = [...document.querySelectorAll("body *")].filter(e => e.scrollWidth > e.clientWidth && e.clientWidth && getComputedStyle(e).overflowX === "visible")
		.slice(-3).map(e => e.tagName + "." + e.className + " is left by what is in it: " + e.textContent.trim().slice(0, 40));
	return boxes.concat(words);
})()`

// faint names texts whose contrast is under WCAG 2.2's minimum (1.4.3, AA): 4.5
// to 1, or 3 to 1 for large text.
const faint = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const over = (f, b) => f.slice(0, 3).map((v, i) => v * f[3] / 255 + b[i] * (1 - f[3] / 255)).concat(255);
	const behind = e => {
		const layers = [];
		for (; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
		return layers.reverse().reduce((b, f) => over(f, b), rgba("Canvas"));
	};
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const out = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = walk.nextNode());) {
		const e = n.parentElement, s = getComputedStyle(e);
		if (!n.data.trim() || !e.checkVisibility() || e.closest(".away, .skip, option, datalist, title")) continue;
		const b = behind(e), f = over(rgba(s.color), b);
		const [hi, lo] = [light(f), light(b)].sort((x, y) => y - x);
		const ratio = (hi + .05) / (lo + .05), size = parseFloat(s.fontSize);
		const least = size >= 24 || (size >= 18.66 && s.fontWeight >= 700) ? 3 : 4.5;
		if (ratio < least) out.add(e.className + " " + n.data.trim().slice(0, 30) + " " + ratio.toFixed(2));
	}
	return [...out].slice(0, 8);
})()`

// unnamed names what a screen reader could not say, and skipped headings.
const unnamed = `(() => {
	const out = [];
	for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")) {
		const name = e.getAttribute("aria-label") || e.textContent.trim() || [...(e.labels || [])].map(l => l.textContent.trim()).join("");
		if (!name) out.push("no name: " + e.outerHTML.slice(0, 80));
	}
	const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
	ids.filter((id, i) => ids.indexOf(id) !== i).forEach(id => out.push("twice: #" + id));
	let last = 0;
	for (const h of document.querySelectorAll("h1, h2, h3")) {
		const level = Number(h.tagName[1]);
		if (level > last + 1) out.push("heading " + h.textContent + " skips a level");
		last = level;
	}
	if (document.querySelectorAll("h1").length !== 1) out.push("not one h1");
	for (const tag of ["main", "header", "nav", "footer"]) if (!document.querySelector(tag)) out.push("no " + tag);
	return out;
})()`

// TestBrowser looks at every page as people do, in a real browser.
func TestBrowser(t *testing.T) {
	c := openBrowser(t)
	full, _ := filled(t)
	server, empty := httptest.NewServer(full), httptest.NewServer(bare(t))
	defer server.Close()
	defer empty.Close()

	closed := find(t, full, store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusClosed}}).ID
	for _, page := range []struct{ name, url string }{
		{"alerts", server.URL + "/"},
		{"alerts-filtered", server.URL + "/?status=all&account=payments-prod&sort=newest"},
		{"alert", server.URL + "/alerts/60"},
		{"alert-closed", fmt.Sprintf("%s/alerts/%d", server.URL, closed)},
		{"inbound", server.URL + "/inbound"},
		{"event", server.URL + "/inbound/1"},
		{"notifications", server.URL + "/notifications"},
		{"sources", server.URL + "/sources"},
		{"alert-unanswered", server.URL + "/alerts/59"},
		{"alert-snoozed", server.URL + "/alerts/58"},
		{"alert-held", server.URL + "/alerts/57"},
		{"alert-acked", server.URL + "/alerts/56"},
		{"alert-older-policy", server.URL + "/alerts/55"},
		{"on-call", server.URL + "/on-call"},
		{"schedule", server.URL + "/on-call/payments-primary"},
		{"schedule-shared-clocks", server.URL + "/on-call/soc?from=2026-10-26"},
		{"schedule-gaps", server.URL + "/on-call/storefront"},
		{"policies", server.URL + "/policies"},
		{"silences", server.URL + "/silences"},
		{"silence", server.URL + "/silences/5"},
		{"silence-new", server.URL + "/silences/new?alert=60"},
		{"silence-blank", server.URL + "/silences/new"},
		{"people", server.URL + "/people"},
		{"person", server.URL + "/people/ana"},
		{"person-without-contacts", server.URL + "/people/di"},
		{"reports", server.URL + "/reports"},
		{"shadow", server.URL + "/shadow"},
		{"explain", server.URL + "/explain?event=1"},
		{"who", server.URL + "/who"},
		{"empty-on-call", empty.URL + "/on-call"},
		{"empty-policies", empty.URL + "/policies"},
		{"empty-silences", empty.URL + "/silences"},
		{"empty-people", empty.URL + "/people"},
		{"empty-reports", empty.URL + "/reports"},
		{"missing", server.URL + "/nowhere"},
		{"empty-alerts", empty.URL + "/"},
		{"empty-sources", empty.URL + "/sources"},
	} {
		brightness := map[string]float64{}
		for _, l := range sights() {
			c.open(page.url, l)
			name := page.name + "-" + l.name
			for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
				var found []string
				if c.ask(script, &found); len(found) > 0 {
					t.Errorf("%s: %s: %q", name, what, found)
				}
			}
			if b := judge(t, name, c.screenshot()); l.dark {
				brightness["dark"] = b
			} else {
				brightness["light"] = b
			}
			keep(t, name, c)
		}
		if brightness["light"]-brightness["dark"] < 100 {
			t.Errorf("%s: light is %.0f bright and dark %.0f of 255; they are to differ by 100", page.name, brightness["light"], brightness["dark"])
		}
	}
	for _, complaint := range c.complaints() {
		if !bytes.Contains([]byte(complaint), []byte("404 (Not Found)")) { // the page that is missing on purpose
			t.Errorf("a page complained: %s", complaint)
		}
	}
}

// TestBrowserByKeyboard works from the list to a closed alert without a mouse.
func TestBrowserByKeyboard(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	at := func() (path string) { c.ask("location.pathname", &path); return path }
	focused := func() (text string) { c.ask("document.activeElement.textContent.trim()", &text); return text }

	c.open(server.URL+"/", desk)
	c.press("Tab")
	if got := focused(); got != "Skip to content" {
		t.Errorf("the first Tab focuses %q, want the skip link", got)
	}
	var first, second string
	c.ask("document.querySelectorAll('.rowlink')[0].textContent.trim()", &first)
	c.ask("document.querySelectorAll('.rowlink')[1].textContent.trim()", &second)
	c.press("j")
	c.press("j")
	if got := focused(); got != second {
		t.Errorf("j j focuses %q, want the second alert, %q", got, second)
	}
	c.press("k")
	c.wait(func() { c.press("Enter") })
	var headline string
	c.ask("document.querySelector('h1').textContent", &headline)
	if headline != first {
		t.Errorf("Enter opens %q, want %q", headline, first)
	}
	path := at()
	c.ask("document.querySelector('.ack input[name=by]').focus(); document.execCommand('insertText', false, 'Ana')", nil)
	c.wait(func() { c.press("Enter") })
	if got := at(); got != path {
		t.Errorf("after acknowledging the browser is at %s, want %s", got, path)
	}
	var state string
	c.ask("document.querySelector('.state-line').textContent", &state)
	if want := "Acknowledged by Ana now."; state != want {
		t.Errorf("the alert says %q, want %q", state, want)
	}
	// and the name is in the other forms already, and in the frame
	var by, frame string
	c.ask("document.querySelector('form[action$=close] input[name=by]').value", &by)
	c.ask("document.querySelector('.me').textContent", &frame)
	if by != "Ana" || frame != "Ana" {
		t.Errorf("the name remembered is %q, and %q in the frame; want Ana", by, frame)
	}
	// the fold of the navigation opens and closes by keyboard
	c.ask("document.querySelector('.nav-more summary').focus()", nil)
	c.press("Enter")
	var unfolded bool
	if c.ask("document.querySelector('.nav-panel a[href=\"/policies\"]').checkVisibility()", &unfolded); !unfolded {
		t.Error("Enter on More shows nothing")
	}
	c.press("Escape")
	if c.ask("document.querySelector('.nav-more').open", &unfolded); unfolded {
		t.Error("Escape does not close More")
	}
}

// TestBrowserWithoutScript acknowledges and closes with JavaScript turned off.
func TestBrowserWithoutScript(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	c.do("Emulation.setScriptExecutionDisabled", args{"value": true}, nil)

	c.open(fmt.Sprintf("%s/alerts/%d", server.URL, find(t, p, open).ID), desk)
	// DevTools' own evaluation still works where the page's scripts do not.
	var copies int
	if c.ask("document.querySelectorAll('.copy button').length", &copies); copies != 0 {
		t.Fatal("the page's script ran though scripts are off")
	}
	c.wait(func() {
		c.ask("document.querySelector('form[action$=acknowledge] button').click()", nil)
	})
	// Folds open without a script.
	choose := func(form, fields string) {
		t.Helper()
		c.ask("document.querySelector('form[action$="+form+"]').closest('details').querySelector('summary').click()", nil)
		var shown bool
		if c.ask("document.querySelector('form[action$="+form+"] button').checkVisibility()", &shown); !shown {
			t.Fatalf("the fold of %s does not open", form)
		}
		c.ask(fields, nil)
		c.wait(func() { c.ask("document.querySelector('form[action$="+form+"] button').click()", nil) })
	}
	choose("snooze", "document.querySelector('form[action$=snooze] [name=for]').value = '4h'")
	var said string
	c.ask("document.querySelector('.notice').textContent", &said)
	if !strings.HasPrefix(said, "Snoozed by web. ") {
		t.Errorf("the alert says %q, want that it is snoozed", said)
	}
	choose("close", "document.querySelector('form[action$=close] [name=reason]').value = 'fixed'")
	var state string
	c.ask("document.querySelector('.state-line').textContent", &state)
	if want := "Closed by web now: Fixed."; state != want {
		t.Errorf("the alert says %q, want %q", state, want)
	}
}

// TestBrowserSilences looks before it saves.
func TestBrowserSilences(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	text := func(selector string) (s string) {
		c.ask("document.querySelector('"+selector+"').textContent", &s)
		return s
	}
	c.open(server.URL+"/silences/new?alert=60", phone)
	c.ask("document.querySelector('[name=reason]').value = 'a drill'; document.querySelector('[name=only][value=resource]').click()", nil)
	c.ask("const until = document.querySelector('[name=until]'); until.value = '2026-11-22T09:00'; until.dispatchEvent(new Event('input'))", nil)
	c.wait(func() { c.ask("document.querySelector('button[value=preview]').click()", nil) })
	if got := text(".verdict-line"); !strings.HasPrefix(got, "Would have hidden ") {
		t.Errorf("the preview says %q", got)
	}
	keep(t, "silence-preview-phone", c)
	var ticked, reason string
	c.ask("[...document.querySelectorAll('[name=only]:checked')].map(e => e.value).join()", &ticked)
	c.ask("document.querySelector('[name=reason]').value", &reason)
	if ticked != "account,type" || reason != "a drill" {
		t.Errorf("after the preview the form has %q and %q, want account,type and a drill", ticked, reason)
	}
	c.wait(func() { c.ask("document.querySelector('button[value=save]').click()", nil) })
	if got := text("h1"); got != "a drill" {
		t.Errorf("the silence is called %q, want a drill", got)
	}
	if got := text(".details"); !strings.Contains(got, "2026-11-22 09:00:00 UTC") {
		t.Errorf("the silence says %q; want it to end at the time that was written", got)
	}
	for _, complaint := range c.complaints() {
		t.Errorf("a page complained: %s", complaint)
	}
}

// TestBrowserExplain asks what would become of an event of the journal.
func TestBrowserExplain(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	for _, l := range []sight{night, slim} {
		c.open(server.URL+"/explain?event=80", l)
		c.wait(func() { c.ask("document.querySelector('.explain-form button').click()", nil) })
		for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
			var found []string
			if c.ask(script, &found); len(found) > 0 {
				t.Errorf("explained, %s: %s: %q", l.name, what, found)
			}
		}
		var told string
		if c.ask("document.querySelector('[aria-labelledby=told]').textContent", &told); !strings.Contains(told, "At once: ") {
			t.Errorf("%s: who would be told: %q", l.name, told)
		}
		keep(t, "explained-"+l.name, c)
	}
}

// TestBrowserTicks takes on several alerts at once.
func TestBrowserTicks(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	c.open(server.URL+"/?level=critical", desk)
	var shown bool
	visible := "document.querySelector('.bulk-bar').checkVisibility()"
	if c.ask(visible, &shown); shown {
		t.Error("what is done with ticked alerts is shown though none is")
	}
	c.ask("document.querySelector('.tick-all').click()", nil)
	if c.ask(visible, &shown); !shown {
		t.Fatal("what is done with ticked alerts is not shown")
	}
	keep(t, "alerts-ticked-light", c)
	var before, after int
	rows := "document.querySelectorAll('.rowlink').length"
	c.ask(rows, &before)
	c.wait(func() { c.ask("document.querySelector('button[value=acknowledge]').click()", nil) })
	if c.ask(rows, &after); before < 2 || after != 0 {
		t.Errorf("of %d open alerts %d are left, want none", before, after)
	}
}

// TestBrowserLink presses the one button of a link at night.
func TestBrowserLink(t *testing.T) {
	c := openBrowser(t)
	_, sc := filled(t)
	server := httptest.NewServer(NewLinks(LinkOptions{
		Read: func(ctx context.Context, _ string) (engine.Link, tocsin.Alert, error) {
			var a tocsin.Alert
			err := sc.store.View(ctx, func(tx *store.Tx) (err error) {
				a, err = tx.Alert(60)
				return err
			})
			return engine.Link{Alert: 60, Do: notify.DoAcknowledge, Person: "ana"}, a, err
		},
		Follow: func(ctx context.Context, _ string) (notify.Reply, error) {
			a, err := sc.Acknowledge(ctx, 60, engine.Ask{By: "ana"})
			return notify.Reply{Text: "Acknowledged by ana at 03:07 UTC.", Alert: a}, err
		},
		Now: func() time.Time { return fixtureNow },
	}))
	defer server.Close()
	c.open(server.URL+LinkPath+"token", small)
	keep(t, "link-small", c)
	for what, script := range map[string]string{"too wide": overflow, "too faint": faint} {
		var found []string
		if c.ask(script, &found); len(found) > 0 {
			t.Errorf("link: %s: %q", what, found)
		}
	}
	var height float64
	if c.ask("document.querySelector('button').getBoundingClientRect().height", &height); height < 48 {
		t.Errorf("the button is %v pixels high, want at least 48 for a thumb", height)
	}
	var background string
	c.ask("getComputedStyle(document.querySelector('button')).backgroundColor", &background)
	if background != "rgb(230, 231, 234)" {
		t.Errorf("the button is %s: the page's style is not in force", background)
	}
	c.wait(func() { c.ask("document.querySelector('button').click()", nil) })
	var said string
	if c.ask("document.querySelector('[role=status]').textContent", &said); said != "Acknowledged by ana at 03:07 UTC." {
		t.Errorf("the page says %q", said)
	}
	keep(t, "link-done-small", c)
	for _, complaint := range c.complaints() {
		if !strings.Contains(complaint, "favicon") {
			t.Errorf("the page complained: %s", complaint)
		}
	}
}

// keep writes a screenshot where -shots says.
func keep(t *testing.T, name string, c *chromium) {
	t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), c.whole(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// judge checks that a screenshot shows something, and gives its mean brightness
// of 0 to 255.
func judge(t *testing.T, name string, shot []byte) float64 {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	colours, sum, n := map[color.Color]bool{}, 0.0, 0.0
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 4 {
		for x := b.Min.X; x < b.Max.X; x += 4 {
			at := img.At(x, y)
			colours[at] = true
			sum += float64(color.GrayModel.Convert(at).(color.Gray).Y)
			n++
		}
	}
	if len(colours) < 30 {
		t.Errorf("%s has %d colours of %v pixels: it looks blank", name, len(colours), image.Pt(b.Dx(), b.Dy()))
	}
	return sum / n
}

// TestBrowserChecksSee proves that the checks of the browser test can fail.
func TestBrowserChecksSee(t *testing.T) {
	c := openBrowser(t)
	p := bare(t)
	server := httptest.NewServer(p)
	defer server.Close()
	c.open(server.URL+"/", phone)
	c.complaints()
	c.ask(`(() => {
		const main = document.querySelector("main");
		for (let [tag, text] of [["p", "wide"], ["p", "pale"], ["h3", "deep"], ["button", ""]]) {
			const e = main.appendChild(document.createElement(tag));
			e.textContent = text;
			if (text === "wide") e.style.width = "900px";
			if (text === "pale") e.style.color = "#ddd";
		}
		document.querySelector("h2").remove();
		main.insertAdjacentHTML("beforeend", "<p style='color:red'>refused</p>");
	})()`, nil)
	for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
		var found []string
		if c.ask(script, &found); len(found) == 0 {
			t.Errorf("%s: nothing found on a page that is", what)
		}
	}
	if len(c.complaints()) == 0 {
		t.Error("a style within the page was not refused")
	}
}
