package sns_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/sns"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
)

const (
	topic  = "arn:aws:sns:eu-west-1:111122223333:guardduty"
	host   = "sns.eu-west-1.amazonaws.com"
	inPath = "/in/org-topic/" + collecttest.Token
	event  = `{"version":"0","id":"c547bc5c","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"title":"\u00e9 <&>"}}`
)

func open(c sns.Config, env collect.Env) (collect.Collector, error) {
	return sns.Kind.Open(func(into any) error {
		*into.(*sns.Config) = c
		return nil
	}, env)
}

// signer signs for all tests; the key takes a while to make. Its clock is the
// system's.
var signer = sync.OnceValue(func() *snstest.Signer {
	s, err := snstest.New(time.Now)
	if err != nil {
		panic(err)
	}
	return s
})

// journal is a sink that keeps what it got.
type journal struct {
	mu     sync.Mutex
	events []tocsin.Event
	err    error
}

func (j *journal) take(_ context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	for _, ev := range events {
		ev.Raw = bytes.Clone(ev.Raw)
		j.events = append(j.events, ev)
	}
	return make([]tocsin.Receipt, len(events)), nil
}

// bed is a collector that runs and what is around it.
type bed struct {
	*journal
	transport *snstest.Transport
	state     *collecttest.Memory
	log       *logged
	handler   http.Handler
	collector collect.Collector
	stop      func()
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs a collector for topic, unless config names others.
func start(t testing.TB, config sns.Config, change ...func(*collect.Env)) *bed {
	t.Helper()
	if config.Topics == nil {
		config.Topics = []string{topic}
	}
	b := &bed{journal: &journal{}, transport: &snstest.Transport{Signer: signer()}, state: &collecttest.Memory{}, log: &logged{}}
	env := collecttest.Env("org-topic", &b.handler)
	env.HTTP, env.Roots, env.State = b.transport.Client(), signer().Roots(), b.state
	env.Log = slog.New(slog.NewTextHandler(b.log, nil))
	for _, f := range change {
		f(&env)
	}
	var err error
	if b.collector, err = open(config, env); err != nil {
		t.Fatal(err)
	}
	b.run(t)
	return b
}

func (b *bed) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.collector.Run(ctx, b.take) }()
	for !b.collector.(interface{ Ready() bool }).Ready() {
		runtime.Gosched()
	}
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(b.stop)
}

// post delivers a message and gives the status of the answer.
func (b *bed) post(m snstest.Message) int { return b.deliver(m.Body(), m.Header()).Code }

func (b *bed) deliver(body []byte, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, inPath, bytes.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *bed) status() collect.Status {
	return b.collector.(collect.Reporter).Status(context.Background())
}

func must(t testing.TB) func(snstest.Message, error) snstest.Message {
	return func(m snstest.Message, err error) snstest.Message {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	transport := &snstest.Transport{Signer: signer()}
	collecttest.Run(t, collecttest.Harness{
		Source: "org-topic", Via: "sns",
		Start: collecttest.HTTP("org-topic",
			func(env collect.Env) (collect.Collector, error) {
				env.HTTP, env.Roots = transport.Client(), signer().Roots()
				return open(sns.Config{Topics: []string{topic}}, env)
			},
			func(url string, body []byte) (*http.Request, error) {
				m, err := signer().Notification(topic, string(body))
				if err != nil {
					return nil, err
				}
				return m.Request(url + inPath)
			}),
	})
}

// The messages of a real topic, with the certificate they were signed with.
func TestMessagesOfAWS(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic"
	config := sns.Config{Topics: []string{topic}, SigningCertificates: []string{filepath.Join("testdata", "SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem")}}
	messages, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(messages) != 5 {
		t.Fatalf("%d messages, %v; want 5", len(messages), err)
	}
	at := func(when string) func(*collect.Env) {
		return func(env *collect.Env) {
			env.Now = func() time.Time {
				now, err := time.Parse(time.RFC3339, when)
				if err != nil {
					t.Error(err)
				}
				return now
			}
		}
	}
	for _, file := range messages {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := start(t, config, at("2026-03-06T20:05:00Z"))
			if w := b.deliver(body, http.Header{}); w.Code != 200 {
				t.Errorf("answer %d, want 200: %+v", w.Code, b.events)
			}
			for _, field := range signed(t, body) {
				if w := b.deliver(tampered(t, body, field), http.Header{}); w.Code != 403 {
					t.Errorf("with another %s: answer %d, want 403", field, w.Code)
				}
			}
			late := start(t, config, at("2026-10-15T00:00:00Z"))
			if w := late.deliver(body, http.Header{}); w.Code != 503 || len(late.events) > 0 {
				t.Errorf("once the certificate is no longer valid: answer %d, want 503", w.Code)
			}
			if n := b.transport.Asked("sns.us-west-2.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"); n > 0 {
				t.Errorf("the certificate was fetched, although one is given")
			}
		})
	}
}

