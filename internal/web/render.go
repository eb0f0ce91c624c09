package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed *.html
var files embed.FS

// A page is one template that shows views of type V within the layout.
type page[V any] struct{ t *template.Template }

func newPage[V any](file string) page[V] {
	t := template.New(file).Funcs(funcs).Option("missingkey=error")
	return page[V]{template.Must(t.ParseFS(files, "layout.html", "parts.html", "setup_parts.html", file))}
}

// A head is what the layout shows around a page.
type head struct {
	Title string // of the browser's tab, without the program's name
	Here  string // the navigation's entry: "alerts", "inbound", ...
	// Refresh is after how many seconds the script may load the page again; 0 is never.
	Refresh int
}

// logHead is the head of a list in the order of time. Only its newest page, which
// is before nothing, is loaded again.
func logHead(title, here string, before int64) head {
	h := head{Title: title, Here: here}
	if before == 0 {
		h.Refresh = 30
	}
	return h
}

// A framed view is what the layout's template is given.
type framed[V any] struct {
	head
	CSS, JS, Icon, Version string
	By                     string // who acts, as remembered
	Path                   string // this page's address, to come back to
	Demo                   *DemoLinks
	SetUp                  bool // sources and receivers have pages
	View                   V
}

// InMore reports whether the page stands in the navigation's fold.
func (f framed[V]) InMore() bool {
	return slices.Contains([]string{"notifications", "policies", "reports", "explain", "sources", "receivers"}, f.Here)
}

// show writes the page. Nothing is written if the template fails.
func show[V any](p *Pages, w http.ResponseWriter, r *http.Request, status int, pg page[V], h head, v V) error {
	back := "/"
	if r.Method == http.MethodGet && r.URL.Path != "/who" {
		back = r.URL.RequestURI()
	}
	var b bytes.Buffer
	err := pg.t.ExecuteTemplate(&b, "layout", framed[V]{
		head: h, Version: p.opts.Version, Demo: p.opts.Demo, SetUp: p.opts.Setup != nil, View: v,
		By: remembered(r), Path: back,
		CSS: p.assets.urls["tocsin.css"], JS: p.assets.urls["tocsin.js"], Icon: p.assets.urls["tocsin.svg"],
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser may have gone
	return nil
}

var funcs = template.FuncMap{
	"title":    func(s any) string { return title(fmt.Sprint(s)) },
	"num":      number[int64],
	"inum":     number[int],
	"plain":    plain,
	"sentence": func(s string) string { return plain(sentence(s)) },
	"table": func(rows any, by, back string) any {
		return struct {
			Rows     any
			By, Back string
		}{rows, by, back}
	},
	"list": func(names []string) string { return plain(strings.Join(names, ", ")) },
}

// title makes a word of ours begin with a capital: "false_positive" is "False
// positive".
func title[S ~string](s S) string {
	words := strings.ReplaceAll(string(s), "_", " ")
	first, size := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[size:]
}

// number groups digits by thousands: 1204 is "1,204".
func number[N ~int | ~int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plain drops what would make a text look other than it is: control characters,
// and those that turn the direction of what follows (Unicode bidirectional
// controls, https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), turns(r):
			return -1
		}
		return r
	}, s)
}

// turns reports whether r is a bidirectional control.
func turns(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }
