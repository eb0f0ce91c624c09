package pattern

import (
	"cmp"
	"slices"
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
