package collect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// pieces writes pieces down for a comparison: what cannot be read after a "!".
func pieces(in []collect.Piece) []string {
	var out []string
	for _, p := range in {
		mark := ""
		if p.Err != nil {
			mark = "!"
		}
		out = append(out, mark+string(p.Raw))
	}
	return out
}

var splits = []struct {
	name, body string
	want       []string
}{
	{"nothing", "", nil},
	{"blank lines", " \n\r\n\t\n", nil},
	{"one event", `{"id":"a"}`, []string{`{"id":"a"}`}},
	{"one event between space", "\n {\"id\" : \"a\"}\r\n", []string{`{"id" : "a"}`}},
	{"one event over several lines", "{\n \"id\": \"a\"\n}\n", []string{"{\n \"id\": \"a\"\n}"}},
	{"byte order mark", "\uFEFF{\"id\":\"a\"}", []string{`{"id":"a"}`}},
	{"byte order marks of files joined", "\uFEFF{\"a\":1}\n\uFEFF{\"b\":2}", []string{`{"a":1}`, `{"b":2}`}},
	{"NDJSON", "{\"a\":1}\n{\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}},
	{"NDJSON with blank lines and CRLF", "{\"a\":1}\r\n\r\n{\"b\":2}\r\n", []string{`{"a":1}`, `{"b":2}`}},
	{"Firehose: nothing between", `{"a":1}{"b":2}{"c":{"d":[3]}}`, []string{`{"a":1}`, `{"b":2}`, `{"c":{"d":[3]}}`}},
	{"array", `[{"a":1}, {"b":2}]`, []string{`{"a":1}`, `{"b":2}`}},
	{"empty array", `[ ]`, nil},
	{"array over several lines", "[\n  {\"a\":1},\n  {\"b\":2}\n]\n", []string{`{"a":1}`, `{"b":2}`}},
	{"array of numbers stays whole", `[1,2]`, []string{`[1,2]`}},
	{"array of events with a null", `[{"a":1},null,[{}]]`, []string{`{"a":1}`, `null`, `[{}]`}},
	{"two arrays", `[{"a":1}][{"b":2}]`, []string{`{"a":1}`, `{"b":2}`}},
	{"GetFindings", `{"findings":[{"a":1},{"b":2}]}`, []string{`{"a":1}`, `{"b":2}`}},
	{"GetFindings, command line", "{\n \"Findings\": [\n  {\"A\":1},\n  {\"B\":2}\n ],\n \"NextToken\": \"x\"\n}\n", []string{`{"A":1}`, `{"B":2}`}},
	{"GetFindings, other member first", `{"NextToken":"x","findings":[{"a":1}],"z":{}} {"b":2}`, []string{`{"a":1}`, `{"b":2}`}},
	{"GetFindings without findings", `{"findings":[]}`, nil},
	{"findings that are no array", `{"findings":3}`, []string{`{"findings":3}`}},
	{"findings that are numbers", `{"findings":[3]}`, []string{`{"findings":[3]}`}},
	{"pages of GetFindings", `{"findings":[{"a":1}]}` + "\n" + `{"findings":[{"b":2}]}`, []string{`{"a":1}`, `{"b":2}`}},
	{
		"an EventBridge event with findings stays whole", `{"detail-type":"x","findings":[{"a":1}]}`,
		[]string{`{"detail-type":"x","findings":[{"a":1}]}`},
	},
	{
		"Security Hub's event stays whole", `{"detail-type":"x","detail":{"findings":[{"a":1}]}}`,
		[]string{`{"detail-type":"x","detail":{"findings":[{"a":1}]}}`},
	},
	{"findings further in stay", `{"a":{"findings":[{"a":1}]}}`, []string{`{"a":{"findings":[{"a":1}]}}`}},
	{"numbers and texts", `1 -2.5e+7 "x" true null`, []string{`1`, `-2.5e+7`, `"x"`, `true`, `null`}},

	{"not JSON at all", "hello\nworld", []string{"!hello\nworld"}},
	{"a page of HTML, then an event", "<html>\n<p>{}\n{\"a\":1}", []string{"!<html>\n<p>{}", `{"a":1}`}},
	{"a line cut short", "{\"a\":1}\n{\"b\":{\n{\"c\":3}\n", []string{`{"a":1}`, `!{"b":{`, `{"c":3}`}},
	{"a line cut short in a text", "{\"a\":\"tr\n{\"b\":2}\n", []string{`!{"a":"tr`, `{"b":2}`}},
	{"a line cut short behind an array", "{\"a\":[\n{\"b\":2}\n{\"c\":3}\n", []string{`!{"a":[`, `{"b":2}`, `{"c":3}`}},
	{"the last line cut short", "{\"a\":1}\n{\"b\"", []string{`{"a":1}`, `!{"b"`}},
	{"a broken event between good ones", `{"a":1}{"b":NaN}{"c":3}`, []string{`{"a":1}`, `!{"b":NaN}`, `{"c":3}`}},
	{"a broken element", `[{"a":1},{"b":1,},{"c":3}]`, []string{`{"a":1}`, `!{"b":1,}`, `{"c":3}`}},
	{
		"a broken element over several lines", "[\n  {\n    \"a\": 1\n  },\n  {\n    broken\n    \"t\": [\n      {\"x\":1}\n    ]\n  },\n  {\n    \"c\": 3\n  }\n]",
		[]string{"{\n    \"a\": 1\n  }", "!{\n    broken\n    \"t\": [\n      {\"x\":1}\n    ]\n  }", "{\n    \"c\": 3\n  }"},
	},
	{"an array cut short", `[{"a":1},{"b":2},{"c"`, []string{`{"a":1}`, `{"b":2}`, `!{"c"`}},
	{"an array that does not end", `[{"a":1},{"b":2}`, []string{`{"a":1}`, `{"b":2}`}},
	{"GetFindings cut short", `{"x":1,"findings":[{"a":1},{"b":2},{"c"`, []string{`{"a":1}`, `{"b":2}`, `!{"c"`}},
	{"a line break in a text", "{\"a\":\"x\ny\"}\n{\"b\":2}", []string{"!{\"a\":\"x\ny\"}", `{"b":2}`}},
	{"a stray comma", `{"a":1},{"b":2}`, []string{`{"a":1}`, `!,`, `{"b":2}`}},
	{"a stray bracket", `{"a":1}]} {"b":2}`, []string{`{"a":1}`, `!]`, `!}`, `{"b":2}`}},
	{"a date", "2026-01-01\n{\"a\":1}", []string{`!2026-01-01`, `{"a":1}`}},
	{"a word cut short", `tru`, []string{`!tru`}},
	{"broken, then something else", "{0}\n0", []string{"!{0}\n0"}},
	{"indented, broken, and indented alike", " 000\n {}", []string{"!000", "{}"}},
	{"broken behind a good one that is indented", "  {} x\n  {}\n   {}", []string{"{}", "!x", "{}", "{}"}},
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range splits {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, pieces(collect.Split([]byte(tt.body)))); diff != "" {
				t.Errorf("Split(%q) (-want +got):\n%s", tt.body, diff)
			}
			read, err := readAll(collect.NewReader(iotest.OneByteReader(strings.NewReader(tt.body))))
			if err != nil {
				t.Errorf("Reader of %q: %v", tt.body, err)
			}
			if diff := cmp.Diff(tt.want, pieces(read)); diff != "" {
				t.Errorf("Reader of %q (-want +got):\n%s", tt.body, diff)
			}
		})
	}
}

