package s3_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/collect/s3"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/sqstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const bucket = "org-guardduty-export"

// key reaches servers that believe everybody.
var key = aws.Settings{
	AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
	Region: "eu-west-1", EndpointURL: "https://s3.eu-west-1.amazonaws.com",
}

func open(env collect.Env, c s3.Config) (collect.Collector, error) {
	return s3.Kind.Open(func(into any) error {
		*into.(*s3.Config) = c
		return nil
	}, env)
}

// A scene is a bucket with a queue that tells of it, and a collector that reads it
// into a journal.
type scene struct {
	t      *testing.T
	sqs    *sqstest.Server
	queue  *sqstest.Queue
	store  *s3mem.Backend
	s3     http.Handler
	config s3.Config
	state  *collecttest.Memory
	log    *collecttest.Log

	mu     sync.Mutex // guards what follows
	refuse func(*http.Request) *http.Response
	lists  []string // prefixes that were listed
	gets   int
}

func set(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, sqs: sqstest.New(), store: s3mem.New(), state: &collecttest.Memory{}, log: &collecttest.Log{}}
	s.s3 = gofakes3.New(s.store, gofakes3.WithTimeSkewLimit(0)).Server()
	s.queue = s.sqs.Queue("guardduty-export")
	if err := s.store.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	s.config = s3.Config{QueueURL: s.queue.URL(), Settings: key}
	return s
}

// listing has the bucket listed instead of told of.
func (s *scene) listing() *scene {
	s.config.QueueURL, s.config.Bucket = "", bucket
	return s
}

// RoundTrip takes requests to where they go, without a network.
func (s *scene) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Host, "sqs.") {
		return s.sqs.RoundTrip(r)
	}
	s.mu.Lock()
	refuse := s.refuse
	if r.URL.Query().Get("list-type") != "" {
		s.lists = append(s.lists, r.URL.Query().Get("prefix"))
	} else if r.Method == http.MethodGet {
		s.gets++
	}
	s.mu.Unlock()
	if refuse != nil {
		if answer := refuse(r); answer != nil {
			answer.Request = r
			return answer, nil
		}
	}
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	s.s3.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (s *scene) refuses(refuse func(*http.Request) *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// listed are the prefixes that were listed since the last time.
func (s *scene) listed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := s.lists
	s.lists = nil
	return lists
}

// fault is how S3 refuses.
func fault(status int, code, message string) *http.Response {
	body := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body))}
}

func (s *scene) put(key string, content []byte) {
	s.t.Helper()
	if _, err := s.store.PutObject(bucket, key, map[string]string{}, bytes.NewReader(content), int64(len(content)), nil); err != nil {
		s.t.Fatal(err)
	}
}

// tell sends what S3 says when an object is made.
func (s *scene) tell(key string) string {
	return s.queue.Send(notification("ObjectCreated:Put", key))[0]
}

func notification(name string, keys ...string) string {
	var records []any
	for _, key := range keys {
		encoded := strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
		records = append(records, map[string]any{
			"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventName": name,
			"s3": map[string]any{"bucket": map[string]any{"name": bucket}, "object": map[string]any{"key": encoded, "size": 1, "eTag": "x"}},
		})
	}
	return text(map[string]any{"Records": records})
}

