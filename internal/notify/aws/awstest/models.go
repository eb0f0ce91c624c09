package awstest

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed models.json
var modelsText []byte

// A service is AWS's model of a service, as far as it is kept here.
type service struct {
	Protocol    string               `json:"protocol"`
	JSONVersion string               `json:"jsonVersion"`
	Target      string               `json:"target"`
	SigningName string               `json:"signingName"`
	APIVersion  string               `json:"apiVersion"`
	Operations  map[string]operation `json:"operations"`
	Shapes      map[string]shape     `json:"shapes"`
}

type operation struct {
	Input  string `json:"input"`
	Method string `json:"method"`
	URI    string `json:"uri"`
}

type shape struct {
	Type      string               `json:"type"`
	Members   map[string]reference `json:"members"`
	Required  []string             `json:"required"`
	Member    *reference           `json:"member"`
	Key       *reference           `json:"key"`
	Value     *reference           `json:"value"`
	Min       *float64             `json:"min"`
	Max       *float64             `json:"max"`
	Pattern   string               `json:"pattern"`
	Enum      []string             `json:"enum"`
	Flattened bool                 `json:"flattened"`
}

type reference struct {
	Shape        string `json:"shape"`
	Location     string `json:"location"`
	LocationName string `json:"locationName"`
}

// models are the services, by the name that requests are signed for.
var models = sync.OnceValue(func() map[string]service {
	var read map[string]service
	if err := json.Unmarshal(modelsText, &read); err != nil {
		panic(err) // it is our own file
	}
	by := map[string]service{}
	for _, s := range read {
		by[s.SigningName] = s
	}
	return by
})

// patterns are compiled as the services read them: over the whole text.
var patterns sync.Map // by text

// javaOnly is what Go's regular expressions write otherwise.
var (
	javaOnly = strings.NewReplacer(`\p{ASCII}`, `[\x00-\x7f]`, `^(?!\s*$).+`, `.*\S.*`)
	javaRune = regexp.MustCompile(`\\u(10FFFF|10000|[0-9A-Fa-f]{4})`)
)

func pattern(text string) *regexp.Regexp {
	if found, ok := patterns.Load(text); ok {
		return found.(*regexp.Regexp)
	}
	p := regexp.MustCompile(`^(?s:` + javaRune.ReplaceAllString(javaOnly.Replace(text), `\x{$1}`) + `)$`)
	patterns.Store(text, p)
	return p
}

// read finds the operation of a request and its input, whatever the protocol.
func (m service) read(r *http.Request, body []byte) (name string, input map[string]any, err error) {
	switch m.Protocol {
	case "query":
		return m.readQuery(r, body)
	case "json":
		return m.readJSON(r, body)
	}
	return m.readREST(r, body)
}

func (m service) readJSON(r *http.Request, body []byte) (string, map[string]any, error) {
	target := r.Header.Get("X-Amz-Target")
	name, ok := strings.CutPrefix(target, m.Target+".")
	if _, known := m.Operations[name]; !ok || !known {
		return "", nil, fmt.Errorf("unknown operation %q", target)
	}
	if got, want := r.Header.Get("Content-Type"), "application/x-amz-json-"+m.JSONVersion; got != want {
		return "", nil, fmt.Errorf("Content-Type %q, want %q", got, want)
	}
	var input map[string]any
	if err := json.Unmarshal(body, &input); err != nil {
		return "", nil, err
	}
	return name, input, m.check(m.Operations[name].Input, input, name)
}

// readREST reads the one operation of Lambda: a path with the function's name,
// headers, and the payload as body.
func (m service) readREST(r *http.Request, body []byte) (string, map[string]any, error) {
	for name, op := range m.Operations {
		before, after, _ := strings.Cut(op.URI, "{FunctionName}")
		function, ok := strings.CutPrefix(r.URL.EscapedPath(), before)
		function, ends := strings.CutSuffix(function, after)
		function, err := url.PathUnescape(function)
		if !ok || !ends || err != nil || r.Method != op.Method {
			continue
		}
		input := map[string]any{"FunctionName": function, "Payload": base64.StdEncoding.EncodeToString(body)}
		for member, ref := range m.Shapes[op.Input].Members {
			value := ""
			switch ref.Location {
			case "header":
				value = r.Header.Get(ref.LocationName)
			case "querystring":
				value = r.URL.Query().Get(ref.LocationName)
			}
			if value != "" {
				input[member] = value
			}
		}
		return name, input, m.check(op.Input, input, name)
	}
	return "", nil, fmt.Errorf("unknown operation %s %s", r.Method, r.URL.Path)
}

