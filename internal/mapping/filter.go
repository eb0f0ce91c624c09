package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A Filter lets events pass that meet its condition. All filters have to let an
// event pass; one that is stopped is recorded as filtered, with the filter's name.
type Filter struct {
	Name string `json:"name" doc:"What it is called where it stopped an event. Left out, it is its condition."`
	Path string `json:"path" doc:"Where the value is: Message^detail^severity."`
	Op   string `json:"op" doc:"What is asked of it: is, is not, contains, not contains, starts, ends, matches, not matches, exists, missing, >, >=, <, <=, between, in cidr."`
	// Values, Any and All are what Op asks for.
	Values Values  `json:"values" doc:"What it is compared with: one, or a list of which one is enough; for between, the two ends, which count."`
	All    []Group `json:"all" doc:"Conditions that all have to hold, in place of path, op and values."`
	Any    []Group `json:"any" doc:"Conditions of which one has to hold, in place of path, op and values."`
}

// A Group is a condition, or several of them.
type Group struct {
	Path   string `json:"path" doc:"Where the value is."`
	Op     string `json:"op" doc:"What is asked of it."`
	Values Values `json:"values" doc:"What it is compared with."`
	All    []Test `json:"all" doc:"Conditions that all have to hold."`
	Any    []Test `json:"any" doc:"Conditions of which one has to hold."`
}

// A Test is one condition.
type Test struct {
	Path   string `json:"path" doc:"Where the value is."`
	Op     string `json:"op" doc:"What is asked of it."`
	Values Values `json:"values" doc:"What it is compared with."`
}

// Values are texts, numbers or booleans, one or a list of them.
type Values []string

// UnmarshalJSON reads one value or a list.
func (vs *Values) UnmarshalJSON(text []byte) error {
	items := []json.RawMessage{text}
	if first(text) == '[' {
		if err := json.Unmarshal(text, &items); err != nil {
			return err
		}
	}
	*vs = make(Values, len(items))
	for i, item := range items {
		v, err := scalar(item)
		if err != nil {
			return err
		}
		(*vs)[i] = v
	}
	return nil
}

// A condition holds of an event or not, and says how it came to that.
type condition interface {
	holds(d *Document) (ok bool, why string)
	String() string
}

// filter is a Filter that was checked.
type filter struct {
	name string
	condition
}

func (f Filter) compile() (filter, error) {
	c, err := compile(Test{f.Path, f.Op, f.Values}, f.All, f.Any, Group.compile)
	if err != nil {
		return filter{}, err
	}
	made := filter{f.Name, c}
	if made.name == "" {
		made.name = c.String()
	}
	return made, nil
}

func (g Group) compile() (condition, error) {
	return compile(Test{g.Path, g.Op, g.Values}, g.All, g.Any, Test.compile)
}

// compile makes a condition of a single test, or of several parts.
func compile[T any](single Test, all, some []T, part func(T) (condition, error)) (condition, error) {
	isSingle := single.Path != "" || single.Op != "" || single.Values != nil
	said := 0
	for _, there := range []bool{isSingle, all != nil, some != nil} {
		if there {
			said++
		}
	}
	if said != 1 {
		return nil, errors.New(`want one of "path" with "op", "all" and "any"`)
	}
	if isSingle {
		return single.compile()
	}
	j := joined{word: "all of", all: true}
	key, parts := "all", all
	if some != nil {
		j, key, parts = joined{word: "any of"}, "any", some
	}
	if len(parts) == 0 {
		return nil, under(key, errors.New("is empty"))
	}
	for i, p := range parts {
		c, err := part(p)
		if err != nil {
			return nil, under(fmt.Sprintf("%s[%d]", key, i), err)
		}
		j.parts = append(j.parts, c)
	}
	return j, nil
}

// joined is several conditions in one.
type joined struct {
	word  string
	all   bool // they all have to hold; else one
	parts []condition
}

func (j joined) holds(d *Document) (bool, string) {
	whys := make([]string, len(j.parts))
	for i, p := range j.parts {
		ok, why := p.holds(d)
		if ok != j.all {
			return ok, why // it decides
		}
		whys[i] = why
	}
	return j.all, strings.Join(whys, "; ")
}

func (j joined) String() string {
	texts := make([]string, len(j.parts))
	for i, p := range j.parts {
		texts[i] = p.String()
	}
	return j.word + " (" + strings.Join(texts, "; ") + ")"
}

// test is a Test that was checked.
type test struct {
	place  place
	op     string
	values []string
	negate bool
	// one judges one value; nil where only being there counts.
	one func(value string) bool
}

// negations are the ops that hold where another one does not.
var negations = map[string]string{"is not": "is", "not contains": "contains", "not matches": "matches", "missing": "exists"}

