package cli

import (
	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func configCommand(s *shell) *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Print the configuration in force, the built-in defaults, the JSON Schema or the reference",
		Example: "  tocsin config show\n  tocsin config default > tocsin.yml\n  tocsin config schema > tocsin.schema.json",
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
	c.AddCommand(&cobra.Command{
		Use: "show", Short: "Print the whole configuration, of all its files, with defaults", Args: cobra.NoArgs, Example: "  tocsin config show -c tocsin.yml",
		Long: `show prints what tocsin makes of the configuration: the main file, those that it
includes and the managed one together, as YAML that says of each part where it stands.
References to secrets stay references, and *** stands for a secret that a file holds.`,
		RunE: func(*cobra.Command, []string) error {
			text, err := showConfig(s.file())
			if err != nil {
				return err
			}
			_, err = s.out.Write(text)
			return err
		},
	})
	return c
}

func showConfig(file string) ([]byte, error) {
	if file == "" {
		return config.ShowText("defaults", config.Default(), app.Kinds())
	}
	return config.Show(file, app.Kinds())
}
