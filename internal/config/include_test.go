package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
)

// folder writes files and gives the path of tocsin.yml among them.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tocsin.yml")
}

const mainFile = `
include: [teams.yml, conf.d/*.yml]
sources: {events: {https: {}}}
rules: [{use: guardduty}]
routes: [{name: first, pattern: {level: [low]}, receivers: soc}]
fallback: soc
receivers: {soc: {slack: {webhook_url: "https://hooks.example.com"}}}
`

func TestIncludedFilesAddToTheMainOne(t *testing.T) {
	t.Parallel()
	path := folder(t, map[string]string{
		"tocsin.yml":         mainFile,
		"teams.yml":          "teams: {payments: {receivers: pay}}\nreceivers: {pay: {slack: {webhook_url: \"https://hooks.example.com\"}}}\n",
		"conf.d/10-more.yml": "routes:\n- {name: second, pattern: {level: [high]}, team: payments}\n",
		"conf.d/20-more.yml": "x-anchors: &who payments\nroutes:\n- {name: third, team: *who}\naccounts: {\"111122223333\": {name: prod}}\n",
		"conf.d/notes.txt":   "no YAML: {",
		"tocsin.managed.yml": "sources: {org: {https: {}, team: payments}}\n",
	})
	c, err := config.Load(path, kinds)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Routes.Names(), []string{"first", "second", "third", "source org"}; !cmp.Equal(got, want) {
		t.Errorf("routes are %q, want %q: lists go on in the order of the files", got, want)
	}
	var sources, files []string
	for _, s := range c.Sources {
		sources = append(sources, s.Name)
	}
	for _, f := range c.Files {
		files = append(files, filepath.Base(f))
	}
	if want := []string{"events", "org"}; !cmp.Equal(sources, want) {
		t.Errorf("sources are %q, want %q", sources, want)
	}
	if want := []string{"tocsin.yml", "teams.yml", "10-more.yml", "20-more.yml", "tocsin.managed.yml"}; !cmp.Equal(files, want) {
		t.Errorf("files are %q, want %q", files, want)
	}
	if org := c.Sources[1]; filepath.Base(org.File) != "tocsin.managed.yml" || org.Line != 1 || org.Values["team"] != "payments" {
		t.Errorf("org stands in %s:%d with %v", org.File, org.Line, org.Values)
	}
	if c.Managed != filepath.Join(filepath.Dir(path), "tocsin.managed.yml") {
		t.Errorf("the managed file is %s", c.Managed)
	}
}

func TestTheHashIsOfAllFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{"tocsin.yml": mainFile, "teams.yml": "teams: {}\n"}
	path := folder(t, files)
	seen := map[string]string{}
	for what, change := range map[string]func() error{
		"as it was": func() error { return nil },
		"with another included file": func() error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), "teams.yml"), []byte("teams: {a: {receivers: soc}}\n"), 0o600)
		},
		"with a managed file": func() error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), "tocsin.managed.yml"), []byte("sources: {}\n"), 0o600)
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, kinds)
		if err != nil {
			t.Fatal(err)
		}
		if other, twice := seen[c.Hash]; twice && what != "as it was" && other != "as it was" {
			t.Errorf("%s the hash is as %s", what, other)
		}
		seen[c.Hash] = what
	}
	if len(seen) < 2 {
		t.Errorf("the hash never changes")
	}
}

