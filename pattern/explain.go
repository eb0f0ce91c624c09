package pattern

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What an [Explanation] holds is bounded, whatever the pattern and the event.
const (
	maxExplained = 20   // combinations
	maxShown     = 5    // values and elements each
	maxSpelled   = 200  // bytes of a value or a list
	maxHints     = 3    // per leaf
	maxProbed    = 2000 // values of one leaf that are tried one by one
	maxStrangers = 2000 // paths of the event that are searched for what is missing
	maxHintDepth = 32   // of those paths
)

// An Explanation says which leaves of a pattern an event has, and which not.
type Explanation struct {
	// Match is what [Pattern.Match] returns.
	Match bool
	// Combinations are what the branches of $or make, those that match first, then
	// those that lack the fewest leaves. A pattern without $or is one combination.
	Combinations []Combination
	// More is how many combinations are left out.
	More int
}

// A Combination is a set of leaves that have to hold together.
type Combination struct {
	Match  bool
	Leaves []Leaf // sorted by path
	// Splits say why there is no match although every leaf holds: the values are
	// in different elements of an array. Empty otherwise.
	Splits []Split
}

// A Leaf is one list of a pattern, and what the event has where it is asked for.
type Leaf struct {
	Path  string // dotted, such as detail.severity
	Want  string // the list as written; cut, with "…", if it is long
	Holds bool
	// Saw are the event's values as they are spelled in it, the first few, each cut
	// if it is long; More is how many there are besides.
	Saw  []string
	More int
	// Found is why Saw is empty: "missing", "[]", "{}" or "an object".
	Found string
	// Hints say, in a clause each, what is likely the matter.
	Hints []string
}

// A Split is an array in different elements of which leaves hold.
type Split struct {
	Array string // dotted path, such as detail.findings
	In    []Within
}

// Within says in which elements a leaf holds, counted from 0; of many, the first.
type Within struct {
	Path     string
	Elements []int
}

// Explain says why an event, a JSON object, matches or why it does not: every
// leaf is matched by itself, and if all hold, together. Values come in the
// spelling of the event, with what cannot be printed escaped, so that they may be
// shown on a terminal. Explain takes much longer than [Pattern.Match]. It returns
// an [*Error] if the event is no JSON object.
func (p *Pattern) Explain(event []byte) (Explanation, error) {
	match, err := p.Match(event)
	if err != nil {
		return Explanation{}, err
	}
	x := explainer{event: event, holds: map[field]bool{}, kept: map[field]*explained{}}
	if err := x.judge(p.all); err != nil {
		return Explanation{}, err
	}
	together := map[int]bool{0: match}
	if match && len(p.all) > 1 {
		if together, err = matching(p.all, event); err != nil {
			return Explanation{}, err
		}
	}
	order := make([]int, len(p.all))
	lacking := make([]int, len(p.all)) // leaves that do not hold; -1 of those that match
	for i, c := range p.all {
		order[i] = i
		for _, f := range c {
			if !x.holds[f] {
				lacking[i]++
			}
		}
		if together[i] {
			lacking[i] = -1
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lacking[a], lacking[b]) })
	e := Explanation{Match: match, More: max(0, len(order)-maxExplained)}
	order = order[:len(order)-e.More]
	x.walkFor(p.all, order)
	for _, i := range order {
		e.Combinations = append(e.Combinations, x.combination(p.all[i], lacking[i] < 0))
	}
	return e, nil
}

// explained is a leaf with what is found out about it once.
type explained struct {
	leaf  Leaf
	alone *Pattern     // the leaf by itself
	seen  []occurrence // that make it hold; at most maxProbed are tried
}

// An explainer holds what is known of one event.
type explainer struct {
	event     []byte
	holds     map[field]bool
	kept      map[field]*explained
	values    map[string][]occurrence // of the leaves that are told of
	arrays    []string                // the path of each array, by its number
	strangers []stranger
}

// judge matches every leaf by itself.
func (x *explainer) judge(all []conjunction) error {
	var leaves []conjunction
	for _, c := range all {
		for _, f := range c {
			if _, known := x.holds[f]; !known {
				x.holds[f] = false
				leaves = append(leaves, conjunction{f})
			}
		}
	}
	hold, err := matching(leaves, x.event)
	for i, c := range leaves {
		x.holds[c[0]] = hold[i]
	}
	return err
}

