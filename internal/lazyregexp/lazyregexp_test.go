package lazyregexp

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestItAnswersAsRegexpDoes(t *testing.T) {
	t.Parallel()
	r := New(`([a-z])=(\d)`)
	const s = "a=1 b=2"
	for _, tt := range []struct {
		method    string
		got, want any
	}{
		{"MatchString", r.MatchString(s), true},
		{"Match", r.Match([]byte("a=b")), false},
		{"FindString", r.FindString(s), "a=1"},
		{"FindStringIndex", r.FindStringIndex(s), []int{0, 3}},
		{"FindStringSubmatch", r.FindStringSubmatch(s), []string{"a=1", "a", "1"}},
		{"FindStringSubmatchIndex", r.FindStringSubmatchIndex(s), []int{0, 3, 0, 1, 2, 3}},
		{"FindSubmatch", r.FindSubmatch([]byte(s)), [][]byte{[]byte("a=1"), []byte("a"), []byte("1")}},
		{"FindAllString", r.FindAllString(s, -1), []string{"a=1", "b=2"}},
		{"FindAllStringIndex", r.FindAllStringIndex(s, 1), [][]int{{0, 3}}},
		{"FindAllStringSubmatch", r.FindAllStringSubmatch(s, -1), [][]string{{"a=1", "a", "1"}, {"b=2", "b", "2"}}},
		{"ReplaceAll", string(r.ReplaceAll([]byte(s), []byte("$2"))), "1 2"},
		{"ReplaceAllString", r.ReplaceAllString(s, "$1"), "a b"},
		{"ReplaceAllStringFunc", r.ReplaceAllStringFunc(s, func(found string) string { return found[2:] }), "1 2"},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.method, diff)
		}
	}
}

func TestAMistakeFailsTheTestsOfItsPackage(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("New(`(`) did not panic: in a test binary it compiles at once")
		}
	}()
	New(`(`)
}

func TestSeveralMayAskAtOnce(t *testing.T) {
	t.Parallel()
	r := &Regexp{text: `^a+$`} // as it is in the program
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if !r.MatchString("aaa") {
				t.Error("no match")
			}
		})
	}
	g.Wait()
}
