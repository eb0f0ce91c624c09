package cli

import (
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/pattern"
)

// A fence is a block of the page between two lines of ```.
type fence struct {
	line int
	kind string
	text string
}

var (
	fences  = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	verdict = regexp.MustCompile(`^(yes|no|refused) +(.+)$`)
)

func pageOf(t *testing.T, name string) (all []fence) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fences.FindAllSubmatchIndex(page, -1) {
		all = append(all, fence{
			line: strings.Count(string(page[:m[0]]), "\n") + 1,
			kind: string(page[m[2]:m[3]]), text: string(page[m[4]:m[5]]),
		})
	}
	return all
}

// Every pattern on the page is followed by its verdicts, and they are so.
func TestThePageOfPatternsIsRight(t *testing.T) {
	t.Parallel()
	const page = "patterns.md"
	var p *pattern.Pattern
	var refused error
	waiting := 0 // the line of a pattern without verdicts
	counts := map[string]int{}
	used := map[string]bool{}
	for _, f := range pageOf(t, page) {
		if waiting > 0 && f.kind != "" {
			t.Errorf("%s:%d: there is no verdict for it", page, waiting)
		}
		switch f.kind {
		case "json":
			p, refused = pattern.Parse([]byte(f.text))
			waiting = f.line
			for _, op := range []string{"prefix", "suffix", "wildcard", "equals-ignore-case", "anything-but", "numeric", "exists", "cidr", "$or"} {
				used[op] = used[op] || refused == nil && strings.Contains(f.text, `"`+op+`"`)
			}
		case "json event":
			if _, err := (&pattern.Pattern{}).Match([]byte(f.text)); err != nil {
				t.Errorf("%s:%d: %v", page, f.line, err)
			}
		case "":
			if waiting == 0 {
				t.Errorf("%s:%d: verdicts on no pattern", page, f.line)
				continue
			}
			for i, line := range strings.Split(strings.TrimSuffix(f.text, "\n"), "\n") {
				m := verdict.FindStringSubmatch(line)
				if m == nil {
					t.Errorf("%s:%d: %q is no verdict", page, f.line+1+i, line)
					continue
				}
				counts[m[1]]++
				checkVerdict(t, page, f.line+1+i, m[1], m[2], p, refused)
			}
			waiting = 0
		}
	}
	if counts["yes"] < 25 || counts["no"] < 25 || counts["refused"] < 3 || len(used) < 9 {
		t.Errorf("few examples: %v", counts)
	}
	for op, is := range used {
		if !is {
			t.Errorf("there is no example of %s", op)
		}
	}
}

func checkVerdict(t *testing.T, page string, line int, want, rest string, p *pattern.Pattern, refused error) {
	t.Helper()
	if want == "refused" {
		if e, ok := errors.AsType[*pattern.Error](refused); !ok || e.Reason != rest {
			t.Errorf("%s:%d: refused with %v, want %s", page, line, refused, rest)
		}
		return
	}
	if refused != nil {
		t.Errorf("%s:%d: the pattern is refused: %v", page, line, refused)
		return
	}
	got, err := p.Match([]byte(rest))
	if err != nil || got != (want == "yes") {
		t.Errorf("%s:%d: %v, %v, want %s", page, line, got, err, want)
	}
}

// The file of cases on the page is one, and all of its cases are as they should be.
func TestTheCasesOnThePageAreAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	n := 0
	for _, f := range pageOf(t, "patterns.md") {
		if f.kind != "yaml" {
			continue
		}
		n++
		path := filepath.Join(t.TempDir(), "cases.yml")
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errOut := run(t, "pattern", "test", path); code != exitDone || !strings.Contains(out, "3 cases") {
			t.Errorf("patterns.md:%d: %d\n%s%s", f.line, code, out, errOut)
		}
	}
	if n != 1 {
		t.Errorf("%d files of cases on the page, want 1", n)
	}
}

// The commands on the page exist, with these flags; the Go is Go.
func TestTheCommandsOnThePageExist(t *testing.T) {
	t.Parallel()
	n := 0
	for _, f := range pageOf(t, "patterns.md") {
		if f.kind == "go" {
			if _, err := parser.ParseFile(token.NewFileSet(), "", "package x\nfunc _() error {\n"+f.text+"}", 0); err != nil {
				t.Errorf("patterns.md:%d: %v", f.line, err)
			}
		}
		for i, line := range strings.Split(f.text, "\n") {
			_, command, ok := strings.Cut(line, "tocsin pattern ")
			if f.kind != "sh" || !ok {
				continue
			}
			n++
			args := shellWords(command)
			root := rootCommand(&shell{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
			c, rest, err := root.Find(append([]string{"pattern"}, args...))
			if err != nil || c.Name() != args[0] {
				t.Errorf("patterns.md:%d: %s: %v", f.line+1+i, command, err)
				continue
			}
			if err := c.ParseFlags(rest); err != nil {
				t.Errorf("patterns.md:%d: %v", f.line+1+i, err)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d commands", n)
	}
}

var shellWord = regexp.MustCompile(`(?:'[^']*'|[^' ])+`)

// shellWords are the words of a command up to a pipe or a comment.
func shellWords(command string) (words []string) {
	for _, w := range shellWord.FindAllString(command, -1) {
		if w == "|" || w == "#" {
			break
		}
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}
