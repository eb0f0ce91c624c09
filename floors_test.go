package tocsin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tocsin-sec/tocsin"

// floors say who stands on whom: a package imports only floors below its own.
// What is not listed by itself stands where its folder stands.
var floors = []struct {
	name  string
	rooms []string
}{
	{"ground", []string{".", "pattern", "transform", "internal/secret", "internal/spelling", "internal/wallclock", "internal/plain", "internal/loopback", "internal/lazyregexp", "library", "deploy/break-glass", "deploy/lambda"}},
	{"words", []string{"internal/wording"}},
	{"judgement, dialects, contracts", []string{
		"pattern/lint", "internal/rules", "internal/routing", "internal/oncall", "internal/escalation", "internal/reports", "internal/shadow", "internal/reconcile",
		"internal/guardduty", "internal/cloudwatch", "internal/generic", "internal/connect", "internal/collect", "internal/notify", "internal/canary",
		"internal/trustedadvisor", "internal/cloudtrail", "internal/health", "internal/inspector", "internal/macie", "internal/accessanalyzer", "internal/coverage",
	}},
	{"memory, and what doors share", []string{
		"internal/store", "internal/mapping", "internal/diagnosis", "internal/securityhub", "internal/lambda", "internal/disclosure", "internal/aws", "internal/notify/webhook",
		"internal/notify/notifytest", "internal/collect/collecttest",
	}},
	{"what some of the next floor share", []string{"internal/events", "internal/notify/aws/send", "internal/notify/twilio", "internal/notify/phone", "internal/collect/sqs/queue"}},
	{"heart and doors", []string{
		"internal/engine", "internal/config", "internal/doctor", "internal/store/storetest", "internal/sift", "internal/casefile", "internal/importer",
		"internal/collect/sns", "internal/collect/https", "internal/collect/file", "internal/collect/pagerduty", "internal/collect/alertmanager",
		"internal/collect/heartbeat", "internal/collect/shadow", "internal/collect/sqs", "internal/collect/kinesis", "internal/collect/s3", "internal/collect/logs",
		"internal/collect/firehose", "internal/collect/eventbridge", "internal/collect/lambda", "internal/collect/guarddutyapi", "internal/collect/canary",
		"internal/notify/chime", "internal/notify/console", "internal/notify/discord", "internal/notify/email", "internal/notify/github", "internal/notify/gitlab",
		"internal/notify/googlechat", "internal/notify/gotify", "internal/notify/inbox", "internal/notify/jira", "internal/notify/matrix",
		"internal/notify/mattermost", "internal/notify/ntfy", "internal/notify/opsgenie", "internal/notify/pagerduty", "internal/notify/pushover",
		"internal/notify/rocketchat", "internal/notify/servicenow", "internal/notify/slack", "internal/notify/sms", "internal/notify/teams",
		"internal/notify/telegram", "internal/notify/voice", "internal/notify/webpush", "internal/notify/zulip",
		"internal/notify/aws",
	}},
	{"set-up", []string{"internal/setup"}},
	{"windows and lists", []string{"internal/web", "internal/api", "internal/collect/all", "internal/notify/all"}},
	{"house", []string{"internal/app", "internal/bench/rig"}},
	{"demonstration and measuring", []string{"internal/demo", "internal/bench", "internal/chaos"}},
	{"command line", []string{"internal/cli"}},
	{"main", []string{"cmd/tocsin"}},
}

// pure are those that touch nothing: values in, values out.
var pure = []string{
	".", "internal/spelling", "internal/wallclock", "pattern", "pattern/lint", "transform", "internal/rules", "internal/routing", "internal/oncall", "internal/escalation", "internal/reports", "internal/guardduty", "internal/generic", "internal/sift", "internal/casefile",
	"internal/plain", "internal/shadow", "internal/cloudwatch", "internal/connect", "internal/mapping", "internal/disclosure", "internal/diagnosis", "internal/canary", "internal/reconcile",
	"internal/wording", "internal/trustedadvisor", "internal/cloudtrail", "internal/health", "internal/inspector", "internal/macie", "internal/accessanalyzer",
	"internal/securityhub", "internal/events", "internal/coverage",
}

var notPure = []string{"net", "net/http", "os", "database/sql", "context", "log/slog", "io/fs", "os/exec"}

// A file of Go, by folder.
type source struct {
	path    string
	imports []string
	doc     string
	test    bool
}

