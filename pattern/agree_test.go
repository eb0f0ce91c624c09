package pattern

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNumbersAgreeWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	digits := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("0001234567899"[r.IntN(13)])
		}
		return b.String()
	}
	for range 20_000 {
		token := strings.TrimLeft(digits(1+r.IntN(20)), "0")
		if token == "" {
			token = "0"
		}
		if r.IntN(2) == 0 {
			token += "." + digits(1+r.IntN(20))
		}
		if r.IntN(2) == 0 {
			token += fmt.Sprintf("e%d", r.IntN(700)-350)
		}
		if r.IntN(3) == 0 {
			token = "-" + token
		}
		got, ok := comparableNumber([]byte(token))
		want, wantOK := plainNumber(json.Number(token))
		if ok != wantOK || ok && got != want {
			t.Fatalf("comparableNumber(%s) = %v, %v, want %v, %v", token, got, ok, want, wantOK)
		}
	}
}

func TestAddressesAgreeWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pieces := []string{":", ":", "::", ".", ".", "0", "1", "00", "ff", "ffff", "10", "255", "256", "Ab", "%", " ", "/"}
	known := map[bool]int{}
	for range 60_000 {
		var b strings.Builder
		separator := []string{":", ".", ""}[r.IntN(3)]
		for i := range 1 + r.IntN(9) {
			if i > 0 {
				b.WriteString(separator)
			}
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		s := b.String()
		got, ok := parseAddress([]byte(s))
		want, wantOK := plainIP(s)
		known[ok]++
		if ok != wantOK {
			t.Fatalf("parseAddress(%s) = %v, want %v", s, ok, wantOK)
		}
		if ok && (got.v4 != want.Is4() || fmt.Sprintf("%016x%016x", got.hi, got.lo) != fmt.Sprintf("%032x", want.AsSlice())) {
			t.Fatalf("parseAddress(%s) = %+v, want %v", s, got, want)
		}
	}
	t.Logf("%d addresses", known[true])
}

// TestComplexityAgreesWithReference compares small wildcards with a walk through
// every set of prefixes that some string matches.
func TestComplexityAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 2_000 {
		var texts []string
		var all []wildcard
		for range 1 + r.IntN(3) {
			var b strings.Builder
			for range 1 + r.IntN(6) {
				b.WriteByte("aab**"[r.IntN(5)])
			}
			text := b.String()
			if w, bad := parseWildcard(text); bad == "" && !slices.Contains(texts, text) {
				texts, all = append(texts, text), append(all, w)
			}
		}
		if got, want := complexity(all, 100), plainComplexity(texts); got != want {
			t.Fatalf("complexity(%q) = %d, want %d", texts, got, want)
		}
	}
}

// A generator invents JSON from few keys and values.
type generator struct {
	*rand.Rand
	arrays bool // even fewer, so that much depends on which elements go together
	unique bool // no key twice in an object
}

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) key() string {
	if g.arrays {
		return g.pick("a", "b", "c")
	}
	return g.pick("a", "b", "c", "d", "a.b", "", "ü")
}

func (g generator) scalar() string {
	if g.arrays {
		return g.pick(`"x"`, `"y"`, `"z"`)
	}
	return g.pick(`"x"`, `"y"`, `"xy"`, `"X"`, `"yxy"`, `"\u0078"`, `""`, `"a\"*\\b"`, `"10.1.2.3"`, `"010.1.2.3"`, `"::a01:203"`,
		`"::ffff:a01:203"`, `"::1"`, `"0:0::01"`, `"ς"`, `"5"`,
		"null", "true", "false", "5", "5.0", "50e-1", "-5", "0", "-0.0", "7", "6.5", "9007199254740993", "1e400", "0.1", "0.10")
}

