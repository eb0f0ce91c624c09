package pattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

func TestMatch(t *testing.T) {
	const people = `{"people":[{"first":"Anna","last":"Smith"},{"first":"Peter","last":"Jones"}]}`
	for _, tt := range []struct {
		name, pattern, event string
		want                 bool
	}{
		{"the value", `{"source":["aws.guardduty"]}`, `{"source":"aws.guardduty"}`, true},
		{"any of several", `{"source":["a","b"]}`, `{"source":"b"}`, true},
		{"none of several", `{"source":["a","b"]}`, `{"source":"c"}`, false},
		{"all fields", `{"a":["x"],"b":["y"]}`, `{"b":"y","a":"x"}`, true},
		{"not all fields", `{"a":["x"],"b":["y"]}`, `{"a":"x"}`, false},
		{"upper case is another string", `{"a":["X"]}`, `{"a":"x"}`, false},
		{"escaped in the event", `{"a":["é/\n"]}`, `{"a":"\u00e9\/\u000a"}`, true},
		{"escaped in the key", `{"é":["x"]}`, `{"\u00E9":"x"}`, true},
		{"a pair of surrogates", `{"a":["😀"]}`, `{"a":"\ud83d\ude00"}`, true},
		{"composed is not decomposed", `{"a":["é"]}`, `{"a":"e\u0301"}`, false},
		{"a word is not a literal", `{"a":["true"]}`, `{"a":true}`, false},
		{"null is a value", `{"a":[null]}`, `{"a":null}`, true},
		{"null is not absence", `{"a":[null]}`, `{}`, false},
		{"an empty array has no value", `{"a":[null,""]}`, `{"a":[]}`, false},

		{"one element of many", `{"a":["y"]}`, `{"a":["x",["y"]]}`, true},
		{"names of one person", `{"people":{"first":["Anna"],"last":["Smith"]}}`, people, true},
		{"names of two people", `{"people":{"first":["Anna"],"last":["Jones"]}}`, people, false},
		{"elements of two arrays", `{"a":{"x":["1"]},"b":{"y":["2"]}}`, `{"a":[{"x":"0"},{"x":"1"}],"b":[{"y":"2"},{"y":"3"}]}`, true},
		{"two scalars of one array, twice asked for", `{"a":["x"],"b":{"c":["1"]}}`, `{"a":["y","x"],"b":[{"c":"0"},{"c":"1"}]}`, true},

		{"a dot joins keys", `{"a.b":["x"]}`, `{"a":{"b":"x"}}`, true},
		{"in the event too", `{"a":{"b":{"c":["x"]}}}`, `{"a.b":{"c":"x"}}`, true},
		{"empty keys are keys", `{"a":{"":["x"]}}`, `{"a":{"":"x"}}`, true},
		{"a key given twice in the pattern", `{"a":["x"],"a":["y"]}`, `{"a":"x"}`, false},
		{"a key given twice in the event", `{"a":["x"]}`, `{"a":"x","a":"y"}`, true},

		{"another spelling of a number", `{"a":[300]}`, `{"a":3.0e2}`, true},
		{"a string of digits", `{"a":[5]}`, `{"a":"5"}`, false},
		{"too many digits, same spelling", `{"a":[9007199254740993]}`, `{"a":9007199254740993}`, true},
		{"too many digits, another spelling", `{"a":[9007199254740993]}`, `{"a":9007199254740993.0}`, false},
		{"too many digits to be greater", `{"a":[{"numeric":[">",3]}]}`, `{"a":3.14159265358979323846}`, false},
		{"within a range", `{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, true},
		{"zero has no sign", `{"a":[{"numeric":["=",0]}]}`, `{"a":-0.0}`, true},

		{"prefix", `{"a":[{"prefix":"eu-"}]}`, `{"a":"eu-west-1"}`, true},
		{"prefix without case", `{"a":[{"prefix":{"equals-ignore-case":"EU-"}}]}`, `{"a":"eu-west-1"}`, true},
		{"suffix without case", `{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}`, `{"a":"a.png"}`, true},
		{"the empty prefix wants a string", `{"a":[{"prefix":""}]}`, `{"a":5}`, false},
		{"the Kelvin sign is a k", `{"a":[{"equals-ignore-case":"ok"}]}`, `{"a":"OK"}`, true},
		{"a star", `{"a":[{"wildcard":"dir/*.png"}]}`, `{"a":"dir/sub/x.png"}`, true},
		{"a star for nothing", `{"a":[{"wildcard":"a*b*c"}]}`, `{"a":"abc"}`, true},
		{"stars do not overlap", `{"a":[{"wildcard":"ab*ba"}]}`, `{"a":"aba"}`, false},
		{"an escaped star", `{"a":[{"wildcard":"a\\*"}]}`, `{"a":"ab"}`, false},

		{"anything but a string may be a number", `{"a":[{"anything-but":"x"}]}`, `{"a":5}`, true},
		{"anything but needs something", `{"a":[{"anything-but":"x"}]}`, `{"a":[]}`, false},
		{"one element is anything but", `{"a":[{"anything-but":"x"}]}`, `{"a":["x","y"]}`, true},
		{"anything but, without case", `{"a":[{"anything-but":{"equals-ignore-case":["X","y"]}}]}`, `{"a":"x"}`, false},
		{"anything but a wildcard", `{"a":[{"anything-but":{"wildcard":"*"}}]}`, `{"a":"x"}`, false},

		{"absent", `{"a":[{"exists":false}]}`, `{"b":1}`, true},
		{"an object is absent", `{"a":[{"exists":false}]}`, `{"a":{"b":1}}`, true},
		{"null exists", `{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{"absent from the element chosen before", `{"p":{"a":["x"],"b":[{"exists":false}]}}`, `{"p":[{"a":"x"},{"b":1}]}`, true},
		{"absence is judged before what sorts after", `{"p":{"b":["x"],"a":[{"exists":false}]}}`, `{"p":[{"b":"x"},{"a":1}]}`, false},

		{"in the network", `{"a":[{"cidr":"10.0.0.77/24"}]}`, `{"a":"10.0.0.1"}`, true},
		{"another spelling of an address", `{"a":["2001:DB8::1"]}`, `{"a":"2001:db8:0:0:0:0:0:1"}`, true},
		{"exactly this spelling", `{"a":[{"exactly":"::1"}]}`, `{"a":"0::1"}`, false},
		{"families stay apart", `{"a":[{"cidr":"::/0"}]}`, `{"a":"10.0.0.1"}`, false},
		{"unless one is mapped to the other", `{"a":["1.2.3.4"]}`, `{"a":"::ffff:102:304"}`, true},

		{"one branch", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"q","b":"2"}`, true},
		{"no branch", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"q","b":"1"}`, false},
		{"a branch overrides what precedes it", `{"a":["1"],"$or":[{"a":["2"]},{"b":["3"]}]}`, `{"a":"2"}`, true},
		{"and is overridden by what follows", `{"$or":[{"a":["2"]},{"b":["3"]}],"a":["1"]}`, `{"a":"2"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t, tt.pattern).Match([]byte(tt.event))
			if err != nil || got != tt.want {
				t.Errorf("match(%s, %s) = %v, %v, want %v", tt.pattern, tt.event, got, err, tt.want)
			}
		})
	}
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

// TestSetWhileItChanges matches while others add and remove: what is always in
// the Set always matches, what never is never does.
func TestSetWhileItChanges(t *testing.T) {
	set := NewSet[int]()
	set.Add(0, parse(t, `{"a":["x"]}`))
	set.Add(-1, parse(t, `{"a":["y"]}`))
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 200 {
				k := 1 + w*1000 + i%10
				set.Add(k, parse(t, fmt.Sprintf(`{"a":["x"],"b%d":[{"exists":false}]}`, i)))
				if got, err := set.Match([]byte(`{"a":"x"}`), nil); err != nil || !slices.Contains(got, k) {
					t.Errorf("Match after Add(%d) = %v, %v", k, got, err)
				}
				set.Remove(k)
				if got, err := set.Match([]byte(`{"a":"x"}`), nil); err != nil || slices.Contains(got, k) {
					t.Errorf("Match after Remove(%d) = %v, %v", k, got, err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			var got []int
			for {
				select {
				case <-done:
					return
				default:
				}
				var err error
				got, err = set.Match([]byte(`{"a":["z","x"]}`), got[:0])
				if err != nil || len(got) == 0 || got[0] != 0 || slices.Contains(got, -1) {
					t.Errorf("Match = %v, %v, want 0 first and no -1", got, err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}
