package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/web/chromiumtest"
)

var desk = chromiumtest.Sight{Name: "light", Width: 1280, Height: 860}

// A tour is a browser on the pages of a tocsin.
type tour struct {
	*chromiumtest.Browser
	t    *testing.T
	base string
}

func (v tour) visit(path string) { v.Visit(v.base+path, desk) }

// text is what an element says.
func (v tour) text(selector string) (text string) {
	v.t.Helper()
	v.Ask("document.querySelector("+quote(selector)+")?.textContent ?? ''", &text)
	return text
}

// says checks what an element says.
func (v tour) says(selector, want string) {
	v.t.Helper()
	if got := v.text(selector); !strings.Contains(got, want) {
		v.t.Errorf("%s says %q, want %q in it", selector, got, want)
	}
}

// fill types into a field.
func (v tour) fill(name, text string) {
	v.t.Helper()
	v.Ask("document.querySelector("+quote("[name=\""+name+"\"]")+").value = "+quote(text), nil)
}

// press opens the fold in which a form's button is, presses it and waits for the page.
func (v tour) press(action string) {
	v.t.Helper()
	button := "document.querySelector(" + quote("form[action*=\""+action+"\"] button") + ")"
	v.Ask("(() => { for (let e = "+button+"; e; e = e.parentElement) if (e.tagName == 'DETAILS') e.open = true })()", nil)
	v.Wait(func() { v.Ask(button+".click()", nil) })
}

// follow follows a link.
func (v tour) follow(href string) {
	v.t.Helper()
	v.Wait(func() { v.Ask("document.querySelector("+quote("main a[href=\""+href+"\"]")+").click()", nil) })
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}

// A source is added, used, turned over and deleted on the pages alone, with no
// script.
func TestASourceFromTheCatalogueToItsEnd(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "tocsin.yml")
	text := "listen: 127.0.0.1:0\nstore: sqlite:" + filepath.Join(folder, "data") + "\nsources: {}\nrules: [{use: guardduty}]\nfallback: terminal\nreceivers: {terminal: {console: {}}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() (*config.Config, error) { return config.Load(file, app.Kinds()) }
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, app.Options{Config: c, File: file, Reload: load})
	v := tour{chromiumtest.Open(t), t, h.URL()}
	v.Do("Emulation.setScriptExecutionDisabled", chromiumtest.Args{"value": true}, nil)

	// The empty list leads to the catalogue, the catalogue to a form.
	v.visit("/sources")
	v.says(".empty", "No source is configured")
	v.follow("/sources/add")
	v.follow("/sources/add/guardduty-https")
	v.says("h1", "GuardDuty by an EventBridge API destination")
	v.fill("name", "no good name")
	v.press("/sources/add/guardduty-https")
	v.says("[role=alert]", "It was not saved.")
	v.fill("name", "findings")
	v.fill("by", "Ana")
	v.press("/sources/add/guardduty-https")

	v.says("h1", "findings")
	v.says(".now-line", "No event yet")
	v.says(".paste", "/in/findings/***")
	v.press("/address")
	first := v.text("#address .command")
	if !strings.Contains(first, "/in/findings/") || strings.Contains(first, "***") {
		t.Fatalf("the address is %q", first)
	}

	// What it would make of an event is told before any comes.
	v.press("/test")
	v.says("[aria-labelledby=outcome]", "Opened")
	v.says("[aria-labelledby=read]", "guardduty matched")
	v.says("[aria-labelledby=told]", "terminal")

	if status, answer := post(t, first, finding(1)); status != 202 {
		t.Fatalf("an event posted to the address is answered %d %s", status, answer)
	}
	until(t, "the page counts the event", func() bool {
		v.visit("/sources/findings")
		return strings.Contains(v.text(".now-line"), "1 event")
	})
	v.says(".tokens", "newest")

	// Turned over, both are good; then the new one alone.
	v.press("/rotate")
	v.press("/address")
	second := v.text("#address .command")
	if second == first {
		t.Error("the token is the same after it was turned over")
	}
	for n, url := range map[int]string{2: first, 3: second} {
		if status, answer := post(t, url, finding(n)); status != 202 {
			t.Errorf("while both are good, one is answered %d %s", status, answer)
		}
	}
	v.press("/retire")
	if status, _ := post(t, first, finding(4)); status != 401 {
		t.Errorf("the token that was ended is answered %d, want 401", status)
	}
	if status, answer := post(t, second, finding(5)); status != 202 {
		t.Errorf("the other one is answered %d %s", status, answer)
	}

	v.press("/disable")
	v.says(".now-line", "Disabled")
	if status, _ := post(t, second, finding(6)); status != 503 {
		t.Errorf("a source that is disabled answers %d, want 503", status)
	}
	v.press("/enable")
	if status, _ := post(t, second, finding(6)); status != 202 {
		t.Errorf("a source that is enabled again answers %d, want 202", status)
	}

	v.press("/delete")
	v.says(".notice", "It was deleted.")
	v.says(".changes", "deleted by Ana")
	if status, _ := post(t, second, finding(7)); status != 410 {
		t.Errorf("a source that was deleted answers %d, want 410", status)
	}
	v.follow("/inbound?source=findings")
	v.says("table.events", "findings")
	if managed, err := os.ReadFile(filepath.Join(folder, "tocsin.managed.yml")); err != nil || strings.Contains(string(managed), "findings") {
		t.Errorf("the managed file is %q, %v; want it without the source", managed, err)
	}
}
