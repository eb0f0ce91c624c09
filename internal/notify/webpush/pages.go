package webpush

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

//go:embed page
var files embed.FS

// The icons are drawn from the mark of tocsin's pages, internal/web/static/tocsin.svg:
// with round corners, full for systems that cut them (maskable, Apple), and its bell
// alone for a phone's status bar (badge).

// policy lets nothing in but the page's own files: no script or style within it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// types are ours, since a system's table of types may say otherwise.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".png": "image/png",
}

// pages are what a phone opens: the page of an invitation, which stays as the page
// of the installed app, its service worker, and what the two ask.
type pages struct {
	*notifier
	root string // the path of base, with a slash at its end
	page *template.Template
}

// pages serves all below base. It is for everybody: a page says no more than its
// link knows, and does nothing without one.
func (n *notifier) pages() (http.Handler, error) {
	u, err := url.Parse(n.base)
	if err != nil {
		return nil, errors.New("public_url cannot be read")
	}
	p := &pages{notifier: n, root: u.EscapedPath() + "/"}
	if p.page, err = template.ParseFS(files, "page/join.html"); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /manifest.webmanifest", p.manifest)
	mux.HandleFunc("GET /join/{token}", p.join)
	mux.HandleFunc("GET /join/{token}/manifest.webmanifest", p.manifest)
	mux.HandleFunc("GET /join/{token}/state", p.answer(p.enrolled))
	mux.HandleFunc("POST /join/{token}/subscription", p.answer(p.subscribe))
	mux.HandleFunc("POST /join/{token}/proof", p.answer(p.prove))
	mux.HandleFunc("GET /{file}", p.file)
	inner := http.NewCrossOriginProtection().Handler(mux)
	// A proxy in front may have taken the first part of the path away.
	tail := u.Path[strings.LastIndex(strings.TrimSuffix(u.Path, "/"), "/act/")+1:]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, rest, ok := strings.Cut(r.URL.Path, tail)
		switch {
		case !ok, strings.Contains(rest, "//"), strings.Contains(rest, "/."): // the mux would redirect to elsewhere
			http.NotFound(w, r)
			return
		case rest == "":
			http.Redirect(w, r, p.root, http.StatusPermanentRedirect)
			return
		}
		shorter := new(http.Request)
		*shorter = *r
		shorter.URL = &url.URL{Path: rest, RawQuery: r.URL.RawQuery}
		p.head(w)
		inner.ServeHTTP(w, shorter)
	}), nil
}

func (p *pages) head(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// A view is one state of the page.
type view struct {
	Title, Base, Key, Manifest string
	// Join is the path of an invitation that can be used, and Person whom it is for.
	Join, Person  string
	Problem, Tone string
}

// home is what the installed app opens.
func (p *pages) home(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, view{Title: "Told by tocsin"})
}

// join shows an invitation. One that is over is still the page of the app that was
// installed from it.
func (p *pages) join(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	l, err := p.read(r.Context(), token)
	if err == nil {
		_, err = p.used(r.Context(), l)
	}
	switch {
	case err == nil:
		path := p.root + "join/" + token
		p.show(w, r, http.StatusOK, view{Title: "Be told on this device", Join: path, Person: l.Person, Manifest: path + "/manifest.webmanifest"})
	case errors.Is(err, errLinkOver), errors.Is(err, errLinkUsed):
		p.show(w, r, http.StatusGone, view{Title: "Told by tocsin", Problem: sentence(err), Tone: "odd"})
	case errors.Is(err, errLink):
		p.show(w, r, http.StatusNotFound, view{Title: "Not an invitation", Problem: sentence(err), Tone: "bad"})
	default:
		p.failed(r, err)
		w.Header().Set("Retry-After", "5")
		p.show(w, r, http.StatusServiceUnavailable, view{Title: "That did not work", Problem: "The fault is tocsin's, not yours. Try again in a moment.", Tone: "bad"})
	}
}

