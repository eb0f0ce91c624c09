package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func parse(t testing.TB, text string) *Pattern {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestErrorsSayWhere(t *testing.T) {
	for _, tt := range []struct{ name, pattern, want string }{
		{"an empty list", `{"detail":{"severity":[]}}`, `$.detail.severity (offset 22): Empty arrays are not allowed`},
		{"an unknown operator", `{"detail":{"severity":[{"FOO":1}]}}`, `$.detail.severity[0].FOO (offset 24): Unrecognized match type FOO`},
		{"the second alternative", `{"a":["x",[]]}`, `$.a[1] (offset 10): Match value must be String, number, true, false, or null`},
		{"an odd key", `{"a b":{"":5}}`, `$["a b"][""] (offset 11): "" must be an object or an array`},
		{"within a branch", `{"$or":[{"a":["x"]},{"b":[{"prefix":"x","suffix":"y"}]}]}`, `$.$or[1].b[0] (offset 39): Only one key allowed in match expression`},
		{"on the third line", "{\n  \"a\": [\"x\"],\n  \"b\": \"y\"\n}", `$.b (line 3:8, offset 23): "b" must be an object or an array`},
		{"a range with a number for an operator", `{"a":[{"numeric":[">",1,5,6]}]}`, `$.a[0].numeric[2] (offset 24): Bad value in numeric range: 5`},
		{"a range that ends early", `{"a":[{"numeric":[">",1,"<"]}]}`, `$.a[0].numeric (offset 17): Value of < must be numeric`},
		{"a list for anything-but prefix of nothing", `{"a":[{"anything-but":{"prefix":[]}}]}`, `$.a[0].anything-but.prefix (offset 32): Empty arrays are not allowed`},
		{"no JSON", `{"a":["x",]}`, `$.a[1] (offset 10): unexpected character ']', expected a value`},
		{"cut short", `{"a":["x"`, `$.a (offset 9): unexpected end of JSON input`},
		{"something after it", `{"a":["x"]} "`, `$ (offset 12): unexpected text after the pattern`},
		{"no UTF-8", "{\"a\":[\"\uFFFDx\xff\"]}", `$ (offset 11): invalid UTF-8`},
		{"nothing", ``, `$ (offset 0): Filter is not an object`},
		{"too many stars", `{"a":{"b":[{"wildcard":"*:*:*:*:*:event-bus/*"}]}}`, `$.a.b (offset 0): ` + tooComplex},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if e := mustRefuse(t, tt.pattern); e != nil && e.Error() != tt.want {
				t.Errorf("Parse(%s): %v, want %v", tt.pattern, e, tt.want)
			}
		})
	}
}

func TestEventsMustBeObjects(t *testing.T) {
	set := NewSet[string]()
	p := parse(t, `{"a":["x"]}`)
	set.Add("a", p)
	for _, event := range []string{
		``, ` `, `[]`, `"x"`, `null`, `{`, `{"a"`, `{"a":`, `{"a":}`, `{"a":"x"`, `{"a":"x",}`, `{"a":"x"}}`, `{"a":"x"} y`,
		`{"a":"x" "b":1}`, `{a:1}`, `{"b":01}`, `{"b":1.}`, `{"b":.5}`, `{"b":+1}`, `{"b":1e}`, `{"b":-}`, `{"b":tru}`, `{"b":nul`, `{"b":NaN}`,
		`{"b":[1,]}`, `{"b":[1 2]}`, `{"b":[`, `{"b":"\x"}`, `{"b":"\u12g4"}`, `{"b":"\u12`, "{\"b\":\"\t\"}", "\ufeff{}",
	} {
		ok, err := p.Match([]byte(event))
		if _, is := errors.AsType[*Error](err); ok || !is {
			t.Errorf("Match(%q) = %v, %v, want an *Error", event, ok, err)
		}
		if got, err := set.Match([]byte(event), []string{"before"}); err == nil || !slices.Equal(got, []string{"before"}) {
			t.Errorf("Match(%q) = %v, %v, want an error", event, got, err)
		}
	}
}

func TestDepthBombs(t *testing.T) {
	p := parse(t, `{"a":{"b":["x"]}}`)
	deep := func(opening, closing string, n int) string {
		return `{"a":` + strings.Repeat(opening, n) + "1" + strings.Repeat(closing, n) + `}`
	}
	for _, event := range []string{
		deep("[", "]", 100_000), deep(`{"a":`, "}", 100_000), `{"b":` + strings.Repeat("[", 1_000_000),
	} {
		if ok, err := p.Match([]byte(event)); ok || err == nil {
			t.Errorf("Match(%.10s…) = %v, %v, want an error", event, ok, err)
		}
		_ = mustRefuse(t, event)
	}
	if _, err := p.Match([]byte(deep("[", "]", maxDepth-1))); err != nil {
		t.Errorf("Match of %d arrays: %v", maxDepth-1, err)
	}
}