func sources(t *testing.T) map[string][]source {
	t.Helper()
	rooms := map[string][]source{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "vendor" || (d.Name() != "." && strings.HasPrefix(d.Name(), "."))) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(path))
		rooms[room] = append(rooms[room], source{path, imports(f), f.Doc.Text(), strings.HasSuffix(path, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}

func imports(f *ast.File) (paths []string) {
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

// floorOf is the floor of the room, or of the nearest folder above that has one.
func floorOf(room string) (int, bool) {
	for {
		for i, f := range floors {
			if slices.Contains(f.rooms, room) {
				return i, true
			}
		}
		above := filepath.ToSlash(filepath.Dir(room))
		if above == room || above == "." {
			return 0, false
		}
		room = above
	}
}

func TestAPackageImportsOnlyFloorsBelowItsOwn(t *testing.T) {
	t.Parallel()
	for room, files := range sources(t) {
		mine, ok := floorOf(room)
		if !ok {
			t.Errorf("%s stands on no floor; give it one in floors_test.go", room)
			continue
		}
		for _, f := range files {
			if f.test {
				continue // tests may look at anything
			}
			for _, path := range f.imports {
				below, ours := strings.CutPrefix(path, module)
				below = strings.TrimPrefix(below, "/")
				if below == "" {
					below = "."
				}
				if !ours || below == room || strings.HasPrefix(below, room+"/") || sameHouse(room, below) {
					continue
				}
				if theirs, _ := floorOf(below); theirs >= mine {
					t.Errorf("%s (floor %d, %s) imports %s (floor %d, %s)", f.path, mine, floors[mine].name, below, theirs, floors[theirs].name)
				}
			}
		}
	}
}

// sameHouse reports whether both are parts of one contract's room that has no
// floor of its own: internal/collect/sns/snstest and internal/collect/sns.
func sameHouse(a, b string) bool {
	return strings.HasPrefix(a, b+"/") && !listed(a)
}

func listed(room string) bool {
	return slices.ContainsFunc(floors, func(f struct {
		name  string
		rooms []string
	},
	) bool {
		return slices.Contains(f.rooms, room)
	})
}

func TestJudgementTouchesNothing(t *testing.T) {
	t.Parallel()
	for room, files := range sources(t) {
		if !slices.Contains(pure, room) {
			continue
		}
		for _, f := range files {
			for _, path := range f.imports {
				if !f.test && slices.Contains(notPure, path) {
					t.Errorf("%s imports %s: judgement takes time as an argument and touches nothing", f.path, path)
				}
			}
		}
	}
}

func TestTheGroundImportsTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for room, files := range sources(t) {
		if floor, ok := floorOf(room); !ok || floor != 0 {
			continue
		}
		for _, f := range files {
			for _, path := range f.imports {
				first, _, _ := strings.Cut(path, "/")
				if !f.test && strings.Contains(first, ".") && !strings.HasPrefix(path, module) {
					t.Errorf("%s imports %s", f.path, path)
				}
			}
		}
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	t.Parallel()
	for room, files := range sources(t) {
		want := "Package "
		if strings.HasPrefix(room, "cmd/") {
			want = "Command "
		}
		if !slices.ContainsFunc(files, func(f source) bool { return strings.HasPrefix(f.doc, want) }) && !testsOnly(files) {
			t.Errorf("no file of %s has a package comment that begins with %q", room, want)
		}
	}
}

func testsOnly(files []source) bool {
	return !slices.ContainsFunc(files, func(f source) bool { return !f.test })
}

func TestNoPackageRegistersItself(t *testing.T) {
	t.Parallel()
	for _, files := range sources(t) {
		for _, f := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), f.path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function", f.path)
				}
			}
		}
	}
}

// The README's commands are targets of the Makefile.
func TestTheCommandsOfTheREADMEExist(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(readme)) {
		target, ok := strings.CutPrefix(strings.TrimSpace(line), "make ")
		if !ok {
			continue
		}
		target, _, _ = strings.Cut(target, " ")
		if !strings.Contains("\n"+string(makefile), "\n"+target+":") {
			t.Errorf("README says make %s, and the Makefile has no such target", target)
		}
	}
	for _, want := range []string{"make demo", "make test"} {
		if !strings.Contains(string(readme), want) {
			t.Errorf("README does not say %s", want)
		}
	}
}
