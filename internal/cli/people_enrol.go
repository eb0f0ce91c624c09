package cli

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/tocsin-sec/tocsin/internal/api"
)

func peopleEnrol(r *client) *cobra.Command {
	c := &cobra.Command{
		Use: "enrol NAME RECEIVER", Short: "Make a link by which a person enrols a phone or browser", Args: cobra.ExactArgs(2),
		Long: `enrol makes a link for one person and one browser, good for 24 hours. Whoever opens it
is told in that person's name, so give it to nobody else. The receiver is one whose
addresses nobody knows by heart, such as one of the kind web-push.

On a terminal the link is drawn as a QR code, too, for a phone's camera.`,
		Example: "  tocsin people enrol ana phones",
		RunE: func(c *cobra.Command, args []string) error {
			body := api.InvitationBody{By: r.by, Receiver: args[1]}
			return show(c.Context(), r, http.MethodPost, personPath(args[0], "/invitations"), body, func(made api.Invitation) error {
				if terminal(r.out) {
					drawn, err := drawCode(made.URL)
					if err != nil {
						return err
					}
					if err := r.say("%s", drawn); err != nil {
						return err
					}
				}
				return r.say("%s", made.URL)
			})
		},
	}
	byFlag(c, r)
	return c
}

// drawCode is a QR code of black squares on white, two to a character, with the
// quiet zone that readers need around it.
func drawCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	const quiet = 4
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m") // black on bright white, whatever the terminal's colours are
		for x := -quiet; x < code.Size+quiet; x++ {
			switch above, below := code.Black(x, y), code.Black(x, y+1); {
			case above && below:
				b.WriteRune('█')
			case above:
				b.WriteRune('▀')
			case below:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
