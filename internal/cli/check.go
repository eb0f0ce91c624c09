package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func checkCommand(s *shell) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Report every mistake of a configuration at once",
		Long: `check reads a configuration as serve would, without starting anything, and reports
every mistake with file, line and column. It exits with 3 if there is one.`,
		Example: "  tocsin check tocsin.yml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := s.file()
			if len(args) == 1 {
				file = args[0]
			}
			if file == "" {
				return usage(fmt.Errorf("no %s here; name the file: tocsin check FILE", defaultConfigFile))
			}
			return s.check(file)
		},
	}
}

func (s *shell) check(file string) error {
	c, err := config.Load(file, app.Kinds())
	if problems, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range problems {
			fmt.Fprintln(s.out, p)
		}
		fmt.Fprintf(s.err, "tocsin: %s: %s\n", file, plural(len(problems), "problem"))
		return exitCode{errSaid, exitProblems}
	}
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(s.out, "%s (warning)\n", w)
	}
	_, err = fmt.Fprintf(s.out, "%s: ok: %s, %s, %s\n", file,
		plural(len(c.Sources), "source"), plural(len(c.Rules.Names()), "rule"), plural(len(c.Receivers), "receiver"))
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
