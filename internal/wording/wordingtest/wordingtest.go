// Package wordingtest holds what every dialect of an AWS event promises of its words,
// and checks it.
package wordingtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A Read is what a dialect makes of an event; false for what it does not read.
type Read func(raw []byte) ([]tocsin.Detection, bool)

// One makes a Read of a dialect that finds one thing in an event.
func One(read func([]byte) (tocsin.Detection, bool)) Read {
	return func(raw []byte) ([]tocsin.Detection, bool) {
		d, ok := read(raw)
		if !ok {
			return nil, false
		}
		return []tocsin.Detection{d}, true
	}
}

// A Dialect is held to its promises by the events in a folder.
type Dialect struct {
	Dir  string // "testdata" if it is empty
	Read Read
}

func (d Dialect) path(name string) string {
	return filepath.Join(wording.First(d.Dir, "testdata"), name)
}

// Sample is the event of that name.
func (d Dialect) Sample(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(d.path(name + ".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Detections are what is made of the event of that name, with changes: pairs of what
// stands in it and what is to stand there.
func (d Dialect) Detections(t testing.TB, name string, change ...string) []tocsin.Detection {
	t.Helper()
	ds, ok := d.Read([]byte(strings.NewReplacer(change...).Replace(string(d.Sample(t, name)))))
	if !ok {
		t.Fatalf("%s is not read", name)
	}
	return ds
}

// Detection is the first of them.
func (d Dialect) Detection(t testing.TB, name string, change ...string) tocsin.Detection {
	t.Helper()
	return d.Detections(t, name, change...)[0]
}

// Names are the names of the events.
func (d Dialect) Names(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(d.path("*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no events in %s: %v", d.path(""), err)
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(p), ".json")
	}
	return paths
}

// Golden holds what is made of each event against the file beside it, or writes that
// anew.
func (d Dialect) Golden(t *testing.T, update bool) {
	t.Helper()
	for _, name := range d.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ds, ok := d.Read(d.Sample(t, name))
			if !ok {
				t.Fatal("it is not read")
			}
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			for _, det := range ds {
				if fault := Fault(det); fault != "" {
					t.Error(fault)
				}
				if err := e.Encode(det); err != nil {
					t.Fatal(err)
				}
			}
			path := d.path(name + ".golden")
			if update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("detection differs from %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// hostile are texts that try to be something else where they are shown.
var hostile = []string{
	"\x1b[31mred\x00\r\nBcc: victim@example.com",
	"abc\u202egpj.exe\u200b\ufeff",
	"<script>alert(1)</script><!channel> @everyone [x](https://evil.example/)",
	"https://evil.example/login?x=1 www.evil.example",
	"'; rm -rf / #$(reboot)`id`",
	"--endpoint-url",
	"file:///etc/passwd",
	"{{.Secret}} ${env:HOME} %s%n",
	"\xff\xfe broken",
	strings.Repeat("https://a.example/", 150),
	strings.Repeat("漢", 1000),
}

// Harmless puts hostile texts for each text of each event, names of members apart, and
// sees that nothing of it gets through.
func (d Dialect) Harmless(t *testing.T) {
	t.Helper()
	for _, name := range d.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := d.Sample(t, name)
			var doc any
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			n := 0
			replaceEach(doc, func(text string) {
				n++
				changed, err := json.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				ds, _ := d.Read(changed)
				for _, det := range ds {
					if fault := Fault(det); fault != "" {
						t.Errorf("with %.40q: %s", text, fault)
					}
				}
			})
			if n == 0 {
				t.Fatal("no text was replaced")
			}
		})
	}
}

// replaceEach calls do with one text of the document after the other replaced by some
// of the hostile ones, in turn, whole or at its end. The envelope's source and
// detail-type, by which a dialect is found, stay.
func replaceEach(doc any, do func(text string)) {
	turn := 0
	try := func(old string, set func(any)) {
		for range 2 {
			text := hostile[turn%len(hostile)]
			if turn++; turn%2 == 0 {
				set(text)
			} else {
				set(old + text)
			}
			do(text)
		}
		set(old)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if k == "detail-type" || k == "source" {
					continue
				}
				if old, ok := v[k].(string); ok {
					try(old, func(to any) { v[k] = to })
					continue
				}
				walk(v[k])
			}
		case []any:
			for i := range v {
				if old, ok := v[i].(string); ok {
					try(old, func(to any) { v[i] = to })
					continue
				}
				walk(v[i])
			}
		}
	}
	walk(doc)
}