// signed are the members of a message that its signature is of.
func signed(t *testing.T, body []byte) []string {
	t.Helper()
	members := map[string]string{}
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	fields := []string{"Message", "MessageId", "Timestamp", "TopicArn", "Signature"}
	for _, name := range []string{"Subject", "Token", "SubscribeURL"} {
		if members[name] != "" {
			fields = append(fields, name)
		}
	}
	return fields
}

// tampered is the message with one more character in a member.
func tampered(t *testing.T, body []byte, field string) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	members[field] = members[field].(string) + "x"
	changed, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestNotification(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		t.Run("signature version "+version, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{})
			m := must(t)(signer().Notification(topic, event))
			m.SignatureVersion, m.Subject = version, "GuardDuty \"é\"\n"
			if err := signer().Sign(&m); err != nil {
				t.Fatal(err)
			}
			if code := b.post(m); code != 200 || len(b.events) != 1 {
				t.Fatalf("answer %d with %d events, want 200 with 1\n%s", code, len(b.events), b.log)
			}
			got := b.events[0]
			got.ReceivedAt = time.Time{}
			want := tocsin.Event{Source: "org-topic", Via: "sns", Envelope: m.MessageID, Raw: []byte(event)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAMessageHolds(t *testing.T) {
	t.Parallel()
	type got struct {
		Raw, ID    string
		Unreadable bool
	}
	for _, tt := range []struct {
		name, message string
		want          []got
	}{
		{"one event", event, []got{{event, "ID", false}}},
		{"an array of events", `[{"a":1},{"b":2}]`, []got{{`{"a":1}`, "ID#0", false}, {`{"b":2}`, "ID#1", false}}},
		{"text", "Hello!\n{it is\n", []got{{"Hello!\n{it is\n", "ID", true}}},
		{"nothing", "", []got{{"", "ID", true}}},
		{"no event", "[]", []got{{"[]", "ID", true}}},
		{"one of two is broken", `{"a":1}{b}`, []got{{`{"a":1}`, "ID#0", false}, {`{b}`, "ID#1", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{})
			m := must(t)(signer().Notification(topic, tt.message))
			if code := b.post(m); code != 200 {
				t.Fatalf("answer %d, want 200", code)
			}
			var all []got
			for _, ev := range b.events {
				all = append(all, got{string(ev.Raw), strings.Replace(ev.Envelope, m.MessageID, "ID", 1), ev.Unreadable != ""})
			}
			if diff := cmp.Diff(tt.want, all); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// What is refused is in the journal as malformed, under no id that a true message
// could have.
func TestRefused(t *testing.T) {
	t.Parallel()
	sign := func(m *snstest.Message) { _ = signer().Sign(m) }
	for _, tt := range []struct {
		name   string
		config sns.Config
		change func(*snstest.Message)
		header [2]string
		status int
		reason string
	}{
		{"another message", sns.Config{}, func(m *snstest.Message) { m.Message += " " }, [2]string{}, 403, "signature does not verify"},
		{"another id", sns.Config{}, func(m *snstest.Message) { m.MessageID = "x" }, [2]string{}, 403, "signature does not verify"},
		{"another time", sns.Config{}, func(m *snstest.Message) { m.Timestamp = "2026-01-01T00:00:00.000Z" }, [2]string{}, 403, "signature does not verify"},
		{"a subject added", sns.Config{}, func(m *snstest.Message) { m.Subject = "x" }, [2]string{}, 403, "signature does not verify"},
		{"a signature that is no base64", sns.Config{}, func(m *snstest.Message) { m.Signature = "!" }, [2]string{}, 403, "signature does not verify"},
		{"no signature", sns.Config{}, func(m *snstest.Message) { m.Signature = "" }, [2]string{}, 403, "signature does not verify"},
		{"version 1 named for a signature of version 2", sns.Config{}, func(m *snstest.Message) { m.SignatureVersion = "1" }, [2]string{}, 403, "signature does not verify"},
		{"version 1 where 2 is wanted", sns.Config{SignatureVersions: []int{2}}, func(m *snstest.Message) { m.SignatureVersion = "1"; sign(m) }, [2]string{}, 403, `signature version "1" is not allowed`},
		{"version 3", sns.Config{}, func(m *snstest.Message) { m.SignatureVersion = "3" }, [2]string{}, 403, `signature version "3" is not allowed`},
		{"a topic of somebody else", sns.Config{}, func(m *snstest.Message) {
			m.TopicARN = "arn:aws:sns:eu-west-1:666666666666:guardduty"
			sign(m)
		}, [2]string{}, 403, "topic arn:aws:sns:eu-west-1:666666666666:guardduty is not on the list of topics"},
		{"a certificate of another region", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = strings.Replace(m.SigningCertURL, "eu-west-1", "us-east-1", 1)
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate of another partition", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = strings.Replace(m.SigningCertURL, ".com/", ".com.cn/", 1)
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate of a friend", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = "https://" + host + "@evil.example/SimpleNotificationService-00.pem"
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate by HTTP", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = strings.Replace(m.SigningCertURL, "https:", "http:", 1)
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate at another port", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = strings.Replace(m.SigningCertURL, ".com/", ".com:444/", 1)
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate with a query", sns.Config{}, func(m *snstest.Message) { m.SigningCertURL += "?a.pem" }, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a certificate at another path", sns.Config{}, func(m *snstest.Message) {
			m.SigningCertURL = "https://" + host + "/SimpleNotificationService-../x.pem"
		}, [2]string{}, 403, "SigningCertURL is not a certificate at " + host},
		{"a header with another topic", sns.Config{}, nil, [2]string{"X-Amz-Sns-Topic-Arn", topic + "2"}, 403, `header x-amz-sns-topic-arn says "` + topic + `2", the message ` + topic},
		{"a header with another type", sns.Config{}, nil, [2]string{"X-Amz-Sns-Message-Type", "SubscriptionConfirmation"}, 403, `header x-amz-sns-message-type says "SubscriptionConfirmation", the message Notification`},
		{"raw delivery that is not allowed", sns.Config{}, func(m *snstest.Message) { m.Raw = true }, [2]string{}, 403, "raw delivery is off for this source; raw: true allows it"},
		{"raw delivery of another topic", sns.Config{Raw: true}, func(m *snstest.Message) { m.Raw, m.TopicARN = true, topic+"2" }, [2]string{}, 403, `topic "` + topic + `2" is not on the list of topics`},
		{"an ARN of another service", sns.Config{}, func(m *snstest.Message) { m.TopicARN = "arn:aws:sqs:eu-west-1:1:x" }, [2]string{}, 403, `"arn:aws:sqs:eu-west-1:1:x" is no ARN of an SNS topic`},
		{"a region that is a host", sns.Config{Topics: []string{"arn:aws:sns:*:111122223333:guardduty"}}, func(m *snstest.Message) {
			m.TopicARN = "arn:aws:sns:evil.example/:111122223333:guardduty"
		}, [2]string{}, 403, `"arn:aws:sns:evil.example/:111122223333:guardduty": "evil.example/" is no region`},
		// No retry would mend these, and SNS is told that they arrived.
		{"an unknown type", sns.Config{}, func(m *snstest.Message) { m.Type = "X" }, [2]string{}, 200, `not an SNS message: unknown Type "X"`},
		{"no id", sns.Config{}, func(m *snstest.Message) { m.MessageID = "" }, [2]string{}, 200, "not an SNS message: MessageId, TopicArn or Timestamp is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, tt.config)
			m := must(t)(signer().Notification(topic, event))
			if tt.change != nil {
				tt.change(&m)
			}
			h := m.Header()
			if tt.header[0] != "" {
				h.Set(tt.header[0], tt.header[1])
			}
			w := b.deliver(m.Body(), h)
			if w.Code != tt.status || len(b.events) != 1 {
				t.Fatalf("answer %d with %d events, want %d with one\n%s", w.Code, len(b.events), tt.status, b.log)
			}
			ev := b.events[0]
			if ev.Unreadable != tt.reason || ev.Envelope != "" || !bytes.Equal(ev.Raw, m.Body()) {
				t.Errorf("journalled under %q as %q: %s\nwant under no id as %q", ev.Envelope, ev.Unreadable, ev.Raw, tt.reason)
			}
			b.err = errors.New("the disk is full")
			if w := b.deliver(m.Body(), h); w.Code != 503 {
				t.Errorf("with the store down: answer %d, want 503", w.Code)
			}
		})
	}
}

func TestNotAMessage(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "garbage", "{}", "[]", `{"Type":3}`, strings.Repeat("[", 100_000)} {
		b := start(t, sns.Config{})
		if w := b.deliver([]byte(body), http.Header{}); w.Code != 200 || len(b.events) != 1 || b.events[0].Unreadable == "" {
			t.Errorf("%.20q: answer %d with events %+v; want 200 and a malformed one", body, w.Code, b.events)
		}
	}
}

func TestRequestsThatAreNoDelivery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, path string
		want               int
	}{
		{"no token", http.MethodPost, "/in/org-topic", 404},
		{"wrong token", http.MethodPost, "/in/org-topic/guess", 404},
		{"wrong token with GET", http.MethodGet, "/in/org-topic/guess", 404},
		{"GET", http.MethodGet, inPath, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{})
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader("x")))
			if w.Code != tt.want || len(b.events) > 0 {
				t.Errorf("answer %d with %d events, want %d with none", w.Code, len(b.events), tt.want)
			}
		})
	}
	b := start(t, sns.Config{})
	if w := b.deliver(make([]byte, collect.MaxBody+1), http.Header{}); w.Code != 413 {
		t.Errorf("too large: answer %d, want 413", w.Code)
	}
}

