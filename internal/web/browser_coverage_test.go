package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/coverage"
)

func harmlessText(s string) string { return s }

// covering are pages over an empty store, with the coverage of a grid.
func covering(t testing.TB, g coverage.Grid) *Pages {
	t.Helper()
	return newPages(Options{
		Store: openStore(t), Now: func() time.Time { return fixtureNow }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Coverage: func(context.Context) (coverage.Grid, error) { return g, nil },
	})
}

// TestBrowserCoverage looks at how accounts and regions stand.
func TestBrowserCoverage(t *testing.T) {
	c := openBrowser(t)
	full := httptest.NewServer(covering(t, fixtureGrid(36, fixtureRegions, harmlessText)))
	defer full.Close()
	empty := httptest.NewServer(covering(t, coverage.Judge(coverage.World{}, fixtureNow)))
	defer empty.Close()
	for _, page := range []struct{ name, url string }{
		{"coverage", full.URL + "/coverage"},
		{"coverage-kind", full.URL + "/coverage?kind=never-heard"},
		{"coverage-account", full.URL + "/coverage?account=111122226666"},
		{"coverage-no-match", full.URL + "/coverage?account=nobody"},
		{"coverage-gap", full.URL + "/coverage/111122226666/eu-west-3"},
		{"coverage-hub", full.URL + "/coverage/123456789123/eu-west-1"},
		{"coverage-not-expected", full.URL + "/coverage/111122227777/eu-west-3"},
		{"coverage-empty", empty.URL + "/coverage"},
	} {
		for _, l := range sights() {
			c.open(page.url, l)
			name := page.name + "-" + l.name
			for what, script := range map[string]string{"too wide": overflow, "too faint": faint, "not accessible": unnamed} {
				var found []string
				if c.ask(script, &found); len(found) > 0 {
					t.Errorf("%s: %s: %q", name, what, found)
				}
			}
			judge(t, name, c.screenshot())
			keep(t, name, c)
		}
	}
	c.open(full.URL+"/coverage", phone)
	// On a phone the grid is read within its box: names stay at its side, regions above.
	var stays bool
	c.ask(`(() => {
		const box = document.querySelector(".heat-box"), name = box.querySelector("tbody th"), head = box.querySelector("thead .heat-region");
		const before = [name.getBoundingClientRect().left, head.getBoundingClientRect().top];
		box.scrollTo(150, 150);
		const moved = Math.max(Math.abs(before[0] - name.getBoundingClientRect().left), Math.abs(before[1] - head.getBoundingClientRect().top));
		return box.scrollLeft > 40 && box.scrollTop > 100 && moved < 8;
	})()`, &stays)
	if !stays {
		t.Error("names or regions leave the grid when it is moved within its box")
	}
	for _, complaint := range c.complaints() {
		t.Errorf("a page complained: %s", complaint)
	}
}

var pdfPage = regexp.MustCompile(`/Type\s*/Page[^s]`)

// TestBrowserCoverageOnPaper prints 200 accounts in 17 regions: the picture is on one
// page, and what to do on those behind it.
func TestBrowserCoverageOnPaper(t *testing.T) {
	c := openBrowser(t)
	grid := fixtureGrid(200, fixtureRegions, harmlessText)
	server := httptest.NewServer(covering(t, grid))
	defer server.Close()
	c.open(server.URL+"/coverage", desk)
	keep(t, "coverage-organisation", c)
	printed := func() []byte {
		var pdf struct{ Data string }
		c.do("Page.printToPDF", args{"preferCSSPageSize": true, "printBackground": true}, &pdf)
		raw, err := base64.StdEncoding.DecodeString(pdf.Data)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	with := printed()
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, "coverage.pdf"), with, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(with, []byte("/MediaBox [0 0 841")) && !bytes.Contains(with, []byte("/MediaBox [0 0 842")) {
		t.Error("the page is not A4 across")
	}
	c.ask("document.querySelector('.cov-gaps').remove()", nil)
	if n := len(pdfPage.FindAll(printed(), -1)); n != 1 {
		t.Errorf("the picture takes %d pages, want one", n)
	}
}

// BenchmarkCoveragePage makes the page of 200 accounts in 17 regions.
func BenchmarkCoveragePage(b *testing.B) {
	grid := fixtureGrid(200, fixtureRegions, harmlessText)
	p := covering(b, grid)
	for b.Loop() {
		w := httptest.NewRecorder()
		if p.ServeHTTP(w, httptest.NewRequest("GET", "/coverage", nil)); w.Code != 200 {
			b.Fatal(w.Code)
		}
		b.ReportMetric(float64(w.Body.Len()), "bytes")
	}
}
