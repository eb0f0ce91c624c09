package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/importer/alertmanager"
	"github.com/tocsin-sec/tocsin/internal/importer/eventbridge"
	"github.com/tocsin-sec/tocsin/internal/importer/kong"
	"github.com/tocsin-sec/tocsin/internal/importer/notifyslack"
)

const topicHelp = "`ARN` of an SNS topic that events come by, instead of by HTTPS; may be given several times"

func importKong(s *shell) *cobra.Command {
	var to importTo
	var topics []string
	c := &cobra.Command{
		Use: "kong FILE", Short: "Read main.yml of Kong's GuardDuty2Slack", Args: cobra.ExactArgs(1),
		Long: `kong reads main.yml of Kong's GuardDuty2Slack as it is: colours, the default webhook, and
each account's name, lowest severity and webhook. Account ids keep their zeros.

A severity that is none of low, medium and high is an error, and so is a file without a
default webhook: GuardDuty2Slack sent everything, and lost what it could not post.`,
		Example: `  tocsin import kong main.yml > tocsin.yml
  tocsin import kong main.yml --to /etc/tocsin --topic 'arn:aws:sns:*:111122223333:guardduty'`,
		RunE: func(_ *cobra.Command, args []string) error {
			name, text, err := s.importFile(args[0])
			if err != nil {
				return err
			}
			d, err := kong.Import(name, text, kong.Options{Topics: topics})
			if err != nil {
				return err
			}
			return s.imported(d, "tocsin import kong "+name, to)
		},
	}
	to.flags(c)
	c.Flags().StringArrayVar(&topics, "topic", nil, topicHelp)
	return c
}

// errStdinTwice says that there is one standard input.
var errStdinTwice = errors.New("standard input cannot be both: name a file")

func standardInputs(args []string) (n int) {
	for _, a := range args {
		if a == "-" {
			n++
		}
	}
	return n
}

func importEventBridge(s *shell) *cobra.Command {
	var to importTo
	o := eventbridge.Options{}
	c := &cobra.Command{
		Use: "eventbridge FILE...", Short: "Read EventBridge rules and their targets", Args: cobra.MinimumNArgs(1),
		Long: `eventbridge reads rules as 'aws events describe-rule' or list-rules prints them, or as
put-rule takes them, and targets as list-targets-by-rule prints them, or as put-targets
takes them; a CloudFormation template or one AWS::Events::Rule of it, YAML or JSON; or one
JSON object with Rule and Targets. Several files are read as one.

The pattern is kept as it is, and what is wrong with it is told. An input transformer is
kept as it is, too. A text that people read and that does not say which account it is about
is given a line that does, unless --exact says otherwise.`,
		Example: `  tocsin import eventbridge rule.json targets.json > tocsin.yml
  aws events list-targets-by-rule --rule guardduty | tocsin import eventbridge rule.json -
  tocsin import eventbridge template.yaml --to /etc/tocsin
  tocsin import eventbridge rule.json targets.json --email soc@example.com --smtp smtp.example.com:587`,
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case o.Email == "" && o.SMTP+o.From != "":
				return usage(errors.New("--smtp and --from are for --email: say who gets the mail"))
			case o.Email != "" && o.SMTP == "":
				return usage(errors.New("--smtp is missing: say by which server the mail goes, such as smtp.example.com:587"))
			case standardInputs(args) > 1:
				return usage(errStdinTwice)
			case o.From == "":
				o.From = o.Email
			}
			var files []eventbridge.File
			for _, a := range args {
				name, text, err := s.importFile(a)
				if err != nil {
					return err
				}
				files = append(files, eventbridge.File{Name: name, Text: text})
			}
			o.Kinds = kindsOfReceivers()
			d, err := eventbridge.Import(files, o)
			if err != nil {
				return err
			}
			return s.imported(d, "tocsin import eventbridge "+strings.Join(args, " "), to)
		},
	}
	to.flags(c)
	flags := c.Flags()
	flags.StringVar(&o.Email, "email", "", "the `address` that reads the mail of SNS targets, which are then mail by your own server")
	flags.StringVar(&o.SMTP, "smtp", "", "with --email: the mail server, as `host:port`")
	flags.StringVar(&o.From, "from", "", "with --email: the `address` that mail is from (default: that of --email)")
	flags.BoolVar(&o.Exact, "exact", false, "add nothing to a text that does not say which account it is about")
	flags.StringArrayVar(&o.Topics, "topic", nil, topicHelp)
	return c
}

func importAlertmanager(s *shell) *cobra.Command {
	var to importTo
	var silences string
	c := &cobra.Command{
		Use: "alertmanager FILE", Short: "Read the configuration of Prometheus Alertmanager, and its silences", Args: cobra.ExactArgs(1),
		Long: `alertmanager reads alertmanager.yml: the tree of routes, which tells the same receivers of
the same alert; receivers; and inhibit rules. Matchers become event patterns over the
alert's tags, which are the labels. A matcher that no pattern means takes more alerts and
goes on to the next route; a silence or an inhibit rule with one is left out.

With --silences it reads what 'amtool silence query -o json' prints, and gives commands that
make the same silences: at the end of the file as comments, or with --to as DIR/silences.sh.`,
		Example: `  tocsin import alertmanager alertmanager.yml > tocsin.yml
  amtool silence query -o json | tocsin import alertmanager alertmanager.yml --silences - --to /etc/tocsin`,
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "-" && silences == "-" {
				return usage(errStdinTwice)
			}
			name, text, err := s.importFile(args[0])
			if err != nil {
				return err
			}
			o := alertmanager.Options{Kinds: kindsOfReceivers(), Now: s.time()}
			if silences != "" {
				if o.SilencesName, o.Silences, err = s.importFile(silences); err != nil {
					return fmt.Errorf("--silences: %w", err)
				}
			}
			d, err := alertmanager.Import(name, text, o)
			if err != nil {
				return err
			}
			return s.imported(d, "tocsin import alertmanager "+name, to)
		},
	}
	to.flags(c)
	c.Flags().StringVar(&silences, "silences", "", "`file` with what 'amtool silence query -o json' prints, or -")
	return c
}

func importNotifySlack(s *shell) *cobra.Command {
	var to importTo
	var o notifyslack.Options
	c := &cobra.Command{
		Use: "notify-slack FILE", Short: "Read the variables of terraform-aws-notify-slack", Args: cobra.ExactArgs(1),
		Long: `notify-slack reads the variables of terraform-aws-notify-slack: the module's block in a
.tf or .tf.json file, terraform.tfvars, or the variables as JSON. Its topics become sources,
its webhooks receivers. A webhook that is encrypted with KMS is not in the file: you set it.`,
		Example: `  tocsin import notify-slack main.tf --account 111122223333 > tocsin.yml
  tocsin import notify-slack terraform.tfvars --account 111122223333 --to /etc/tocsin`,
		RunE: func(_ *cobra.Command, args []string) error {
			name, text, err := s.importFile(args[0])
			if err != nil {
				return err
			}
			d, err := notifyslack.Import(name, text, o)
			if err != nil {
				return err
			}
			return s.imported(d, "tocsin import notify-slack "+name, to)
		},
	}
	to.flags(c)
	c.Flags().StringVar(&o.Account, "account", "", "`id` of the account that the topics are in")
	return c
}
