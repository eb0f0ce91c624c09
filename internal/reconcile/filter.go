package reconcile

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// A Filter is a suppression rule of GuardDuty's
// (https://docs.aws.amazon.com/guardduty/latest/APIReference/API_CreateFilter.html): it
// archives what all of its conditions fit.
type Filter struct {
	Name     string
	Criteria map[string]Condition // by the attribute: "service.action.dnsRequestAction.domain"
}

// A Condition is what one attribute of a finding has to be. Of texts one has to fit;
// what is nil is not asked.
type Condition struct {
	Equals, NotEquals []string
	// Matches and NotMatches have * for any run of characters and ? for one.
	Matches, NotMatches []string
	// Numbers; of createdAt and updatedAt they are Unix milliseconds.
	Over, AtLeast, Under, AtMost *int64
}

// CouldArchive reports whether the filter could have archived the finding, which is
// JSON as GetFindings has it. What cannot be known for certain could be: an attribute
// that is no path into the finding, and what may have been different then.
func (f Filter) CouldArchive(finding []byte) bool {
	d := json.NewDecoder(bytes.NewReader(finding))
	d.UseNumber()
	var document any
	if d.Decode(&document) != nil {
		return true
	}
	for attribute, c := range f.Criteria {
		if !uncertain(attribute) && !c.fits(attribute, at(document, strings.Split(attribute, "."))) {
			return false
		}
	}
	return true
}

// Could are the names of the filters that could have archived the finding, in order.
func Could(filters []Filter, finding []byte) []string {
	var names []string
	for _, f := range filters {
		if f.CouldArchive(finding) {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}

// uncertain reports whether what the attribute is now says nothing of what it was, or
// is not where its name says.
func uncertain(attribute string) bool {
	switch attribute {
	case "updatedAt", "service.archived", "service.count", "service.eventLastSeen", "resource.s3BucketDetails.publicAccess.effectivePermissions":
		return true
	}
	return strings.HasPrefix(attribute, "service.additionalInfo.")
}

// at are the values at a path; lists on the way are gone through.
func at(v any, path []string) []any {
	switch v := v.(type) {
	case []any:
		var all []any
		for _, e := range v {
			all = append(all, at(e, path)...)
		}
		return all
	case map[string]any:
		if len(path) == 0 {
			return nil
		}
		return at(v[path[0]], path[1:])
	}
	if len(path) > 0 || v == nil {
		return nil
	}
	return []any{v}
}

func (c Condition) fits(attribute string, values []any) bool {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = written(v)
	}
	one := func(wanted []string, same func(have, want string) bool) bool {
		return slices.ContainsFunc(texts, func(have string) bool {
			return slices.ContainsFunc(wanted, func(want string) bool { return same(have, want) })
		})
	}
	switch {
	case c.Equals != nil && !one(c.Equals, same), c.NotEquals != nil && one(c.NotEquals, same):
		return false
	case c.Matches != nil && !one(c.Matches, wording.Like), c.NotMatches != nil && one(c.NotMatches, wording.Like):
		return false
	}
	for _, bound := range []struct {
		limit *int64
		holds func(have, limit float64) bool
	}{
		{c.Over, func(h, l float64) bool { return h > l }},
		{c.AtLeast, func(h, l float64) bool { return h >= l }},
		{c.Under, func(h, l float64) bool { return h < l }},
		{c.AtMost, func(h, l float64) bool { return h <= l }},
	} {
		if bound.limit == nil {
			continue
		}
		if !slices.ContainsFunc(texts, func(have string) bool {
			n, ok := number(attribute, have)
			return ok && bound.holds(n, float64(*bound.limit))
		}) {
			return false
		}
	}
	return true
}

// written is a value as conditions write it.
func written(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// same compares texts, and numbers however they are written: 5 is 5.0.
func same(have, want string) bool {
	if have == want {
		return true
	}
	h, errH := strconv.ParseFloat(have, 64)
	w, errW := strconv.ParseFloat(want, 64)
	return errH == nil && errW == nil && h == w
}

// number reads a value that is compared by size.
func number(attribute, text string) (float64, bool) {
	if attribute == "createdAt" {
		t, err := time.Parse(time.RFC3339, text)
		return float64(t.UnixMilli()), err == nil
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}