func text(v any) string {
	t, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(t)
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

type running struct {
	collect.Collector
	stop func()
}

func (s *scene) env() collect.Env {
	env := collecttest.Env("export", nil)
	env.Log = slog.New(slog.NewTextHandler(s.log, nil))
	env.State = s.state
	env.HTTP = &http.Client{Transport: s}
	return env
}

func (s *scene) run(sink collect.Sink) running {
	s.t.Helper()
	c, err := open(s.env(), s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := c.Run(ctx, sink); err != nil {
			s.t.Errorf("Run = %v", err)
		}
	}()
	return running{c, sync.OnceFunc(func() {
		cancel()
		began := time.Now()
		<-ended
		if took := time.Since(began); took > 10*time.Second {
			s.t.Errorf("Run ended %v after its context", took)
		}
	})}
}

func (r running) status() string {
	return collecttest.Said(r.Collector.(collect.Reporter).Status(context.Background()))
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// findings are lines as GuardDuty exports them.
func findings(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"schemaVersion":"2.0","accountId":"222233334444","region":"eu-west-1","id":"finding-%d","type":"Recon:EC2/Portscan"}`+"\n", i)
	}
	return b.Bytes()
}

const exported = "AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/01/f4c3b2a1-0000-4000-8000-000000000001.jsonl.gz"

// gone returns once messages are deleted.
func (s *scene) gone(ids ...string) {
	s.t.Helper()
	s.queue.AwaitGone(s.t, s.log, ids...)
}

func (s *scene) empty() {
	s.t.Helper()
	s.queue.WantEmpty(s.t)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	collecttest.Run(t, collecttest.Harness{
		Source: "export", Via: "s3", Unreadable: collecttest.Received,
		Start: collecttest.Pulled(func(t *testing.T) (collect.Collector, func([]byte) <-chan struct{}) {
			s := set(t)
			c, err := open(s.env(), s.config)
			if err != nil {
				t.Fatal(err)
			}
			objects := 0
			return c, func(body []byte) <-chan struct{} {
				objects++
				key := fmt.Sprintf("firehose/2000/01/01/00/%d", objects)
				s.put(key, body)
				return s.queue.Gone(s.tell(key))
			}
		}),
	})
}

func TestAnExportOfGuardDutyIsReadHoweverItIsToldOf(t *testing.T) {
	t.Parallel()
	created := func(key string) string {
		var ev map[string]any
		if err := json.Unmarshal(file(t, "object-created.json"), &ev); err != nil {
			t.Fatal(err)
		}
		ev["region"] = "eu-west-1"
		detail := ev["detail"].(map[string]any)
		detail["bucket"].(map[string]any)["name"] = bucket
		detail["object"].(map[string]any)["key"] = key
		return text(ev)
	}
	wrapped := func(message string) string {
		return text(map[string]string{"Type": "Notification", "MessageId": "SNS", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:export", "Message": message})
	}
	odd := "security = logs+é/" + exported
	for _, tt := range []struct{ name, key, message string }{
		{"by S3's notification", exported, notification("ObjectCreated:Put", exported)},
		{"by S3's notification of a copy", exported, notification("ObjectCreated:CompleteMultipartUpload", exported)},
		{"by S3's notification to SNS", exported, wrapped(notification("ObjectCreated:Put", exported))},
		{"by EventBridge", exported, created(exported)},
		{"by EventBridge to SNS", exported, wrapped(created(exported))},
		{"with a key that is encoded", odd, notification("ObjectCreated:Put", odd)},
		{"with a key that is not", odd, created(odd)},
		{"with a key that EventBridge encodes after all", odd, created(url.QueryEscape(odd))},
		{"by listing", "AWSLogs/o-a1b2c3d4e5/" + exported[len("AWSLogs/"):], ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				content := file(t, "export.jsonl.gz")
				s.put(tt.key, content)
				if tt.message == "" {
					s.listing()
				}
				r := s.run(j.Take)
				if tt.message != "" {
					s.gone(s.queue.Send(tt.message)[0])
				} else {
					time.Sleep(time.Minute)
				}
				st := r.status()
				r.stop()
				s.empty()
				z, err := gzip.NewReader(bytes.NewReader(content))
				if err != nil {
					t.Fatal(err)
				}
				want, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				etag := ""
				object, err := s.store.GetObject(bucket, tt.key, nil)
				if err == nil {
					etag = fmt.Sprintf("%x", object.Hash)
				}
				var got []byte
				for i, ev := range j.All() {
					got = append(append(got, ev.Raw...), '\n')
					if id := fmt.Sprintf("%s/%s@%s#%d", bucket, tt.key, etag, i+1); ev.Envelope != id || ev.Via != "s3" || ev.Source != "export" || ev.Unreadable != "" {
						t.Errorf("event %d = %+v, want envelope %s", i, ev, id)
					}
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("findings (-want +got):\n%s\n%s", diff, s.log)
				}
				if !strings.HasPrefix(st, "ok\n") || !strings.Contains(st, "; 1 objects with 6 events since the start") {
					t.Errorf("Status:\n%s", st)
				}
			})
		})
	}
}

// Firehose writes events one behind the other.
func TestWhatFirehoseWrites(t *testing.T) {
	t.Parallel()
	plain := file(t, "firehose.bin")
	var want []string
	for _, p := range collect.Split(plain) {
		want = append(want, string(p.Raw))
	}
	if len(want) < 2 {
		t.Fatalf("%d events in the file", len(want))
	}
	for name, content := range map[string][]byte{"as it is": plain, "gzip": zipped(plain), "gzip in two parts": append(zipped(plain[:1000]), zipped(plain[1000:])...)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				s.put("firehose/2000/01/01/00/tocsin-1-2000-01-01", content)
				r := s.run(j.Take)
				s.gone(s.tell("firehose/2000/01/01/00/tocsin-1-2000-01-01"))
				r.stop()
				var got []string
				for _, ev := range j.All() {
					got = append(got, string(ev.Raw))
				}
				if diff := cmp.Diff(want, got); diff != "" || len(j.Kept()) != len(want) {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestMessagesThatTellOfNothingToRead(t *testing.T) {
	t.Parallel()
	two := strings.Replace(notification("ObjectCreated:Put", "gone-1", "gone-2"), "gone-2", "%zz", 1)
	for _, tt := range []struct {
		name, message string
		unreadable    []string // why, of each event
		unwanted      string
	}{
		{"S3's test", `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-01T00:00:00.000Z","Bucket":"` + bucket + `","RequestId":"x","HostId":"y"}`, nil, ""},
		{"an object that was deleted meanwhile", notification("ObjectCreated:Put", "gone"), []string{bucket + "/gone: the object is not there: it was deleted, or its lifecycle ended, before it could be read"}, ""},
		{"an object that was deleted", notification("ObjectRemoved:Delete", "gone"), []string{""}, bucket + "/gone: ObjectRemoved:Delete: only objects that are made are read"},
		{"an object that was deleted, by EventBridge", string(file(t, "object-deleted.json")), []string{""}, "Object Deleted: only objects that are made are read"},
		{"several", two, []string{bucket + "/gone-1: the object is not there", `a notification of S3 that cannot be followed: the key "%zz" is not encoded as S3 encodes keys`}, ""},
		{"a folder", notification("ObjectCreated:Put", "AWSLogs/"), nil, ""},
		{"a bucket that is none", strings.Replace(notification("ObjectCreated:Put", "x"), bucket, "evil.example/", 1), []string{`"evil.example/" is not the name of a bucket`}, ""},
		{"a region that is none", strings.Replace(notification("ObjectCreated:Put", "x"), "eu-west-1", "evil.example/", 1), []string{`"evil.example/" is not an AWS region`}, ""},
		{"a region in another partition", strings.Replace(notification("ObjectCreated:Put", "x"), "eu-west-1", "cn-north-1", 1), []string{"the region cn-north-1 is not in the partition aws"}, ""},
		{"no key", notification("ObjectCreated:Put", ""), []string{"a key of 0 bytes"}, ""},
		{"a file of CloudTrail", `{"Records":[{"eventVersion":"1.08","eventSource":"s3.amazonaws.com"}]}`, []string{""}, ""},
		{"an event", `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{}}`, []string{""}, ""},
		{"text", "hello", []string{"not a notification of S3: not JSON"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				r := s.run(j.Take)
				id := s.queue.Send(tt.message)[0]
				s.gone(id)
				st := r.status()
				r.stop()
				s.empty()
				got := j.All()
				if len(got) != len(tt.unreadable) || !strings.HasPrefix(st, "ok\n") {
					t.Fatalf("%d events, want %d; status %s", len(got), len(tt.unreadable), st)
				}
				for i, ev := range got {
					if !strings.Contains(ev.Unreadable, tt.unreadable[i]) || (ev.Unreadable == "") != (tt.unreadable[i] == "") || string(ev.Raw) != tt.message ||
						!strings.HasPrefix(ev.Envelope, id) || !strings.Contains(ev.Unwanted, tt.unwanted) || (ev.Unwanted == "") != (tt.unwanted == "") {
						t.Errorf("event %d = %+v (%s), want unreadable %q, unwanted %q", i, ev, ev.Raw, tt.unreadable[i], tt.unwanted)
					}
				}
				if len(got) > 1 && len(j.Kept()) != len(got) {
					t.Errorf("envelopes %v", j.Kept())
				}
			})
		})
	}
}