func TestGzipAndContentType(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{})
	m := must(t)(signer().Notification(topic, event))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(m.Body())
	_ = z.Close()
	h := m.Header()
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := b.deliver(packed.Bytes(), h); w.Code != 200 || string(b.events[0].Raw) != event {
		t.Errorf("answer %d, events %+v", w.Code, b.events)
	}
}

func TestRawDelivery(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{Raw: true})
	m := must(t)(signer().Notification(topic, event))
	m.Raw = true
	if code := b.post(m); code != 200 || len(b.events) != 1 || string(b.events[0].Raw) != event || b.events[0].Envelope != m.MessageID {
		t.Errorf("answer %d, events %+v", code, b.events)
	}
	if got := b.status().State; got != "ok" {
		t.Errorf("state %q after a delivery, want ok", got)
	}
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{})
	b.err = errors.New("the disk is full")
	m := must(t)(signer().Notification(topic, event))
	w := b.deliver(m.Body(), m.Header())
	if w.Code != 503 || w.Header().Get("Retry-After") != "5" {
		t.Errorf("answer %d, Retry-After %q; want 503, 5", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{
		"arn:aws:sns:us-east-1:111122223333:guardduty",
		"arn:aws:sns:me-south-1:111122223333:guardduty",
		"arn:aws:sns:mx-central-1:111122223333:guardduty",
		"arn:aws-us-gov:sns:us-gov-east-1:111122223333:guardduty",
		"arn:aws-cn:sns:cn-northwest-1:111122223333:guardduty",
		"arn:aws-eusc:sns:eusc-de-east-1:111122223333:guardduty",
	} {
		t.Run(arn, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{Topics: []string{"arn:aws*:sns:*:111122223333:guard*"}})
			if code := b.post(must(t)(signer().Notification(arn, event))); code != 200 {
				t.Errorf("answer %d, want 200\n%s", code, b.log)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	ca, err := snstest.New(time.Now) // an authority that nobody trusts
	if err != nil {
		t.Fatal(err)
	}
	pem := func(topic string, s *snstest.Signer) []byte {
		text, err := s.CertificatePEM(topic)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	type answer func(*http.Request) (*http.Response, error)
	certificate := func(body []byte) answer {
		return func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, ".pem") {
				return nil, nil
			}
			return snstest.Answer(r, http.StatusOK, body), nil
		}
	}
	for _, tt := range []struct {
		name string
		fail answer
		want int
	}{
		{"as it is published", nil, 200},
		{"no way out", func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") }, 503},
		{"not there", func(r *http.Request) (*http.Response, error) { return snstest.Answer(r, 404, nil), nil }, 503},
		{"elsewhere", func(r *http.Request) (*http.Response, error) {
			resp := snstest.Answer(r, 302, nil)
			resp.Header.Set("Location", "https://sns.us-east-1.amazonaws.com/x.pem")
			return resp, nil
		}, 503},
		{"no certificate", certificate([]byte("<html>")), 503},
		{"endless", certificate(make([]byte, 1<<20)), 503},
		{"of an authority that nobody trusts", certificate(pem(topic, ca)), 503},
		{"of another region", certificate(pem("arn:aws:sns:me-south-1:111122223333:x", signer())), 503},
		{"whose authority cannot be fetched", func(r *http.Request) (*http.Response, error) {
			if r.URL.Scheme == "http" {
				return nil, errors.New("no route to host")
			}
			return nil, nil
		}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{})
			b.transport.Fail = tt.fail
			code := b.post(must(t)(signer().Notification(topic, event)))
			if code != tt.want || len(b.events) != map[int]int{200: 1, 503: 0}[tt.want] {
				t.Errorf("answer %d with %d events, want %d\n%s", code, len(b.events), tt.want, b.log)
			}
		})
	}
}

func TestCertificateIsFetchedOnceAndAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	m := must(t)(signer().Notification(topic, event))
	certPath := strings.TrimPrefix(m.SigningCertURL, "https://")
	var messages []snstest.Message
	for range 20 {
		messages = append(messages, must(t)(signer().Notification(topic, event)))
	}
	b := start(t, sns.Config{})
	var wg sync.WaitGroup
	for _, m := range messages {
		wg.Go(func() {
			if code := b.post(m); code != 200 {
				t.Errorf("answer %d, want 200", code)
			}
		})
	}
	wg.Wait()
	if n := b.transport.Asked(certPath); n != 1 {
		t.Errorf("the certificate was fetched %d times for 20 messages, want once", n)
	}

	// The certificates are dated by the system's clock; this one only moves on.
	var now time.Time
	failing := start(t, sns.Config{}, func(env *collect.Env) {
		now = time.Now()
		env.Now = func() time.Time { return now }
	})
	down := true
	failing.transport.Fail = func(*http.Request) (*http.Response, error) {
		if down {
			return nil, errors.New("no route to host")
		}
		return nil, nil
	}
	for range 3 {
		if code := failing.post(m); code != 503 {
			t.Errorf("answer %d, want 503", code)
		}
	}
	if n := failing.transport.Asked(certPath); n != 1 {
		t.Errorf("fetched %d times within ten seconds of a failure, want once", n)
	}
	if st := failing.status(); st.State != "failing" {
		t.Errorf("status %+v, want failing", st)
	}
	down, now = false, now.Add(11*time.Second)
	if code := failing.post(m); code != 200 {
		t.Errorf("once there is a way out: answer %d, want 200", code)
	}
}

