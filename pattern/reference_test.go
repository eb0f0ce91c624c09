package pattern

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/bits"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file is the language once more, as plainly as it can be said and as
// slowly: every way to choose one leaf per field is tried.

// A plainLeaf is a value of an event and the array elements it is in.
type plainLeaf struct {
	path     string
	value    any // string, json.Number, bool or nil
	elements map[int]int
}

// A plainPattern is fields of alternatives, one set per combination of $or.
type plainPattern []map[string][]any

func plainMatch(pattern, event string) bool {
	leaves := plainLeaves(event)
	for _, fields := range plainParse(pattern) {
		var paths []string
		for path := range fields {
			paths = append(paths, path)
		}
		slices.Sort(paths)
		if plainChoose(leaves, fields, paths, map[int]int{}) {
			return true
		}
	}
	return false
}

// plainChoose settles the first path in every possible way.
func plainChoose(leaves []plainLeaf, fields map[string][]any, paths []string, elements map[int]int) bool {
	if len(paths) == 0 {
		return true
	}
	absent := true
	for _, l := range leaves {
		together := l.path == paths[0]
		merged := maps.Clone(elements)
		for array, i := range l.elements {
			if j, ok := elements[array]; ok && i != j {
				together = false
			}
			merged[array] = i
		}
		if !together {
			continue
		}
		absent = false
		if plainAny(fields[paths[0]], l.value) && plainChoose(leaves, fields, paths[1:], merged) {
			return true
		}
	}
	return absent && slices.ContainsFunc(fields[paths[0]], func(alternative any) bool {
		m, ok := alternative.(map[string]any)
		return ok && m["exists"] == false
	}) && plainChoose(leaves, fields, paths[1:], elements)
}

func plainAny(alternatives []any, value any) bool {
	return slices.ContainsFunc(alternatives, func(a any) bool { return plainOne(a, value) })
}

func plainOne(alternative, value any) bool {
	expression, ok := alternative.(map[string]any)
	if !ok {
		return plainEqual(alternative, value)
	}
	for operator, argument := range expression {
		s, isString := value.(string)
		switch operator {
		case "exists":
			return argument == true
		case "anything-but":
			return !plainExcluded(argument, value)
		case "numeric":
			return plainNumeric(argument.([]any), value)
		case "exactly":
			return isString && s == argument
		case "cidr":
			return isString && plainCIDR(argument.(string), s)
		default:
			return isString && plainString(operator, argument, s)
		}
	}
	return false
}

func plainEqual(want, value any) bool {
	switch want := want.(type) {
	case string:
		s, ok := value.(string)
		if a, isIP := plainIP(want); isIP && ok {
			b, isIP := plainIP(s)
			return isIP && a == b
		}
		return ok && s == want
	case json.Number:
		n, ok := value.(json.Number)
		if !ok {
			return false
		}
		a, aOK := plainNumber(want)
		b, bOK := plainNumber(n)
		return n == want || aOK && bOK && a == b
	}
	return want == value
}

func plainString(operator string, argument any, s string) bool {
	p, plain := argument.(string)
	if !plain {
		p = argument.(map[string]any)["equals-ignore-case"].(string)
	}
	same := func(a, b string) bool { return a == b }
	if !plain {
		same = strings.EqualFold
	}
	switch operator {
	case "equals-ignore-case":
		return strings.EqualFold(s, p)
	case "prefix", "suffix":
		for i := range len(s) + 1 {
			if operator == "prefix" && same(s[:i], p) || operator == "suffix" && same(s[i:], p) {
				return true
			}
		}
		return false
	case "wildcard":
		return plainWildcard(p).MatchString(s)
	}
	panic("unknown operator " + operator)
}

func plainWildcard(w string) *regexp.Regexp {
	w = regexp.MustCompile(`\\.|\*|[^\\*]+`).ReplaceAllStringFunc(w, func(part string) string {
		switch {
		case part == "*":
			return ".*"
		case part[0] == '\\':
			return regexp.QuoteMeta(part[1:])
		}
		return regexp.QuoteMeta(part)
	})
	return regexp.MustCompile("(?s)^(?:" + w + ")$")
}

func plainExcluded(argument, value any) bool {
	switch argument := argument.(type) {
	case []any:
		return slices.ContainsFunc(argument, func(a any) bool { return plainExcluded(a, value) })
	case map[string]any:
		for operator, operands := range argument {
			if _, ok := operands.([]any); !ok {
				operands = []any{operands}
			}
			s, ok := value.(string)
			return ok && slices.ContainsFunc(operands.([]any), func(o any) bool { return plainString(operator, o, s) })
		}
	case json.Number:
		return plainEqual(argument, value)
	}
	return argument == value
}

func plainNumeric(terms []any, value any) bool {
	n, ok := value.(json.Number)
	if !ok {
		return false
	}
	f, ok := plainNumber(n)
	if !ok {
		return false
	}
	for i := 0; i < len(terms); i += 2 {
		bound, _ := plainNumber(terms[i+1].(json.Number))
		switch terms[i] {
		case "=":
			ok = f == bound
		case "<":
			ok = f < bound
		case "<=":
			ok = f <= bound
		case ">":
			ok = f > bound
		case ">=":
			ok = f >= bound
		}
		if !ok {
			return false
		}
	}
	return true
}

