package pattern

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// stepsOf returns how many steps an event is for a Set, and how many leaves of it
// the Set asks about.
func stepsOf[K comparable](t testing.TB, set *Set[K], event string) (steps, leaves int) {
	t.Helper()
	if _, err := set.Match([]byte(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	c := set.current.Load()
	s := new(scratch)
	s.prepare(c.fields, len(c.keys))
	if err := s.scan(c.root, []byte(event)); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.machines {
		if err := m.match(s); err != nil {
			t.Fatalf("%d leaves: %v", len(s.leaves), err)
		}
	}
	return maxSteps - s.steps, len(s.leaves)
}

func setOf(t testing.TB, patterns ...string) *Set[int] {
	t.Helper()
	set := NewSet[int]()
	for i, p := range patterns {
		set.Add(i, parse(t, p))
	}
	return set
}

// repeat joins what each returns for 0 to n-1 with commas.
func repeat(n int, each func(i int) string) string {
	return strings.Join(listOf(n, each), ",")
}

func listOf(n int, each func(i int) string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = each(i)
	}
	return all
}

// TestLargeEventsStayCheap holds that what is made to take long does not: the
// steps per leaf are few, however many leaves there are.
func TestLargeEventsStayCheap(t *testing.T) {
	t.Parallel()
	const n = 20_000
	numbers := func(i int) string { return fmt.Sprint(i) }
	tests := []struct {
		name     string
		patterns []string
		event    string
		perLeaf  int
	}{
		{
			"two fields never in the same element",
			[]string{`{"a":{"x":[1],"y":[1]}}`},
			`{"a":[` + repeat(n, func(i int) string { return fmt.Sprintf(`{"x":%d},{"y":%d}`, i%2, i%2) }) + `]}`, 4,
		},
		{
			"three fields, two of which go together",
			[]string{`{"a":{"x":[1],"y":[1],"z":[1]}}`},
			`{"a":[` + repeat(n, func(int) string { return `{"x":1,"y":1},{"y":1,"z":1},{"x":1,"z":1}` }) + `]}`, 4,
		},
		{
			"fields of many arrays that have nothing to do with each other",
			[]string{`{"a":{"x":[1]},"b":{"x":[1]},"c":{"x":[1]},"d":{"x":[1],"y":[2]}}`},
			fmt.Sprintf(`{"a":[%[1]s],"b":[%[1]s],"c":[%[1]s],"d":[%[2]s]}`,
				repeat(n, func(int) string { return `{"x":1}` }), repeat(n, func(int) string { return `{"x":1},{"y":2}` })), 4,
		},
		{
			"arrays in arrays",
			[]string{`{"a":{"b":{"x":[1],"y":[1]},"z":[1]}}`},
			`{"a":[` + repeat(100, func(int) string {
				return `{"b":[` + repeat(100, func(int) string { return `{"x":1},{"y":1}` }) + `]},{"z":1}`
			}) + `]}`, 4,
		},
		{
			"absence in every other element",
			[]string{`{"a":{"x":[{"exists":true}],"y":[{"exists":false}],"z":[1]}}`},
			`{"a":[` + repeat(n, func(i int) string { return fmt.Sprintf(`{"x":1,"y":1},{"z":%d}`, i%2) }) + `]}`, 8,
		},
		{
			"the same key again and again",
			[]string{`{"a":{"x":[1],"y":[1]}}`},
			`{` + repeat(n, func(int) string { return `"a":[{"x":0,"y":1},{"x":1,"y":0}]` }) + `}`, 4,
		},
		{
			"many prefixes and suffixes, and many strings",
			slices.Concat(
				many(func(i int) string { return fmt.Sprintf(`{"a":[{"prefix":"x%d"},{"suffix":"%dy"}]}`, i, i) }),
				many(func(i int) string { return fmt.Sprintf(`{"a":[{"prefix":{"equals-ignore-case":"x%d"}}]}`, i) })),
			`{"a":[` + repeat(n, func(i int) string { return fmt.Sprintf(`"z%d"`, i) }) + `]}`, 1,
		},
		{
			"many address ranges, and many addresses",
			many(func(i int) string { return fmt.Sprintf(`{"a":[{"cidr":"10.%d.0.0/16"}]}`, i%200) }),
			`{"a":[` + repeat(n, func(i int) string { return fmt.Sprintf(`"192.168.%d.%d"`, i/256%256, i%256) }) + `]}`, 1,
		},
		{
			"many values asked for, and as many there",
			many(func(i int) string { return fmt.Sprintf(`{"a":[%d],"b":["x"]}`, i) }),
			`{"a":[` + repeat(n, numbers) + `],"b":[` + repeat(n, func(int) string { return `"x"` }) + `]}`, 1,
		},
		{
			"a scalar array of one value",
			[]string{`{"a":{"x":[1],"y":[2]}}`},
			`{"a":[{"x":[` + repeat(n, func(int) string { return "1" }) + `]},{"y":[` + repeat(n, func(int) string { return "2" }) + `]}]}`, 4,
		},
		{
			"thousands of keys",
			[]string{`{"a":["x"],"b":[{"wildcard":"*x*y*"}]}`},
			`{"a":"x",` + repeat(n, func(i int) string { return fmt.Sprintf(`"k%d":"x"`, i) }) + `,"b":"xy"}`, 1,
		},
		{
			"a wildcard of many stars, and many strings that all but match",
			[]string{`{"a":[{"wildcard":"*a*b*c*d*e*f*g*h"}]}`},
			`{"a":[` + repeat(n, func(int) string { return `"aaabbbcccdddeeefffggg"` }) + `]}`, 1,
		},
		{
			"one very long string",
			[]string{`{"a":[{"wildcard":"*ab*ac*ad*"}]}`},
			`{"a":["` + strings.Repeat("a", 64*n) + `"]}`, 2 * n,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			steps, leaves := stepsOf(t, setOf(t, tt.patterns...), tt.event)
			if steps > tt.perLeaf*leaves+1000 {
				t.Errorf("%d steps for %d leaves, want at most %d a leaf", steps, leaves, tt.perLeaf)
			}
		})
	}
}