func TestSubscriptionLife(t *testing.T) {
	signer() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		// Real certificates: the bubble's clock begins in 2000, so it is moved.
		offset := time.Until(startOfTests)
		now := func() time.Time { return time.Now().Add(offset) }
		s := signer().WithClock(now)
		b := start(t, sns.Config{}, func(env *collect.Env) { env.Now = now })
		state := func(want string) {
			t.Helper()
			synctest.Wait()
			if st := b.status(); st.State != want {
				t.Errorf("status %+v, want %s\n%s", st, want, b.log)
			}
		}
		post := func(m snstest.Message, want int) {
			t.Helper()
			if code := b.post(m); code != want {
				t.Errorf("%s: answer %d, want %d\n%s", m.Type, code, want, b.log)
			}
		}
		state("pending")

		// SNS cannot be reached at first.
		var down atomic.Bool
		down.Store(true)
		b.transport.Fail = func(r *http.Request) (*http.Response, error) {
			if down.Load() && r.URL.Query().Has("Action") {
				return nil, errors.New("no route to host")
			}
			return nil, nil
		}
		asked := must(t)(s.SubscriptionConfirmation(topic))
		post(asked, 200)
		state("pending")
		if len(b.transport.Confirmed()) > 0 {
			t.Fatal("confirmed, although SNS could not be reached")
		}
		if line := b.status().Lines[0].Value; !strings.Contains(line, "no route to host") || strings.Contains(line, asked.Token) {
			t.Errorf("status says %q, want the problem and no token", line)
		}
		down.Store(false)
		time.Sleep(time.Minute) // in the bubble
		state("ok")
		if diff := cmp.Diff([]string{topic}, b.transport.Confirmed()); diff != "" {
			t.Errorf("confirmed (-want +got):\n%s", diff)
		}
		if line := b.status().Lines[0]; line.Name != topic || !strings.HasPrefix(line.Value, "Confirmed since ") || !strings.Contains(line.Value, topic+":") {
			t.Errorf("status line %+v, want since when and the subscription's ARN", line)
		}

		// Somebody ends it. Nothing here undoes that.
		early := must(t)(s.Notification(topic, event))
		time.Sleep(time.Second)
		post(must(t)(s.UnsubscribeConfirmation(topic)), 200)
		state("unsubscribed")
		time.Sleep(24 * time.Hour)
		state("unsubscribed")
		if n := b.transport.Asked(host + "/"); n != 2 && n != 3 {
			t.Errorf("SubscribeURLs were visited %d times; that of the unsubscription never is", n)
		}
		if !strings.Contains(b.log.String(), "subscription was ended") {
			t.Errorf("the log does not say that the subscription was ended:\n%s", b.log)
		}
		post(early, 200) // sent before the end, delivered late
		state("unsubscribed")

		// A newer request, by a person, is confirmed again; a restart knows.
		post(must(t)(s.SubscriptionConfirmation(topic)), 200)
		state("ok")
		b.stop()
		b.run(t)
		state("ok")
		if strings.Contains(b.log.String(), asked.Token) {
			t.Errorf("the log has the token:\n%s", b.log)
		}
		b.stop()
	})
}

