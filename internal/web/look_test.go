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

// TestLook serves the fixtures to whoever wants to look at them:
//
//	go test ./internal/web -run TestLook -look 127.0.0.1:8080 -timeout 0
func TestLook(t *testing.T) {
	if *look == "" {
		t.Skip("only with -look ADDRESS")
	}
	p, _ := withShop(t)
	p.opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	t.Logf("http://%s", *look)
	server := &http.Server{Addr: *look, Handler: p, ReadHeaderTimeout: 10 * time.Second}
	t.Fatal(server.ListenAndServe())
}
