package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/setup"
)

// TestBrowserSetup looks at the pages of sources and receivers, and at what their
// buttons answer.
func TestBrowserSetup(t *testing.T) {
	c := openBrowser(t)
	p, s := withShop(t)
	server := httptest.NewServer(p)
	defer server.Close()
	for range 2 {
		if _, err := s.Rotate(t.Context(), "checkmk", "ana", 0); err != nil {
			t.Fatal(err)
		}
	}
	s.gone(t, "api")
	if err := s.Disable(t.Context(), setup.Receiver, "loud", "ana"); err != nil {
		t.Fatal(err)
	}
	s.refuses = errRefused
	button := func(form string) string {
		return "document.querySelector('form[action*=\"/" + form + "\"] button').click()"
	}
	for _, page := range []struct {
		name, path string
		press      string // a button that leads on
	}{
		{"sources", "/sources", ""},
		{"source-catalogue", "/sources/add", ""},
		{"source-form", "/sources/add/guardduty-sns", ""},
		{"source-form-json", "/sources/add/json", "document.querySelectorAll('details.part').forEach(d => d.open = true)"},
		{"source-form-wrong", "/sources/add/guardduty-sns", "document.querySelector('[name=name]').value = 'org-topic'; document.querySelector('.save button').click()"},
		{"source", "/sources/checkmk", ""},
		{"source-by-hand", "/sources/org-topic", ""},
		{"source-deleted", "/sources/api", ""},
		{"source-address", "/sources/checkmk", button("address")},
		{"source-connect", "/sources/org-topic", button("connect")},
		{"source-connect-wrong", "/sources/org-topic", "document.querySelector('#regions').value = 'everywhere'; document.querySelector('#ous').value = 'x'; " + button("connect")},
		{"source-connect-files", "/sources/org-topic", "document.querySelector('[value=cloudformation]').click(); document.querySelector('#regions').value = 'all'; " + button("connect")},
		{"source-tested", "/sources/org-topic", button("test")},
		{"source-tested-map", "/sources/checkmk", "document.querySelector('[name=event]').value = '{\"state\":\"CRIT\",\"host\":\"db-7\",\"service\":\"disk\"}'; " + button("test")},
		{"source-edit", "/sources/checkmk/edit", ""},
		{"source-edit-open", "/sources/checkmk/edit", "document.querySelectorAll('main details').forEach(d => d.open = true)"},
		{"source-long", "/sources/" + longName, "document.querySelectorAll('main details').forEach(d => d.open = true)"},
		{"source-long-address", "/sources/" + longName, button("address")},
		{"source-long-edit", "/sources/" + longName + "/edit", ""},
		{"receiver-long", "/receivers/" + longName, "document.querySelectorAll('main details').forEach(d => d.open = true)"},
		{"receivers", "/receivers", ""},
		{"receiver-catalogue", "/receivers/add", ""},
		{"receiver-form", "/receivers/add/slack", ""},
		{"receiver-form-parts", "/receivers/add/sms", "document.querySelectorAll('details.part').forEach(d => d.open = true)"},
		{"receiver", "/receivers/pages", "document.querySelectorAll('main details').forEach(d => d.open = true)"},
		{"receiver-by-hand", "/receivers/soc-slack", ""},
		{"receiver-disabled", "/receivers/loud", ""},
		{"receiver-refused", "/receivers/soc-slack", button("test")},
		{"receiver-edit", "/receivers/pages/edit", "document.querySelectorAll('details.part').forEach(d => d.open = true)"},
		{"receiver-in-use", "/receivers/soc-slack/edit", ""},
	} {
		for _, l := range sights() {
			c.open(server.URL+page.path, l)
			if strings.Contains(page.press, ".click()") {
				c.wait(func() { c.ask(page.press, nil) })
			} else if page.press != "" {
				c.ask(page.press, nil)
			}
			name := page.name + "-" + l.name
			for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
				var found []string
				if c.ask(script, &found); len(found) > 0 {
					t.Errorf("%s: %s: %q", name, what, found)
				}
			}
			keep(t, "setup-"+name, c)
		}
	}
	for _, complaint := range c.complaints() {
		switch {
		case strings.Contains(complaint, "422 (Unprocessable Entity)"), strings.Contains(complaint, "409 (Conflict)"): // refused on purpose
		case strings.Contains(complaint, `"source":"recommendation"`) && strings.Contains(complaint, "orms should"):
			// Chromium takes fields of secrets for those of somebody who signs in.
		default:
			t.Errorf("a page complained: %s", complaint)
		}
	}
}
