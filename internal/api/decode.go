package api

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/spelling"
)

// How long a body may be: one of fields, and a raw event.
const (
	maxBody  = 64 << 10
	maxEvent = 1 << 20
)

// A plan is how a struct of parameters is read. It is made once, and panics on
// what it cannot read: that is a mistake in the declaration.
type plan struct {
	in     reflect.Type
	params []param
	// body is the field for the body, nil if there is none; raw takes it as it is.
	body []int
	raw  bool
}

// A param is one parameter of path or query.
type param struct {
	place string // "path" or "query"
	name  string
	field reflect.StructField
	index []int
	bounds
}

func planOf(in reflect.Type) plan {
	p := plan{in: in}
	for _, f := range reflect.VisibleFields(in) {
		for _, place := range []string{"path", "query"} {
			if name, ok := f.Tag.Lookup(place); ok {
				p.params = append(p.params, param{place, name, f, f.Index, boundsOf(f)})
			}
		}
		if form, ok := f.Tag.Lookup("body"); ok {
			p.body, p.raw = f.Index, form == "raw"
		}
	}
	return p
}

// read reads the request into a value of the plan's type, or says all that is
// wrong with it.
func (p plan) read(w http.ResponseWriter, r *http.Request) (reflect.Value, error) {
	in := reflect.New(p.in).Elem()
	d := &decoder{}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		d.fail("query", "", "cannot be read: %v", err)
	}
	for _, param := range p.params {
		values := query[param.name]
		if param.place == "path" {
			values = []string{r.PathValue(param.name)}
		}
		d.param(param, values, in.FieldByIndex(param.index))
	}
	d.unknown(query, p.params)
	if p.body != nil {
		if err := p.readBody(d, w, r, in.FieldByIndex(p.body)); err != nil {
			return in, err
		}
	}
	if len(d.problems) > 0 {
		return in, d.problems
	}
	return in, nil
}

func (p plan) readBody(d *decoder, w http.ResponseWriter, r *http.Request, into reflect.Value) error {
	if err := isJSON(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	most := int64(maxBody)
	if p.raw {
		most = maxEvent
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return err
	}
	switch {
	case err != nil:
		d.fail("body", "", "it ended early")
	case p.raw && len(text) == 0:
		d.fail("body", "", "is empty")
	case p.raw:
		into.SetBytes(text)
	default:
		d.body(text, into)
	}
	return nil
}

// isJSON refuses what says that it is something else. curl -d says that it sends a
// form, and who says nothing means JSON.
func isJSON(contentType string) error {
	if contentType == "" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || (kind != "application/json" && kind != "application/x-www-form-urlencoded") {
		return mediaError{contentType}
	}
	return nil
}

// A decoder collects what is wrong.
type decoder struct{ problems problems }

func (d *decoder) fail(in, field, format string, args ...any) {
	d.problems = append(d.problems, Problem{in, field, fmt.Sprintf(format, args...)})
}

// unknown refuses parameters that there are none of.
func (d *decoder) unknown(query url.Values, params []param) {
	var known []string
	for _, p := range params {
		if p.place == "query" {
			known = append(known, p.name)
		}
	}
	for name := range query {
		if !slices.Contains(known, name) {
			d.fail("query", name, "there is no such parameter%s", nearest(name, known))
		}
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return strings.Compare(a.In, b.In) })
}