// plainNumber compares as fractions of any size what is written and what the
// float64 prints as.
func plainNumber(n json.Number) (float64, bool) {
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return 0, false
	}
	written, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return 0, false
	}
	printed, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64))
	return f, written.Cmp(printed) == 0
}

var (
	plainV4 = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$`)
	plainV6 = regexp.MustCompile(`^[0-9a-fA-F:]*:[0-9a-fA-F:]*$`)
	zeros   = regexp.MustCompile(`\b0+([0-9a-fA-F])`)
)

func plainIP(s string) (netip.Addr, bool) {
	if v4 := plainV4.MatchString(s) && len(s) <= 15; !v4 && !plainV6.MatchString(s) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(zeros.ReplaceAllString(s, "$1"))
	return a.Unmap(), err == nil
}

func plainCIDR(cidr, s string) bool {
	literal, bits, _ := strings.Cut(cidr, "/")
	base, _ := plainIP(literal)
	n, err := strconv.Atoi(bits)
	if err != nil {
		panic(err)
	}
	a, ok := plainIP(s)
	return ok && netip.PrefixFrom(base, n).Contains(a)
}

// A plainReader walks JSON by token, so that repeated keys are seen.
type plainReader struct {
	*json.Decoder
	arrays int
}

func newPlainReader(text string) *plainReader {
	r := &plainReader{Decoder: json.NewDecoder(strings.NewReader(text))}
	r.UseNumber()
	return r
}

func (r *plainReader) token() json.Token {
	t, err := r.Token()
	if err != nil {
		panic(fmt.Sprintf("the reference reads valid JSON only: %v", err))
	}
	return t
}

func plainLeaves(event string) []plainLeaf {
	r := newPlainReader(event)
	return r.leaves(r.token(), nil, nil)
}

// leaves reads the value that begins with t.
func (r *plainReader) leaves(t json.Token, path []string, elements map[int]int) []plainLeaf {
	var all []plainLeaf
	switch t {
	case json.Delim('{'):
		for r.More() {
			key := r.token().(string)
			all = append(all, r.leaves(r.token(), append(slices.Clone(path), key), elements)...)
		}
		r.token()
	case json.Delim('['):
		r.arrays++
		array := r.arrays
		for i := 0; r.More(); i++ {
			within := elements
			t := r.token()
			if t == json.Delim('{') || t == json.Delim('[') {
				within = maps.Clone(elements)
				if within == nil {
					within = map[int]int{}
				}
				within[array] = i
			}
			all = append(all, r.leaves(t, path, within)...)
		}
		r.token()
	default:
		all = append(all, plainLeaf{strings.Join(path, "."), t, elements})
	}
	return all
}

func plainParse(text string) plainPattern {
	r := newPlainReader(text)
	r.token()
	return r.object(plainPattern{{}}, nil)
}

func (r *plainReader) object(all plainPattern, path []string) plainPattern {
	for r.More() {
		key := r.token().(string)
		here := append(slices.Clone(path), key)
		opening := r.token()
		switch {
		case key == "$or":
			var product plainPattern
			for r.More() {
				r.token()
				var branch plainPattern
				for _, fields := range all {
					branch = append(branch, maps.Clone(fields))
				}
				product = append(product, r.object(branch, path)...)
			}
			r.token()
			all = product
		case opening == json.Delim('{'):
			all = r.object(all, here)
		default:
			var list []any
			for r.More() {
				var v any
				if err := r.Decode(&v); err != nil {
					panic(err)
				}
				list = append(list, v)
			}
			r.token()
			for _, fields := range all {
				fields[strings.Join(here, ".")] = list
			}
		}
	}
	r.token()
	return all
}

// plainComplexity visits every set of prefixes that are matched by one string. A
// prefix is a bit; the empty ones do not count.
func plainComplexity(texts []string) int {
	var tokens string
	var empty uint64
	for _, text := range texts {
		empty |= 1 << len(tokens)
		tokens += `"` + text + `"` + "|"
	}
	// closed adds what a star for nothing reaches.
	closed := func(set uint64) uint64 {
		for i := range tokens {
			if set&(1<<i) != 0 && tokens[i] == '*' {
				set |= 1 << (i + 1)
			}
		}
		return set
	}
	most := 0
	known := map[uint64]bool{}
	queue := []uint64{closed(empty)}
	for len(queue) > 0 {
		set := queue[0]
		queue = queue[1:]
		if known[set] {
			continue
		}
		known[set] = true
		most = max(most, bits.OnesCount64(set&^empty))
		for _, c := range `"abc` {
			var next uint64
			for i := range tokens {
				if set&(1<<i) == 0 {
					continue
				}
				if rune(tokens[i]) == c {
					next |= 1 << (i + 1)
				}
				if i > 0 && tokens[i-1] == '*' {
					next |= 1 << i
				}
			}
			queue = append(queue, closed(next))
		}
	}
	return most
}