func readAll(r *collect.Reader) ([]collect.Piece, error) {
	var all []collect.Piece
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		p.Raw = bytes.Clone(p.Raw)
		all = append(all, p)
	}
}

func TestSplitSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, want string }{
		{`{"a":1}{"b":NaN}`, "not JSON: a value is missing at byte 5"},
		{`{"b"`, "not JSON: it ends too early at byte 4"},
		{`{a:1}`, "not JSON: a name in quotes is missing at byte 1"},
		{`{"a":1 "b":2}`, "not JSON: a comma or closing bracket is missing at byte 7"},
		{`{"a" 1}`, "not JSON: a colon is missing at byte 5"},
		{`{"a":"\q"}`, "not JSON: an unknown escape at byte 6"},
		{"{\"a\":\"\t\"}", "not JSON: a control character in a string at byte 6"},
		{`{"a":1.}`, "not JSON: a digit is missing at byte 7"},
		{`12a`, "not JSON: something hangs on to the value at byte 2"},
	} {
		all := collect.Split([]byte(tt.body))
		last := all[len(all)-1]
		if last.Err == nil || last.Err.Error() != tt.want {
			t.Errorf("Split(%s): %v, want %s", tt.body, last.Err, tt.want)
		}
	}
}

func TestSplitBearsAnyDepth(t *testing.T) {
	t.Parallel()
	nested := func(depth int) []byte {
		return []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	}
	if err := collect.Valid(nested(1024)); err != nil {
		t.Errorf("1024 levels: %v", err)
	}
	if collect.Valid(nested(1025)) == nil {
		t.Errorf("1025 levels are valid, want an error")
	}
	body := slicesConcat(nested(1<<20), []byte("\n{\"a\":1}"))
	got := collect.Split(body)
	if len(got) != 2 || got[0].Err == nil || string(got[1].Raw) != `{"a":1}` {
		t.Errorf("Split(2 MiB of brackets and an event) = %d pieces, want the brackets, unreadable, and the event", len(got))
	}
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Bodies that make a careless reader look at the same bytes again and again.
func TestSplitIsLinear(t *testing.T) {
	t.Parallel()
	const size = 512 << 10
	fill := func(s string) []byte { return []byte(strings.Repeat(s, size/len(s))) }
	var deeper strings.Builder
	for i := 0; deeper.Len() < size; i++ {
		deeper.WriteString(strings.Repeat(" ", i) + "{x\n")
	}
	for name, body := range map[string][]byte{
		"open brackets on lines":     fill("[\n"),
		"open objects":               fill(`{"a":`),
		"broken objects":             fill("{x}"),
		"broken objects on lines":    fill("{x\n"),
		"broken ones, ever deeper":   []byte(deeper.String()),
		"wrappers in wrappers":       fill(`{"a":0,"findings":[{}],"b":[`),
		"wrappers that break":        fill(`{"a":0,"findings":[{},`),
		"commas":                     fill(","),
		"quotes":                     fill(`{"`),
		"events, then a long string": slicesConcat(fill("[\n"), []byte(`"`), fill("x")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			n := 0
			for range collect.Pieces(body) {
				n++
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%d KiB took %v and gave %d pieces", size>>10, took, n)
			}
		})
	}
}

