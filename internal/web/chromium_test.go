package web

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/web/chromiumtest"
)

// A chromium is the browser of the tests.
type chromium struct{ *chromiumtest.Browser }

func openBrowser(t testing.TB) *chromium {
	t.Helper()
	return &chromium{chromiumtest.Open(t)}
}

type args = chromiumtest.Args

// A sight is how a page is looked at.
type sight struct {
	name          string
	width, height int
	phone, dark   bool
}

func (c *chromium) open(url string, l sight) {
	c.Visit(url, chromiumtest.Sight{Name: l.name, Width: l.width, Height: l.height, Phone: l.phone, Dark: l.dark})
}

func (c *chromium) do(method string, params, into any) { c.Do(method, params, into) }

func (c *chromium) ask(expression string, into any) { c.Ask(expression, into) }
func (c *chromium) wait(act func())                 { c.Wait(act) }
func (c *chromium) press(key string)                { c.Press(key) }
func (c *chromium) screenshot() []byte              { return c.Screenshot() }
func (c *chromium) whole() []byte                   { return c.Whole() }
func (c *chromium) complaints() []string            { return c.Complaints() }