// Another bucket's objects are not read where one is named.
func TestAnotherBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		s.put(exported, findings(1))
		s.config.Bucket = "another-bucket"
		s.refuses(func(r *http.Request) *http.Response {
			if strings.Contains(r.URL.Path, "another-bucket") {
				return fault(404, "NoSuchBucket", "The specified bucket does not exist")
			}
			return nil
		})
		r := s.run(j.Take)
		s.gone(s.tell(exported))
		synctest.Wait() // until the bucket was asked for
		st := r.status()
		r.stop()
		if got := j.All(); len(got) != 1 || !strings.Contains(got[0].Unreadable, "the bucket org-guardduty-export is not this source's, another-bucket") {
			t.Errorf("events %+v", got)
		}
		if !strings.HasPrefix(st, "failing\nListing: failing since ") || !strings.Contains(st, "s3: there is no bucket another-bucket; name the right one") {
			t.Errorf("Status:\n%s", st)
		}
	})
}

func TestObjectsThatCannotBeUnpacked(t *testing.T) {
	t.Parallel()
	whole := zipped(findings(2000))
	broken := bytes.Clone(whole)
	broken[len(broken)-6] ^= 1 // of the checksum
	for _, tt := range []struct {
		name    string
		content []byte
		least   int // findings that can be read all the same
		says    string
	}{
		{"cut off", whole[:len(whole)/2], 500, "unexpected EOF"},
		{"a wrong checksum", broken, 2000, "gzip: invalid checksum"},
		{"no gzip at all behind its first bytes", []byte("\x1f\x8bnot gzip at all"), 0, "gzip: invalid header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				s.put(exported, tt.content)
				r := s.run(j.Take)
				id := s.tell(exported)
				s.gone(id)
				r.stop()
				s.empty()
				all := j.All()
				good := slices.DeleteFunc(slices.Clone(all), func(ev tocsin.Event) bool { return ev.Unreadable != "" })
				last := all[len(all)-1]
				if len(good) < tt.least || last.Envelope != id || !strings.Contains(last.Unreadable, tt.says) || !strings.HasPrefix(last.Unreadable, bucket+"/"+exported+": ") {
					t.Errorf("%d findings, want %d at least; then %+v", len(good), tt.least, last)
				}
			})
		})
	}
}