// many returns what each returns for 0 to 499.
func many(each func(i int) string) []string { return listOf(500, each) }

// What cannot be bounded by being clever is bounded by giving up, loudly.
func TestTooManyStepsAreAnError(t *testing.T) {
	t.Parallel()
	var patterns []string
	for i := range 1000 {
		patterns = append(patterns, fmt.Sprintf(`{"a":[{"wildcard":"*x%d*"}]}`, i))
	}
	long := `"` + strings.Repeat("y", 64<<10) + `"`
	event := `{"a":[` + repeat(20, func(int) string { return long }) + `]}`
	set := setOf(t, patterns...)
	before := []int{-1}
	got, err := set.Match([]byte(event), before)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Reason, "too many array elements") {
		t.Errorf("Match = %v, %v, want an *Error that says there are too many array elements", got, err)
	}
	if !slices.Equal(got, before) {
		t.Errorf("Match = %v, want dst as it was", got)
	}
	if got, err := set.Match([]byte(`{"a":"-x7-"}`), nil); err != nil || !slices.Equal(got, []int{7}) {
		t.Errorf("the next Match = %v, %v, want [7]", got, err)
	}
}

// FuzzSteps looks for patterns and events that take more steps than the leaves the
// patterns ask about, times the tests there are, times a few. Keys are there once:
// for what a key that is there many times can do there is [maxSteps].
func FuzzSteps(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint64(1), uint8(3), uint8(20))
	}
	f.Fuzz(func(t *testing.T, seed, other uint64, patterns, members uint8) {
		g := generator{Rand: rand.New(rand.NewPCG(seed, other)), arrays: other%2 == 0, unique: true}
		set := NewSet[int]()
		tests := 0
		for i := range 1 + int(patterns)%64 {
			p, err := Parse([]byte(g.pattern()))
			if err != nil {
				continue
			}
			set.Add(i, p)
			for _, c := range p.all {
				tests += len(c)
			}
		}
		elements := func(int) string { return g.object(4) }
		event := fmt.Sprintf(`{"a":[%s],"b":[%s],"c":[%s]}`, repeat(int(members), elements), repeat(int(members), elements), repeat(int(members), elements))
		steps, leaves := stepsOf(t, set, event)
		if limit := 8 * (tests + 1) * (leaves + 1); steps > limit {
			t.Errorf("%d steps for %d leaves and %d tests, want at most %d", steps, leaves, tests, limit)
		}
	})
}

// TestManyKeys has more keys than one word of words of bits has room for, and
// removes some of them.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	const n = 10_000
	set := NewSet[int]()
	var want []int
	for i := range n {
		set.Add(i, parse(t, fmt.Sprintf(`{"a":["%d"],"b":["x"]}`, i%100)))
		if i%100 == 7 {
			want = append(want, i)
		}
	}
	match := func() []int {
		t.Helper()
		got, err := set.Match([]byte(`{"a":"7","b":"x"}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := match(); !slices.Equal(got, want) {
		t.Fatalf("%d keys match, want %d", len(got), len(want))
	}
	for _, k := range want[:90] {
		set.Remove(k)
	}
	if got := match(); !slices.Equal(got, want[90:]) {
		t.Errorf("after Remove %v match, want %v", got, want[90:])
	}
	for i := range n {
		set.Remove(i)
	}
	if got := match(); len(got) > 0 {
		t.Errorf("after Remove of all, %v match", got)
	}
}

// A Set that is changed one pattern at a time has few layers all the same, and
// forgets what only removed patterns needed.
func TestSetStaysSmall(t *testing.T) {
	t.Parallel()
	set := NewSet[int]()
	if _, err := set.Match([]byte(`{}`), nil); err != nil {
		t.Fatal(err)
	}
	const n = 2000
	for i := range n {
		set.Add(i, parse(t, fmt.Sprintf(`{"a%d":["%d"]}`, i, i)))
		if rules := layered(set); rules > i+1 || len(set.layers) > 8 {
			t.Fatalf("%d patterns are %d rules in %d layers", i+1, rules, len(set.layers))
		}
	}
	for i := range n {
		set.Remove(i)
	}
	if rules := layered(set); rules > 200 || len(set.known.allTests) > 200 || len(set.known.tree.fields) > 200 || len(set.next.keys) > 200 {
		t.Errorf("after Remove of all there are %d rules, %d tests, %d fields, %d keys",
			rules, len(set.known.allTests), len(set.known.tree.fields), len(set.next.keys))
	}
}

func layered[K comparable](set *Set[K]) (rules int) {
	for _, l := range set.layers {
		rules += len(l.rules)
	}
	return rules
}