func TestReaderKeepsPieceAndLine(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for range 5000 {
		body.WriteString("{\"text\":\"" + strings.Repeat("x", 90) + "\"}\n")
	}
	body.WriteString("\n\noops\n{\"last\":1}")
	r := collect.NewReader(strings.NewReader(body.String()))
	n := 0
	for ; ; n++ {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		want := n + 1
		if n >= 5000 {
			want += 2
		}
		if err != nil || r.Line() != want || (p.Err != nil) != (n == 5000) {
			t.Fatalf("piece %d: %.20s on line %d, %v; want line %d", n, p.Raw, r.Line(), err, want)
		}
	}
	if n != 5002 {
		t.Errorf("%d pieces, want 5002", n)
	}
}

func TestReaderGivesWhatCameBeforeAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	all, err := readAll(collect.NewReader(io.MultiReader(strings.NewReader("{\"a\":1}\n"), iotest.ErrReader(broken))))
	if !errors.Is(err, broken) || len(all) != 1 {
		t.Errorf("%d pieces, %v; want 1 and %v", len(all), err, broken)
	}
}

func TestReaderCutsWhatIsTooLong(t *testing.T) {
	t.Parallel()
	const limit = 128 << 10
	long := "{\"a\":\"" + strings.Repeat("x", limit) + "\"}\n{\"b\":2}\n"
	all, err := readAll(collect.NewReaderOf(strings.NewReader(long), limit))
	if err != nil || len(all) < 2 || all[0].Err == nil || string(all[len(all)-1].Raw) != `{"b":2}` {
		t.Errorf("%d pieces, %v; want the long value as unreadable and then the next event", len(all), err)
	}
}

