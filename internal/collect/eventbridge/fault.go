package eventbridge

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A fault is what a caller is told instead of an answer, in the words of AWS where
// AWS has words for it.
type fault struct {
	Status        int
	Code, Message string
}

func (f *fault) Error() string { return f.Code + ": " + f.Message }

// invalid says that a signature is not believed.
func invalid(message string) *fault {
	return &fault{http.StatusForbidden, "InvalidSignatureException", message}
}

// incomplete says that a signature cannot be read.
func incomplete(message string) *fault {
	return &fault{http.StatusForbidden, "IncompleteSignatureException", message}
}

func notValid(message string) *fault {
	return &fault{http.StatusBadRequest, "ValidationException", message}
}

func notFound(message string) *fault {
	return &fault{http.StatusBadRequest, "ResourceNotFoundException", message}
}

func noRule(name string) *fault {
	return notFound("Rule " + name + " does not exist on EventBus " + defaultBus + ".")
}

func tooMany() *fault {
	return &fault{http.StatusBadRequest, "LimitExceededException", "The requested resource exceeds the maximum number allowed."}
}

// later says that the call is good, and is to be made again.
func later(message string) *fault {
	return &fault{http.StatusInternalServerError, "InternalException", message}
}

// maxShown is how much of a value that was sent an error repeats, in bytes.
const maxShown = 200

// cut shortens what was sent for an error.
func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	end := maxShown
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// constraints collects what is wrong with the members of a request.
type constraints []string

func (c *constraints) add(at, value, constraint string) {
	*c = append(*c, "Value "+value+" at '"+at+"' failed to satisfy constraint: Member must "+constraint)
}

// A form is what a text has to look like: characters, and a pattern as the model of
// the service has it.
type form struct {
	least, most int
	pattern     *regexp.Regexp
	shown       string
}

func formOf(least, most int, pattern string) form {
	f := form{least: least, most: most, shown: pattern}
	if pattern != "" {
		f.pattern = regexp.MustCompile("^(?:" + pattern + ")$")
	}
	return f
}

// text checks a member that may be left out, required one that may not.
func (c *constraints) text(at string, value *string, f form) {
	if value == nil {
		return
	}
	shown := "'" + cut(*value) + "'"
	switch n := utf8.RuneCountInString(*value); {
	case n < f.least:
		c.add(at, shown, "have length greater than or equal to "+strconv.Itoa(f.least))
	case n > f.most:
		c.add(at, shown, "have length less than or equal to "+strconv.Itoa(f.most))
	}
	if f.pattern != nil && !f.pattern.MatchString(*value) {
		c.add(at, shown, "satisfy regular expression pattern: "+f.shown)
	}
}

func (c *constraints) required(at string, value *string, f form) {
	if value == nil {
		c.add(at, "null", "not be null")
		return
	}
	c.text(at, value, f)
}

func (c *constraints) oneOf(at string, value *string, set ...string) {
	if value == nil || slices.Contains(set, *value) {
		return
	}
	c.add(at, "'"+cut(*value)+"'", "satisfy enum value set: ["+strings.Join(set, ", ")+"]")
}

func (c *constraints) between(at string, value *int64, least, most int64) {
	switch {
	case value == nil:
	case *value < least:
		c.add(at, fmt.Sprintf("'%d'", *value), fmt.Sprintf("have value greater than or equal to %d", least))
	case *value > most:
		c.add(at, fmt.Sprintf("'%d'", *value), fmt.Sprintf("have value less than or equal to %d", most))
	}
}

// items checks the length of a list; n is -1 for one that is not there.
func (c *constraints) items(at string, n, least, most int) {
	switch {
	case n < 0:
		c.add(at, "null", "not be null")
	case n < least:
		c.add(at, "'[]'", "have length greater than or equal to "+strconv.Itoa(least))
	case n > most:
		c.add(at, fmt.Sprintf("'[%d members]'", n), "have length less than or equal to "+strconv.Itoa(most))
	}
}

// err is all of it as AWS says it.
func (c constraints) err() error {
	switch len(c) {
	case 0:
		return nil
	case 1:
		return notValid("1 validation error detected: " + c[0])
	}
	return notValid(strconv.Itoa(len(c)) + " validation errors detected: " + strings.Join(c, "; "))
}
