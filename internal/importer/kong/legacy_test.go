package kong_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
)

var update = flag.Bool("update", false, "write the table and the manual anew")

// legacy is how GuardDuty2Slack behaved: one message for each event from the
// account's threshold on, and nothing else.
type legacy struct {
	webhook  string
	colours  map[string]string
	accounts map[string]legacyAccount
}

type legacyAccount struct{ name, severity, webhook string }

// A legacyPost is what it posted.
type legacyPost struct {
	channel, colour, level string
	facts                  []string
}

// run is what became of one event; told is false where it posted nothing.
func (l legacy) run(raw []byte) (p legacyPost, told bool) {
	var event struct {
		Detail struct {
			AccountID, Region, ID, Title, Description string
			Severity                                  float64
		}
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return p, false // it ended the process
	}
	d := event.Detail
	a := l.accounts[d.AccountID] // of an account that is not in the file, all empty
	rank := map[string]int{"low": 0, "medium": 1, "high": 2}
	level := "high"
	switch {
	case d.Severity < 4:
		level = "low"
	case d.Severity < 7:
		level = "medium"
	}
	if rank[level] < rank[a.severity] { // a word that is none is 0, low
		return p, false
	}
	return legacyPost{
		channel: cmp.Or(a.webhook, l.webhook),
		colour:  l.colours[a.severity], // of the threshold
		level:   level,
		facts:   []string{d.Title, d.Description, d.AccountID + " (" + a.name + ")", level, d.Region, d.ID}, // the last two in the link alone
	}, true
}

// ofTheFile is GuardDuty2Slack with testdata/main.yml.
var ofTheFile = legacy{
	webhook: "default",
	colours: map[string]string{"low": green, "medium": amber, "high": red},
	accounts: map[string]legacyAccount{
		"012345678901": {"audit", "high", "audit"},
		"111122223333": {"lab", "high", ""},
		"123456789012": {"payments", "low", "payments"},
		"210987654321": {"web", "medium", "web"},
		"444455556666": {"platform", "high", "payments"},
		"555566667777": {"sandbox", "", ""},
	},
}