func (p *pages) failed(r *http.Request, err error) {
	if r.Context().Err() == nil {
		p.log.ErrorContext(r.Context(), "enrolment failed", "err", err)
	}
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Base = p.root
	if v.Manifest == "" {
		v.Manifest = p.root + "manifest.webmanifest"
	}
	if s, err := p.signer(r.Context()); err == nil {
		v.Key = s.public
	} else {
		p.failed(r, err)
	}
	var b bytes.Buffer
	if err := p.page.Execute(&b, v); err != nil {
		p.failed(r, err)
		http.Error(w, v.Title, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the browser may have gone
}

// manifest is what an installed app is made of
// (https://www.w3.org/TR/appmanifest/). On an iPhone the app is installed before
// it is enrolled, and shares nothing with Safari: so the invitation is where it
// starts.
func (p *pages) manifest(w http.ResponseWriter, r *http.Request) {
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose,omitempty"`
	}
	start := p.root
	if token := r.PathValue("token"); token != "" {
		if _, err := p.read(r.Context(), token); err == nil {
			start += "join/" + token
		}
	}
	text, err := json.Marshal(struct {
		ID         string `json:"id"`
		Name       string `json:"name"`
		ShortName  string `json:"short_name"`
		About      string `json:"description"`
		Start      string `json:"start_url"`
		Scope      string `json:"scope"`
		Display    string `json:"display"`
		Background string `json:"background_color"`
		Theme      string `json:"theme_color"`
		Icons      []icon `json:"icons"`
	}{
		p.root, "tocsin", "tocsin", "Tells you of security alerts.", start, p.root, "standalone", "#fafaf9", "#3d52a8",
		[]icon{
			{p.root + "icon-192.png", "192x192", "image/png", ""},
			{p.root + "icon-512.png", "512x512", "image/png", ""},
			{p.root + "icon-maskable-512.png", "512x512", "image/png", "maskable"},
		},
	})
	if err != nil {
		p.failed(r, err)
		http.Error(w, "no manifest", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	_, _ = w.Write(text) // the browser may have gone
}

// file serves the page's scripts, style and icons. Browsers ask whether they are
// new each time, so that a service worker is never older than the program.
func (p *pages) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	kind, ok := types[path.Ext(name)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	content, err := files.ReadFile("page/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(content)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// A refusal is what a page is told instead of an answer.
type refusal struct {
	status int
	error
}

func (e refusal) Unwrap() error { return e.error }

// answer has f answer with JSON, and an error of it with {"error": "…"}.
func (p *pages) answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, subscriptionMost)
		answer, err := f(r)
		status := http.StatusOK
		if err != nil {
			var text string
			if status, text = p.translate(r, err); text != "" {
				answer = map[string]string{"error": text}
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // whoever asked may be gone
	}
}

// translate is an error's status and its words for people.
func (p *pages) translate(r *http.Request, err error) (status int, text string) {
	if e, ok := errors.AsType[refusal](err); ok {
		return e.status, sentence(e.error)
	}
	switch {
	case errors.Is(err, errLink):
		return http.StatusNotFound, sentence(err)
	case errors.Is(err, errLinkOver), errors.Is(err, errLinkUsed):
		return http.StatusGone, sentence(err)
	}
	p.failed(r, err)
	return http.StatusServiceUnavailable, "The fault is tocsin's, not yours. Try again in a moment."
}

// read is the link that the token is.
func (p *pages) read(ctx context.Context, token string) (link, error) {
	key, err := p.linkKey(ctx)
	if err != nil {
		return link{}, err
	}
	return key.read(token, p.now())
}

// used gives the digest of the address that the link has enrolled, or "" while it
// has none. It is errLinkUsed if there is one.
func (p *pages) used(ctx context.Context, l link) (string, error) {
	digest, err := p.state.Load(ctx, "used/"+l.ID)
	if err != nil {
		return "", fmt.Errorf("read the invitation: %w", err)
	}
	if len(digest) > 0 {
		return string(digest), errLinkUsed
	}
	return "", nil
}

// enrolled tells a page that waits whether its browser's proof has come.
func (p *pages) enrolled(r *http.Request) (any, error) {
	l, err := p.read(r.Context(), r.PathValue("token"))
	if err == nil {
		_, err = p.used(r.Context(), l)
	}
	used := errors.Is(err, errLinkUsed)
	if err != nil && !used {
		return nil, err
	}
	return map[string]bool{"enrolled": used}, nil
}

// An attempt is the address that an invitation is to be proved by: the last one
// that asked.
type attempt struct {
	Address string `json:"address"`
	Tries   int    `json:"tries"`
}

// triesMost bounds how often one invitation has something sent to an address that
// nobody has proved.
const triesMost = 20

// subscribe takes the address of a browser, and sends it a proof.
func (p *pages) subscribe(r *http.Request) (any, error) {
	ctx := r.Context()
	l, err := p.read(ctx, r.PathValue("token"))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, refusal{http.StatusBadRequest, errSubscription}
	}
	s, err := parse(string(text))
	if err == nil && !p.config.AllowPrivate {
		err = s.inside()
	}
	if err != nil {
		return nil, refusal{http.StatusUnprocessableEntity, err}
	}
	address := s.address()
	if digest, err := p.used(ctx, l); err != nil && digest != short([]byte(address), 24) {
		return nil, err
	}
	if err := p.attempt(ctx, l, address); err != nil {
		return nil, err
	}
	key, err := p.linkKey(ctx)
	if err != nil {
		return nil, err
	}
	proof, err := notify.JSON(payload{
		Title: "tocsin", Tag: "tocsin-enrolment", At: p.now().UnixMilli(), Calls: true,
		Proof: key.proof(l, address), Confirm: p.root + "join/" + r.PathValue("token") + "/proof",
	})
	if err != nil {
		return nil, err
	}
	if err := p.push(ctx, s, delivery{text: proof, urgency: "high", life: lifeOfCode}); err != nil {
		p.failed(r, err)
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, refusal{http.StatusBadGateway, fmt.Errorf("the browser's push service did not take a message: %w", err)}
	}
	return map[string]bool{"sent": true}, nil
}

// attempt remembers the address that is to be proved.
func (p *pages) attempt(ctx context.Context, l link, address string) error {
	name := "attempt/" + l.ID
	had, err := p.state.Load(ctx, name)
	if err != nil {
		return fmt.Errorf("read the invitation: %w", err)
	}
	var a attempt
	if len(had) > 0 {
		if err := json.Unmarshal(had, &a); err != nil {
			return fmt.Errorf("read the invitation: %w", err)
		}
	}
	if a.Tries >= triesMost {
		return refusal{http.StatusTooManyRequests, errors.New("this invitation was tried too often; ask for another")}
	}
	text, err := json.Marshal(attempt{address, a.Tries + 1})
	if err != nil {
		return err
	}
	if err := p.state.Save(ctx, name, text); err != nil {
		return fmt.Errorf("keep the address: %w", err)
	}
	return nil
}

// prove takes the proof that the browser was sent, and enrols it. The same browser
// may do it again: its answer may have been lost.
func (p *pages) prove(r *http.Request) (any, error) {
	ctx := r.Context()
	l, err := p.read(ctx, r.PathValue("token"))
	if err != nil {
		return nil, err
	}
	var given struct {
		Proof string `json:"proof"`
	}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
		return nil, refusal{http.StatusBadRequest, errors.New(`that is no proof; want {"proof": "…"}`)}
	}
	had, err := p.state.Load(ctx, "attempt/"+l.ID)
	if err != nil {
		return nil, fmt.Errorf("read the invitation: %w", err)
	}
	var a attempt
	if len(had) > 0 {
		if err := json.Unmarshal(had, &a); err != nil {
			return nil, fmt.Errorf("read the invitation: %w", err)
		}
	}
	key, err := p.linkKey(ctx)
	if err != nil {
		return nil, err
	}
	if a.Address == "" || !hmac.Equal([]byte(given.Proof), []byte(key.proof(l, a.Address))) {
		return nil, refusal{http.StatusForbidden, errors.New("this proof is not that of the browser that asked last; press the button again")}
	}
	mine := short([]byte(a.Address), 24)
	first, err := p.state.First(ctx, "used/"+l.ID, []byte(mine))
	if err != nil {
		return nil, fmt.Errorf("keep the invitation: %w", err)
	}
	if string(first) != mine {
		return nil, errLinkUsed
	}
	if err := p.enroll(ctx, l.Person, a.Address); err != nil {
		return nil, refusal{http.StatusConflict, err}
	}
	return map[string]string{"person": l.Person}, nil
}

var _ notify.Inviter = (*notifier)(nil)