func TestEventID(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, raw, want string }{
		{"EventBridge event", `{"version":"0","id":"c547bc5c","detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{}}`, "c547bc5c"},
		{"finding", `{"id":"c162","type":"Recon","detail":{"source":"x"}}`, ""},
		{"without a source", `{"id":"c162","detail-type":"x"}`, ""},
		{"id is a number", `{"id":7,"detail-type":"x","source":"y"}`, ""},
		{"not JSON", `{"id":`, ""},
		{"nothing", ``, ""},
	} {
		if got := collect.EventID([]byte(tt.raw)); got != tt.want {
			t.Errorf("EventID(%s) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, tt := range splits {
		f.Add([]byte(tt.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte("\uFEFF")) && !utf8.Valid(body) {
			return // a piece may begin as the mark ends, and be looked for there
		}
		all := collect.Split(body)
		at := 0
		for _, p := range all {
			if len(p.Raw) == 0 {
				t.Fatalf("Split(%q) has an empty piece", body)
			}
			if valid := json.Valid(p.Raw); valid != (p.Err == nil) && bytes.Count(p.Raw, []byte("[")) < 1000 && bytes.Count(p.Raw, []byte("{")) < 1000 &&
				(valid == false || bytes.ContainsAny(p.Raw[:1], "{[")) {
				t.Fatalf("piece %q of %q: json.Valid is %v, Err is %v", p.Raw, body, valid, p.Err)
			}
			i := bytes.Index(body[at:], p.Raw)
			if i < 0 {
				t.Fatalf("piece %q is not in the rest of %q", p.Raw, body)
			}
			lost(t, body, body[at:at+i])
			at += i + len(p.Raw)
		}
		lost(t, body, body[at:])
		if err := collect.Valid(body); (err == nil) != json.Valid(body) && bytes.Count(body, []byte("[")) < 1000 && bytes.Count(body, []byte("{")) < 1000 {
			t.Fatalf("Valid(%q) = %v, json.Valid is %v", body, err, json.Valid(body))
		}
		for name, from := range map[string]io.Reader{"at once": bytes.NewReader(body), "byte by byte": iotest.OneByteReader(bytes.NewReader(body))} {
			read, err := readAll(collect.NewReader(from))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(pieces(all), pieces(read)); diff != "" {
				t.Fatalf("Split and Reader differ for %q, read %s:\n%s", body, name, diff)
			}
		}
		collect.EventID(body)
	})
}

// lost fails if gap, which is in no piece, holds more than space and the brackets
// around events.
func lost(t *testing.T, body, gap []byte) {
	if bytes.Contains(bytes.ToLower(body), []byte(`findings"`)) {
		return // what is around the findings is not kept
	}
	if rest := bytes.Trim(bytes.ReplaceAll(gap, []byte("\uFEFF"), nil), " \t\r\n[],"); len(rest) > 0 {
		t.Fatalf("%q of %q is in no piece", rest, body)
	}
}

func events(b *testing.B) []byte {
	body, err := os.ReadFile(filepath.Join("testdata", "eventbridge.json"))
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func BenchmarkSplitOneEvent(b *testing.B) {
	body := events(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		for p := range collect.Pieces(body) {
			if p.Err != nil {
				b.Fatal(p.Err)
			}
		}
	}
}

func BenchmarkJSONValid(b *testing.B) {
	body := events(b)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		json.Valid(body)
	}
}

func BenchmarkEventID(b *testing.B) {
	body := events(b)
	b.ReportAllocs()
	for b.Loop() {
		collect.EventID(body)
	}
}