// nearest is ` (did you mean "status"?)`, or nothing.
func nearest(word string, known []string) string {
	best, edits := "", 3
	for _, k := range known {
		if n := spelling.Edits(word, k); n < edits {
			best, edits = k, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// param reads the values of one parameter. An empty one of the query is as if it
// were left out.
func (d *decoder) param(p param, values []string, into reflect.Value) {
	values = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
	if len(values) == 0 && p.fallback != "" {
		values = []string{p.fallback}
	}
	switch {
	case len(values) == 0 && p.required:
		d.fail(p.place, p.name, "is missing")
		return
	case len(values) == 0:
		return
	case into.Kind() == reflect.Slice:
		list := reflect.MakeSlice(into.Type(), len(values), len(values))
		for i, s := range values {
			d.text(p, s, list.Index(i))
		}
		into.Set(list)
		return
	case len(values) > 1:
		d.fail(p.place, p.name, "is there %d times", len(values))
		return
	}
	d.text(p, values[0], into)
}

// text reads one value of a parameter.
func (d *decoder) text(p param, s string, into reflect.Value) {
	if problem := setText(into, s); problem != "" {
		d.fail(p.place, p.name, "%s", problem)
		return
	}
	if problem := p.check(into); problem != "" {
		d.fail(p.place, p.name, "%s", problem)
	}
}

// setText sets a value of what stands in a path or a query, and says what is wrong
// with it.
func setText(into reflect.Value, s string) (problem string) {
	if into.Type() == reflect.TypeFor[time.Time]() {
		return setTime(into, s)
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](into.Addr()); ok {
		if err := u.UnmarshalText([]byte(s)); err != nil {
			return err.Error()
		}
		return ""
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Sprintf("%q is neither true nor false", s)
		}
		into.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, into.Type().Bits())
		if err != nil {
			return fmt.Sprintf("%q is not a number", s)
		}
		into.SetInt(n)
	default:
		panic("no parameter can be a " + into.Type().String())
	}
	return ""
}

func setTime(into reflect.Value, s string) (problem string) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Sprintf("%q is not a time such as 2026-06-12T03:00:00Z", s)
	}
	into.Set(reflect.ValueOf(t.UTC()))
	return ""
}

// Bounds are what a field takes. They are declared once, in the jsonschema tag:
// "minimum=1,maximum=100,minLength=1,maxLength=64,maxItems=10,enum=a,enum=b". What
// has no omitempty is required, and a text that is required is not blank.
type bounds struct {
	required           bool
	fallback           string
	minimum, maximum   *int64
	maxLength          int
	minItems, maxItems int
	words              []string
	object             bool // of raw JSON
}

func boundsOf(f reflect.StructField) bounds {
	b := bounds{words: wordsOf(f.Type)}
	if f.Type.Kind() == reflect.Slice {
		b.words = wordsOf(f.Type.Elem())
	}
	_, path := f.Tag.Lookup("path")
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	_, query := f.Tag.Lookup("query")
	b.required = path || (!query && options == "")
	for option := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "required":
			b.required = true
		case "default":
			b.fallback = value
		case "minimum":
			b.minimum = number(value)
		case "maximum":
			b.maximum = number(value)
		case "maxLength":
			b.maxLength = int(*number(value))
		case "minItems":
			b.minItems = int(*number(value))
		case "maxItems":
			b.maxItems = int(*number(value))
		case "enum":
			b.words = append(slices.Clone(b.words), value)
		case "type":
			b.object = value == "object"
		}
	}
	return b
}

func number(s string) *int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic("a bound that is no number: " + s)
	}
	return &n
}

// check says what is wrong with a value that could be read.
func (b bounds) check(v reflect.Value) (problem string) {
	switch v.Kind() {
	case reflect.String:
		return b.checkText(v.String())
	case reflect.Int, reflect.Int64:
		if isText(v) {
			return ""
		}
		return b.checkNumber(v.Int())
	case reflect.Slice:
		return b.checkList(v)
	}
	return ""
}

func (b bounds) checkText(s string) (problem string) {
	switch n := len([]rune(s)); {
	case b.required && strings.TrimSpace(s) == "":
		return "is missing"
	case len(b.words) > 0 && !slices.Contains(b.words, s):
		return fmt.Sprintf("%q is none of %s", s, strings.Join(b.words, ", "))
	case b.maxLength > 0 && n > b.maxLength:
		return fmt.Sprintf("%d characters are more than %d", n, b.maxLength)
	}
	return ""
}

func (b bounds) checkNumber(n int64) (problem string) {
	switch {
	case b.minimum != nil && n < *b.minimum:
		return fmt.Sprintf("%d is less than %d", n, *b.minimum)
	case b.maximum != nil && n > *b.maximum:
		return fmt.Sprintf("%d is more than %d", n, *b.maximum)
	}
	return ""
}

func (b bounds) checkList(v reflect.Value) (problem string) {
	switch n := v.Len(); {
	case n < b.minItems:
		return "is empty"
	case b.maxItems > 0 && n > b.maxItems:
		return fmt.Sprintf("%d are more than %d", n, b.maxItems)
	}
	if len(b.words) == 0 || v.Type().Elem().Kind() != reflect.String {
		return ""
	}
	for i := range v.Len() {
		if s := v.Index(i).String(); !slices.Contains(b.words, s) {
			return fmt.Sprintf("%q is none of %s", s, strings.Join(b.words, ", "))
		}
	}
	return ""
}