// What is refused comes again, and says what to do about it.
func TestWhatIsRefusedIsToldAndComesAgain(t *testing.T) {
	t.Parallel()
	const kms = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, tt := range []struct {
		name  string
		fault func() *http.Response
		says  string
	}{
		{"not allowed to read", func() *http.Response { return fault(403, "AccessDenied", "Access Denied") }, "allow s3:GetObject on arn:aws:s3:::" + bucket + "/* to the role that tocsin runs as"},
		{"not allowed to decrypt", func() *http.Response {
			return fault(403, "AccessDenied", "User: arn:aws:sts::111122223333:assumed-role/tocsin/x is not authorized to perform: kms:Decrypt on resource: "+kms+" because no identity-based policy allows the kms:Decrypt action")
		}, "allow kms:Decrypt on " + kms + " to the role that tocsin runs as"},
		{"not allowed to decrypt with some key", func() *http.Response {
			return fault(403, "AccessDenied", "User is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext")
		}, "allow kms:Decrypt on the KMS key that " + bucket + " is encrypted with to the role"},
		{"a bucket of another region", func() *http.Response {
			return fault(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")
		}, "the bucket " + bucket + " is not in eu-west-1; set region to that of the bucket"},
		{"busy", func() *http.Response { return fault(503, "SlowDown", "Please reduce your request rate.") }, "503 SlowDown: Please reduce your request rate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				other := strings.Replace(exported, "0001.jsonl", "0002.jsonl", 1)
				s.put(exported, zipped(findings(3)))
				s.put(other, zipped(findings(2)))
				s.refuses(func(r *http.Request) *http.Response {
					if strings.HasSuffix(r.URL.Path, "0001.jsonl.gz") {
						return tt.fault()
					}
					return nil
				})
				r := s.run(j.Take)
				first, second := s.tell(exported), s.tell(other)
				s.gone(second)
				time.Sleep(30 * time.Minute)
				if st := r.status(); !strings.HasPrefix(st, "failing\nReading: failing since ") || !strings.Contains(st, tt.says) {
					t.Errorf("meanwhile the status is:\n%s\nwant %q", st, tt.says)
				}
				if n, err := s.queue.Receives(first); err != nil || n < 5 || n > 10 {
					t.Errorf("received %d times in half an hour (%v), want less and less often", n, err)
				}
				s.refuses(nil)
				s.gone(first)
				if st := r.status(); !strings.HasPrefix(st, "ok\n") {
					t.Errorf("at the end the status is:\n%s", st)
				}
				r.stop()
				s.empty()
				if kept := j.Kept(); len(kept) != 5 || len(j.All()) != 5 {
					t.Errorf("kept %v, want 5 findings once", kept)
				}
			})
		})
	}
}

// flaky is a body that ends in an error.
type flaky struct{ io.Reader }

func (f flaky) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("connection reset by peer")
	}
	return n, err
}

func (flaky) Close() error { return nil }

