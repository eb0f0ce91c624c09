package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

const hunter2 = "hunter2"

// settings is a struct as a kind of receiver has it.
type settings struct {
	URL    secret.String `json:"url"`
	hidden secret.String
	Many   map[string]secret.String `json:"many"`
	Next   *secret.String           `json:"next"`
}

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := secret.New(hunter2)
	whole := settings{URL: s, hidden: s, Many: map[string]secret.String{"Authorization": s}, Next: &s}
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed[verb] = fmt.Sprintf(verb, s)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &s)
		printed[verb+" of a struct"] = fmt.Sprintf(verb, whole)
		printed[verb+" of a list"] = fmt.Sprintf(verb, []secret.String{s})
	}
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	printed["json"] = string(text)
	key, err := json.Marshal(map[secret.String]int{s: 1})
	if err != nil {
		t.Fatal(err)
	}
	printed["json as a key"] = string(key)
	printed["an error"] = fmt.Errorf("receiver %v: %w", s, errors.New("refused")).Error()
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		log := slog.New(handler(&b)).With("token", s)
		log.Error("refused", "secret", s, "settings", whole, slog.Group("group", "secret", &s))
		printed[name] = b.String()
	}
	for how, got := range printed {
		if strings.Contains(got, hunter2) || strings.Contains(got, fmt.Sprintf("%x", hunter2)) {
			t.Errorf("%s shows the secret: %s", how, got)
		}
	}
	if got := fmt.Sprint(s); got != "***" {
		t.Errorf("a secret prints as %q, want ***", got)
	}
	if got := s.Reveal(); got != hunter2 {
		t.Errorf("Reveal() = %q", got)
	}
}

func TestThatThereIsNoSecretIsNoSecret(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]secret.String{"none": {}, "empty": secret.New("")} {
		if !s.IsZero() || s.Reveal() != "" || s.String() != "" {
			t.Errorf("%s: IsZero, Reveal, String = %v, %q, %q", name, s.IsZero(), s.Reveal(), s)
		}
	}
	if secret.New(" ").IsZero() {
		t.Error("a blank counts as no secret")
	}
}

func TestWhatIsWrittenTakesThePlaceOfReferences(t *testing.T) {
	t.Setenv("TOCSIN_TEST_SECRET", hunter2)
	t.Setenv("TOCSIN_TEST_EMPTY", "")
	t.Setenv("TOCSIN_TEST_NESTED", "${env:TOCSIN_TEST_SECRET}")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(" two\nlines\r\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"plain text", "plain", "plain"},
		{"nothing", "", ""},
		{"a variable", "${env:TOCSIN_TEST_SECRET}", hunter2},
		{"a variable within a text", "https://example.com/${env:TOCSIN_TEST_SECRET}/x", "https://example.com/hunter2/x"},
		{"two of them", "${env:TOCSIN_TEST_SECRET}${env:TOCSIN_TEST_SECRET}", hunter2 + hunter2},
		{"a variable that is empty", "[${env:TOCSIN_TEST_EMPTY}]", "[]"},
		{"a file, without its trailing line breaks", "${file:" + file + "}", " two\nlines"},
		{"a dollar sign twice is one", "$$", "$"},
		{"a reference that is none", "$${env:TOCSIN_TEST_SECRET}", "${env:TOCSIN_TEST_SECRET}"},
		{"dollar signs elsewhere stay", "pa$word$", "pa$word$"},
		{"what a reference names is not read again", "${env:TOCSIN_TEST_NESTED}", "${env:TOCSIN_TEST_SECRET}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := secret.Expand(tt.text)
			if err != nil || got != tt.want {
				t.Errorf("Expand(%q) = %q, %v, want %q", tt.text, got, err, tt.want)
			}
			s := secret.New(tt.text)
			if err := s.Resolve(); err != nil || s.Reveal() != tt.want {
				t.Errorf("Resolve() of %q = %q, %v, want %q", tt.text, s.Reveal(), err, tt.want)
			}
		})
	}
}

func TestAReferenceThatLeadsNowhereIsNamed(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, tt := range []struct{ name, text, want string }{
		{"a variable that is not set", "${env:TOCSIN_TEST_NOT_SET}", "${env:TOCSIN_TEST_NOT_SET}: the environment variable TOCSIN_TEST_NOT_SET is not set"},
		{"a file that is not there", "${file:" + nowhere + "}", "no such file"},
		{"no closing brace", "x${env:HOME", `"${env:HOME" has no closing brace`},
		{"no kind", "${HOME}", "${HOME}: want ${env:NAME} or ${file:/path}"},
		{"another kind", "${vault:x}", `unknown kind of reference "vault"; want env or file`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := secret.Expand(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Expand(%q) = %q, %v, want an error with %q", tt.text, got, err, tt.want)
			}
			s := secret.New(tt.text)
			if err := s.Resolve(); err == nil || s.Reveal() != tt.text {
				t.Errorf("Resolve() of %q = %v and leaves %q", tt.text, err, s.Reveal())
			}
		})
	}
}

func TestTextIsTakenAsItStands(t *testing.T) {
	t.Parallel()
	var s secret.String
	if err := json.Unmarshal([]byte(`"${env:LATER}"`), &s); err != nil || s.Reveal() != "${env:LATER}" {
		t.Errorf("Unmarshal = %q, %v", s.Reveal(), err)
	}
	if !secret.IsReference(s.Reveal()) || secret.IsReference("plain$") {
		t.Error("IsReference does not tell references from text")
	}
	var none secret.String
	if err := none.Resolve(); err != nil || !none.IsZero() {
		t.Errorf("Resolve() of none = %v", err)
	}
}