func TestMistakesOfIncludedFilesHaveTheirFileAndLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, text, want string }{
		{"a key that there is none of", "teams.yml", "teams:\n  a: {receivers: soc, chanel: soc}\n", `teams.yml:2:23: teams.a: unknown key "chanel" (did you mean "channel"?)`},
		{"a name that nothing has", "conf.d/a.yml", "\nroutes:\n- {receivers: nobody}\n", `conf.d/a.yml:3:15: routes[1].receivers: no receiver "nobody"; known: soc`},
		{"a name that is there already", "teams.yml", "receivers:\n  soc: {slack: {}}\n", `teams.yml:2:3: receivers: "soc" is there twice, first in line 7 of tocsin.yml`},
		{"a route's name that is there already", "teams.yml", "routes:\n- {name: first, receivers: soc}\n", `teams.yml:2:10: routes[1].name: route "first" is there twice, first in line 5 of tocsin.yml`},
		{"what belongs in the main file", "teams.yml", "listen: 127.0.0.1:9999\n", `teams.yml:1:1: "listen" belongs in tocsin.yml, which includes this file`},
		{"a file that includes", "teams.yml", "include: more.yml\n", `teams.yml:1:1: "include" belongs in tocsin.yml, which includes this file`},
		{"no YAML", "teams.yml", "teams: {a\n", `teams.yml:`},
		{"a list", "teams.yml", "- a\n", `teams.yml:1:1: got list, want mapping`},
		{"a route in the managed file", "tocsin.managed.yml", "routes: []\n", `tocsin.managed.yml:1:1: "routes" has no place in the file that pages and commands write: it belongs in tocsin.yml`},
		{"a mistake in the managed file", "tocsin.managed.yml", "sources:\n  org:\n    https: {tokn: x}\n", `tocsin.managed.yml:3:13: sources.org.https: unknown key "tokn" (did you mean "token"?)`},
		{"an anchor of another file", "teams.yml", "teams: {a: *who}\n", `teams.yml:1:12: teams.a: no anchor &who before this`},
		{"a pattern over what no alert has", "teams.yml", "routes:\n- name: x\n  receivers: soc\n  pattern:\n    sevrity: [1]\n", `teams.yml:5:5: routes[1].pattern: an alert has no field "sevrity" (did you mean "severity"?)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"tocsin.yml": mainFile, "teams.yml": ""}
			files[tt.file] = tt.text
			path := folder(t, files)
			_, err := config.Load(path, kinds)
			got := strings.ReplaceAll(errText(err), filepath.Dir(path)+string(filepath.Separator), "")
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("Load of\n%s\ngot  %s\nwant %s", tt.text, got, tt.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return "no mistake"
	}
	return err.Error()
}

func TestAFileThatIsNotThereIsAMistakeOfTheMainOne(t *testing.T) {
	t.Parallel()
	path := folder(t, map[string]string{"tocsin.yml": mainFile})
	_, err := config.Load(path, kinds)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok || problems[0].Line != 2 || problems[0].Path != "include[0]" || !strings.Contains(problems[0].Text, "no such file") {
		t.Errorf("Load = %v", err)
	}
}

// What is to be written can be checked before it is.
func TestFilesMayBeTakenToHoldSomethingElse(t *testing.T) {
	t.Parallel()
	path := folder(t, map[string]string{"tocsin.yml": mainFile, "teams.yml": ""})
	managed := filepath.Join(filepath.Dir(path), "tocsin.managed.yml")
	c, err := config.LoadWith(path, kinds, config.Files{managed: []byte("sources: {org: {https: {}}}\n")})
	if err != nil || len(c.Sources) != 2 {
		t.Errorf("LoadWith = %v", err)
	}
	if _, err := os.Stat(managed); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
	if _, err = config.LoadWith(path, kinds, config.Files{managed: []byte("sources: {org: {}}\n")}); err == nil {
		t.Error("a mistake in it is not told")
	}
}

func TestASourceSaysWhoseItsAlertsAreWhereNoRouteDoes(t *testing.T) {
	t.Parallel()
	c := parse(t, `
sources:
  org: {https: {}, team: payments}
  other: {https: {}, receivers: [mail]}
  plain: {https: {}}
rules: [{use: guardduty}]
routes:
- {name: critical, pattern: {level: [critical]}, receivers: soc}
- {name: copy, pattern: {level: [high]}, receivers: soc, continue: true}
accounts: {"111122223333": {receivers: account}}
teams: {payments: {receivers: pay}}
fallback: soc
receivers:
  soc: {slack: {webhook_url: "https://hooks.example.com"}}
  pay: {slack: {webhook_url: "https://hooks.example.com"}}
  mail: {slack: {webhook_url: "https://hooks.example.com"}}
  account: {slack: {webhook_url: "https://hooks.example.com"}}
`)
	for _, tt := range []struct {
		name, path string
		level      tocsin.Level
		account    string
		want       []string
	}{
		{"its team", "https:org", tocsin.Low, "", []string{"pay"}},
		{"its receivers", "https:other", tocsin.Low, "", []string{"mail"}},
		{"before the account's own", "https:org", tocsin.Low, "111122223333", []string{"pay"}},
		{"a source that says nothing", "https:plain", tocsin.Low, "111122223333", []string{"account"}},
		{"one whose name ends alike", "https:x-org", tocsin.Low, "", []string{"soc"}},
		{"a route decides", "https:org", tocsin.Critical, "", []string{"soc"}},
		{"a route that goes on has decided, too", "https:org", tocsin.High, "", []string{"soc"}},
	} {
		a := tocsin.Alert{Detection: tocsin.Detection{Level: tt.level, Account: tt.account}, Paths: []string{tt.path}}
		d := c.Routes.Decide(a)
		var got []string
		for _, target := range d.Targets {
			got = append(got, target.Receiver)
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%s: tells %v, want %v", tt.name, got, tt.want)
		}
		if trace := c.Routes.Explain(a); !cmp.Equal(trace.Decision, d) {
			t.Errorf("%s: explained as something else: %v", tt.name, cmp.Diff(d, trace.Decision))
		}
	}
}

func TestWhoIsNamedByASourceHasToBeThere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{https: {}, team: nobody}":         `sources.org.team: no team "nobody"`,
		"{https: {}, policy: nothing}":      `sources.org.policy: no policy "nothing"`,
		"{https: {}, receivers: [soc, so]}": `sources.org.receivers[1]: no receiver "so" (did you mean "soc"?)`,
		"{https: {}, team: empty}":          `sources.org.team: team "empty" has neither policy nor receivers: nobody would be told`,
	} {
		_, err := config.Parse("t.yml", []byte(`
sources: {org: `+text+`}
rules: [{use: guardduty}]
teams: {empty: {members: ana}}
fallback: soc
receivers: {soc: {slack: {webhook_url: "https://hooks.example.com"}}}
`), kinds)
		if !strings.Contains(errText(err), want) {
			t.Errorf("%s: %s, want %s", text, errText(err), want)
		}
	}
}

func TestAFallbackThatIsDisabledIsAMistake(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("t.yml", []byte(`
sources: {org: {https: {}}}
rules: [{use: guardduty}]
fallback: soc
receivers: {soc: {slack: {webhook_url: "https://hooks.example.com"}, disabled: true}}
`), kinds)
	if !strings.Contains(errText(err), "t.yml:4:11: fallback: is disabled: soc") {
		t.Errorf("Parse = %s", errText(err))
	}
}

func TestShowHasEverythingAndNoSecrets(t *testing.T) {
	t.Setenv("HOOK", "https://hooks.example.com/from-the-environment")
	path := folder(t, map[string]string{
		"tocsin.yml": `
store: postgres://tocsin:pass-word@db.example.com/tocsin
include: more.yml
sources: {events: {https: {token: token-in-the-file}}}
rules: [{use: guardduty}]
fallback: soc
x-hook: &hook "${env:HOOK}"
receivers:
  soc: {slack: {webhook_url: *hook}}
  other: {slack: {webhook_url: "https://hooks.example.com/services/in-the-file"}}
`,
		"more.yml":           "teams: {payments: {receivers: soc}}\naccounts: {\"012345678901\": {name: prod}}\n",
		"tocsin.managed.yml": "sources: {org: {https: {}, team: payments}}\n",
	})
	text, err := config.Show(path, kinds)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(text), filepath.Dir(path)+string(filepath.Separator), "")
	golden(t, "show.golden", got)
	for _, s := range []string{"pass-word", "token-in-the-file", "from-the-environment", "services/in-the-file"} {
		if strings.Contains(got, s) {
			t.Errorf("it shows %q", s)
		}
	}
}

func TestSpliceLeavesEverythingElseAsItIs(t *testing.T) {
	t.Parallel()
	const block = "org:\n  https: {}\n"
	for _, tt := range []struct{ name, text, entry, want string }{
		{"into nothing", "", block, "sources:\n  org:\n    https: {}\n"},
		{"into comments", "# Ours.\n", block, "# Ours.\n\nsources:\n  org:\n    https: {}\n"},
		{"a new section", "receivers:\n  a: {b: {}}\n", block, "receivers:\n  a: {b: {}}\n\nsources:\n  org:\n    https: {}\n"},
		{"an empty section", "sources:\n\nreceivers:\n  a: {b: {}}\n", block, "sources:\n  org:\n    https: {}\n\nreceivers:\n  a: {b: {}}\n"},
		{
			"at the end of a section", "sources:\n  a:\n    sns: {} # kept\n\n# Of the receivers.\nreceivers:\n  a: {b: {}}\n", block,
			"sources:\n  a:\n    sns: {} # kept\n  org:\n    https: {}\n\n# Of the receivers.\nreceivers:\n  a: {b: {}}\n",
		},
		{
			"in the place of one", "sources:\n    # First.\n    a: {sns: {}}\n    # The one.\n    org:\n        sns:\n            # within\n            topics: []\n    # Last.\n    z: {sns: {}}\n", block,
			"sources:\n    # First.\n    a: {sns: {}}\n    # The one.\n    org:\n      https: {}\n    # Last.\n    z: {sns: {}}\n",
		},
		{"out of a section", "sources:\n  a: {sns: {}}\n  org:\n    https: {}\n  # Last.\n  z: {sns: {}}\n", "", "sources:\n  a: {sns: {}}\n  # Last.\n  z: {sns: {}}\n"},
		{"the last one out", "# Ours.\nsources:\n  org:\n    https: {}\n\nreceivers:\n  a: {b: {}}\n", "", "# Ours.\nreceivers:\n  a: {b: {}}\n"},
		{"what is not there out", "sources:\n  a: {sns: {}}\n", "", "sources:\n  a: {sns: {}}\n"},
		{"in braces", "sources: {a: {sns: {}}}\n", block, "sources:\n  a:\n    sns: {}\n  org:\n    https: {}\n"},
		{"a name in quotes", "sources:\n  \"org\": {sns: {}}\n", block, "sources:\n  org:\n    https: {}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var entry []byte
			if tt.entry != "" {
				entry = []byte(tt.entry)
			}
			got, err := config.Splice("m.yml", []byte(tt.text), "sources", "org", entry)
			if err != nil || string(got) != tt.want {
				t.Errorf("Splice of\n%sgot (%v)\n%swant\n%s", tt.text, err, got, tt.want)
			}
		})
	}
}