// Where the network breaks in the middle, the object is read on from there.
func TestANetworkThatBreaksInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		content := findings(3000)
		s.put(exported, content)
		broke := 0
		s.refuses(func(*http.Request) *http.Response {
			if broke++; broke > 2 {
				return nil
			}
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Etag": {`"` + s.etag(exported) + `"`}}, ContentLength: int64(len(content)),
				Body: flaky{bytes.NewReader(content[:len(content)*broke/3])},
			}
		})
		r := s.run(j.Take)
		s.gone(s.tell(exported))
		r.stop()
		s.empty()
		s.once(j, 3000)
	})
}

func (s *scene) etag(key string) string {
	s.t.Helper()
	object, err := s.store.GetObject(bucket, key, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%x", object.Hash)
}

// once fails unless n findings were kept, each once, and none is unreadable.
func (s *scene) once(j *collecttest.Journal, n int) {
	s.t.Helper()
	all, kept := j.All(), j.Kept()
	if len(all) != n || len(kept) != n {
		s.t.Errorf("%d events of %d findings were kept, want %d once\n%s", len(all), len(kept), n, s.log)
	}
	for _, ev := range all {
		if ev.Unreadable != "" {
			s.t.Errorf("unreadable: %s: %q", ev.Unreadable, ev.Raw)
		}
	}
}

// S3 that says nothing more is not waited for.
func TestAnAnswerThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		content := findings(10)
		s.put(exported, content)
		stalled := false
		s.refuses(func(r *http.Request) *http.Response {
			if stalled {
				return nil
			}
			stalled = true
			reader, writer := io.Pipe()
			go func() {
				_, _ = writer.Write(content[:100])
				<-r.Context().Done()
				_ = writer.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"` + s.etag(exported) + `"`}}, ContentLength: int64(len(content)), Body: reader}
		})
		began := time.Now()
		r := s.run(j.Take)
		s.gone(s.tell(exported))
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it took %v, want a minute of silence", took)
		}
		r.stop()
		s.once(j, 10)
	})
}

// Whoever is killed in the middle of a large object goes on there, and redelivers what
// is in doubt under the same envelopes.
func TestKilledInTheMiddleOfALargeObject(t *testing.T) {
	t.Parallel()
	for _, forgets := range []bool{false, true} {
		t.Run(map[bool]string{false: "with its state", true: "without its state"}[forgets], func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				s.put(exported, zipped(findings(3000)))
				id := s.tell(exported)
				var dead atomic.Bool
				s.sqs.Faults(func(sqstest.Call) *sqstest.Fault {
					if dead.Load() {
						return &sqstest.Fault{Status: 503, Code: "Dead"}
					}
					return nil
				})
				calls := 0
				first := s.run(func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
					if calls++; calls == 4 {
						dead.Store(true) // kept, and nobody is told
						_, _ = j.Take(ctx, events...)
						s.state.Fail(errors.New("dead"))
					}
					if dead.Load() {
						return nil, errors.New("dead")
					}
					return j.Take(ctx, events...)
				})
				time.Sleep(2 * time.Second)
				first.stop()
				dead.Store(false)
				s.state.Fail(nil)
				if forgets {
					s.state = &collecttest.Memory{}
				}
				second := s.run(j.Take)
				s.gone(id)
				second.stop()
				s.empty()
				kept, again := j.Kept(), len(j.All())-3000
				if want := map[bool]int{false: 500, true: 2000}[forgets]; len(kept) != 3000 || again != want {
					t.Errorf("%d findings were kept, and %d twice; want 3000 and %d", len(kept), again, want)
				}
			})
		})
	}
}

func TestAJournalThatIsDownForAWhile(t *testing.T) {
	t.Parallel()
	for _, listing := range []bool{false, true} {
		t.Run(map[bool]string{false: "told by a queue", true: "listing"}[listing], func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, j := set(t), &collecttest.Journal{}
				if listing {
					s.listing()
				}
				j.Refuse(func([]tocsin.Event) error { return errors.New("the disk is full") })
				r := s.run(j.Take)
				for i := range 20 {
					key := strings.Replace(exported, "0001.jsonl", fmt.Sprintf("%04d.jsonl", i), 1)
					s.put(key, zipped(findings(50)))
					s.tell(key)
				}
				time.Sleep(30 * time.Minute)
				if st := r.status(); !strings.HasPrefix(st, "failing\nJournal: failing since ") || !strings.Contains(st, ": the disk is full\n") {
					t.Errorf("meanwhile the status is:\n%s", st)
				}
				j.Refuse(nil)
				time.Sleep(10 * time.Minute)
				if st := r.status(); !strings.HasPrefix(st, "ok\n") {
					t.Errorf("at the end the status is:\n%s", st)
				}
				r.stop()
				if !listing {
					s.empty()
				}
				s.once(j, 1000)
				if n := strings.Count(s.log.String(), "\n"); n != 2 {
					t.Errorf("log, want a line when it fails and one when it works:\n%s", s.log)
				}
			})
		})
	}
}

func TestASlowJournalKeepsItsMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		s.put(exported, findings(3000))
		j.Refuse(func([]tocsin.Event) error { time.Sleep(5 * time.Minute); return nil })
		r := s.run(j.Take)
		s.gone(s.tell(exported))
		r.stop()
		s.once(j, 3000)
	})
}

func TestStoppingInTheMiddleOfObjectsGivesThemBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		j.Refuse(func([]tocsin.Event) error { time.Sleep(time.Second); return nil })
		for i := range 20 {
			key := strings.Replace(exported, "0001.jsonl", fmt.Sprintf("%04d.jsonl", i), 1)
			s.put(key, zipped(findings(1200)))
			s.tell(key)
		}
		r := s.run(j.Take)
		time.Sleep(1500 * time.Millisecond)
		r.stop()
		if n := s.queue.Invisible(); n != 0 || s.queue.Depth() != 20 {
			t.Errorf("%d messages are in flight and %d there, want 0 and 20", n, s.queue.Depth())
		}
		j.Refuse(nil)
		r = s.run(j.Take)
		for s.queue.Depth()+s.queue.Invisible() > 0 {
			time.Sleep(time.Second)
		}
		r.stop()
		s.once(j, 20*1200)
	})
}

// An object is never in memory as a whole. The test is not parallel: others' memory
// would count.
func TestALargeObjectIsNotHeldInMemory(t *testing.T) {
	s := set(t)
	const size = 32 << 20
	s.put(exported, findings(1))
	one := findings(1)
	s.refuses(func(*http.Request) *http.Response {
		return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"x"`}}, ContentLength: -1, Body: io.NopCloser(io.LimitReader(&again{one: one}, int64(size/len(one)*len(one))))}
	})
	var most uint64
	events := 0
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := s.run(func(_ context.Context, all ...tocsin.Event) ([]tocsin.Receipt, error) {
		if events += len(all); events%50_000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return make([]tocsin.Receipt, len(all)), nil
	})
	s.gone(s.tell(exported))
	r.stop()
	if events != size/len(one) {
		t.Errorf("%d events, want %d", events, size/len(one))
	}
	if most > before.HeapAlloc+size/2 {
		t.Errorf("%d MiB of memory for an object of %d MiB", (most-before.HeapAlloc)>>20, size>>20)
	}
}

