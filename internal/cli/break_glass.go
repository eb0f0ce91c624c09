package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	breakglass "github.com/tocsin-sec/tocsin/deploy/break-glass"
)

func breakGlassCommand(s *shell) *cobra.Command {
	var format, email string
	c := &cobra.Command{
		Use: "break-glass", Short: "Print a template that sends Critical findings by e-mail without tocsin", Args: cobra.NoArgs,
		Long: `break-glass prints a template for one region: an EventBridge rule that sends every
Critical GuardDuty finding (severity 9 and above) by SNS e-mail, past tocsin, so that
somebody hears of it even when tocsin is down. Deploy it in every region, in GuardDuty's
delegated administrator account; its head says how, and how to try it.`,
		Example: `  tocsin break-glass --email soc@example.com > break-glass.yaml
  tocsin break-glass --email soc@example.com --format terraform > main.tf`,
		RunE: func(*cobra.Command, []string) error {
			if email == "" {
				return usage(errors.New("--email is missing: say who gets it"))
			}
			text, err := breakglass.Template(format, email)
			if err != nil {
				return usage(err)
			}
			_, err = io.WriteString(s.out, text)
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "cloudformation", "cloudformation or terraform")
	c.Flags().StringVar(&email, "email", "", "the `address` that gets it; best one that several people read (required)")
	return c
}