func (g generator) value(depth int) string {
	n := g.IntN(10)
	if g.arrays {
		n /= 2
	}
	switch {
	case depth > 0 && n < 2:
		return g.object(depth - 1)
	case depth > 0 && n < 5:
		var elements []string
		for range g.IntN(4) {
			elements = append(elements, g.value(depth-1))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	return g.scalar()
}

func (g generator) object(depth int) string {
	var members []string
	used := map[string]bool{}
	for range 1 + g.IntN(4) {
		key := g.key()
		if used[key] && g.unique {
			continue
		}
		used[key] = true
		members = append(members, fmt.Sprintf("%q:%s", key, g.value(depth)))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (g generator) pattern() string { return g.fields(2) }

func (g generator) fields(depth int) string {
	var members []string
	for range 1 + g.IntN(3) {
		switch n := g.IntN(8); {
		case depth > 0 && n < 3:
			members = append(members, fmt.Sprintf("%q: %s", g.key(), g.fields(depth-1)))
		case depth > 0 && n == 3:
			members = append(members, fmt.Sprintf(`"$or": [%s, %s]`, g.fields(depth-1), g.fields(depth-1)))
		default:
			members = append(members, fmt.Sprintf("%q: %s", g.key(), g.list()))
		}
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func (g generator) list() string {
	var alternatives []string
	for range 1 + g.IntN(3) {
		if g.arrays && g.IntN(3) == 0 {
			return g.pick(`[{"exists": false}]`, `[{"exists": true}]`, `["x", {"exists": false}]`)
		}
		if g.IntN(2) == 0 || g.arrays {
			alternatives = append(alternatives, g.scalar())
			continue
		}
		alternatives = append(alternatives, g.pick(
			`{"exists": true}`, `{"exists": false}`, `{"exists": false}`, `{"exactly": "::1"}`,
			`{"prefix": "x"}`, `{"prefix": ""}`, `{"suffix": "y"}`, `{"prefix": {"equals-ignore-case": "X"}}`,
			`{"suffix": {"equals-ignore-case": "Y"}}`, `{"equals-ignore-case": "XY"}`, `{"equals-ignore-case": "Σ"}`,
			`{"wildcard": "*x*"}`, `{"wildcard": "y*y"}`, `{"wildcard": ""}`, `{"wildcard": "a\"\\*\\\\*"}`,
			`{"numeric": [">", 5]}`, `{"numeric": [">=", 5, "<", 7]}`, `{"numeric": ["=", 0]}`, `{"numeric": ["<=", 6.5]}`,
			`{"cidr": "10.1.0.0/16"}`, `{"cidr": "::/8"}`, `{"cidr": "0.0.0.0/0"}`,
			`{"anything-but": "x"}`, `{"anything-but": ["x", "y"]}`, `{"anything-but": 5}`, `{"anything-but": [5, 0]}`,
			`{"anything-but": {"prefix": "x"}}`, `{"anything-but": {"suffix": ["x", "y"]}}`,
			`{"anything-but": {"equals-ignore-case": ["x", "xy"]}}`, `{"anything-but": {"wildcard": "*x*"}}`,
		))
	}
	return "[" + strings.Join(alternatives, ", ") + "]"
}

// FuzzParse looks for patterns that make Parse panic, or that it does not read
// again as it wrote them.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"a":["x",5,null,{"prefix":"x"}],"$or":[{"b":[{"exists":false}]},{"c":{"d":[{"numeric":[">",1,"<=",2]}]}}]}`,
		`{"a":[{"anything-but":{"wildcard":["a*","\\*"]}},{"cidr":"10.0.0.0/8"},{"suffix":{"equals-ignore-case":"\u00df"}}]}`,
		`{"a":[1e400,"::1",true]} x`, `{"a":[{"numeric":["=`, "[", `{"a":{"":{}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Errorf("Parse(%q): an error without words", text)
			}
			return
		}
		if !json.Valid(text) {
			t.Errorf("Parse(%q) gave no error, and this is not JSON", text)
		}
		if again, err := Parse([]byte(p.String())); err != nil || again.String() != p.String() {
			t.Errorf("Parse(%q) = %v, %v, want it unchanged", p, again, err)
		}
	})
}

// FuzzMatch looks for events that make Match panic, that it judges otherwise
// than json.Valid, or that it matches otherwise than the reference.
func FuzzMatch(f *testing.F) {
	f.Add(`{"a":{"b":["x"],"c":[{"exists":false}]}}`, `{"a":[{"b":"x"},{"c":[1,{"d":2}]}]}`)
	f.Add(`{"a":[{"numeric":[">",0.5]}]}`, `{"a":[1e-1,{"b":"\ud83d\ude00"}]}`)
	g := generator{Rand: rand.New(rand.NewPCG(1, 2)), arrays: true}
	for range 40 {
		f.Add(g.pattern(), g.object(3))
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse([]byte(pattern))
		if err != nil {
			return
		}
		got, err := p.Match([]byte(event))
		object := strings.HasPrefix(strings.TrimLeft(event, " \t\r\n"), "{")
		if (err == nil) != (object && json.Valid([]byte(event))) {
			t.Fatalf("Match(%q): %v, want an error unless it is a JSON object", event, err)
		}
		if err == nil && plain(pattern) && plain(event) && len(p.all) < 10 && len(p.all[0]) < 6 {
			if want := plainMatch(pattern, event); got != want {
				t.Errorf("match(%s, %s) = %v, want %v", pattern, event, got, want)
			}
		}
	})
}

// plain tells texts the reference can read, in reasonable time: without invalid
// UTF-8, which it would replace, and long exponents.
func plain(text string) bool {
	exponents := strings.Count(text, "e") + strings.Count(text, "E")
	return len(text) < 300 && utf8.ValidString(text) && (exponents == 0 || !strings.Contains(text, "0000") && !longDigits(text))
}

func longDigits(text string) bool {
	run := 0
	for _, c := range text {
		if run++; c < '0' || c > '9' {
			run = 0
		}
		if run > 3 {
			return true
		}
	}
	return false
}