// again is the same bytes over and over.
type again struct {
	one []byte
	at  int
}

func (a *again) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], a.one[a.at:])
		n += k
		a.at = (a.at + k) % len(a.one)
	}
	return n, nil
}

func TestListingReadsWhatIsNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t).listing(), &collecttest.Journal{}
		s.config.Prefix, s.config.Every = "security", 30*time.Minute
		n := 0
		put := func(account, region, day string) {
			n++
			s.put(fmt.Sprintf("security/AWSLogs/%s/GuardDuty/%s/%s/%08d.jsonl.gz", account, region, day, n*7919%1000), zipped(findings(2)))
		}
		expect := func(why string, events int) {
			t.Helper()
			time.Sleep(31 * time.Minute)
			if got := len(j.All()); got != events || len(j.Kept()) != events {
				t.Errorf("%s: %d events, %d of them once, want %d", why, got, len(j.Kept()), events)
			}
			j.Reset()
		}
		r := s.run(j.Take)
		expect("nothing yet", 0)
		if st := r.status(); !strings.HasPrefix(st, "pending\nListed: ") || !strings.Contains(st, "below s3://"+bucket+"/security is neither AWSLogs/ nor a year yet") {
			t.Errorf("the status of an empty bucket is:\n%s", st)
		}
		s.put("security/AWSLogs/111122223333/CloudTrail/eu-west-1/2000/01/01/x.json.gz", zipped(findings(1)))
		s.put("other/AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/01/x.json.gz", zipped(findings(1)))
		put("111122223333", "eu-west-1", "2000/01/01")
		put("111122223333", "eu-west-1", "2000/01/01")
		put("111122223333", "us-east-1", "2000/01/01")
		expect("three objects in two regions", 6)
		if st := r.status(); !strings.HasPrefix(st, "ok\nListed: 2000-01-01T01:00:00Z, 2 folders by day, every 30m0s\n") {
			t.Errorf("the status is:\n%s", st)
		}
		s.listed()
		expect("nothing new", 0)
		for _, prefix := range s.listed() {
			if strings.Contains(prefix, "CloudTrail") || strings.Contains(prefix, "/1999/") && !strings.HasSuffix(prefix, "/12/31/") {
				t.Errorf("listed %s", prefix)
			}
		}
		put("o-a1b2c3d4e5/222233334444", "eu-west-1", "2000/01/01")
		put("111122223333", "us-east-1", "2000/01/01")
		expect("one more, and a new account", 4)
		time.Sleep(24 * time.Hour)
		expect("nothing in a day", 0)
		put("111122223333", "us-east-1", "2000/01/01") // a little late
		put("111122223333", "us-east-1", "2000/01/02")
		expect("around midnight", 4)
		r.stop()

		// A restart goes on; a lost state reads a day again, under the same envelopes.
		r = s.run(j.Take)
		expect("after a restart", 0)
		r.stop()
		s.state = &collecttest.Memory{}
		r = s.run(j.Take)
		expect("after the state was lost", 4)
		r.stop()
		s.config.Since = 5 * 24 * time.Hour
		s.state = &collecttest.Memory{}
		r = s.run(j.Take)
		expect("after the state was lost, since five days ago", 14)
		r.stop()
	})
}

