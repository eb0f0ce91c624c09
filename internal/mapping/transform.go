package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// A Transform makes one text of another. In the configuration it is
//
//	trim, lower, upper
//	{regex: "^i-([0-9a-f]+)$", group: 1}   a part of the text, or nothing
//	{map: {ALARM: high, else: low}}        another text for this one; left as it is if none is meant
//	{bands: {"<4": low, "<7": medium, else: high}}   a text for a number, the first band that it is in
//	{default: unknown}                     where there is nothing
//
// group is a number or a name; without it, it is the first group, or all of the
// match if there is none. What is no number is in no band, not even else.
type Transform struct {
	apply func(text string, ok bool) (string, bool)
}

// UnmarshalJSON reads a transform.
func (t *Transform) UnmarshalJSON(text []byte) (err error) {
	if first(text) == '"' {
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return err
		}
		change, known := changes[name]
		if !known {
			return fmt.Errorf("no transform %q; known: trim, lower, upper, and regex, map, bands, default with their settings", name)
		}
		t.apply = change.there
		return nil
	}
	var o struct {
		Regex   *string         `json:"regex"`
		Group   json.RawMessage `json:"group"`
		Map     json.RawMessage `json:"map"`
		Bands   json.RawMessage `json:"bands"`
		Default json.RawMessage `json:"default"`
	}
	if err := strict(text, &o); err != nil {
		return err
	}
	made := 0
	add := func(apply func(string, bool) (string, bool), problem error) {
		made++
		if err == nil {
			t.apply, err = apply, problem
		}
	}
	if o.Regex != nil {
		add(part(*o.Regex, o.Group))
	}
	if o.Map != nil {
		add(replacement(o.Map))
	}
	if o.Bands != nil {
		add(bands(o.Bands))
	}
	if o.Default != nil {
		add(fallback(o.Default))
	}
	if made != 1 {
		return fmt.Errorf("%d transforms in one: want one of regex, map, bands, default", made)
	}
	if o.Regex == nil && o.Group != nil {
		return errors.New("group: it is of a regex, and there is none")
	}
	return err
}

// A change makes another text of one that is there.
type change func(string) string

// there leaves alone what is missing.
func (c change) there(text string, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	return c(text), true
}

var changes = map[string]change{"trim": strings.TrimSpace, "lower": strings.ToLower, "upper": strings.ToUpper}

func part(expression string, group json.RawMessage) (func(string, bool) (string, bool), error) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	i, err := groupOf(re, group)
	if err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	return func(text string, ok bool) (string, bool) {
		if !ok {
			return "", false
		}
		m := re.FindStringSubmatchIndex(text)
		if m == nil || m[2*i] < 0 {
			return "", false
		}
		return text[m[2*i]:m[2*i+1]], true
	}, nil
}

// groupOf is the number of a group that is written as its number or its name.
func groupOf(re *regexp.Regexp, written json.RawMessage) (int, error) {
	if written == nil {
		return min(1, re.NumSubexp()), nil
	}
	text, err := scalar(written)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		n = re.SubexpIndex(text)
	}
	if n < 0 || n > re.NumSubexp() {
		return 0, fmt.Errorf("the regex has no group %s", text)
	}
	return n, nil
}

// otherwise is the key under which a map and bands have what is meant for the rest.
const otherwise = "else"

func replacement(written json.RawMessage) (func(string, bool) (string, bool), error) {
	pairs, err := inOrder(written)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	values := make(map[string]string, len(pairs))
	for _, p := range pairs {
		values[p.key] = p.value
	}
	rest, hasRest := values[otherwise]
	delete(values, otherwise)
	return func(text string, ok bool) (string, bool) {
		if !ok {
			return "", false
		}
		if v, known := values[text]; known {
			return v, true
		}
		if hasRest {
			return rest, true
		}
		return text, true
	}, nil
}

func bands(written json.RawMessage) (func(string, bool) (string, bool), error) {
	pairs, err := inOrder(written)
	if err != nil {
		return nil, fmt.Errorf("bands: %w", err)
	}
	type band struct {
		holds func(int) bool
		limit *big.Float
		value string
	}
	var all []band
	rest, hasRest := "", false
	for _, p := range pairs {
		if p.key == otherwise {
			rest, hasRest = p.value, true
			continue
		}
		op := strings.TrimRight(p.key, "0123456789.-+eE \t")
		holds, known := comparisons[op]
		limit, isNumber := decimal(strings.TrimSpace(p.key[len(op):]))
		if !known || !isNumber {
			return nil, fmt.Errorf("bands: %q is no band such as <4, <=6.9, >=7 or else", p.key)
		}
		all = append(all, band{holds, limit, p.value})
	}
	return func(text string, ok bool) (string, bool) {
		n, isNumber := decimal(strings.TrimSpace(text))
		if !ok || !isNumber {
			return "", false
		}
		for _, b := range all {
			if b.holds(n.Cmp(b.limit)) {
				return b.value, true
			}
		}
		return rest, hasRest
	}, nil
}

func fallback(written json.RawMessage) (func(string, bool) (string, bool), error) {
	value, err := scalar(written)
	if err != nil {
		return nil, fmt.Errorf("default: %w", err)
	}
	return func(text string, ok bool) (string, bool) {
		if !ok {
			return value, true
		}
		return text, true
	}, nil
}

type pair struct{ key, value string }

// inOrder are the members of an object of texts as they are written.
func inOrder(text []byte) ([]pair, error) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("got %s, want names with their values", text)
	}
	var all []pair
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := key.(string) // of an object, it is
		s, err := scalar(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, pair{name, s})
	}
	if len(all) == 0 {
		return nil, errors.New("is empty")
	}
	return all, nil
}

// comparisons say by what Cmp gives whether one holds.
var comparisons = map[string]func(int) bool{
	"<":  func(c int) bool { return c < 0 },
	"<=": func(c int) bool { return c <= 0 },
	">":  func(c int) bool { return c > 0 },
	">=": func(c int) bool { return c >= 0 },
	"=":  func(c int) bool { return c == 0 },
}

var decimalForm = lazyregexp.New(`^[+-]?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,3})?$`)

// precision holds 60 decimal digits, so that ids and prices compare as they are
// written.
const precision = 256

// decimal is a number written in decimals; anything else is none.
func decimal(text string) (*big.Float, bool) {
	if !decimalForm.MatchString(text) {
		return nil, false
	}
	n, _, err := big.ParseFloat(text, 10, precision, big.ToNearestEven)
	return n, err == nil
}