func eventsOf(t *testing.T) [][]byte {
	t.Helper()
	packed, err := os.ReadFile("testdata/lifecycle_updates.shuffled_with_duplicates.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		all = append(all, bytes.Clone(lines.Bytes()))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// defects are what explains a difference, and in a line what it comes to.
var defects = map[int]string{
	1: "the colour was that of the account's threshold",
	2: "there was no Critical",
	3: "neither region, type and resource were said, nor how often, when and by whom",
	4: "what was below the threshold left no trace",
	8: "each update, redelivery and end of a finding was a new message of the same kind",
	// Beside the eleven that were known, this comparison found one.
	12: "a sample looked like the real thing",
}

// differ names the defects that explain what is not the same. What none explains
// is what.
func differ(raw []byte, old legacyPost, oldTold bool, r tocsin.Receipt, now []post) (named []int, what []string) {
	var e struct {
		Detail struct {
			Severity float64
			Service  struct{ AdditionalInfo struct{ Sample bool } }
		}
	}
	if json.Unmarshal(raw, &e) != nil {
		return nil, []string{"the event is no JSON"}
	}
	switch {
	case !oldTold && len(now) == 0:
		if r.Verdict != tocsin.Filtered || r.Reason == "" {
			return nil, []string{fmt.Sprintf("neither told of it, and it is %s (%s)", r.Verdict, r.Reason)}
		}
		return []int{4}, nil
	case !oldTold:
		return nil, []string{"GuardDuty2Slack told nobody, and tocsin tells"}
	case len(now) == 0:
		if slices.Contains([]tocsin.Verdict{tocsin.Updated, tocsin.Appended, tocsin.Duplicate}, r.Verdict) {
			return []int{8}, nil
		}
		return nil, []string{fmt.Sprintf("GuardDuty2Slack told, and tocsin does not: %s (%s)", r.Verdict, r.Reason)}
	}
	p := now[0]
	if len(now) > 1 {
		what = append(what, fmt.Sprintf("%d messages of one event", len(now)))
	}
	if p.channel != old.channel {
		what = append(what, fmt.Sprintf("it went to %s and goes to %s", old.channel, p.channel))
	}
	over := r.Verdict == tocsin.Closed
	if over { // its end was told as if it had happened once more
		named = append(named, 8)
	}
	if p.colour != old.colour && !over {
		switch right := map[string]string{"low": green, "medium": amber, "high": red}[old.level]; {
		case p.colour == right:
			named = append(named, 1)
		case p.colour == dark && e.Detail.Severity >= 9:
			named = append(named, 2)
		case p.colour == grey && e.Detail.Service.AdditionalInfo.Sample && strings.Contains(p.body, "SAMPLE"):
			named = append(named, 12)
		default:
			what = append(what, fmt.Sprintf("the colour is %s, and neither that of the level nor that of the threshold", p.colour))
		}
	}
	if !strings.Contains(p.body, strings.ToUpper(old.level)) {
		if e.Detail.Severity >= 9 && strings.Contains(p.body, "CRITICAL") {
			named = append(named, 2)
		} else {
			what = append(what, "the level's word is another one")
		}
	}
	if said := factsOf(raw, p); len(said) > 0 {
		named = append(named, 3)
	}
	for _, fact := range []string{old.facts[2][:12], old.facts[5]} { // account and finding
		if !strings.Contains(p.body, fact) {
			what = append(what, "the message does not say "+fact)
		}
	}
	slices.Sort(named)
	return slices.Compact(named), what
}

// factsOf are those of the finding that the message says and the old one did not.
func factsOf(raw []byte, p post) (said []string) {
	var e struct {
		Detail struct {
			Type, Region string
			Service      struct{ Count int }
		}
	}
	if json.Unmarshal(raw, &e) != nil {
		return nil
	}
	for _, fact := range []string{e.Detail.Type, e.Detail.Region, fmt.Sprintf("%d times", e.Detail.Service.Count)} {
		if strings.Contains(p.body, fact) {
			said = append(said, fact)
		}
	}
	return said
}

// Both programs run over the same events with the same file. Each difference is in
// a table, and has to be explained by a defect that has a name.
func TestSideBySideEveryDifferenceIsADefect(t *testing.T) {
	t.Parallel()
	h := open(t, func(s *slacktest.Server) string { return mainYML(t, s) })
	var table strings.Builder
	table.WriteString("| event | finding | severity | account | GuardDuty2Slack | tocsin | because |\n|--:|---|--:|---|---|---|---|\n")
	counts, same := map[int]int{}, 0
	var oldPosts, newPosts int
	for i, raw := range eventsOf(t) {
		h.now = h.now.Add(10 * time.Second)
		old, oldTold := ofTheFile.run(raw)
		r := h.accept(raw)
		var posts []post
		if r.Verdict != tocsin.Filtered && r.Verdict != tocsin.Appended { // of those nothing is owed, as is seen at the end
			h.drain()
			posts = h.posts()
		}
		named, what := differ(raw, old, oldTold, r, posts)
		for _, w := range what {
			t.Errorf("event %d: %s: there is no defect of that name", i+1, w)
		}
		if len(named)+len(what) == 0 {
			same++
		}
		for _, n := range named {
			if defects[n] == "" {
				t.Errorf("event %d: defect %d has no name", i+1, n)
			}
			counts[n]++
		}
		if oldTold {
			oldPosts++
		}
		newPosts += len(posts)
		table.WriteString(row(i+1, raw, old, oldTold, r, posts, named))
	}
	h.drain()
	if late := h.posts(); len(late) > 0 {
		t.Errorf("messages that no event before a drain accounts for: %+v", late)
	}
	compare(t, "testdata/side-by-side.golden", table.String())
	summarise(t, counts, same, oldPosts, newPosts)
}

func row(i int, raw []byte, old legacyPost, oldTold bool, r tocsin.Receipt, posts []post, named []int) string {
	var e struct {
		Detail struct {
			ID, AccountID string
			Severity      float64
		}
	}
	_ = json.Unmarshal(raw, &e) // differ has told where it cannot be read
	was, is := "nothing", string(r.Verdict)
	if oldTold {
		was = fmt.Sprintf("%s, %s, %s", old.channel, old.level, cmp.Or(old.colour, "no colour"))
	}
	for _, p := range posts {
		is += fmt.Sprintf(": %s, %s", p.channel, p.colour)
	}
	var because []string
	for _, n := range named {
		because = append(because, fmt.Sprint(n))
	}
	return fmt.Sprintf("| %d | %s | %v | %s | %s | %s | %s |\n", i, e.Detail.ID[:8], e.Detail.Severity, e.Detail.AccountID, was, is, strings.Join(because, ", "))
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what it is now (%v); write it with -update and read the difference:\n%s", path, err, got)
	}
}

// summarise holds the manual against what was counted.
func summarise(t *testing.T, counts map[int]int, same, oldPosts, newPosts int) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "| of 82 events | events |\n|---|--:|\n| messages of GuardDuty2Slack | %d |\n| messages of tocsin | %d |\n", oldPosts, newPosts)
	for _, n := range []int{1, 2, 3, 4, 8, 12} {
		fmt.Fprintf(&b, "| %d. %s | %d |\n", n, defects[n], counts[n])
	}
	fmt.Fprintf(&b, "| no difference | %d |\n| a difference that no defect explains | 0 |\n", same)
	const path, begin, end = "../../../docs/import.md", "<!-- side by side -->\n", "<!-- /side by side -->"
	manual, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(manual), begin)
	inside, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q … %q", path, begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if inside != b.String() {
		t.Errorf("%s says\n%s\nand it is (write it with -update)\n%s", path, inside, b.String())
	}
}
