package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A handler answers one address, or says why it cannot before it has written
// anything.
type handler func(w http.ResponseWriter, r *http.Request) error

// maxForm is the largest form taken, in bytes. Ours have a name and a note.
const maxForm = 64 << 10

// adapt is where errors become pages: status, words and one log line.
func (p *Pages) adapt(h handler) http.Handler { return p.adaptUpTo(maxForm, h) }

// adaptUpTo is adapt for forms of so many bytes.
func (p *Pages) adaptUpTo(most int64, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		if err := unpanicked(h, w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

// unpanicked makes an error of a panic, so that one bad row costs one page.
func unpanicked(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return h(w, r)
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to read it
	}
	pr := p.translate(r, err)
	if pr.Status >= http.StatusInternalServerError {
		pr.Reference = rand.Text()[:8]
		p.opts.Log.ErrorContext(r.Context(), "page failed",
			"method", r.Method, "path", r.URL.Path, "status", pr.Status, "reference", pr.Reference, "err", err)
	}
	p.showProblem(w, r, pr)
}

func (p *Pages) showProblem(w http.ResponseWriter, r *http.Request, pr problem) {
	if pr.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if err := show(p, w, r, pr.Status, p.problemPage, head{Title: pr.Title}, pr); err != nil {
		p.opts.Log.ErrorContext(r.Context(), "page failed", "path", r.URL.Path, "err", err)
		http.Error(w, pr.Title, pr.Status)
	}
}

// translate finds the words for err.
func (p *Pages) translate(r *http.Request, err error) problem {
	if pr, ok := errors.AsType[*problem](err); ok {
		return *pr
	}
	if e, ok := errors.AsType[*tocsin.StateError](err); ok {
		return conflict(e.Alert, p.opts.Now())
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem{
			Status: http.StatusRequestEntityTooLarge, Title: "That is too much text",
			Words: fmt.Sprintf("This form may hold %s.", sizeText(int(e.Limit))),
			Next:  "Go back and shorten it.",
		}
	}
	if e, ok := errors.AsType[engine.InputError](err); ok {
		return refusal(r, e)
	}
	if e, ok := errors.AsType[inputError](err); ok {
		return refusal(r, e)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return *noSuchPage(r)
	case errors.Is(err, store.ErrStale):
		return problem{
			Status: http.StatusConflict, Title: "Somebody else was faster",
			Words: "What you wanted to change was changed while you looked at it, so nothing was done.",
			Next:  "Look at it again, then decide.", Href: pageOf(r), Link: "Look again",
		}
	case !p.storeAnswers(r.Context()):
		return problem{
			Status: http.StatusServiceUnavailable, Title: "The database does not answer",
			Words: "Pages cannot be shown until it does. Meanwhile senders are told to try again, so what they send is not lost.",
			Next:  "Check that the disk is not full, or that PostgreSQL is up; the log says more. Then load this page again.",
			Href:  r.URL.RequestURI(), Link: "Try again",
		}
	}
	return problem{
		Status: http.StatusInternalServerError, Title: "Something went wrong here",
		Words: "The page could not be made. That is a fault of tocsin, not of yours.",
		Next:  "The log has the details under the reference below. Please report them.",
		Href:  "/", Link: "Go to the alerts",
	}
}

// storeAnswers tells a store that is down from a page that is wrong.
func (p *Pages) storeAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return p.opts.Store.Ping(ctx) == nil
}

// policy is strict since nothing here needs anything from elsewhere, and no
// script, style or form but ours is ever right.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard is what holds for every answer: headers, forms from here alone, and
// pages for what no route takes.
func (p *Pages) guard(mux *http.ServeMux) http.Handler {
	forms := http.NewCrossOriginProtection()
	forms.SetDenyHandler(p.adapt(func(http.ResponseWriter, *http.Request) error {
		return &problem{
			Status: http.StatusForbidden, Title: "That form came from another site",
			Words: "Your browser says that a page of another site sent it, so nothing was done.",
			Next:  "Open the page here and do it again.", Href: "/", Link: "Go to the alerts",
		}
	}))
	inner := forms.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			p.refuse(w, r, h)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: with it a form's Origin is "null", which the check of
		// forms refuses in browsers that do not send Sec-Fetch-Site.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		inner.ServeHTTP(w, r)
	})
}

// refuse asks the mux's own answer whether the address or the method is wrong,
// and says so in words.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, h http.Handler) {
	said := answer{header: http.Header{}}
	h.ServeHTTP(&said, r)
	if said.status != http.StatusMethodNotAllowed {
		p.showProblem(w, r, *noSuchPage(r))
		return
	}
	allow := said.header.Get("Allow")
	w.Header().Set("Allow", allow)
	p.showProblem(w, r, problem{
		Status: http.StatusMethodNotAllowed, Title: "Not that way",
		Words: fmt.Sprintf("This address does not take %s. It takes %s.", r.Method, allow),
		Next:  "Use the buttons and links of the pages.", Href: "/", Link: "Go to the alerts",
	})
}

// An answer keeps status and headers of a response and drops its body.
type answer struct {
	header http.Header
	status int
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return len(b), nil }
func (a *answer) WriteHeader(status int)      { a.status = status }

// pathID is the number in the request's path. What is no number is no page.
func pathID(r *http.Request, name string) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, noSuchPage(r)
	}
	return id, nil
}

// pageOf is the page that has the form of the request's address.
func pageOf(r *http.Request) string {
	switch id := r.PathValue("id"); {
	case strings.HasPrefix(r.URL.Path, "/alerts/") && id != "":
		return "/alerts/" + id
	case strings.HasPrefix(r.URL.Path, "/on-call/") && r.PathValue("schedule") != "":
		return "/on-call/" + url.PathEscape(r.PathValue("schedule"))
	case strings.HasPrefix(r.URL.Path, "/people/"):
		return "/people/" + url.PathEscape(r.PathValue("name"))
	case strings.HasPrefix(r.URL.Path, "/silences/") && id != "":
		return "/silences/" + id
	case strings.HasPrefix(r.URL.Path, "/sources/") && r.PathValue("name") != "":
		return hrefOf(setup.Source, r.PathValue("name"))
	case strings.HasPrefix(r.URL.Path, "/receivers/") && r.PathValue("name") != "":
		return hrefOf(setup.Receiver, r.PathValue("name"))
	}
	for _, list := range []string{"/notifications", "/on-call", "/people", "/silences", "/sources", "/receivers"} {
		if strings.HasPrefix(r.URL.Path, list) {
			return list
		}
	}
	if strings.HasPrefix(r.URL.Path, "/overrides/") {
		return "/on-call"
	}
	return "/"
}
