package web

import (
	"flag"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	look   = flag.String("look", "", "serve the filled pages on this address, to look at them in a browser")
	shots  = flag.String("shots", "", "keep the browser test's screenshots in this folder")
)

// filled are pages over the fixtures.
func filled(t testing.TB) (*Pages, *storeActor) {
	t.Helper()
	s := openStore(t)
	fill(t, s)
	act := &storeActor{Store: s, now: fixtureNow}
	opts := fixtureOptions(act)
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	return newPages(opts), act
}

// bare are pages over an empty store without sources.
func bare(t testing.TB) *Pages {
	t.Helper()
	s := openStore(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	return newPages(Options{Log: log, Store: s, Act: &storeActor{Store: s, now: fixtureNow}, Now: func() time.Time { return fixtureNow }})
}

// TestLook serves the fixtures to whoever wants to look at them:
//
//	go test ./internal/web -run TestLook -look 127.0.0.1:8080 -timeout 0
func TestLook(t *testing.T) {
	if *look == "" {
		t.Skip("only with -look ADDRESS")
	}
	p, _ := filled(t)
	p.opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	t.Logf("http://%s", *look)
	server := &http.Server{Addr: *look, Handler: p, ReadHeaderTimeout: 10 * time.Second}
	t.Fatal(server.ListenAndServe())
}
