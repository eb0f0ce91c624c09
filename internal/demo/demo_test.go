package demo

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
)

var update = flag.Bool("update", false, "write golden files anew")

// smallWorld has a seed and a clock of its own.
func smallWorld() *world {
	return &world{
		accounts: accounts(12), regions: regions, rng: rand.New(rand.NewPCG(7, 1)),
		now: time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC),
	}
}

func TestAccountsAreWhatAWSWouldGive(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^\d{12}$`)
	seen := map[string]bool{admin: true}
	names := map[string]bool{}
	for _, a := range accounts(10_000) {
		if !form.MatchString(a.id) {
			t.Fatalf("account id %q has not 12 digits", a.id)
		}
		if seen[a.id] || names[a.name] {
			t.Fatalf("account %q (%s) is there twice", a.id, a.name)
		}
		seen[a.id], names[a.name] = true, true
	}
	for _, a := range accounts(12) {
		if wants := a.environment == "dev"; wants != (a.minimum != "") {
			t.Errorf("account %s in %s has the minimum %q", a.name, a.environment, a.minimum)
		}
	}
}

// Every kind of finding is one that the dialect reads as it reads GuardDuty's.
func TestEveryFindingIsOneOfGuardDuty(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	w := smallWorld()
	for _, k := range kinds {
		f := w.find(k, place{w.accounts[0], "eu-west-1"})
		finding, ok, err := guardduty.Read(w.event(f, admin))
		if err != nil || !ok {
			t.Errorf("%s: Read = %v, %v", k.name, ok, err)
			continue
		}
		d := finding.Detection()
		if d.Type != k.name || d.Account != f.account.id || d.Region != "eu-west-1" || d.ReportedBy != admin || d.ID != f.id || d.Over {
			t.Errorf("%s is read as %+v", k.name, d)
		}
		if d.Level == tocsin.Unknown || d.Headline == "" || d.Command == "" || d.Console == "" || len(d.Facts) < 2 {
			t.Errorf("%s: level %s, headline %q, first step %q, %d facts", k.name, d.Level, d.Headline, d.Command, len(d.Facts))
		}
		fmt.Fprintf(&got, "%-8s %s\n         %s\n         %s\n", d.Level, d.Type, d.Headline, d.Command)
		if w.grow(f); !newer(t, w, f, d) {
			t.Errorf("%s: an update is not newer than what it updates", k.name)
		}
	}
	const file = "testdata/headlines.golden"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("headlines (-want +got):\n%s", diff)
	}
}

// newer reports whether the finding as it is now updates an alert of what it was.
func newer(t *testing.T, w *world, f *finding, was tocsin.Detection) bool {
	t.Helper()
	finding, ok, err := guardduty.Read(w.event(f, f.account.id))
	if err != nil || !ok {
		t.Fatalf("%s: Read = %v, %v", f.kind.name, ok, err)
	}
	a, _ := tocsin.Alert{}.Fold(was, w.now)
	a, act := a.Fold(finding.Detection(), w.now)
	return act.Verdict == tocsin.Updated && a.Occurrences == int64(f.count)
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	t.Parallel()
	tell := func() (told []byte) {
		w := smallWorld()
		for range 20 {
			told = append(told, w.event(w.find(pick(w.rng, kinds), w.anywhere()), admin)...)
		}
		return told
	}
	if !bytes.Equal(tell(), tell()) {
		t.Error("two worlds of one seed differ")
	}
}

func TestTheConfigurationIsOneThatAPersonCouldWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &world{accounts: accounts(200)}
	in, err := openReceivers(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	conf, token, err := w.configure(t.Context(), "127.0.0.1:0", dir, "key", in)
	if err != nil {
		t.Fatal(err)
	}
	if len(conf.Sources) != 2 || len(conf.Accounts) != 200 || len(conf.Receivers) != 4 {
		t.Errorf("%d sources, %d accounts, %d receivers", len(conf.Sources), len(conf.Accounts), len(conf.Receivers))
	}
	if len(token) != 43 {
		t.Errorf("the token has %d characters, want 32 bytes in base64", len(token))
	}
	// What is printed at the start names the file: it has to be good by itself.
	if _, err := config.Load(filepath.Join(dir, "demo.yml"), app.Kinds()); err != nil {
		t.Error(err)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Accounts: 12, Regions: 17}, ""},
		{Options{Accounts: 1, Regions: 1}, ""},
		{Options{Accounts: 10_000, Regions: 17}, ""},
		{Options{Accounts: 0, Regions: 17}, "--accounts"},
		{Options{Accounts: 10_001, Regions: 17}, "--accounts"},
		{Options{Accounts: 12, Regions: 0}, "--regions"},
		{Options{Accounts: 12, Regions: 18}, "--regions"},
	} {
		err := tt.o.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Check(%d accounts, %d regions) = %v, want %q", tt.o.Accounts, tt.o.Regions, err, tt.want)
		}
	}
}
