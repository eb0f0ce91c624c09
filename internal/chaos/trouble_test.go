package chaos_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// While PostgreSQL is away senders are told to come again, and when it is back
// they are received.
func TestStoreGone(t *testing.T) {
	t.Parallel()
	direct := storetest.Postgres(t)
	through, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, through.Host)
	through.Host = g.address
	sc := newScene(t, settings{store: direct, through: through.String()})
	p := sc.programs[0]
	sc.start(p)

	sending, stopSending := context.WithCancel(t.Context())
	defer stopSending()
	hurry, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := newSenders(sc, func() string { return p.Address })
	s.pause = 100 * time.Millisecond
	s.start(sending, hurry, 8, &atomic.Int64{}, chance(t))
	time.Sleep(500 * time.Millisecond)
	before := sc.ledger.size()
	if refused := s.refused.Load(); refused > 0 {
		t.Errorf("%d answers of 5xx before anything was wrong", refused)
	}
	for range 2 {
		g.close()
		time.Sleep(time.Second)
		g.open()
		time.Sleep(500 * time.Millisecond)
	}
	stopSending()
	s.wg.Wait()
	if s.refused.Load() == 0 {
		t.Error("no sender was told to come again")
	}
	if n := s.cut.Load(); n > 0 {
		t.Errorf("%d requests were left without an answer", n)
	}
	if sc.ledger.size() == before {
		t.Error("nothing was received after the store was back")
	}
	for _, mistake := range s.mistakes.all() {
		t.Error(mistake)
	}
	sc.letLeasesRunOut() // of claims whose answer was cut off
	sc.settled(20 * time.Second)
	sc.stop(p)
	doubled := sc.check()
	t.Logf("%d messages received; %d answers of 5xx; %d told twice", sc.ledger.size(), s.refused.Load(), doubled)
}

// A receiver that hangs for the whole of its timeout costs another nothing.
func TestReceiverHangs(t *testing.T) {
	t.Parallel()
	const timeout, findings = 5 * time.Second, 60
	sc := newScene(t, settings{receivers: []string{"hung", "well"}, timeout: timeout.String()})
	p := sc.programs[0]
	sc.start(p)
	hung, well := sc.receivers["hung"], sc.receivers["well"]
	hung.behave(func(attempt int) fault {
		if attempt > 1 {
			return none
		}
		return hang
	})
	s := newSenders(sc, func() string { return p.Address })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	posted, began := map[string]time.Time{}, time.Now()
	for n := range findings {
		posted[rig.ID(n)] = time.Now()
		if err := s.post(ctx, byHTTPS(rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n)})); err != nil {
			t.Fatal(err)
		}
	}
	// Had it waited for the other one, it could not have heard yet.
	await(t, timeout-time.Since(began), "the receiver that is well has not heard of everything", func() bool { return well.count() == findings })
	var worst time.Duration
	for id, at := range posted {
		heard, _ := well.heardAt(told{"well", id, string(tocsin.TellOpened)})
		worst = max(worst, heard.Sub(at))
	}
	t.Logf("the receiver that is well heard within %v; %d were taken by the one that hangs", worst, hung.count())
	if n := hung.count(); n > 0 {
		t.Errorf("the receiver that hangs took %d", n)
	}
	// The hung ones end with the timeout, and are tried again.
	sc.settled(90 * time.Second)
	sc.stop(p)
	sc.check()
}

// await asks until something is so.
func await(t testing.TB, within time.Duration, otherwise string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("after %v: %s", within, otherwise)
			return
		}
	}
}

