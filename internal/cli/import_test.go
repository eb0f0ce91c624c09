package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// codeOf is the exit code of an error.
func codeOf(err error) int {
	if c, ok := errors.AsType[exitCode](err); ok {
		return c.code
	}
	return exitFailed
}

// importedBy runs 'tocsin import' with that standard input.
func importedBy(t *testing.T, stdin string, args ...string) (out, errOut string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	s := &shell{in: strings.NewReader(stdin), out: &stdout, err: &stderr, logLevel: "error"}
	c := importCommand(s)
	c.SetArgs(append([]string{}, args...)) // nil would be those of the test
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

const kongFile = "webhook: https://hooks.slack.com/services/T0/B0/hunter2\naccounts: {}\n"

func TestWhatIsThereIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, there := range []string{"tocsin.yml", "secrets/default-webhook"} {
		to := filepath.Join(dir, strings.ReplaceAll(there, "/", "-"))
		if err := os.MkdirAll(filepath.Join(to, "secrets"), 0o755); err != nil {
			t.Fatal(err)
		}
		// Whichever files it would write are found by a first run elsewhere.
		first := filepath.Join(t.TempDir(), "x")
		if _, _, err := importedBy(t, kongFile, "kong", "-", "--to", first); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, there)
		if there != "tocsin.yml" {
			files, err := os.ReadDir(filepath.Join(first, "secrets"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			path = filepath.Join(to, "secrets", files[0].Name())
		}
		if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, errOut, err := importedBy(t, kongFile, "kong", "-", "--to", to)
		if err == nil || !strings.Contains(err.Error(), "nothing was written") || codeOf(err) != exitFailed {
			t.Errorf("%s is there: %v, exit code %d, %s", there, err, codeOf(err), errOut)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
			t.Errorf("%s is %q now, %v", there, text, err)
		}
		var files []string
		if err := filepath.WalkDir(to, func(path string, e os.DirEntry, err error) error {
			if !e.IsDir() {
				files = append(files, path)
			}
			return err
		}); err != nil || len(files) != 1 {
			t.Errorf("%s is there: files %v, %v", there, files, err)
		}
		// What is a link elsewhere is replaced, and not followed.
		elsewhere := filepath.Join(t.TempDir(), "elsewhere")
		if err := os.WriteFile(elsewhere, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
		if _, _, err := importedBy(t, kongFile, "kong", "-", "--to", to, "--force"); err != nil {
			t.Errorf("%s, with --force: %v", there, err)
		}
		if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "mine" {
			t.Errorf("what %s was a link to is %q now, %v", there, text, err)
		}
	}
}

func TestWhatCannotBeImported(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat(" ", importer.MaxFile) + kongFile
	for _, tt := range []struct {
		name, stdin string
		args        []string
		code        int
		want        string
	}{
		{"a file that is too large", huge, []string{"kong", "-"}, 1, "larger than 8 MiB"},
		{"and for EventBridge", huge, []string{"eventbridge", "-"}, 1, "larger than 8 MiB"},
		{"and for Alertmanager", huge, []string{"alertmanager", "-"}, 1, "larger than 8 MiB"},
		{"and for notify-slack", huge, []string{"notify-slack", "-"}, 1, "larger than 8 MiB"},
		{"nothing", "", []string{"kong", "-"}, 1, "is empty"},
		{"what is no YAML", "a: [", []string{"kong", "-"}, 1, ":1:"},
		{"a file that is not there", "", []string{"kong", "no-such-file.yml"}, 2, "no-such-file.yml"},
		{"a folder", "", []string{"kong", "."}, 2, "is a directory"},
		{"standard input twice", "{}", []string{"eventbridge", "-", "-"}, 2, "standard input cannot be both"},
		{"standard input for both", "{}", []string{"alertmanager", "-", "--silences", "-"}, 2, "standard input cannot be both"},
		{"--force alone", kongFile, []string{"kong", "-", "--force"}, 2, "--force is for --to"},
	} {
		out, _, err := importedBy(t, tt.stdin, tt.args...)
		if err == nil || codeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) || out != "" {
			t.Errorf("%s: %q, %v, exit code %d; want %d and %s", tt.name, out, err, codeOf(err), tt.code, tt.want)
		}
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	out, errOut, err := importedBy(t, kongFile, "kong", "-")
	if err != nil || strings.Contains(out+errOut, "hunter2") || !strings.Contains(errOut, "TOCSIN_") || !strings.Contains(out, "${env:TOCSIN_") {
		t.Errorf("%v\n%s\n%s", err, out, errOut)
	}
}