func (m service) readQuery(r *http.Request, body []byte) (string, map[string]any, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, err
	}
	name := form.Get("Action")
	op, known := m.Operations[name]
	if !known || form.Get("Version") != m.APIVersion {
		return "", nil, fmt.Errorf("unknown operation %q of %q", name, form.Get("Version"))
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		return "", nil, fmt.Errorf("Content-Type %q", got)
	}
	form.Del("Action")
	form.Del("Version")
	input, _ := m.formValue(form, op.Input, "").(map[string]any)
	for key := range form {
		return "", nil, fmt.Errorf("%s: unknown", key)
	}
	return name, input, m.check(op.Input, input, name)
}

// formValue reads what stands under the key and takes it out of the form.
func (m service) formValue(form url.Values, name, key string) any {
	s := m.Shapes[name]
	switch s.Type {
	case "structure":
		out := map[string]any{}
		for member, ref := range s.Members {
			if v := m.formValue(form, ref.Shape, joinKey(key, named(ref, member))); v != nil {
				out[member] = v
			}
		}
		if len(out) == 0 && key != "" {
			return nil
		}
		return out
	case "list":
		if !s.Flattened {
			key = joinKey(key, named(*s.Member, "member"))
		}
		var out []any
		for i := 1; ; i++ {
			v := m.formValue(form, s.Member.Shape, joinKey(key, strconv.Itoa(i)))
			if v == nil {
				break
			}
			out = append(out, v)
		}
		if out == nil {
			return nil
		}
		return out
	case "map":
		if !s.Flattened {
			key = joinKey(key, "entry")
		}
		out := map[string]any{}
		for i := 1; ; i++ {
			k := m.formValue(form, s.Key.Shape, joinKey(joinKey(key, strconv.Itoa(i)), named(*s.Key, "key")))
			if k == nil {
				break
			}
			out[k.(string)] = m.formValue(form, s.Value.Shape, joinKey(joinKey(key, strconv.Itoa(i)), named(*s.Value, "value")))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	if !form.Has(key) {
		return nil
	}
	text := form.Get(key)
	form.Del(key)
	if s.Type == "integer" || s.Type == "long" {
		n, err := strconv.ParseFloat(text, 64)
		if err == nil {
			return n
		}
	}
	return text
}

func joinKey(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

func named(r reference, otherwise string) string {
	if r.LocationName != "" {
		return r.LocationName
	}
	return otherwise
}

// check holds a value to its shape. where is how an error calls it.
func (m service) check(name string, value any, where string) error {
	s := m.Shapes[name]
	switch s.Type {
	case "structure":
		return m.checkStructure(s, value, where)
	case "list":
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: is %T, want a list", where, value)
		}
		for i, v := range list {
			if err := m.check(s.Member.Shape, v, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
		return s.within(float64(len(list)), where)
	case "map":
		all, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: is %T, want an object", where, value)
		}
		for k, v := range all {
			if err := m.check(s.Key.Shape, k, where+" key"); err != nil {
				return err
			}
			if err := m.check(s.Value.Shape, v, where+"."+k); err != nil {
				return err
			}
		}
		return s.within(float64(len(all)), where)
	}
	return s.checkScalar(value, where)
}

func (m service) checkStructure(s shape, value any, where string) error {
	all, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: is %T, want an object", where, value)
	}
	for _, required := range s.Required {
		if all[required] == nil {
			return fmt.Errorf("%s.%s: is required", where, required)
		}
	}
	for k, v := range all {
		ref, known := s.Members[k]
		if !known {
			return fmt.Errorf("%s.%s: unknown", where, k)
		}
		if err := m.check(ref.Shape, v, where+"."+k); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) checkScalar(value any, where string) error {
	switch s.Type {
	case "boolean":
		if _, ok := value.(bool); !ok {
			return fmt.Errorf("%s: is %T, want true or false", where, value)
		}
		return nil
	case "integer", "long", "timestamp", "double", "float":
		n, ok := value.(float64)
		if !ok {
			return fmt.Errorf("%s: is %T, want a number", where, value)
		}
		return s.within(n, where)
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%s: is %T, want a string", where, value)
	}
	if s.Type == "blob" {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("%s: is not base64", where)
		}
		return s.within(float64(len(data)), where)
	}
	if s.Pattern != "" && !pattern(s.Pattern).MatchString(text) {
		return fmt.Errorf("%s: %.60q does not match %s", where, text, s.Pattern)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
		return fmt.Errorf("%s: %.60q is none of %v", where, text, s.Enum)
	}
	return s.within(float64(utf8.RuneCountInString(text)), where)
}

func (s shape) within(n float64, where string) error {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return fmt.Errorf("%s: %v is not within its limits", where, n)
	}
	return nil
}
