package pattern

import (
	"bytes"
	"encoding/json"
	"slices"
)

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