// Fuzz reads what the fuzzer makes of the events.
func (d Dialect) Fuzz(f *testing.F) {
	f.Helper()
	for _, name := range d.Names(f) {
		f.Add(d.Sample(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ds, _ := d.Read(raw)
		for _, det := range ds {
			if fault := Fault(det); fault != "" {
				t.Errorf("%q: %s", raw, fault)
			}
		}
	})
}

// Fault says what of a detection breaks a promise, or "".
func Fault(d tocsin.Detection) string {
	switch {
	case d.Key == "" || len(d.Key) > 2000 || strings.HasPrefix(string(d.Key), "/"):
		return fmt.Sprintf("the key %q", d.Key)
	case d.Headline == "" && d.Intent == "":
		return "no headline"
	case d.Title == "" && d.Intent == "":
		return "no title"
	case utf8.RuneCountInString(d.Headline) > wording.MaxHeadline:
		return "a long headline: " + d.Headline
	case utf8.RuneCountInString(d.Description) > wording.MaxDescription:
		return "a long description"
	case len(d.Facts) > wording.MaxFacts:
		return fmt.Sprintf("%d facts", len(d.Facts))
	case d.Dialect == "" || d.Type == "":
		return "no dialect, or no type"
	case d.Over && d.OverReason == "":
		return "it is over for no reason"
	case !strings.HasPrefix(d.Documentation, "https://docs.aws.amazon.com/"):
		return "documentation at " + d.Documentation
	case d.Console != "" && !console.MatchString(d.Console):
		return "the console at " + d.Console
	}
	for _, f := range d.Facts {
		if f.Name == "" || f.Value == "" || utf8.RuneCountInString(f.Value) > wording.MaxFact || utf8.RuneCountInString(f.Name) > 40 {
			return "the fact " + f.Name + ": " + f.Value
		}
	}
	if rest := quoted.ReplaceAllString(d.Command, ""); d.Command != "" && !command.MatchString(rest) {
		return "the command " + d.Command
	}
	said := []string{d.Headline, d.Title, d.Description}
	for _, f := range d.Facts {
		said = append(said, f.Name, f.Value)
	}
	if i := slices.IndexFunc(said, func(s string) bool { return link.MatchString(s) }); i >= 0 {
		return "a link that works: " + said[i]
	}
	if _, err := json.Marshal(d); err != nil {
		return err.Error()
	}
	return faultOfTexts(reflect.ValueOf(d))
}

var (
	console = regexp.MustCompile(`^https://console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/[!-~]*$`)
	quoted  = regexp.MustCompile(`'[^']*'(\\''[^']*')*`)
	command = regexp.MustCompile(`^(aws|kubectl) [a-zA-Z0-9 =._-]+$`)
	link    = regexp.MustCompile(`(?i)https?://|\bwww\.[a-z]`)
)

// faultOfTexts looks for control characters and broken UTF-8 in all texts.
func faultOfTexts(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		bad := strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\ufeff' || r == '\u200b' || r == '\u2028' || r == '\u2029'
		})
		if bad || !utf8.ValidString(s) || len(s) > 10_000 {
			return fmt.Sprintf("the text %.200q", s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); v.Type().Field(i).IsExported() {
				if fault := faultOfTexts(f); fault != "" {
					return fault
				}
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if fault := faultOfTexts(v.Index(i)); fault != "" {
				return fault
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if fault := wording.First(faultOfTexts(k), faultOfTexts(v.MapIndex(k))); fault != "" {
				return fault
			}
		}
	default:
	}
	return ""
}
