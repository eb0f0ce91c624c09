package inbox

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed inbox.html
var source string

var pageHTML = template.Must(template.New("inbox").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"join":  func(words []string) string { return strings.Join(words, ", ") },
}).Parse(source))

// A view is what the page shows: copies, so that nothing is locked while it is
// written out.
type view struct {
	Nonce   string
	Show    string // "", "slack", "email", "webhook"
	Live    int    // seconds, or 0
	Slack   []slackMessage
	Mails   []mailMessage
	Hooks   []hookMessage
	Colours []template.CSS // of the bars, without "#"
	Doors   []door
}

// page shows everything, or with ?show= one kind. ?live=5 loads it again every
// five seconds.
func (b *Inbox) page(w http.ResponseWriter, r *http.Request) {
	v := b.view()
	v.Nonce = rand.Text()
	if show := r.URL.Query().Get("show"); slices.Contains([]string{"slack", "email", "webhook"}, show) {
		v.Show = show
	}
	h := w.Header()
	if seconds, err := strconv.Atoi(r.URL.Query().Get("live")); err == nil && seconds > 0 {
		v.Live = max(2, min(seconds, 60))
		h.Set("Refresh", strconv.Itoa(v.Live))
	}
	var out bytes.Buffer
	if err := pageHTML.Execute(&out, v); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+v.Nonce+"'; frame-src 'self'; base-uri 'none'; "+
		"form-action 'none'; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.Write(out.Bytes())
}

func (b *Inbox) view() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	var v view
	seen := map[string]bool{}
	for _, m := range b.slack {
		v.Slack = append(v.Slack, *m)
		for _, a := range m.Attachments {
			if name := strings.TrimPrefix(a.Bar(), "bar-"); name != "none" && !seen[name] {
				seen[name] = true
				v.Colours = append(v.Colours, template.CSS(name))
			}
		}
	}
	for _, m := range b.mails {
		v.Mails = append(v.Mails, *m)
	}
	for _, m := range b.hooks {
		v.Hooks = append(v.Hooks, *m)
	}
	for _, d := range b.doors {
		v.Doors = append(v.Doors, *d)
	}
	slices.SortFunc(v.Doors, func(a, b door) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

// Trouble says of a receiver that is refusing just now how it stands.
func (d door) Trouble() string {
	if d.inARow == 0 {
		return ""
	}
	return "refusing (" + d.LastError + "), " + strconv.Itoa(d.inARow) + " in a row"
}