// ops make what judges one value.
var ops = map[string]func(values []string) (func(string) bool, error){
	"exists":   nil,
	"is":       someOf(func(v, want string) bool { return v == want }),
	"contains": someOf(strings.Contains),
	"starts":   someOf(strings.HasPrefix),
	"ends":     someOf(strings.HasSuffix),
	"matches":  matches,
	">":        compares(">"),
	">=":       compares(">="),
	"<":        compares("<"),
	"<=":       compares("<="),
	"between":  between,
	"in cidr":  inCIDR,
}

func (t Test) compile() (condition, error) {
	path, err := ParsePath(t.Path)
	if err != nil {
		return nil, under("path", err)
	}
	made := test{place: place{path}, op: t.Op, values: t.Values}
	op := t.Op
	if positive, ok := negations[op]; ok {
		op, made.negate = positive, true
	}
	judge, known := ops[op]
	if !known {
		all := slices.Sorted(maps.Keys(ops))
		all = append(all, slices.Sorted(maps.Keys(negations))...)
		return nil, under("op", fmt.Errorf("no %q%s", t.Op, didYouMean(t.Op, all)))
	}
	if judge == nil {
		if len(t.Values) > 0 {
			return nil, under("values", fmt.Errorf("%s takes none", t.Op))
		}
		return made, nil
	}
	if len(t.Values) == 0 {
		return nil, under("values", fmt.Errorf("%s wants at least one", t.Op))
	}
	if made.one, err = judge(t.Values); err != nil {
		return nil, under("values", err)
	}
	return made, nil
}

// holds asks each value where the path leads to several: one is enough, and of a
// negation none may be what it excludes.
func (t test) holds(d *Document) (bool, string) {
	values := t.place.texts(d)
	ok := len(values) > 0
	if t.one != nil {
		ok = slices.ContainsFunc(values, t.one)
	}
	return ok != t.negate, t.place.String() + " is " + shown(values)
}

func (t test) String() string {
	return strings.TrimSpace(t.place.String() + " " + t.op + " " + strings.Join(t.values, ", "))
}

// shown are values for a trace.
func shown(values []string) string {
	if len(values) == 0 {
		return "missing"
	}
	return quote(strings.Join(values, ", "))
}

func someOf(holds func(value, want string) bool) func([]string) (func(string) bool, error) {
	return func(wanted []string) (func(string) bool, error) {
		return func(value string) bool {
			return slices.ContainsFunc(wanted, func(want string) bool { return holds(value, want) })
		}, nil
	}
}

func matches(expressions []string) (func(string) bool, error) {
	all := make([]*regexp.Regexp, len(expressions))
	for i, e := range expressions {
		re, err := regexp.Compile(e)
		if err != nil {
			return nil, err
		}
		all[i] = re
	}
	return func(value string) bool {
		return slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return re.MatchString(value) })
	}, nil
}

func compares(op string) func([]string) (func(string) bool, error) {
	return func(values []string) (func(string) bool, error) {
		limits, err := decimals(values)
		if err != nil {
			return nil, err
		}
		if len(limits) != 1 {
			return nil, fmt.Errorf("%s wants one number", op)
		}
		return func(value string) bool {
			n, ok := decimal(strings.TrimSpace(value))
			return ok && comparisons[op](n.Cmp(limits[0]))
		}, nil
	}
}

func between(values []string) (func(string) bool, error) {
	ends, err := decimals(values)
	if err != nil {
		return nil, err
	}
	if len(ends) != 2 || ends[0].Cmp(ends[1]) > 0 {
		return nil, errors.New("between wants two numbers, the smaller first")
	}
	return func(value string) bool {
		n, ok := decimal(strings.TrimSpace(value))
		return ok && n.Cmp(ends[0]) >= 0 && n.Cmp(ends[1]) <= 0
	}, nil
}

func decimals(values []string) ([]*big.Float, error) {
	all := make([]*big.Float, len(values))
	for i, v := range values {
		n, ok := decimal(v)
		if !ok {
			return nil, fmt.Errorf("%q is no number", v)
		}
		all[i] = n
	}
	return all, nil
}

func inCIDR(values []string) (func(string) bool, error) {
	ranges := make([]netip.Prefix, len(values))
	for i, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return nil, fmt.Errorf("%q is no range such as 10.0.0.0/8", v)
		}
		ranges[i] = p.Masked()
	}
	return func(value string) bool {
		address, err := netip.ParseAddr(strings.TrimSpace(value))
		if err != nil {
			return false
		}
		address = address.Unmap().WithZone("")
		return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(address) })
	}, nil
}
