package sift

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/pattern"
)

func parse(t testing.TB, texts ...string) (all []*pattern.Pattern) {
	t.Helper()
	for _, text := range texts {
		p, err := pattern.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func sieve(t testing.TB, o Options) *Sieve {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write writes a find down for a comparison.
func write(f Find) string {
	if f.Err != nil {
		return fmt.Sprintf("%d: !%s: %v", f.Line, f.Raw, f.Err)
	}
	return fmt.Sprintf("%d: %s %v", f.Line, f.Raw, f.Matched)
}

func sift(t testing.TB, s *Sieve, r io.Reader) (all []string) {
	t.Helper()
	for f, err := range s.Sift(r, nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, write(f))
	}
	return all
}

// filler is an event that is not wanted; some thousand make several blocks.
var filler = `{"a":2,"x":"` + strings.Repeat("x", 300) + `"}`

var streams = []struct {
	name, body string
	want       []string // of what has an a that is 1
}{
	{"nothing", "", nil},
	{"JSON Lines", "{\"a\":1}\n{\"a\":2}\n{\"a\":1.0}\n", []string{`1: {"a":1} [0]`, `3: {"a":1.0} [0]`}},
	{"no newline at the end", "{\"a\":2}\n{\"a\":1}", []string{`2: {"a":1} [0]`}},
	{"blank lines and CRLF", "\r\n{\"a\":1}\r\n\r\n  {\"a\" : 1} \r\n", []string{`2: {"a":1} [0]`, `4: {"a" : 1} [0]`}},
	{"one event over several lines", "{\n \"a\": 1\n}\n{\n \"a\": 2\n}\n{\"a\":1}", []string{"1: {\n \"a\": 1\n} [0]", `7: {"a":1} [0]`}},
	{"lines, then not", "{\"a\":1}\n{\n\"a\":1}{\"a\":1}", []string{`1: {"a":1} [0]`, "2: {\n\"a\":1} [0]", `3: {"a":1} [0]`}},
	{"several on a line", `{"a":1}{"a":2} {"a":1}`, []string{`1: {"a":1} [0]`, `1: {"a":1} [0]`}},
	{"array", "[{\"a\":1},\n{\"a\":2},\n{\"a\":1}]", []string{`1: {"a":1} [0]`, `3: {"a":1} [0]`}},
	{"an array on each line", "[{\"a\":1}]\n[{\"a\":1}]\n", []string{`1: {"a":1} [0]`, `2: {"a":1} [0]`}},
	{"GetFindings", `{"findings":[{"a":1},{"a":2}]}`, []string{`1: {"a":1} [0]`}},
	{"GetFindings, one answer a line", "{\"x\":1}\n{\"NextToken\":\"\",\"Findings\":[{\"a\":1},{\"a\":2}]}\n{\"a\":1}", []string{`2: {"a":1} [0]`, `3: {"a":1} [0]`}},
	{"an event with findings", `{"a":1,"detail-type":"x","findings":[{"a":2}]}`, []string{`1: {"a":1,"detail-type":"x","findings":[{"a":2}]} [0]`}},
	{"byte order mark", "\uFEFF{\"a\":1}\n{\"a\":1}", []string{`1: {"a":1} [0]`, `2: {"a":1} [0]`}},
	{
		"what is no event is told", "{\"a\":1}\n{\"a\":1,\n{\"a\":1}\noops\n[1]\n{\"a\":1}\n",
		[]string{
			`1: {"a":1} [0]`, `2: !{"a":1,: not JSON: a name in quotes is missing at byte 8`, `3: {"a":1} [0]`,
			`4: !oops: not JSON: a value is missing at byte 0`, `5: ![1]: not a JSON object, as events are`, `6: {"a":1} [0]`,
		},
	},
	{"JSON that is no object", "{\"a\":1}\n1\n\"x\"\n{\"a\":1}", []string{
		`1: {"a":1} [0]`, `2: !1: not a JSON object, as events are`, `3: !"x": not a JSON object, as events are`, `4: {"a":1} [0]`,
	}},
	{"the last line cut short", "{\"a\":1}\n{\"a\"", []string{`1: {"a":1} [0]`, `2: !{"a": not JSON: it ends too early at byte 4`}},
	{
		"more than a block", strings.Repeat(filler+"\n", 3000) + `{"a":1}`,
		[]string{`3001: {"a":1} [0]`},
	},
	{
		"more than a block that is not lines", "[" + strings.Repeat(filler+",\n", 3000) + `{"a":1}]`,
		[]string{`3001: {"a":1} [0]`},
	},
	{
		"blocks of lines, then not", strings.Repeat(filler+"\n", 2000) + "{\n}" + strings.Repeat(filler+"\n", 2000) + `{"a":1}`,
		[]string{`4002: {"a":1} [0]`},
	},
	{
		"a line that is longer than a line is waited for", `{"a":2}` + "\n" + `{"a":1,"b":"` + strings.Repeat("x", maxLine) + "\"}\n{\"a\":1}\n",
		[]string{`2: {"a":1,"b":"` + strings.Repeat("x", maxLine) + `"} [0]`, `3: {"a":1} [0]`},
	},
}

func TestSift(t *testing.T) {
	t.Parallel()
	s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`)})
	for _, tt := range streams {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range chunked([]byte(tt.body)) {
				if diff := cmp.Diff(tt.want, sift(t, s, r)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// chunked are readers of body that give it in pieces of several sizes.
func chunked(body []byte) map[string]io.Reader {
	all := map[string]io.Reader{
		"at once":               bytes.NewReader(body),
		"the end with the last": iotest.DataErrReader(bytes.NewReader(body)),
		"in odd pieces":         &odd{body, rand.New(rand.NewPCG(1, uint64(len(body))))},
	}
	if len(body) < 1<<16 {
		all["byte by byte"] = iotest.OneByteReader(bytes.NewReader(body))
	}
	return all
}

type odd struct {
	rest   []byte
	random *rand.Rand
}

func (o *odd) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.rest[:min(len(o.rest), 1+o.random.IntN(1+len(o.rest)/3))])
	o.rest = o.rest[n:]
	return n, nil
}

func TestInvert(t *testing.T) {
	t.Parallel()
	s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`), Invert: true})
	got := sift(t, s, strings.NewReader("{\"a\":1}\n{\"a\":2}\n{}\noops\n"))
	want := []string{`2: {"a":2} []`, `3: {} []`, `4: !oops: not JSON: a value is missing at byte 0`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSeveralPatternsAreToldApart(t *testing.T) {
	t.Parallel()
	s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`, `{"b":[1]}`, `{"a":[2,1]}`)})
	got := sift(t, s, strings.NewReader("{\"a\":1}\n{\"b\":1,\"a\":2}\n{\"a\":3}\n{\"b\":1}"))
	if diff := cmp.Diff([]string{`1: {"a":1} [0 2]`, `2: {"b":1,"a":2} [1 2]`, `4: {"b":1} [1]`}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const (
	exported = `{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"f1","type":"Recon:EC2/Portscan","service":{"serviceName":"guardduty"},"severity":8}`
	printed  = `{"AccountId":"111122223333","Region":"eu-west-1","Partition":"aws","Id":"f2","Type":"Recon:EC2/Portscan","Service":{"ServiceName":"guardduty"},"Severity":8}`
	enclosed = `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":` + exported + `}`
)

// A bare finding is matched as the event that it would have been, and given as it
// came.
func TestBareFindings(t *testing.T) {
	t.Parallel()
	stream := exported + "\n" + enclosed + "\n{\"severity\":8}\n" + printed
	patterns := parse(t, `{"source":["aws.guardduty"],"detail":{"severity":[8]}}`, `{"severity":[8]}`)
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"as rules see them", Options{Patterns: patterns}, []string{
			"1: " + exported + " [0]", "2: " + enclosed + " [0]", `3: {"severity":8} [1]`, "4: " + printed + " [0]",
		}},
		{"as they stand", Options{Patterns: patterns, AsIs: true}, []string{
			"1: " + exported + " [1]", "2: " + enclosed + " [0]", `3: {"severity":8} [1]`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range chunked([]byte(stream)) {
				if diff := cmp.Diff(tt.want, sift(t, sieve(t, tt.o), r)); diff != "" {
					t.Errorf("%s: -want +got:\n%s", name, diff)
				}
			}
		})
	}
	for f, err := range sieve(t, Options{Patterns: patterns}).Sift(strings.NewReader(exported), nil) {
		if err != nil || !bytes.Contains(f.Event, []byte(`"detail-type":"GuardDuty Finding"`)) {
			t.Errorf("Event = %s, %v", f.Event, err)
		}
	}
}

