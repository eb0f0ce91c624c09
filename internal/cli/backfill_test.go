package cli

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/guarddutyapi/guarddutytest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// backfilled runs the command on a database of its own.
func backfilled(t *testing.T, config, data string, args ...string) (out, errOut string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	s := &shell{in: strings.NewReader(""), out: &stdout, err: &stderr, logLevel: "error", configFile: config, data: data}
	c := backfillCommand(s)
	c.SetArgs(append([]string{}, args...)) // nil would be those of the test
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// fakeGuardDuty has findings of the last weeks, and is what the environment names.
func fakeGuardDuty(t *testing.T, findings int) {
	t.Helper()
	fake := guarddutytest.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	for key, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": guarddutytest.KeyID, "AWS_SECRET_ACCESS_KEY": guarddutytest.Secret,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(key, value)
	}
	fake.Enable(guarddutytest.Detector{Account: guarddutytest.Own, Region: "eu-west-1"})
	for i := range findings {
		at := time.Now().Add(-time.Duration(i+1) * 12 * time.Hour)
		fake.Put(guarddutytest.Finding{ID: guarddutytest.FindingID(i), Account: guarddutytest.Own, Region: "eu-west-1", Created: at, Updated: at, Archived: i == 0})
	}
}

func TestBackfillTellsNobody(t *testing.T) {
	// No t.Parallel: it is told by the environment where AWS is.
	fakeGuardDuty(t, 70)
	data := t.TempDir()
	out, errOut, err := backfilled(t, "", data, "--region", "eu-west-1", "--days", "30")
	if want := "59 events: 1 closed, 58 suppressed\nNobody was told; the alerts are open and held back. --tell tells the receivers.\n"; err != nil || errOut != "" || out != want {
		t.Errorf("backfill prints %q, %q, %v; want %q", out, errOut, err, want)
	}
	st, err := store.Open(t.Context(), "sqlite:"+data)
	if err != nil {
		t.Fatal(err)
	}
	err = st.View(t.Context(), func(tx *store.Tx) error {
		alerts, _, err := tx.Alerts(store.AlertFilter{Statuses: []tocsin.Status{tocsin.StatusOpen}, Limit: 100})
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if a.Held == nil || a.Held.By != "dropped by backfill" || len(a.Told) > 0 {
				t.Errorf("alert %d is held by %v, and %q were told", a.ID, a.Held, a.Told)
			}
		}
		owed, err := tx.Notifications(store.NotificationFilter{})
		if len(alerts) != 58 || len(owed) != 0 {
			t.Errorf("%d alerts are open and %d messages owed, want 58 and none", len(alerts), len(owed))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	if out, _, err := backfilled(t, "", data, "--region", "eu-west-1", "--days", "30"); err != nil || out != "no events\n" {
		t.Errorf("a second time it prints %q, %v", out, err)
	}
	if out, _, err := backfilled(t, "", data, "--region", "eu-west-1", "--days", "90"); err != nil || !strings.HasPrefix(out, "11 events: ") {
		t.Errorf("of more days it prints %q, %v, want the eleven that are new", out, err)
	}
}

func TestBackfillTellsWhoeverIsToBeTold(t *testing.T) {
	fakeGuardDuty(t, 5)
	out, errOut, err := backfilled(t, "", t.TempDir(), "--region", "eu-west-1", "--tell")
	if err != nil || errOut != "" || !strings.Contains(out, "5 events: 4 opened, 1 closed") || strings.Contains(out, "Nobody was told") || strings.Count(out, "looked up a mining pool") != 4 {
		t.Errorf("backfill --tell prints %q, %q, %v", out, errOut, err)
	}
}

func TestBackfillThatCannotBe(t *testing.T) {
	t.Setenv("TOCSIN_CONFIG", "")
	t.Chdir(t.TempDir())
	several := filepath.Join(t.TempDir(), "tocsin.yml")
	text := `
sources:
  one: {guardduty-api: {regions: [all]}}
  two: {guardduty-api: {regions: [all]}}
  web: {https: {}}
rules: [{use: guardduty}]
receivers: {screen: {console: {}}}
fallback: [screen]
`
	if err := os.WriteFile(several, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, config string
		args         []string
		says         string
	}{
		{"too many days", "", []string{"--days", "91"}, "GuardDuty keeps findings for 90 days"},
		{"both", "", []string{"--source", "x", "--region", "eu-west-1"}, "want one of them"},
		{"nothing to ask as", "", nil, "name regions with --region"},
		{"no such source", several, []string{"--source", "three"}, "there is no such source of the kind guardduty-api"},
		{"a source of another kind", several, []string{"--source", "web"}, "is of the kind https, want guardduty-api"},
		{"several", several, nil, "choose with --source one of one, two"},
		{"no region", "", []string{"--region", "europe"}, `regions: "europe" is not an AWS region`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := backfilled(t, tt.config, t.TempDir(), tt.args...); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("backfill %s = %v, want %q", strings.Join(tt.args, " "), err, tt.says)
			}
		})
	}
}

func TestADayOfABackfillHas24Hours(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York") // where 1 November 2026 had 25
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 16, 0, 0, 0, zone)
	if got, want := now.Sub((backfill{days: 30}).since(now)), 30*24*time.Hour; got != want {
		t.Errorf("30 days are %v, want %v", got, want)
	}
}

func TestHowFarABackfillIs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		bar  bool
		want string // at the end
	}{
		{true, "\r[=======                       ] 25%, 600 findings, 20 a second, 1m30s left\x1b[K\r\x1b[K"},
		{false, "10%, 300 findings, 30 a second, 1m30s left\n25%, 600 findings, 20 a second, 1m30s left\n"},
	} {
		now := at
		var out bytes.Buffer
		f := &fetching{out: &out, bar: tt.bar, now: func() time.Time { return now }, began: at}
		f.progress(10, 100)
		now = now.Add(10 * time.Second)
		f.found(300)
		f.progress(25, 100)
		now = now.Add(20 * time.Second)
		f.found(300)
		f.progress(75, 100)
		f.end()
		if !strings.HasSuffix(out.String(), tt.want) {
			t.Errorf("it prints %q, want %q at the end", out.String(), tt.want)
		}
	}
}