// matching tells which of the conjunctions match, each by itself.
func matching(all []conjunction, event []byte) (map[int]bool, error) {
	set := NewSet[int]()
	for i, c := range all {
		set.Add(i, &Pattern{all: []conjunction{c}})
	}
	matched, err := set.Match(event, nil)
	is := map[int]bool{}
	for _, i := range matched {
		is[i] = true
	}
	return is, err
}

func (x *explainer) combination(c conjunction, match bool) Combination {
	out := Combination{Match: match}
	lacking := false
	for _, f := range c {
		leaf := x.explain(f).leaf
		if match && !leaf.Holds {
			// Absence is judged where the leaves before this one hold.
			leaf.Holds = true
			leaf.Hints = []string{"absent where the leaves before it hold; another element of the array has it"}
		}
		lacking = lacking || !leaf.Holds
		out.Leaves = append(out.Leaves, leaf)
	}
	if !match && !lacking {
		out.Splits = x.splits(c)
	}
	return out
}

func (x *explainer) explain(f field) *explained {
	if known := x.kept[f]; known != nil {
		return known
	}
	e := &explained{alone: &Pattern{all: []conjunction{{f}}}}
	x.kept[f] = e
	e.leaf = Leaf{Path: printable(f.path), Want: spelled(oneLine(f.list.text)), Holds: x.holds[f], Found: "missing"}
	for _, o := range x.values[f.path] {
		switch {
		case !o.value:
			e.leaf.Found = o.raw
		case len(e.leaf.Saw) < maxShown:
			e.leaf.Saw = append(e.leaf.Saw, spelled(o.raw))
		default:
			e.leaf.More++
		}
	}
	if len(e.leaf.Saw) > 0 {
		e.leaf.Found = ""
	}
	if !e.leaf.Holds {
		hints := x.hints(f, e)
		e.leaf.Hints = hints[:min(len(hints), maxHints)]
		return e
	}
	for i, o := range x.values[f.path] {
		if i == maxProbed {
			break
		}
		if o.value && e.accepts(f.path, o.raw) {
			e.seen = append(e.seen, o)
		}
	}
	return e
}

// accepts reports whether the leaf holds for a value by itself.
func (e *explained) accepts(path, raw string) bool {
	ok, err := e.alone.Match([]byte(`{` + quote(path) + `:` + raw + `}`))
	return ok && err == nil
}

