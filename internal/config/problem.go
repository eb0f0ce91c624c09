package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/spelling"
)

// A Problem is one thing that is wrong with a configuration, and where.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 where the file as a whole is meant
	Path         string // "receivers.soc.slack"; empty for the top of the file
	Text         string // `unknown key "chanel" (did you mean "channel"?)`
}

// Error is "tocsin.yml:12:5: receivers.soc.slack: unknown key …".
func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	if p.Path == "" {
		return where + ": " + p.Text
	}
	return where + ": " + p.Path + ": " + p.Text
}

// Problems are all that is wrong with a configuration, in the order of its lines.
type Problems []Problem

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts problems by line and leaves out what was said already.
func (ps Problems) inOrder() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// didYouMean is ` (did you mean "channel"?)`, or the known words where they are
// few and none of them is near.
func didYouMean(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	if len(known) == 0 || len(known) > 16 {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}

// nearest is the known word that takes the fewest edits to reach, if it is near
// enough to be meant.
func nearest(word string, known []string) string {
	plain := strings.NewReplacer("-", "", "_", "", " ", "", ".", "")
	word = plain.Replace(strings.ToLower(word))
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if n := spelling.Edits(word, plain.Replace(strings.ToLower(k))); n < distance {
			best, distance = k, n
		}
	}
	return best
}

// Within is the rest of a problem's path below an entry, such as "https.token" of
// "sources.api.https.token"; ok is false where the problem is about something else.
func Within(path, key, name string) (rest string, ok bool) {
	entry := join(key, name)
	if !within(path, entry) {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, entry), "."), true
}