// startOfTests is a time outside of any bubble.
var startOfTests = time.Now()

func TestConfirmationsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*snstest.Message)
		reason string
	}{
		{"older than SNS tries", func(m *snstest.Message) {
			m.Timestamp = time.Now().Add(-2 * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
		}, "SubscriptionConfirmation is older than 1h15m0s"},
		{"no time", func(m *snstest.Message) { m.Timestamp = "yesterday" }, `timestamp "yesterday" is no time`},
		{"another host", func(m *snstest.Message) { m.SubscribeURL = strings.Replace(m.SubscribeURL, host, "evil.example", 1) }, "SubscribeURL is not at https://" + host + "/"},
		{"the metadata of the machine", func(m *snstest.Message) { m.SubscribeURL = "http://169.254.169.254/latest/meta-data/" }, "SubscribeURL is not at https://" + host + "/"},
		{"a user in the address", func(m *snstest.Message) {
			m.SubscribeURL = strings.Replace(m.SubscribeURL, "https://", "https://a@", 1)
		}, "SubscribeURL is not at https://" + host + "/"},
		{"another action", func(m *snstest.Message) {
			m.SubscribeURL = strings.Replace(m.SubscribeURL, "ConfirmSubscription", "DeleteTopic", 1)
		}, "SubscribeURL is not for ConfirmSubscription"},
		{"two actions", func(m *snstest.Message) { m.SubscribeURL += "&Action=DeleteTopic" }, "SubscribeURL is not for ConfirmSubscription"},
		{"another topic", func(m *snstest.Message) {
			m.SubscribeURL = strings.Replace(m.SubscribeURL, topic, topic+"2", 1)
		}, "SubscribeURL is not for topic " + topic},
		{"another token", func(m *snstest.Message) { m.SubscribeURL += "x" }, "SubscribeURL has another token than the message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, sns.Config{})
			m := must(t)(signer().SubscriptionConfirmation(topic))
			tt.change(&m)
			if err := signer().Sign(&m); err != nil {
				t.Fatal(err)
			}
			if code := b.post(m); code != 403 || len(b.events) != 1 || b.events[0].Unreadable != tt.reason {
				t.Errorf("answer %d, events %+v; want 403 and %q", code, b.events, tt.reason)
			}
			b.stop()
			if n := b.transport.Asked(host + "/"); n > 0 {
				t.Errorf("an address was visited %d times", n)
			}
		})
	}
}