// splits finds leaves that hold in different elements of an array only: two of
// them, or where every two agree, all that share an array.
func (x *explainer) splits(c conjunction) []Split {
	var found []Split
	for i, a := range c {
		for _, b := range c[i+1:] {
			if array, apart := x.apart(a, b); apart && len(found) < maxHints {
				found = append(found, x.split(array, []field{a, b}))
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	sharing := map[int][]field{}
	var arrays []int
	for _, f := range c {
		in := map[int]bool{}
		for _, o := range x.explain(f).seen {
			for _, s := range o.trail {
				if !in[s.array] {
					in[s.array] = true
					arrays = append(arrays, s.array)
					sharing[s.array] = append(sharing[s.array], f)
				}
			}
		}
	}
	slices.Sort(arrays)
	for _, array := range slices.Compact(arrays) {
		if fields := sharing[array]; len(fields) > 1 && len(found) < maxHints {
			found = append(found, x.split(array, fields))
		}
	}
	return found
}

// apart finds the array that keeps two leaves from holding together.
func (x *explainer) apart(a, b field) (array int, apart bool) {
	as, bs := x.explain(a).seen, x.explain(b).seen
	const most = 200
	if len(as) > most || len(bs) > most {
		return 0, false
	}
	for _, a := range as {
		for _, b := range bs {
			conflict, ok := a.conflict(b)
			if !ok {
				return 0, false
			}
			if !apart {
				array, apart = conflict, true
			}
		}
	}
	return array, apart
}

func (x *explainer) split(array int, fields []field) Split {
	s := Split{Array: printable(x.arrays[array])}
	for _, f := range fields[:min(len(fields), maxShown)] {
		in := Within{Path: printable(f.path)}
		for _, o := range x.explain(f).seen {
			for _, at := range o.trail {
				if at.array == array && !slices.Contains(in.Elements, at.index) && len(in.Elements) < maxShown {
					in.Elements = append(in.Elements, at.index)
				}
			}
		}
		s.In = append(s.In, in)
	}
	return s
}

// An occurrence is a value of the event at a path that a leaf asks for, or what is
// there instead of a value.
type occurrence struct {
	raw   string
	value bool // otherwise raw is "[]", "{}" or "an object"
	trail []step
}

// A step is the element of an array that a value is in, if the elements are
// objects or arrays: only those keep values apart.
type step struct{ array, index int }

// conflict is the outermost array in different elements of which the two are.
func (o occurrence) conflict(other occurrence) (array int, ok bool) {
	for _, a := range o.trail {
		for _, b := range other.trail {
			if a.array == b.array && a.index != b.index {
				return a.array, true
			}
		}
	}
	return 0, false
}

// A stranger is a path of the event that no leaf asks for, and the first value
// there.
type stranger struct{ path, raw string }

// walkFor gathers what the event has at the paths of the combinations that are
// told of.
func (x *explainer) walkFor(all []conjunction, told []int) {
	w := walker{wanted: map[string]bool{}, above: map[string]bool{}, known: map[string]bool{}, values: map[string][]occurrence{}}
	for _, i := range told {
		for _, f := range all[i] {
			w.wanted[f.path] = true
			for at := range len(f.path) {
				if f.path[at] == '.' {
					w.above[f.path[:at]] = true
				}
			}
		}
	}
	w.Decoder = json.NewDecoder(bytes.NewReader(x.event))
	w.UseNumber()
	w.event = x.event
	w.walk(nil, 0, nil)
	x.values, x.arrays, x.strangers = w.values, w.arrays, w.strangers
}

// A walker reads a valid event token by token, so that repeated keys are seen.
type walker struct {
	*json.Decoder
	event         []byte
	wanted, above map[string]bool // paths that are asked for, and those above them
	known         map[string]bool // paths of the strangers
	values        map[string][]occurrence
	arrays        []string
	strangers     []stranger
}

// token returns the next token and its text.
func (w *walker) token() (json.Token, string) {
	start := w.InputOffset()
	t, err := w.Token()
	if err != nil {
		return nil, "" // it was valid a moment ago
	}
	raw := bytes.TrimLeft(w.event[start:w.InputOffset()], " \t\r\n,:")
	return t, string(raw)
}

// walk reads one value.
func (w *walker) walk(path []byte, depth int, trail []step) {
	t, raw := w.token()
	w.value(t, raw, path, depth, trail)
}

// value reads on from the first token of a value. What is appended to path is
// overwritten by what comes next.
func (w *walker) value(t json.Token, raw string, path []byte, depth int, trail []step) {
	if raw == "" {
		return // the end, where an event was not valid
	}
	switch t {
	case json.Delim('{'):
		w.object(path, depth, trail)
	case json.Delim('['):
		w.array(path, depth, trail)
	default:
		w.see(path, depth, occurrence{raw: raw, value: true, trail: trail})
	}
}

func (w *walker) see(path []byte, depth int, o occurrence) {
	if w.wanted[string(path)] {
		w.values[string(path)] = append(w.values[string(path)], o)
	}
	if o.value && depth <= maxHintDepth && len(w.strangers) < maxStrangers && !w.known[string(path)] {
		w.known[string(path)] = true
		w.strangers = append(w.strangers, stranger{string(path), o.raw})
	}
}

func (w *walker) object(path []byte, depth int, trail []step) {
	what := "an object"
	if !w.More() {
		what = "{}"
	}
	w.see(path, depth, occurrence{raw: what})
	for w.More() {
		t, _ := w.token()
		key, ok := t.(string)
		if !ok {
			return
		}
		below := path
		if depth > 0 {
			below = append(below, '.')
		}
		below = append(below, key...)
		if depth > maxHintDepth && !w.wanted[string(below)] && !w.above[string(below)] {
			w.skip()
			continue
		}
		w.walk(below, depth+1, trail)
	}
	w.token()
}

// skip reads one value and forgets it.
func (w *walker) skip() {
	for depth := 0; ; {
		t, raw := w.token()
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth <= 0 || raw == "" {
			return
		}
	}
}

func (w *walker) array(path []byte, depth int, trail []step) {
	if !w.More() {
		w.see(path, depth, occurrence{raw: "[]"})
	}
	number := len(w.arrays)
	w.arrays = append(w.arrays, string(path))
	for i := 0; w.More(); i++ {
		t, raw := w.token()
		within := trail
		if t == json.Delim('{') || t == json.Delim('[') {
			within = append(slices.Clone(trail), step{number, i})
		}
		w.value(t, raw, path, depth, within)
	}
	w.token()
}

// hints guesses why a leaf does not hold.
func (x *explainer) hints(f field, e *explained) []string {
	var all []string
	say := func(format string, args ...any) {
		if hint := fmt.Sprintf(format, args...); !slices.Contains(all, hint) {
			all = append(all, hint)
		}
	}
	tried := 0
	for _, o := range x.values[f.path] {
		if tried++; tried > maxShown {
			break
		}
		if !o.value {
			continue
		}
		e.misspelled(f, o.raw, say)
	}
	switch e.leaf.Found {
	case "an object":
		say("an object is no value: ask for one of its fields")
	case "[]", "{}":
		say("%s is no value: only {\"exists\": false} matches it", e.leaf.Found)
	case "missing":
		x.elsewhere(f, e, say)
	}
	return all
}

// misspelled guesses from one value.
func (e *explained) misspelled(f field, raw string, say func(string, ...any)) {
	if raw[0] != '"' {
		if e.accepts(f.path, `"`+raw+`"`) {
			say(`the event has %s, and the pattern wants the string "%s" in quotes`, describe(raw), spelled(raw))
			return
		}
		for _, want := range literals(f.list.text) {
			if isNumber(raw[0]) && scalar(want) && isNumber(want[0]) {
				say("the event has a number, and %s in quotes is text: a number is written without them", spelled(quote(want)))
				return
			}
		}
		return
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return
	}
	if scalar(s) && e.accepts(f.path, s) {
		say("the event has the string %s in quotes, and the pattern wants %s", spelled(raw), describe(s))
		return
	}
	if trimmed := strings.TrimSpace(s); trimmed != s && e.accepts(f.path, quote(trimmed)) {
		say("the event's value has white space around it")
	}
	for _, want := range literals(f.list.text) {
		if want != s && strings.EqualFold(want, s) {
			say("%s differs in upper and lower case only: {\"equals-ignore-case\": …} ignores it", spelled(quote(want)))
		}
	}
}

// describe is "the number 5", "true" or the like.
func describe(raw string) string {
	if raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
		return "the number " + spelled(raw)
	}
	return raw
}

// scalar reports whether a text would be a number, true, false or null without
// its quotes.
func scalar(s string) bool {
	return json.Valid([]byte(s)) && !strings.ContainsAny(s[:1], "\"{[ \t\r\n")
}

// literals are the strings of a list that values are equal to, begin or end with.
func literals(list string) []string {
	var alternatives []any
	if json.Unmarshal([]byte(list), &alternatives) != nil {
		return nil
	}
	var all []string
	for _, a := range alternatives {
		switch a := a.(type) {
		case string:
			all = append(all, a)
		case map[string]any:
			if s, ok := a["exactly"].(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// elsewhere looks for a missing field under another name or on another level.
func (x *explainer) elsewhere(f field, e *explained, say func(string, ...any)) {
	plain := func(path string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(path))
	}
	at, last := plain(f.path), lastKey(f.path)
	var same, other []stranger
	for _, s := range x.strangers {
		switch {
		case s.raw[0] == '"' && strings.HasPrefix(strings.TrimLeft(s.raw[1:], " "), "{") && (strings.HasPrefix(f.path, s.path+".") || s.path == "Message"):
			say("%s is a string with JSON in it: take the event out of it first", printable(s.path))
		case plain(s.path) == at:
			same = append(same, s)
		case strings.EqualFold(lastKey(s.path), last) && last != "":
			other = append(other, s)
		}
	}
	for _, s := range same {
		say("the event spells it %s", printable(s.path))
	}
	// Where the value would do is where it was meant, then what is nearest.
	slices.SortStableFunc(other, func(a, b stranger) int {
		if x, y := e.accepts(f.path, a.raw), e.accepts(f.path, b.raw); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(distance(f.path, a.path), distance(f.path, b.path))
	})
	for i, s := range other {
		if i == 2 {
			break
		}
		would := ""
		if e.accepts(f.path, s.raw) {
			would = ", and that value would do"
		}
		say("the event has %s%s", printable(s.path), would)
	}
}

// distance is how many keys there are in one path and not in the other, at least.
func distance(a, b string) int {
	return max(strings.Count(a, ".")-strings.Count(b, "."), strings.Count(b, ".")-strings.Count(a, "."))
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // cannot be: every string has a form in JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// spelled is raw JSON, cut and fit to be printed.
func spelled(raw string) string {
	if len(raw) <= maxSpelled {
		return printable(raw)
	}
	cut := maxSpelled
	for cut > 0 && !utf8.RuneStart(raw[cut]) {
		cut--
	}
	return printable(raw[:cut]) + "…"
}

// oneLine is a list without the white space it was laid out with.
func oneLine(list string) string {
	if !strings.ContainsAny(list, "\n\t") {
		return list
	}
	var b bytes.Buffer
	if json.Compact(&b, []byte(list)) != nil {
		return list
	}
	return b.String()
}

// printable escapes, as JSON would, what is not to reach a terminal or would not
// be seen there.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// String tells it in lines: the verdict, then a line for each leaf of the nearest
// combination and for the leaves that do not hold of the others.
//
//	no match
//	  yes  source           is "aws.guardduty", want ["aws.guardduty"]
//	  no   detail.severity  is "8", want [{"numeric": [">=", 7]}]
//	       hint: the event has the string "8" in quotes, and the pattern wants the number 8
func (e Explanation) String() string {
	var b strings.Builder
	switch total := len(e.Combinations) + e.More; {
	case e.Match:
		b.WriteString("match\n")
	case total > 1:
		fmt.Fprintf(&b, "no match: none of the %d combinations that $or makes; the nearest first\n", total)
	default:
		b.WriteString("no match\n")
	}
	for i, c := range e.Combinations {
		if e.Match && !c.Match {
			break
		}
		if i > 0 {
			b.WriteString("or\n")
		}
		c.write(&b, i == 0)
	}
	if e.More > 0 && !e.Match {
		fmt.Fprintf(&b, "and %d more\n", e.More)
	}
	return b.String()
}

func (c Combination) write(b *strings.Builder, whole bool) {
	width := 0
	for _, l := range c.Leaves {
		width = max(width, min(40, utf8.RuneCountInString(l.Path)))
	}
	held := 0
	for _, l := range c.Leaves {
		if l.Holds && !whole {
			held++
			continue
		}
		verdict := "no "
		if l.Holds {
			verdict = "yes"
		}
		fmt.Fprintf(b, "  %s  %-*s  %s, want %s\n", verdict, width, l.Path, l.saw(), l.Want)
		for _, h := range l.Hints {
			fmt.Fprintf(b, "       hint: %s\n", h)
		}
	}
	if held > 0 {
		fmt.Fprintf(b, "  yes  for the other %d\n", held)
	}
	for _, s := range c.Splits {
		fmt.Fprintf(b, "  no   all hold, but in different elements of %s:", s.Array)
		for i, in := range s.In {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, " %s in %s", in.Path, strings.Join(strings.Fields(fmt.Sprint(in.Elements)), ", "))
		}
		b.WriteByte('\n')
	}
}

func (l Leaf) saw() string {
	switch {
	case l.Found != "":
		return "is " + l.Found
	case l.More > 0:
		return fmt.Sprintf("is %s and %d more", strings.Join(l.Saw, " "), l.More)
	}
	return "is " + strings.Join(l.Saw, " ")
}