// A turn asks for the folders and, of each region, for the days since the last one.
func TestListingAsksForDaysAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t).listing(), &collecttest.Journal{}
		s.config.Every = 12 * time.Hour
		for day := range 300 {
			s.put("AWSLogs/111122223333/GuardDuty/eu-west-1/"+time.Date(1999, 1, 1+day, 0, 0, 0, 0, time.UTC).Format("2006/01/02")+"/x.jsonl.gz", zipped(findings(1)))
		}
		time.Sleep(48 * time.Hour)
		r := s.run(j.Take)
		time.Sleep(time.Second)
		want := []string{
			"", "AWSLogs/", "AWSLogs/111122223333/GuardDuty/", "AWSLogs/111122223333/GuardDuty/eu-west-1/",
			"AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/01/", "AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/02/", "AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/03/",
		}
		if diff := cmp.Diff(want, s.listed()); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		time.Sleep(15 * 24 * time.Hour)
		s.listed()
		time.Sleep(12 * time.Hour)
		if got := s.listed(); len(got) > 7 {
			t.Errorf("after two weeks in which nothing came it lists %q", got)
		}
		r.stop()
		if len(j.All()) > 0 {
			t.Errorf("%d events that are older than since", len(j.All()))
		}
	})
}

// What is made later may show earlier, and one object that cannot be read keeps nobody
// waiting.
func TestListingMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t).listing(), &collecttest.Journal{}
		const late = "zz"
		var shows, allowed atomic.Bool
		s.refuses(func(r *http.Request) *http.Response {
			if !allowed.Load() && strings.HasSuffix(r.URL.Path, "/denied") {
				return fault(403, "AccessDenied", "Access Denied")
			}
			if r.URL.Query().Get("list-type") == "" || shows.Load() {
				return nil
			}
			w := httptest.NewRecorder()
			s.s3.ServeHTTP(w, r)
			body := w.Body.String()
			if i := strings.Index(body, "/"+late+"</Key>"); i > 0 {
				from, to := strings.LastIndex(body[:i], "<Contents>"), i+strings.Index(body[i:], "</Contents>")+len("</Contents>")
				body = body[:from] + body[to:]
			}
			return &http.Response{StatusCode: 200, Header: w.Header(), Body: io.NopCloser(strings.NewReader(body))}
		})
		folder := "AWSLogs/111122223333/GuardDuty/eu-west-1/2000/01/01/"
		s.put(folder+late, findings(1))
		s.put(folder+"denied", findings(1))
		r := s.run(j.Take)
		for i := range 10 {
			time.Sleep(5 * time.Minute)
			s.put(fmt.Sprintf("%s%d", folder, i), findings(1))
		}
		time.Sleep(6 * time.Minute)
		if n := len(j.All()); n != 10 {
			t.Errorf("%d findings, want those of the ten objects that show", n)
		}
		if st := r.status(); !strings.HasPrefix(st, "failing\nReading: failing since ") || !strings.Contains(st, "allow s3:GetObject") {
			t.Errorf("meanwhile the status is:\n%s", st)
		}
		r.stop()
		r = s.run(j.Take) // it knows what failed
		shows.Store(true)
		time.Sleep(time.Minute)
		if n := len(j.All()); n != 11 {
			t.Errorf("%d findings, want that which shows late too", n)
		}
		time.Sleep(3 * time.Hour)
		allowed.Store(true)
		time.Sleep(6 * time.Minute)
		if st := r.status(); !strings.HasPrefix(st, "ok\n") {
			t.Errorf("at the end the status is:\n%s", st)
		}
		r.stop()
		s.once(j, 12)
	})
}

