package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

const examples = "../../examples"

// setExampleEnv sets what the examples name.
func setExampleEnv(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"TOKEN": "0123456789abcdef", "SNS_TOKEN": "0123456789abcdef", "API_TOKEN": "fedcba9876543210",
		"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x", "SMTP_PASSWORD": "password",
		"PAYMENTS_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B1/x", "DATA_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B2/x",
		"SLACK_API_URL": "https://slack.com/api/", "SLACK_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "SLACK_SIGNING_SECRET": "0123456789abcdef0123456789abcdef",
		"TEAMS_URL": "https://example.webhook.office.com/workflows/x", "JIRA_TOKEN": "token", "AWS_SECRET": "secret", "AWS_SESSION": "session", "MONITOR_URL": "https://monitor.example.com/ping/x",
		"TWILIO_SID": "AC0123456789abcdef0123456789abcdef", "TWILIO_TOKEN": "0123456789abcdef0123456789abcdef",
		"TWILIO_KEY": "SK0123456789abcdef0123456789abcdef", "TWILIO_SECRET": "secret", "TWILIO_SERVICE": "MG0123456789abcdef0123456789abcdef",
		"PAGERDUTY_KEY":   "0123456789abcdef0123456789abcdef",
		"GOOGLE_CHAT_URL": "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=key&token=token", "DISCORD_URL": "https://discord.com/api/webhooks/123456789012345678/token",
		"MATTERMOST_TOKEN": "token", "ROCKETCHAT_TOKEN": "token", "MATRIX_TOKEN": "token", "ZULIP_KEY": "0123456789abcdef0123456789abcdef",
		"TELEGRAM_TOKEN": "123456789:AAabcdefghijklmnopqrstuvwxyz0123456", "TELEGRAM_SECRET": "secret", "NTFY_TOKEN": "tk_token", "GOTIFY_TOKEN": "Atoken",
		"PUSHOVER_TOKEN": "a0123456789abcdefghijklmnopqrs", "PUSHOVER_GROUP": "g0123456789abcdefghijklmnopqrs", "JSM_KEY": "key", "SERVICENOW_PASSWORD": "password",
		"GITHUB_TOKEN": "token", "GITLAB_TOKEN": "token", "TOCSIN_EXTERNAL_ID": "external-id",
		"PAGER_URL": "https://pager.example.com/hook", "PAGER_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "PAGER_TOKEN": "token",
	} {
		t.Setenv(name, value)
	}
}

// loadExample loads an example, with the files of another machine that it names
// in a folder of the test.
func loadExample(t *testing.T, path string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key := selfSigned(t)
	for file, content := range map[string][]byte{
		"/run/secrets/smtp_password": []byte("password\n"), "/etc/ssl/certs/ca-certificates.crt": certificate,
		"/etc/tocsin/tls.crt": certificate, "/etc/tocsin/tls.key": key,
	} {
		here := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(here, content, 0o600); err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(file), []byte(here))
	}
	c, err := config.Parse(path, text, app.Kinds())
	if err != nil {
		t.Fatalf("%s:\n%v", path, err)
	}
	return c
}

// selfSigned is a certificate with its key, as PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func TestEveryExampleLoadsWithoutAWarning(t *testing.T) {
	setExampleEnv(t)
	paths, err := filepath.Glob(filepath.Join(examples, "*.yml"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("examples = %v, %v", paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if c := loadExample(t, path); len(c.Warnings) > 0 {
				t.Errorf("warnings:\n%v", c.Warnings)
			}
		})
	}
}

func TestTheDefaultLoadsWithoutAWarning(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("defaults", config.Default(), app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 || c.Listen != "127.0.0.1:8080" {
		t.Errorf("Listen = %q, warnings:\n%v", c.Listen, c.Warnings)
	}
}

func TestBenchListensWhereItIsMeasured(t *testing.T) {
	setExampleEnv(t)
	c := loadExample(t, filepath.Join(examples, "bench.yml"))
	if c.Listen != "127.0.0.1:18080" || c.Store != "sqlite:./tocsin-data" {
		t.Errorf("Listen, Store = %q, %q", c.Listen, c.Store)
	}
	if len(c.Sources) != 1 || c.Sources[0].Name != "gd" || c.Sources[0].Kind != "https" {
		t.Errorf("Sources = %+v", c.Sources)
	}
	if len(c.Receivers) != 1 || c.Receivers[0].Kind != "webhook" || c.Receivers[0].Rate != 0 {
		t.Errorf("Receivers = %+v", c.Receivers)
	}
	if got := c.Rules.Names(); !reflect.DeepEqual(got, []string{"guardduty"}) {
		t.Errorf("Rules = %v", got)
	}
}

// full.yml shows every key: whoever adds one adds it there.
func TestFullHasEveryKey(t *testing.T) {
	t.Parallel()
	full, destinations := example(t, "full.yml"), example(t, "destinations.yml")
	kinds := app.Kinds()
	for _, k := range kinds.Collectors {
		if !strings.Contains(full, k.Name+":") {
			t.Errorf("full.yml has no source of kind %q", k.Name)
		}
	}
	elsewhere := map[string]bool{} // the kinds that destinations.yml has
	for _, k := range kinds.Notifiers {
		elsewhere[k.Name] = !strings.Contains(full, " "+k.Name+":")
		if elsewhere[k.Name] && !strings.Contains(destinations, " "+k.Name+":") && k.Name != "chime" {
			t.Errorf("neither full.yml nor destinations.yml has a receiver of kind %q", k.Name)
		}
	}
	skip := false
	for line := range strings.Lines(config.Reference(kinds)) {
		if strings.HasPrefix(line, "#") {
			skip = elsewhere[strings.TrimSpace(line[strings.LastIndex(line, " ")+1:])]
		}
		key, ok := strings.CutPrefix(line, "| `")
		if !ok || skip {
			continue
		}
		key, rest, _ := strings.Cut(key, "`")
		if strings.Count(rest, "|") < 4 { // not a table of keys
			continue
		}
		key = key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(full, key+":") {
			t.Errorf("full.yml has no key %q", key)
		}
	}
}

// example is the text of an example.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