// Fields of arrays that have nothing to do with each other must not multiply.
func TestManyLargeArrays(t *testing.T) {
	var event, want strings.Builder
	event.WriteString(`{"z":[{"q":1},{"r":1}]`)
	want.WriteString(`{"z":{"q":[1],"r":[1]}`)
	for key := range strings.SplitSeq("abcdefgh", "") {
		fmt.Fprintf(&event, `,%q:[%s{"v":1}]`, key, strings.Repeat(`{"v":1},`, 300))
		fmt.Fprintf(&want, `,%q:{"v":[1]}`, key)
	}
	event.WriteString("}")
	want.WriteString("}")
	if ok, err := parse(t, want.String()).Match([]byte(event.String())); ok || err != nil {
		t.Errorf("Match = %v, %v, want false", ok, err)
	}
}

func TestOrIsBounded(t *testing.T) {
	branches := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"f%d":["x"]}`, i))
		}
		return `"$or":[` + strings.Join(all, ",") + `]`
	}
	thousand := `{"a":{` + branches(10) + `},"b":{` + branches(10) + `},"c":{` + branches(10) + `}}`
	if got := len(parse(t, thousand).all); got != 1000 {
		t.Errorf("%d combinations, want 1000", got)
	}
	_ = mustRefuse(t, `{"a":{`+branches(10)+`},"b":{`+branches(10)+`},"c":{`+branches(11)+`}}`)
	_ = mustRefuse(t, `{`+branches(1001)+`}`)
}

// The scores are AWS's own, and those of its library; the quotes of a string
// count, so a score is higher here where wildcards begin or end alike.
func TestWildcardComplexity(t *testing.T) {
	for _, tt := range []struct {
		wildcards string
		want      int
	}{
		{"abc", 1},
		{"*ab", 2},
		{"*aa", 3},
		{"a*bcb", 3},
		{"a*bbb", 4},
		{"*ab*ad", 4},
		{"a*b*bb", 5},
		{"*ab*b*b*", 7},
		{"*a*", 3},
		{"*:*:*:*", 7},
		{"*aaaaaaaa", 9},
		{"*a*a*a*a*a*a*a*a*", 17},
		{"*a *b *c *d *e", 10},
		{"ab*c x*xx", 3},
		{"*abc *abcde", 4},
		{"a*bcd ab*cd", 4},
		{"a*aaa aa*aa", 7},
		{"a*aax aaa*x", 5},
		{"abc* abcde*", 4},
		{"ab*cd ab*wx ab*yz", 6},
		{"*:*:*:*:*:event-bus/*", 11},
		{"*:stack/a/* *:stack/b/* *:stack/c/*", 9},
		{"*:stack/a/* *:stack/b/* *:stack/c/* *:stack/d/*", 12},
	} {
		var all []wildcard
		for text := range strings.FieldsSeq(tt.wildcards) {
			w, bad := parseWildcard(text)
			if bad != "" {
				t.Fatal(bad)
			}
			all = append(all, w)
		}
		if got := complexity(all, 100); got != tt.want {
			t.Errorf("complexity(%s) = %d, want %d", tt.wildcards, got, tt.want)
		}
	}
}

func TestPatternInConfiguration(t *testing.T) {
	var c struct{ Object, Text, None *Pattern }
	err := json.Unmarshal([]byte(`{"Object":{"a": ["x"]},"Text":"{\"a\": [\"y\"]}"}`), &c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Object.String()+c.Text.String(), `{"a": ["x"]}{"a": ["y"]}`; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
	got, err := json.Marshal(c)
	if want := `{"Object":{"a":["x"]},"Text":{"a":["y"]},"None":null}`; err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	err = json.Unmarshal([]byte(`{"Object":{"a": "x"}}`), &c)
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("Unmarshal: %v, want an *Error", err)
	}
	if ok, err := new(Pattern).Match([]byte(`{}`)); ok || err != nil {
		t.Errorf("the zero Pattern: %v, %v, want false", ok, err)
	}
}

func TestSetKeepsTheOrderOfAdd(t *testing.T) {
	set := NewSet[string]()
	check := func(event string, want ...string) {
		t.Helper()
		if got, err := set.Match([]byte(event), nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("Match(%s) = %v, %v, want %v", event, got, err, want)
		}
	}
	check(`{"a":"x"}`)
	set.Add("z", parse(t, `{"a":["x"]}`))
	set.Add("m", parse(t, `{"a":[{"prefix":"x"}]}`))
	set.Add("a", parse(t, `{"a":["x","y"]}`))
	check(`{"a":"x"}`, "z", "m", "a")
	check(`{"a":"y"}`, "a")
	set.Add("z", parse(t, `{"a":["y"]}`))
	check(`{"a":"y"}`, "z", "a")
	check(`{"a":["x","y"]}`, "z", "m", "a")
	set.Remove("m")
	set.Remove("never added")
	check(`{"a":"x"}`, "z", "a")
	set.Remove("z")
	set.Add("z", parse(t, `{"a":["x"]}`))
	check(`{"a":"x"}`, "a", "z")
}
