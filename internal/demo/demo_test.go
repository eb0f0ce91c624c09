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
		seen: func() time.Time { return time.Date(2026, 6, 12, 2, 30, 0, 0, time.UTC) },
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
		f := w.find(k, place{account: w.accounts[0], region: "eu-west-1"})
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
	a, _ := tocsin.Alert{}.Fold(was, w.seen())
	a, act := a.Fold(finding.Detection(), w.seen())
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
	w := &world{accounts: accounts(200), regions: regions, teams: teams()}
	var err error
	if w.in, err = openReceivers(t.Context(), "http://127.0.0.1:8080", w.teams, w.clock.Now, w.putEvents); err != nil {
		t.Fatal(err)
	}
	defer w.in.close()
	conf, token, err := w.configure("127.0.0.1:8080", dir)
	if err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string][2]int{
		"sources": {len(conf.Sources), 4}, "accounts": {len(conf.Accounts), 201}, "receivers": {len(conf.Receivers), 8},
		"teams": {len(conf.Teams), 3}, "policies": {len(conf.Policies), 3}, "schedules": {len(conf.Schedules), 6}, "people": {len(conf.People), 6},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s, want %d", n[0], what, n[1])
		}
	}
	if len(token) < 26 {
		t.Errorf("the token has %d characters, want 128 bits in base32", len(token))
	}
	// What is printed at the start names the file: it has to be good by itself.
	if _, err := config.Load(filepath.Join(dir, "demo.yml"), app.Kinds()); err != nil {
		t.Error(err)
	}
}

// Whenever the demo begins, the first of each rotation is on call.
func TestTheWeekHasBegun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ now, zone, want string }{
		"in the middle of a week":          {"2026-11-19T12:00:00Z", "Europe/London", "2026-11-16T09:00"},
		"on Monday at nine":                {"2026-11-16T09:00:00Z", "Europe/London", "2026-11-16T09:00"},
		"before nine it is the last one's": {"2026-11-16T08:59:00Z", "Europe/London", "2026-11-09T09:00"},
		"by the clock of the zone":         {"2026-11-16T12:00:00Z", "America/New_York", "2026-11-09T09:00"},
		"over the end of summer time":      {"2026-10-26T07:30:00Z", "Europe/Berlin", "2026-10-19T09:00"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := monday(tt.zone, now); got != tt.want || err != nil {
			t.Errorf("%s: monday(%s, %s) = %s, %v, want %s", name, tt.zone, tt.now, got, err, tt.want)
		}
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