// An object that a queue tells of and that is listed has the same envelopes.
func TestToldAndListedIsTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t), &collecttest.Journal{}
		s.config.Bucket = bucket
		s.put(exported, zipped(findings(7)))
		id := s.tell(exported)
		r := s.run(j.Take)
		s.gone(id)
		time.Sleep(10 * time.Minute)
		r.stop()
		if n := len(j.All()); n != 14 || len(j.Kept()) != 7 {
			t.Errorf("%d events of %d findings, want each of 7 twice", n, len(j.Kept()))
		}
	})
}

func TestListingFirehosesFolders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, j := set(t).listing(), &collecttest.Journal{}
		s.config.Prefix = "firehose/findings/"
		s.put("firehose/findings/2000/01/01/00/tocsin-1-2000-01-01-00-00-00-x", findings(3))
		s.put("firehose/findings/2000/01/01/07/tocsin-1-2000-01-01-07-00-00-x.gz", zipped(findings(4)))
		s.put("firehose/findings/processing-failed/2000/01/01/00/x", findings(5))
		r := s.run(j.Take)
		time.Sleep(time.Minute)
		r.stop()
		s.once(j, 7)
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.config.Bucket, s.config.Prefix = bucket, "security/"
	c, err := open(s.env(), s.config)
	if err != nil {
		t.Fatal(err)
	}
	got := c.(collect.Describer).Describe(false)
	var policy struct {
		Version   string
		Statement []struct {
			Effect   string
			Action   []string
			Resource string
		}
	}
	if err := json.Unmarshal([]byte(got[len(got)-1].Value), &policy); err != nil {
		t.Fatal(err)
	}
	want := policy.Statement[:0:0]
	for _, st := range []struct{ action, resource string }{
		{"sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes", "arn:aws:sqs:eu-west-1:111122223333:guardduty-export"},
		{"s3:GetObject", "arn:aws:s3:::org-guardduty-export/security/*"},
		{"s3:ListBucket", "arn:aws:s3:::org-guardduty-export"},
		{"kms:Decrypt", "arn:aws:kms:eu-west-1:ACCOUNT:key/KEY"},
	} {
		want = append(want, struct {
			Effect   string
			Action   []string
			Resource string
		}{"Allow", strings.Fields(st.action), st.resource})
	}
	if diff := cmp.Diff(want, policy.Statement); diff != "" || policy.Version != "2012-10-17" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]tocsin.Fact{{Name: "Queue", Value: want[0].Resource}, {Name: "Bucket", Value: "s3://org-guardduty-export/security/"}}, got[:len(got)-1]); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const queueURL = "https://sqs.us-east-1.amazonaws.com/111122223333/export"
	for _, tt := range []struct {
		name   string
		config s3.Config
		wrong  string
	}{
		{"a queue", s3.Config{QueueURL: queueURL}, ""},
		{"a bucket", s3.Config{Bucket: bucket, Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"both", s3.Config{QueueURL: queueURL, Bucket: bucket, Prefix: "a/b"}, ""},
		{"a queue and a bucket in different regions", s3.Config{QueueURL: queueURL, Bucket: bucket, Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"neither", s3.Config{}, "set queue_url, bucket or both"},
		{"a bucket without a region", s3.Config{Bucket: bucket}, "region: is not set"},
		{"a prefix of nothing", s3.Config{QueueURL: queueURL, Prefix: "x"}, "prefix: "},
		{"a prefix like a path", s3.Config{Bucket: bucket, Prefix: "/x"}, "begins with /"},
		{"an ARN of a bucket", s3.Config{Bucket: "arn:aws:s3:::x"}, "is not the name of a bucket"},
		{"a topic", s3.Config{QueueURL: "arn:aws:sns:eu-west-1:111122223333:x"}, "queue_url: "},
		{"far too often", s3.Config{Bucket: bucket, Every: time.Second}, "every: want 30s at least"},
		{"before the beginning", s3.Config{Bucket: bucket, Since: -time.Second}, "since: "},
		{"a bad visibility", s3.Config{QueueURL: queueURL, Polling: queue.Polling{Visibility: time.Second}}, "visibility: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.AccessKeyID, tt.config.SecretAccessKey = key.AccessKeyID, key.SecretAccessKey
			_, err := open(collecttest.Env("export", nil), tt.config)
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("Open = %v, want %q", err, tt.wrong)
			}
		})
	}
}
