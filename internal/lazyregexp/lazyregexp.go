// Package lazyregexp is regular expressions that are compiled when they are first
// asked.
//
// A package's variables are made whenever the program starts, for whatever it was
// started; most of its expressions check a setting of one kind of receiver, or read one
// command's argument. So they cost what starts often and ends soon, an AWS Lambda
// function before all, and give it nothing.
//
// In a test binary they are compiled at once: a mistake in one fails the tests of its
// package, whether or not one of them comes by. Go's own programs have the same
// (https://go.dev/src/internal/lazyregexp/lazyre.go).
package lazyregexp

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// A Regexp is a regular expression of the package regexp, whose methods it has. It may be
// used by several goroutines at once.
type Regexp struct {
	text  string
	once  sync.Once
	ready *regexp.Regexp
}

var inTest = len(os.Args) > 0 && strings.HasSuffix(strings.TrimSuffix(os.Args[0], ".exe"), ".test")

// New is regexp.MustCompile, later.
func New(text string) *Regexp {
	r := &Regexp{text: text}
	if inTest {
		r.compiled()
	}
	return r
}

func (r *Regexp) compiled() *regexp.Regexp {
	r.once.Do(func() { r.ready = regexp.MustCompile(r.text) })
	return r.ready
}

// MatchString reports whether s has a match.
func (r *Regexp) MatchString(s string) bool { return r.compiled().MatchString(s) }

// Match reports whether b has a match.
func (r *Regexp) Match(b []byte) bool { return r.compiled().Match(b) }

// FindString is the first match in s; "" if there is none.
func (r *Regexp) FindString(s string) string { return r.compiled().FindString(s) }

// FindStringIndex is where the first match in s begins and ends; nil if there is none.
func (r *Regexp) FindStringIndex(s string) []int { return r.compiled().FindStringIndex(s) }

// FindStringSubmatch is the first match in s and its groups; nil if there is none.
func (r *Regexp) FindStringSubmatch(s string) []string { return r.compiled().FindStringSubmatch(s) }

// FindSubmatch is the first match in b and its groups; nil if there is none.
func (r *Regexp) FindSubmatch(b []byte) [][]byte { return r.compiled().FindSubmatch(b) }

// FindStringSubmatchIndex is where the first match in s and its groups begin and end; nil
// if there is none.
func (r *Regexp) FindStringSubmatchIndex(s string) []int {
	return r.compiled().FindStringSubmatchIndex(s)
}

// FindAllStringSubmatch is the first n matches in s and their groups; all if n < 0.
func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.compiled().FindAllStringSubmatch(s, n)
}

// FindAllString is the first n matches in s; all if n < 0.
func (r *Regexp) FindAllString(s string, n int) []string { return r.compiled().FindAllString(s, n) }

// FindAllStringIndex is where the first n matches in s begin and end; all if n < 0.
func (r *Regexp) FindAllStringIndex(s string, n int) [][]int {
	return r.compiled().FindAllStringIndex(s, n)
}

// ReplaceAll is b with each match replaced; $1 in with is the first group.
func (r *Regexp) ReplaceAll(b, with []byte) []byte { return r.compiled().ReplaceAll(b, with) }

// ReplaceAllString is s with each match replaced; $1 in with is the first group.
func (r *Regexp) ReplaceAllString(s, with string) string {
	return r.compiled().ReplaceAllString(s, with)
}

// ReplaceAllStringFunc is s with each match replaced by what with makes of it.
func (r *Regexp) ReplaceAllStringFunc(s string, with func(found string) string) string {
	return r.compiled().ReplaceAllStringFunc(s, with)
}