// Whoever has enough stops, and nothing goes on behind them.
func TestWhoHasEnoughStops(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"lines":           strings.Repeat("{\"a\":1}\n"+filler+"\n", 5000),
		"an array":        "[" + strings.Repeat("{\"a\":1},"+filler+",", 5000) + "{}]",
		"lines, then not": "{\"a\":1}\n\n{}{}\n" + strings.Repeat("{\"a\":1}\n"+filler+"\n", 5000),
	} {
		for enough := range 4 {
			t.Run(fmt.Sprint(name, ", ", enough+1), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // which fails if something is left
					s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`)})
					n := 0
					for _, err := range s.Sift(strings.NewReader(body), nil) {
						if err != nil {
							t.Fatal(err)
						}
						if n++; n == enough+1 {
							break
						}
					}
					if n != enough+1 {
						t.Errorf("%d finds", n)
					}
				})
			})
		}
	}
}

// What was read before an error is given.
func TestAnErrorComesLast(t *testing.T) {
	t.Parallel()
	gone := errors.New("the disk is gone")
	s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`)})
	for _, body := range []string{"{\"a\":1}\n{\"a\":1}\n", "{\"a\":1}\n{\"a\":1}\n{\"a", "[{\"a\":1},{\"a\":1},"} {
		n := 0
		var last error
		for f, err := range s.Sift(io.MultiReader(strings.NewReader(body), iotest.ErrReader(gone)), nil) {
			if err == nil && f.Err == nil {
				n++
			}
			last = err
		}
		if n != 2 || !errors.Is(last, gone) {
			t.Errorf("%q: %d events and then %v", body, n, last)
		}
	}
}

