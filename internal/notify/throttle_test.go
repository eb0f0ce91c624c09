package notify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

func TestAVendorsOwnWayToSayTooManyRequests(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/limited":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "slow down"+long)
		case "/forbidden":
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, "no"+long)
		default:
			io.WriteString(w, "slow down"+long)
		}
	}))
	defer server.Close()
	client := notify.Throttled(nil, func(_ *http.Response, body []byte) (time.Duration, bool) {
		return 42 * time.Second, strings.HasPrefix(string(body), "slow down")
	})
	send := func(path string) ([]byte, error) {
		return notify.Request{URL: server.URL + path, Most: 1 << 20}.Send(t.Context(), client)
	}
	reply, err := send("/limited")
	if wait, told := notify.RetryAfter(err); !told || wait != 42*time.Second || notify.IsPermanent(err) || len(reply) != len("slow down"+long) {
		t.Errorf("a refusal of which a wait is read: %v, wait %v; %d bytes of the reply", err, wait, len(reply))
	}
	if _, err := send("/forbidden"); !notify.IsPermanent(err) || !strings.Contains(err.Error(), "403") {
		t.Errorf("another refusal: %v", err)
	}
	if reply, err := send("/fine"); err != nil || len(reply) != len("slow down"+long) {
		t.Errorf("a success: %v, %d bytes", err, len(reply))
	}
	server.Close()
	if _, err := send("/fine"); err == nil || notify.IsPermanent(err) {
		t.Errorf("nobody there: %v", err)
	}
}
