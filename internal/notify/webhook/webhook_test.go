package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	token   = "token-8f14e45fceea167a"
	bearer  = "bearer-c9f0f895fb98ab91"
)

func opened(t *testing.T, c Config) notify.Notifier {
	t.Helper()
	return notifytest.Open(t, open, c)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP:    true,
		NoCodes: true,
		Secrets: []string{token, bearer, signing, strings.TrimPrefix(signing, "whsec_")},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			url, taken := notifytest.Serve(t, a, "")
			return opened(t, Config{
				URL: secret.New(url + "/hooks/" + token + "?key=" + token), Secret: secret.New(signing),
				Headers: map[string]secret.String{"Authorization": secret.New("Bearer " + bearer)},
			}), taken
		},
		Key: func(got notifytest.Taken) string {
			if got.Header.Get("Idempotency-Key") != got.Header.Get("Webhook-Id") {
				return ""
			}
			return got.Header.Get("Idempotency-Key")
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			verify(t, got)
			if got.Header.Get("Authorization") != "Bearer "+bearer || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", got.Header)
			}
			var b body
			if err := json.Unmarshal(got.Body, &b); err != nil {
				t.Fatal(err)
			}
			if b.Version != 1 || b.ID != m.ID || b.Kind != m.Kind {
				t.Errorf("body is of %d %s %s", b.Version, b.ID, b.Kind)
			}
			if about := m.Kind != tocsin.TellDigest && m.Kind != tocsin.TellNote; (b.Alert != nil) != about || about && b.Alert.ID != m.Alert.ID {
				t.Errorf("body of a message of kind %s is about %v", m.Kind, b.Alert)
			}
			if len(b.Digest)+b.More != len(m.Digest) {
				t.Errorf("%d alerts and %d more, want %d", len(b.Digest), b.More, len(m.Digest))
			}
			if len(got.Body) > bodyMax {
				t.Errorf("the body is %d bytes long", len(got.Body))
			}
			// JSON needs neither raw angle brackets nor raw control characters.
			if bytes.ContainsAny(got.Body, "<>\x1b\x00\r\n") {
				t.Error("the body has characters that a careless page would act on")
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			var b body
			if err := json.Unmarshal(got.Body, &b); err != nil {
				t.Fatal(err)
			}
			// The rest is data, which the receiver escapes for where it shows it.
			shown := []string{b.Text, b.Links.Alert, b.Links.Console, b.Links.Documentation}
			for _, i := range b.Digest {
				shown = append(shown, i.Text, i.Link)
			}
			return shown
		},
	})
}

// verify checks a signature with the specification's own words, not with Sign.
func verify(t *testing.T, got notifytest.Taken) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signing, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", got.Header.Get("webhook-id"), got.Header.Get("webhook-timestamp"), got.Body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if sig := got.Header.Get("webhook-signature"); sig != want {
		t.Errorf("webhook-signature = %q, want %q", sig, want)
	}
}

// The example that the Standard Webhooks libraries are tested with.
func TestSignatureOfTheSpecification(t *testing.T) {
	t.Parallel()
	keys, err := signingKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(keys[0], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("Sign = %q, want %q", got, want)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		if c.Message.Kind == tocsin.TellCode {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			text, err := render(c.Message)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := json.Indent(&out, text, "", "  "); err != nil {
				t.Fatal(err)
			}
			notifytest.Golden(t, c.Name+".json", append(out.Bytes(), '\n'))
		})
	}
}

