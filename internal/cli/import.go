package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/importer"
)

func importCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "import", Short: "Make a configuration of another program's",
		Long: `import prints a tocsin.yml that means what the other program's file means, with a comment
that says from which line each part is. What is not the same, and what is left to you, is
told on standard error and at the head of the file; nothing is dropped in silence.

Secrets are never printed. The file names each as an environment variable, and standard
error lists them. With --to DIR the file is written to DIR/tocsin.yml, and each secret to a
file within DIR/secrets that nobody else may read.

The exit code is 0 also where something is not the same, and 1 where nothing could be made
of the file.`,
		Example: `  tocsin import kong main.yml > tocsin.yml
  tocsin import eventbridge rule.json targets.json --to /etc/tocsin
  tocsin import alertmanager alertmanager.yml --silences silences.json --to /etc/tocsin
  tocsin import notify-slack main.tf --account 111122223333`,
	}
	c.AddCommand(importKong(s), importEventBridge(s), importAlertmanager(s), importNotifySlack(s))
	return c
}

// importTo are the flags of where it goes.
type importTo struct {
	dir   string
	force bool
}

func (to *importTo) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&to.dir, "to", "", "write into this `folder`, secrets into files of their own")
	flags.BoolVar(&to.force, "force", false, "with --to: write over files that are there")
}

// importFile reads the file that is to be imported, or the first bytes of one that is
// larger than any: a device has no end.
func (s *shell) importFile(argument string) (name string, text []byte, err error) {
	name, in := stdinName, s.in
	if argument != "-" {
		file, err := os.Open(argument)
		if err != nil {
			return argument, nil, usage(err)
		}
		defer func() { _ = file.Close() }() // it was only read
		name, in = argument, file
	}
	text, err = io.ReadAll(io.LimitReader(in, importer.MaxFile+1))
	if err != nil {
		return name, nil, usage(err)
	}
	return name, bytes.TrimPrefix(text, []byte("\ufeff")), nil
}

// imported prints or writes what was made, once it is sure that it is a good
// configuration.
func (s *shell) imported(d *importer.Draft, command string, to importTo) error {
	if to.force && to.dir == "" {
		return usage(errors.New("--force is for --to: nothing is written without it"))
	}
	if _, err := config.Parse("tocsin.yml", d.Checked(), app.Kinds()); err != nil {
		return fmt.Errorf("what it comes to is no good configuration; nothing was written:\n%w", err)
	}
	if to.dir == "" {
		if _, err := fmt.Fprint(s.out, s.harmless(string(d.File(command, (*importer.Secret).Named)))); err != nil {
			return err
		}
	} else {
		written, err := d.Write(to.dir, command, to.force)
		for _, path := range written {
			fmt.Fprintln(s.err, "wrote", visible(path))
		}
		if err != nil {
			return err
		}
	}
	s.tellImport(d, to)
	return nil
}

// tellImport tells what is left to do.
func (s *shell) tellImport(d *importer.Draft, to importTo) {
	for _, r := range d.Sorted() {
		fmt.Fprintln(s.err, visible(r.String()))
	}
	first := true
	for _, secret := range d.Needed() {
		switch {
		case secret.Reference != "":
			fmt.Fprintf(s.err, "%s is read from %s\n", visible(secret.What), visible(secret.Reference))
		case to.dir == "" || secret.Value.IsZero():
			if first {
				fmt.Fprintln(s.err, "set these environment variables:")
				first = false
			}
			fmt.Fprintf(s.err, "  %s  %s\n", secret.Env, visible(secret.What))
		}
	}
}

// kindsOfReceivers are the names of all kinds.
func kindsOfReceivers() []string {
	var names []string
	for _, k := range app.Kinds().Notifiers {
		names = append(names, k.Name)
	}
	return names
}
