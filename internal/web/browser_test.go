package web

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

var (
	desk  = sight{name: "light", width: 1280, height: 900}
	night = sight{name: "dark", width: 1280, height: 900, dark: true}
	phone = sight{name: "phone", width: 390, height: 844, phone: true}
	small = sight{name: "small", width: 360, height: 740, phone: true, dark: true}
)

// overflow names what is wider than the window.
const overflow = `(() => {
	const wide = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth <= wide) return [];
	return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > wide + 1)
		.slice(0, 5).map(e => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right) + " > " + wide);
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

	worst := find(t, full, open).ID
	closed := find(t, full, store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusClosed}}).ID
	for _, page := range []struct{ name, url string }{
		{"alerts", server.URL + "/"},
		{"alerts-filtered", server.URL + "/?status=all&account=payments-prod&sort=newest"},
		{"alert", fmt.Sprintf("%s/alerts/%d", server.URL, worst)},
		{"alert-closed", fmt.Sprintf("%s/alerts/%d", server.URL, closed)},
		{"inbound", server.URL + "/inbound"},
		{"event", server.URL + "/inbound/1"},
		{"notifications", server.URL + "/notifications"},
		{"sources", server.URL + "/sources"},
		{"missing", server.URL + "/nowhere"},
		{"empty-alerts", empty.URL + "/"},
		{"empty-sources", empty.URL + "/sources"},
	} {
		brightness := map[string]float64{}
		for _, l := range []sight{desk, night, phone, small} {
			c.open(page.url, l)
			name := page.name + "-" + l.name
			for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
				var found []string
				if c.ask(script, &found); len(found) > 0 {
					t.Errorf("%s: %s: %q", name, what, found)
				}
			}
			brightness[l.name] = judge(t, name, c.screenshot())
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
	c.ask("document.querySelector('#by-ack').focus(); document.execCommand('insertText', false, 'Ana')", nil)
	c.wait(func() { c.press("Enter") })
	if got := at(); got != path {
		t.Errorf("after acknowledging the browser is at %s, want %s", got, path)
	}
	var state string
	c.ask("document.querySelector('.state-line').textContent", &state)
	if want := "Acknowledged by Ana now."; state != want {
		t.Errorf("the alert says %q, want %q", state, want)
	}
	// and the name is in the other form already
	var by string
	c.ask("document.querySelector('#by-close').value", &by)
	if by != "Ana" {
		t.Errorf("the name remembered is %q, want Ana", by)
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
	c.ask("document.querySelector('#reason').value = 'fixed'", nil)
	c.wait(func() {
		c.ask("document.querySelector('form[action$=close] button').click()", nil)
	})
	var state string
	c.ask("document.querySelector('.state-line').textContent", &state)
	if want := "Closed by web now: Fixed."; state != want {
		t.Errorf("the alert says %q, want %q", state, want)
	}
}

// keep writes a screenshot where -shots says.
func keep(t *testing.T, name string, c *chromium) {
	t.Helper()
	if *shots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), c.screenshot(), 0o644); err != nil {
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
