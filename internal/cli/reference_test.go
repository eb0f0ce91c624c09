package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The reference of the commands is what they say of themselves.
func TestTheReferenceOfTheCommandsIsCurrent(t *testing.T) {
	for _, name := range []string{"TOCSIN_CONFIG", "TOCSIN_SERVER", "TOCSIN_LISTEN", "TOCSIN_LOG_LEVEL"} {
		t.Setenv(name, "")
	}
	var b bytes.Buffer
	b.WriteString("# Commands\n\nMade of what `tocsin COMMAND --help` says. [In words](../commands.md).\n\n" +
		"Exit codes: 0 done, 1 it went wrong, 2 it was called wrongly, 3 `check` found problems.\n")
	root := rootCommand(&shell{in: strings.NewReader(""), out: io.Discard, err: io.Discard})
	b.WriteString("\nEvery command takes:\n")
	writeFlags(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		writeCommand(&b, c)
	}
	file := filepath.Join("..", "..", "docs", "reference", "commands.md")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil { //nolint:gosec // it is for everybody to read
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("docs/reference/commands.md is not current; go test ./internal/cli -update (-want +got):\n%s", diff)
	}
}

func writeCommand(b *bytes.Buffer, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if c.Long != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", c.Long)
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
	if !c.HasSubCommands() || c.Use != c.Name() {
		fmt.Fprintf(b, "\n`%s`\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
	}
	writeFlags(b, c.LocalFlags())
	for _, sub := range c.Commands() {
		writeCommand(b, sub)
	}
}

// ofThisMachine are the flags whose defaults are not the same everywhere.
var ofThisMachine = map[string]bool{"by": true}

func writeFlags(b *bytes.Buffer, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			b.WriteString("\n| flag | |\n|---|---|\n")
			first = false
		}
		argument, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if argument != "" {
			name += " " + argument
		}
		switch f.DefValue {
		case "", "false", "[]", "0":
		default:
			if !ofThisMachine[f.Name] {
				usage += " (default " + f.DefValue + ")"
			}
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
}