// insideNames is a name server under which every name leads to 127.0.0.1, as an
// attacker's may.
func insideNames(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if _, err := server.WriteTo(insideAnswer(query[:n]), from); err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// swallow reads a request to its end and answers 200.
func swallow(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// insideAnswer answers a query for an A record with 127.0.0.1 and any other with
// nothing (RFC 1035, section 4.1).
func insideAnswer(query []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x81, 0x80 // a response, recursion available
	clear(answer[6:12])
	if query[end-4] == 0 && query[end-3] == 1 {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	return answer
}

func TestANameThatLeadsInside(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	address := "http://hooks.evil.example:" + port + "/"

	for _, allowed := range []bool{false, true} {
		given := notifytest.Env(t, nil).HTTP
		names := insideNames(t)
		if allowed {
			given.Transport.(*http.Transport).DialContext = (&net.Dialer{Resolver: names}).DialContext
		}
		client, err := guarded(given, address, allowed, names)
		if err != nil {
			t.Fatal(err)
		}
		n := &notifier{url: secret.New(address), client: client, now: notifytest.Now, method: http.MethodPost}
		_, err = n.Notify(t.Context(), notifytest.Messages()[0].Message)
		if allowed {
			if err != nil || hits.Load() != 1 {
				t.Errorf("with allow_private: %v, %d requests", err, hits.Load())
			}
			continue
		}
		if !notify.IsPermanent(err) || !strings.Contains(fmt.Sprint(err), "allow_private") {
			t.Errorf("Notify = %v, want a permanent error that names allow_private", err)
		}
		if hits.Load() != 0 {
			t.Error("the request was made all the same")
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"loopback, written out", Config{URL: secret.New("http://127.0.0.1:9999/")}, ""},
		{"private, written out", Config{URL: secret.New("http://10.1.2.3:9999/")}, ""},
		{"localhost", Config{URL: secret.New("http://localhost:9999/")}, ""},
		{"the world", Config{URL: secret.New("https://hooks.example.com/x")}, ""},
		{"nothing", Config{}, "url is not set"},
		{"plain HTTP to the world", Config{URL: secret.New("http://hooks.example.com/x")}, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
		{"the cloud's metadata", Config{URL: secret.New("http://169.254.169.254/latest")}, "url leads to a link-local address, where clouds keep their credentials; if it is meant, set allow_private: true"},
		{"a secret that is not base64", Config{URL: secret.New("https://x.example.com"), Secret: secret.New("whsec_!!!")}, "secret begins with whsec_ but is not base64 after it"},
		{"a header that ends the headers", Config{URL: secret.New("https://x.example.com"), Headers: map[string]secret.String{"X-Key": secret.New("a\r\nHost: b")}}, "headers: the value of X-Key has a line break or another control character"},
		{"a header's name with a space", Config{URL: secret.New("https://x.example.com"), Headers: map[string]secret.String{"X Key": secret.New("a")}}, `headers: "X Key" is not a header's name`},
		{"a header of ours", Config{URL: secret.New("https://x.example.com"), Headers: map[string]secret.String{"webhook-id": secret.New("a")}}, "headers: webhook-id is set by tocsin itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open = %q, want %q", got, tt.want)
			}
		})
	}
}

// Many messages at once use few connections: the next message takes the last
// one's.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(swallow))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	n := opened(t, Config{URL: secret.New(server.URL)})
	m := notifytest.Messages()[0].Message
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if _, err := n.Notify(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := conns.Load(); got > 40 {
		t.Errorf("320 messages of 16 senders took %d connections", got)
	}
}

func TestUnsignedWithoutASecret(t *testing.T) {
	t.Parallel()
	url, taken := notifytest.Serve(t, notifytest.Answer{}, "")
	if _, err := opened(t, Config{URL: secret.New(url)}).Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
		t.Fatal(err)
	}
	if got := taken()[0].Header.Get("Webhook-Signature"); got != "" {
		t.Errorf("webhook-signature = %q without a secret", got)
	}
}

func methodOf(t *testing.T, c Config) string {
	t.Helper()
	method := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { method <- r.Method }))
	defer server.Close()
	c.URL = secret.New(server.URL)
	if _, err := opened(t, c).Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
		t.Fatal(err)
	}
	return <-method
}

func BenchmarkNotify(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(swallow))
	defer server.Close()
	n, err := open(Config{URL: secret.New(server.URL), Secret: secret.New(signing)}, notify.Env{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	m := notifytest.Messages()[0].Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.Notify(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
