package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

//go:embed link
var linkFiles embed.FS

// LinkOptions are what the page of signed links needs. Read and Follow are required.
type LinkOptions struct {
	// Read says what the link would do, and does nothing: mail programs open links by
	// themselves. Errors are engine.ErrLink and engine.ErrLinkOver.
	Read func(ctx context.Context, token string) (engine.Link, tocsin.Alert, error)
	// Follow does it, once.
	Follow func(ctx context.Context, token string) (notify.Reply, error)
	Log    *slog.Logger
	Now    func() time.Time
}

// LinkPath is below what all links in messages are: the token follows.
const LinkPath = "/act/link/"

// linkPolicy lets nothing in but the page's own style, which stands within it.
const linkPolicy = "default-src 'none'; style-src 'sha256-"

// NewLinks makes the page that a signed link of a message leads to: what it does, of
// which alert and in whose name, with one button. It is for everybody, so that it
// says no more than the message did, and nothing of it is kept anywhere. It wants to
// be mounted at the root, for [LinkPath].
func NewLinks(o LinkOptions) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &links{o: o, page: template.Must(template.New("link.html").Funcs(funcs).ParseFS(linkFiles, "link/link.html"))}
	style, err := linkFiles.ReadFile("link/link.css")
	if err != nil {
		panic(err) // embedded, so it is there
	}
	l.style = template.CSS(style) //nolint:gosec // our own file
	l.policy = linkPolicy + digest(style) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+LinkPath+"{token}", l.ask)
	mux.HandleFunc("POST "+LinkPath+"{token}", l.follow)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { l.refuse(w, r, engine.ErrLink) })
	return mux
}

type links struct {
	o      LinkOptions
	page   *template.Template
	style  template.CSS
	policy string
}

// A linkView is one state of the page.
type linkView struct {
	CSS      template.CSS
	Title    string
	Headline string
	Level    tocsin.Level
	Alert    int64
	Question string
	Button   string // what the button says; empty where there is nothing to press
	As       string // in whose name
	Result   string
	Tone     string // "good", "odd", "bad"
	Next     string
}

// maxToken is longer than any of ours.
const maxToken = 2000

func (l *links) token(r *http.Request) (string, error) {
	token := r.PathValue("token")
	if len(token) > maxToken {
		return "", engine.ErrLink
	}
	return token, nil
}

// ask shows what the link would do.
func (l *links) ask(w http.ResponseWriter, r *http.Request) {
	token, err := l.token(r)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	link, a, err := l.o.Read(r.Context(), token)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	v := alertOfLink(a)
	v.As = link.Person
	v.Question, v.Button = questionOf(link.Do)
	v.Title = v.Button
	if done := settled(a, link.Do, l.o.Now()); done != "" {
		v.Title, v.Result, v.Tone, v.Button = "Nothing is left to do", done, "good", ""
	}
	l.show(w, r, http.StatusOK, v)
}

// questionOf is what the button does, in words.
func questionOf(do notify.Do) (question, button string) {
	switch do {
	case notify.DoAcknowledge:
		return "You take this alert on, and nobody else is woken for it.", "Acknowledge"
	case notify.DoEscalate:
		return "The next people of the policy are told now.", "Escalate now"
	case notify.DoExpected:
		return "The alert is closed as expected: it was you, or somebody you know of.", "Close as expected"
	case notify.DoClose:
		return "The alert is closed as fixed.", "Close as fixed"
	}
	if name, ok := do.Runs(); ok {
		return "The action " + plain(name) + " runs because of this alert, and you are named as who approved it.", "Run " + plain(name)
	}
	return "This is done to the alert.", title(do)
}

// settled says why there is nothing to press, or nothing.
func settled(a tocsin.Alert, do notify.Do, now time.Time) string {
	switch {
	case a.Status == tocsin.StatusClosed:
		return "It was closed by " + plain(a.ClosedBy) + " " + when{a.ClosedAt, now}.Words() + "."
	case a.Status == tocsin.StatusAcked && (do == notify.DoAcknowledge || do == notify.DoEscalate):
		return "It was acknowledged by " + plain(a.AckedBy) + " " + when{a.AckedAt, now}.Words() + "."
	}
	if name, ok := do.Runs(); ok && !slices.Contains(a.Approvals, name) {
		return "The action " + plain(name) + " waits for no approval any more."
	}
	return ""
}

func alertOfLink(a tocsin.Alert) linkView {
	return linkView{Headline: alertRow{Alert: a}.What(), Level: a.Level, Alert: a.ID}
}

// follow does what the link says.
func (l *links) follow(w http.ResponseWriter, r *http.Request) {
	token, err := l.token(r)
	var reply notify.Reply
	if err == nil {
		reply, err = l.o.Follow(r.Context(), token)
	}
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	v := alertOfLink(reply.Alert)
	v.Title, v.Result, v.Tone = "Done", reply.Text, "good"
	if reply.Text == "" {
		v.Result = "Done."
	}
	v.Next = "You can close this page."
	l.show(w, r, http.StatusOK, v)
}

// refuse says why a link does nothing, and no more: whoever asks may be anybody.
func (l *links) refuse(w http.ResponseWriter, r *http.Request, err error) {
	v := linkView{Tone: "bad"}
	status := http.StatusNotFound
	_, theirs := errors.AsType[engine.InputError](err)
	switch {
	case errors.Is(err, engine.ErrLinkOver):
		status = http.StatusGone
		v.Title, v.Result, v.Next = "This link has expired", "Links in messages can be used for 24 hours.", "Open the alert in tocsin, or wait for its next message."
	case errors.Is(err, store.ErrNotFound):
		v.Title, v.Result = "The alert is not there any more", "It is older than what is kept."
	case errors.Is(err, engine.ErrLink):
		v.Title, v.Result, v.Next = "This is not a link of ours", "It may have been cut off on its way.", "Open the whole link from the message."
	case theirs:
		status = http.StatusConflict
		v.Title, v.Result, v.Next = "That cannot be done", sentences(err), "Open the alert in tocsin."
	default:
		if r.Context().Err() == nil {
			l.o.Log.ErrorContext(r.Context(), "link failed", "err", err)
		}
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
		v.Title, v.Result, v.Next = "That did not work", "The fault is tocsin's, not yours.", "Try again in a moment; the link is still good."
	}
	l.show(w, r, status, v)
}

func (l *links) show(w http.ResponseWriter, r *http.Request, status int, v linkView) {
	v.CSS = l.style
	h := w.Header()
	h.Set("Content-Security-Policy", l.policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	var b bytes.Buffer
	if err := l.page.Execute(&b, v); err != nil {
		l.o.Log.ErrorContext(r.Context(), "link failed", "err", err)
		http.Error(w, v.Title, http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser may have gone
}