// Whatever is posted, the answer is clear, the program lives, and what was taken
// is in the journal.
func TestGarbage(t *testing.T) {
	t.Parallel()
	sc := newScene(t, settings{})
	p := sc.programs[0]
	sc.start(p)
	noise := make([]byte, 300<<10)
	_, _ = rand.Read(noise) // never fails
	long := bytes.Repeat([]byte("a"), 20<<20)
	finding := rig.Finding{Number: 1, Severity: 5, Envelope: rig.Envelope(1, 1)}.Event()
	taken := 0
	for _, tt := range []struct {
		name string
		body []byte
		want int // of the https source
	}{
		{"20 MB of a", long, http.StatusAccepted},
		{"20 MB in one JSON string", fmt.Appendf(nil, `{"text":%q}`, long), http.StatusAccepted},
		{"40 MB", append(long, long...), http.StatusRequestEntityTooLarge},
		{"100,000 levels of JSON", nested(100_000), http.StatusAccepted},
		{"a million open brackets", bytes.Repeat([]byte("["), 1_000_000), http.StatusAccepted},
		{"random bytes", noise, http.StatusAccepted},
		{"nothing", nil, http.StatusBadRequest},
		{"white space", []byte(" \n\t "), http.StatusBadRequest},
		{"NUL bytes", make([]byte, 1000), http.StatusAccepted},
		{"NUL in a finding", bytes.Replace(finding, []byte("web-1"), []byte(`\u0000\ud800`), 1), http.StatusAccepted},
		{"half a finding", finding[:len(finding)/2], http.StatusAccepted},
		{"a finding whose id is missing", bytes.ReplaceAll(finding, []byte(rig.ID(1)), nil), http.StatusAccepted},
		{"a gzip bomb of 1 GB", bomb(t, 1<<10), http.StatusRequestEntityTooLarge},
		{"half a gzip", bomb(t, 1)[:500], http.StatusAccepted},
		{"null", []byte("null"), http.StatusAccepted},
		{"an empty array", []byte("[]"), http.StatusAccepted},
	} {
		for _, path := range []string{rig.HTTPSPath, rig.SNSPath} {
			status, answer, err := post(t.Context(), "http://"+p.Address+path, tt.body)
			switch {
			case err != nil && tt.want == http.StatusRequestEntityTooLarge:
				// The connection may be closed while we still send.
			case err != nil:
				t.Errorf("%s to %s: %v", tt.name, path, err)
			case path == rig.HTTPSPath && status != tt.want:
				t.Errorf("%s to %s: %d %s; want %d", tt.name, path, status, answer, tt.want)
			case status >= 500:
				t.Errorf("%s to %s: %d %s: the sender would come again for ever", tt.name, path, status, answer)
			case status >= 300 && strings.TrimSpace(answer) == "":
				t.Errorf("%s to %s: %d without a word", tt.name, path, status)
			}
			if status == http.StatusAccepted {
				taken++
			}
		}
	}
	rss := memory(t, p.PID(), "VmHWM")
	t.Logf("%d taken, at most %d MB of memory", taken, rss>>20)
	if rss > 768<<20 {
		t.Errorf("it took %d MB of memory", rss>>20)
	}
	s := newSenders(sc, func() string { return p.Address })
	if err := s.post(t.Context(), byHTTPS(rig.Finding{Number: 7, Severity: 5, Envelope: rig.Envelope(1, 7)})); err != nil {
		t.Errorf("after all that: %v", err)
	}
	sc.settled(10 * time.Second)
	sc.stop(p)
	db, err := store.Open(context.Background(), sc.store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.View(t.Context(), func(tx *store.Tx) error {
		totals, err := tx.Totals()
		t.Logf("verdicts %v", totals.Verdicts)
		if n := totals.Verdicts[tocsin.Malformed]; n < 10 {
			t.Errorf("%d malformed in the journal; want the garbage", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func nested(depth int) []byte {
	return fmt.Appendf(nil, `{"a":%s1%s}`, strings.Repeat("[", depth), strings.Repeat("]", depth))
}

// bomb is n MB of zero bytes as gzip: one stream (RFC 1952), in which what a megabyte
// was compressed to comes n times.
func bomb(t testing.TB, n int) []byte {
	t.Helper()
	megabyte := make([]byte, 1<<20)
	var block bytes.Buffer
	w, err := flate.NewWriter(&block, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(megabyte); err != nil {
		t.Fatal(err)
	}
	// It ends at a byte, and refers to nothing before it.
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	sum := uint32(0)
	for range n {
		out = append(out, block.Bytes()...)
		sum = crc32.Update(sum, crc32.IEEETable, megabyte)
	}
	out = append(out, 1, 0, 0, 0xff, 0xff) // the last block is empty
	for _, number := range []uint32{sum, uint32(n) << 20} {
		out = append(out, byte(number), byte(number>>8), byte(number>>16), byte(number>>24))
	}
	return out
}

func TestTheBombIsGzip(t *testing.T) {
	t.Parallel()
	r, err := gzip.NewReader(bytes.NewReader(bomb(t, 3)))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r) // which checks the sum and the size
	if n != 3<<20 || err != nil {
		t.Errorf("%d bytes, %v; want %d", n, err, 3<<20)
	}
}

func post(ctx context.Context, to string, body []byte) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// memory is a line of /proc/<pid>/status in bytes; 0 where there is no such file.
func memory(t testing.TB, pid int, line string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if name, rest, _ := strings.Cut(l, ":"); name == line {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s for %d", line, pid)
	return 0
}

// SIGTERM under load ends the program soon and in order, and nothing that it had
// taken is lost.
func TestStopsQuickly(t *testing.T) {
	t.Parallel()
	const soon = 2 * time.Second
	sc := newScene(t, settings{})
	p := sc.programs[0]
	s := newSenders(sc, func() string { return p.Address })
	sending, stopSending := context.WithCancel(t.Context())
	defer stopSending()
	hurry, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.start(sending, hurry, 8, &atomic.Int64{}, chance(t))
	for range 5 {
		sc.start(p)
		time.Sleep(400 * time.Millisecond)
		begin := time.Now()
		sc.stop(p) // fails unless the exit code is 0
		took := time.Since(begin)
		t.Logf("stopped within %v", took)
		if took > soon {
			t.Errorf("stopped after %v; want within %v", took, soon)
		}
	}
	sc.start(p)
	stopSending()
	s.wg.Wait()
	for _, mistake := range s.mistakes.all() {
		t.Error(mistake)
	}
	sc.settled(20 * time.Second)
	sc.stop(p)
	if doubled := sc.check(); doubled > 0 {
		t.Errorf("%d messages were told twice; a program that is stopped in order knows what it has told", doubled)
	}
}
