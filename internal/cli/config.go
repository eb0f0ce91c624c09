package cli

import (
	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func configCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Print the built-in defaults, the JSON Schema or the reference of the configuration",
		Example: "  tocsin config default > tocsin.yml\n  tocsin config schema > tocsin.schema.json",
	}
	for _, sub := range []struct {
		use, short string
		text       func() []byte
	}{
		{"default", "Print the built-in defaults, commented, as a file to begin with", config.Default},
		{"schema", "Print the JSON Schema of the file, for editors", func() []byte { return config.Schema(app.Kinds()) }},
		{"reference", "Print the reference of every key, as Markdown", func() []byte { return []byte(config.Reference(app.Kinds())) }},
	} {
		c.AddCommand(&cobra.Command{
			Use: sub.use, Short: sub.short, Args: cobra.NoArgs, Example: "  tocsin config " + sub.use,
			RunE: func(*cobra.Command, []string) error {
				_, err := s.out.Write(sub.text())
				return err
			},
		})
	}
	return c
}
