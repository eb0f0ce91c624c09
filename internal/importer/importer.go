// Package importer makes a tocsin.yml of another program's configuration.
//
// What a package below it makes is a [Draft]: the new file, with a comment that
// says from which line of the old one each part is; the secrets that were in the
// old one, which the new one only names; and remarks about all that is not the
// same. Nothing of the old file is passed over in silence: what was not asked for
// ([Node.At]) is among the remarks.
package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A Remark is something of the old file that is not the same in the new one, or
// that a person has to do.
type Remark struct {
	File         string
	Line, Column int // from 1; 0 where the file as a whole is meant
	Text         string
}

// String is "main.yml:12:5: text".
func (r Remark) String() string { return place(r.File, r.Line, r.Column) + ": " + r.Text }

// An Error is a mistake in the old file, for which nothing can be made of it.
type Error Remark

// Error is "main.yml:12:5: text".
func (e *Error) Error() string { return Remark(*e).String() }

func place(file string, line, column int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// A Secret is something of the old file that does not belong into the new one.
type Secret struct {
	// Env is the environment variable, and File the file within secrets/, that the
	// new file may name instead.
	Env, File string
	Value     secret.String // zero where the old file does not have it either
	What      string        // "the webhook of receiver soc"
	// Reference is how the new file names it where that is settled: the old file
	// names a file that has it. Empty otherwise.
	Reference string
	// Sample is of the form of the secret, to check the new file with where the old
	// one has no value.
	Sample string
}

// A Draft is what was made.
type Draft struct {
	Config  *Map
	Secrets []*Secret
	Remarks []Remark
	// Silences are shell commands that make the same silences, one a line, and say
	// in comments what they are.
	Silences []string
}

// Remark remembers what is not the same about a node.
func (d *Draft) Remark(n *Node, format string, args ...any) {
	d.Remarks = append(d.Remarks, Remark{n.File, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// Leftovers remembers what nobody asked for in the node. why says of the key with
// that path ("slack_configs.title") why it is not taken, or "" where there is no
// more to say than that.
func (d *Draft) Leftovers(n *Node, why func(path string) string) {
	var walk func(n *Node, path string)
	walk = func(n *Node, path string) {
		if n == nil || n.whole {
			return
		}
		for _, e := range n.Entries {
			here := strings.TrimPrefix(path+"."+e.Key, ".")
			if e.asked {
				walk(e.Value, here)
				continue
			}
			text := "not taken: tocsin has nothing like it"
			if reason := why(here); reason != "" {
				text = "not taken: " + reason
			}
			d.Remarks = append(d.Remarks, Remark{n.File, e.Line, e.Column, e.Key + ": " + text})
		}
		for _, item := range n.Items {
			walk(item, path)
		}
	}
	walk(n, "")
}

// Sorted are the remarks in the order of the old files. Several of one text are
// one, which names the other lines.
func (d *Draft) Sorted() []Remark {
	all := slices.Clone(d.Remarks)
	slices.SortStableFunc(all, func(a, b Remark) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	var out []Remark
	lines := map[[2]string][]int{}
	for _, r := range all {
		at := [2]string{r.File, r.Text}
		if len(lines[at]) == 0 {
			out = append(out, r)
		}
		lines[at] = append(lines[at], r.Line)
	}
	for i, r := range out {
		if more := slices.Compact(lines[[2]string{r.File, r.Text}])[1:]; len(more) > 0 {
			out[i].Text += " (also in " + linesText(more) + ")"
		}
	}
	return out
}

func linesText(lines []int) string {
	const most = 10
	var words []string
	for _, l := range lines[:min(len(lines), most)] {
		words = append(words, fmt.Sprint(l))
	}
	text := "line " + strings.Join(words, ", ")
	if len(lines) > 1 {
		text = "lines " + strings.Join(words, ", ")
	}
	if more := len(lines) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Secret keeps a secret out of the new file and gives what names it there. Two
// secrets of one name and value are one; one of another value gets a number.
func (d *Draft) Secret(name, what string, value secret.String) Ref {
	env, file := envName(name), fileName(name)
	for i := 2; ; i++ {
		j := slices.IndexFunc(d.Secrets, func(s *Secret) bool { return s.Env == env || s.File == file })
		if j < 0 {
			break
		}
		if d.Secrets[j].Value.Reveal() == value.Reveal() && !value.IsZero() {
			return Ref{d.Secrets[j]}
		}
		env, file = fmt.Sprintf("%s_%d", envName(name), i), fmt.Sprintf("%s-%d", fileName(name), i)
	}
	s := &Secret{Env: env, File: file, Value: value, What: what}
	d.Secrets = append(d.Secrets, s)
	return Ref{s}
}

// SecretFile is a secret that the old file names by the path of its file; sample
// is of its form.
func (d *Draft) SecretFile(name, what, path, sample string) Ref {
	r := d.Secret(name, what, secret.String{})
	r.Reference, r.Sample = "${file:"+path+"}", sample
	return r
}

// Failure says that nothing can be made of the file because of the node.
func Failure(n *Node, format string, args ...any) error {
	return &Error{n.File, n.Line, n.Column, fmt.Sprintf(format, args...)}
}

// Needed are the secrets that the new file names, in the order in which they were
// found.
func (d *Draft) Needed() []*Secret {
	named := map[*Secret]bool{}
	d.YAML(func(s *Secret) string {
		named[s] = true
		return ""
	})
	var all []*Secret
	for _, s := range d.Secrets {
		if named[s] {
			all = append(all, s)
		}
	}
	return all
}