func TestConfirmationThatCannotBeKept(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{})
	b.state.Fail(errors.New("the disk is full"))
	if code := b.post(must(t)(signer().SubscriptionConfirmation(topic))); code != 503 {
		t.Errorf("answer %d, want 503", code)
	}
}

func TestNotificationTellsOfASubscriptionConfirmedByHand(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{Topics: []string{"arn:aws:sns:*:111122223333:guardduty"}})
	if st := b.status(); st.State != "pending" {
		t.Errorf("status %+v, want pending", st)
	}
	b.post(must(t)(signer().Notification(topic, event)))
	if st := b.status(); st.State != "ok" {
		t.Errorf("status %+v, want ok", st)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	b := start(t, sns.Config{Topics: []string{topic, "arn:aws:sns:*:111122223333:findings"}})
	if hidden := fmt.Sprint(b.collector.(collect.Describer).Describe(false)); strings.Contains(hidden, collecttest.Token) {
		t.Errorf("without reveal the token is told: %s", hidden)
	}
	url := "https://tocsin.example.com/in/org-topic/" + collecttest.Token
	want := []tocsin.Fact{
		{Name: "Endpoint", Value: url},
		{Name: "Subscribe " + topic, Value: `aws sns subscribe --region eu-west-1 --topic-arn "` + topic + `" --protocol https --notification-endpoint "` + url + `"`},
		{Name: "Subscribe arn:aws:sns:*:111122223333:findings", Value: `aws sns subscribe --region $REGION --topic-arn "arn:aws:sns:$REGION:111122223333:findings" --protocol https --notification-endpoint "` + url + `"`},
	}
	if diff := cmp.Diff(want, b.collector.(collect.Describer).Describe(true)); diff != "" {
		t.Errorf("Describe(true) (-want +got):\n%s", diff)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	file := filepath.Join("testdata", "README.md")
	for _, tt := range []struct {
		config sns.Config
		want   string
	}{
		{sns.Config{}, "topics: name the topics that may send, as arn:aws:sns:<region>:<account>:<name>"},
		{sns.Config{Topics: []string{"guardduty"}}, `topics: "guardduty" is no ARN of an SNS topic, such as arn:aws:sns:eu-west-1:111122223333:guardduty`},
		{sns.Config{Topics: []string{"arn:aws:sns:eu-west-1:*:guardduty"}}, `topics: "arn:aws:sns:eu-west-1:*:guardduty": write the account out; any AWS customer can make a topic of that name`},
		{sns.Config{Topics: []string{"arn:aws-mars:sns:eu-west-1:1:x"}}, `topics: "arn:aws-mars:sns:eu-west-1:1:x": unknown partition "aws-mars"`},
		{sns.Config{Topics: []string{topic}, SignatureVersions: []int{3}}, "signature_versions: 3 is neither 1 nor 2"},
		{sns.Config{Topics: []string{topic}, MaxAge: -1}, "max_age: -1ns is less than nothing"},
		{sns.Config{Topics: []string{topic}, SigningCertificates: []string{file}}, "signing_certificates: " + file + ": no certificate in PEM form"},
	} {
		if _, err := open(tt.config, collecttest.Env("org-topic", &handler)); err == nil || err.Error() != tt.want {
			t.Errorf("open: %v, want %s", err, tt.want)
		}
	}
}

func BenchmarkDelivery(b *testing.B) {
	bed := start(b, sns.Config{})
	text := `{"version":"0","id":"c547bc5c","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{` +
		strings.Repeat(`"someKeyOfIt":"some value",`, 185) + `"last":1}}`
	for _, version := range []string{"1", "2"} {
		b.Run("version "+version, func(b *testing.B) {
			m := must(b)(signer().Notification(topic, text))
			m.SignatureVersion = version
			if err := signer().Sign(&m); err != nil {
				b.Fatal(err)
			}
			body, header := m.Body(), m.Header()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if w := bed.deliver(body, header); w.Code != 200 {
					b.Fatal(w.Code)
				}
				bed.mu.Lock()
				bed.events = bed.events[:0]
				bed.mu.Unlock()
			}
		})
	}
}
