package web

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"
)

func TestAnInvitationIsShownOnceAndNowhereElse(t *testing.T) {
	t.Parallel()
	p, _ := filled(t)
	page := get(p, "/people/ana").Body.String()
	for _, want := range []string{"Invite a phone or browser", `action="/people/ana/invitations"`, `<option value="phones"`, "browser 15daa0 (fcm.googleapis.com)"} {
		if !strings.Contains(page, want) {
			t.Errorf("the person's page lacks %q", want)
		}
	}
	if strings.Contains(page, "BTBZMqHH6r4Tts7J_aSIgg") {
		t.Error("the page shows the secret of a browser")
	}
	w := post(p, "/people/ana/invitations", url.Values{"receiver": {"phones"}, "by": {"bo"}})
	says(t, w, 200, fixtureInvitation, "<svg", "24 hours", "in the name of ana by phones")
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store: whoever has the link can use it", got)
	}
	says(t, post(p, "/people/ana/invitations", url.Values{"receiver": {"sms"}}), 422, "has no links to enrol by")
	says(t, post(p, "/people/ana/invitations", url.Values{"receiver": {"nothing"}}), 422, "there is no receiver")
	says(t, post(p, "/people/nobody/invitations", url.Values{"receiver": {"phones"}}), 404)
}

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

func TestTheCodeIsDrawnAsItIs(t *testing.T) {
	t.Parallel()
	drawn, err := drawCode(fixtureInvitation)
	if err != nil {
		t.Fatal(err)
	}
	code := must(qr.Encode(fixtureInvitation, qr.M))
	if drawn.Size != code.Size+8 {
		t.Errorf("the drawing is %d wide, the code %d; want four squares of quiet on each side", drawn.Size, code.Size)
	}
	black := map[[2]int]bool{}
	for _, m := range run.FindAllStringSubmatch(drawn.Path, -1) {
		var x, y, length, back int
		if _, err := fmt.Sscan(strings.Join(m[1:], " "), &x, &y, &length, &back); err != nil || length != back {
			t.Fatalf("%q: %v", m[0], err)
		}
		for i := range length {
			black[[2]int{x + i - 4, y - 4}] = true
		}
	}
	if rest := run.ReplaceAllString(drawn.Path, ""); rest != "" {
		t.Errorf("the path holds %q besides", rest)
	}
	for y := -4; y < code.Size+4; y++ {
		for x := -4; x < code.Size+4; x++ {
			if black[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("the square at %d, %d is drawn black: %v", x, y, black[[2]int{x, y}])
			}
		}
	}
}

// TestBrowserInvites makes an invitation and looks at it.
func TestBrowserInvites(t *testing.T) {
	c := openBrowser(t)
	p, _ := filled(t)
	server := httptest.NewServer(p)
	defer server.Close()
	for _, l := range []sight{night, slim} {
		c.open(server.URL+"/people/ana", l)
		c.ask("document.querySelector('form[action$=invitations]').closest('details').open = true", nil)
		c.wait(func() { c.ask("document.querySelector('form[action$=invitations] button').click()", nil) })
		var link string
		if c.ask("document.querySelector('.copy code').textContent", &link); link != fixtureInvitation {
			t.Errorf("the link is %q", link)
		}
		var size float64
		if c.ask("document.querySelector('main svg[role=img]').getBoundingClientRect().width", &size); size < 200 {
			t.Errorf("the code is %v pixels wide, want one that a phone can read", size)
		}
		for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
			var found []string
			if c.ask(script, &found); len(found) > 0 {
				t.Errorf("%s: %s: %q", l.name, what, found)
			}
		}
		keep(t, "invitation-"+l.name, c)
	}
	for _, complaint := range c.complaints() {
		t.Errorf("a page complained: %s", complaint)
	}
}