// Who writes slowly is not waited for: what has come is given before more is read.
func TestEventsAreGivenAsTheyCome(t *testing.T) {
	t.Parallel()
	s := sieve(t, Options{Patterns: parse(t, `{"a":[1]}`)})
	for _, events := range [][]string{
		{"{\"a\":1}\n", "{\"a\":1}\n", "{\"b\":1}\n{\"a\":1}\n"},
		{"{\n\"a\":1}\n", "{\n\"a\":1\n}\n", "{\"a\":1}\n"},
		{"{\"a\":1}\noops\n", "{\"a\":1}\n", "{\"a\":1}\n"},
	} {
		r, w := io.Pipe()
		got := make(chan string)
		idle := make(chan struct{}, 100)
		go func() {
			defer close(got)
			for f, err := range s.Sift(r, func() { idle <- struct{}{} }) {
				if f.Err == nil && err == nil {
					got <- string(f.Raw)
				}
			}
		}()
		for _, ev := range events {
			if _, err := io.WriteString(w, ev); err != nil {
				t.Fatal(err)
			}
			<-got // before the next is written
			<-idle
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for more := range got {
			t.Errorf("more came: %s", more)
		}
	}
}

// No text is lost or doubled, whatever the stream and however it comes in pieces:
// what is given is what the splitter gives, matched one by one.
func FuzzSift(f *testing.F) {
	for i, tt := range streams {
		if len(tt.body) < 1<<16 {
			f.Add([]byte(tt.body), uint64(i))
		}
	}
	f.Add([]byte(exported+"\n"+enclosed+"\n"+printed), uint64(7))
	sieves := map[bool]*Sieve{}
	var all []*pattern.Pattern
	for _, invert := range []bool{false, true} {
		all = parse(f, `{"a":[{"exists":true}]}`, `{"detail":{"severity":[8]}}`)
		sieves[invert] = sieve(f, Options{Patterns: all, Invert: invert, AsIs: true})
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		if bytes.Contains(body, []byte(`\u`)) || bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) > 1000 {
			return // detail-type may be spelled with \u; both readers bear more levels than the other
		}
		for invert, s := range sieves {
			want := oneByOne(t, all, invert, body)
			for name, r := range map[string]io.Reader{
				"at once": bytes.NewReader(body), "in odd pieces": &odd{body, rand.New(rand.NewPCG(seed, 1))}, "byte by byte": iotest.OneByteReader(bytes.NewReader(body)),
			} {
				if diff := cmp.Diff(want, sift(t, s, r)); diff != "" {
					t.Fatalf("%q %s (-want +got):\n%s", body, name, diff)
				}
			}
		}
	})
}

// oneByOne is what should be given.
func oneByOne(t *testing.T, patterns []*pattern.Pattern, invert bool, body []byte) (all []string) {
	r := collect.NewReader(bytes.NewReader(body))
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		f := Find{Raw: p.Raw, Line: r.Line(), Err: p.Err}
		if p.Err == nil && p.Raw[0] != '{' {
			f.Err = ErrNoObject
		}
		if f.Err == nil {
			for i, p := range patterns {
				ok, err := p.Match(f.Raw)
				if err != nil {
					t.Fatalf("Match(%q): %v", f.Raw, err)
				}
				if ok {
					f.Matched = append(f.Matched, i)
				}
			}
			if (len(f.Matched) > 0) == invert {
				continue
			}
		}
		if invert {
			f.Matched = nil
		}
		all = append(all, write(f))
	}
}

func BenchmarkSift(b *testing.B) {
	event := `{"version":"0","id":"x","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":` + exported + `}`
	s := sieve(b, Options{Patterns: parse(b, `{"source":["aws.guardduty"],"detail":{"severity":[{"numeric":[">=",9]}]}}`)})
	for _, tt := range []struct{ name, body string }{
		{"lines", strings.Repeat(event+"\n", 40_000)},
		{"array", "[" + strings.Repeat(event+",\n", 40_000) + "{}]"},
		{"findings", strings.Repeat(exported+"\n", 40_000)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(len(tt.body)))
			b.ReportAllocs()
			for b.Loop() {
				for f, err := range s.Sift(strings.NewReader(tt.body), nil) {
					b.Fatal(f, err)
				}
			}
		})
	}
}
