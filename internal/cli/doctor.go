package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/diagnosis"
	"github.com/tocsin-sec/tocsin/internal/doctor"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// doctorFlags say where to look and how to print.
type doctorFlags struct {
	regions []string
	set     aws.Settings
	json    bool
	policy  bool
	all     bool
}

func doctorCommand(s *shell) *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find what in AWS keeps findings from arriving",
		Long: `doctor reads, with credentials that may only read, what AWS has of the way that findings
take: detectors, rules and their targets, policies, keys, subscriptions, dead-letter
queues. It holds that against the sources of the configuration, says what is wrong and
what follows from it, and prints the command that mends it. It changes nothing and runs
no such command.

Credentials are found as every AWS tool finds them. They should be of the account in
which findings are gathered: GuardDuty's delegated administrator. --policy prints what
they have to be allowed.

Exit codes: 0 nothing is broken, 1 it could not look, 3 something is broken.`,
		Example: `  tocsin doctor                             the regions that the sources read from
  tocsin doctor --region eu-west-1 --region us-east-1
  tocsin doctor --role-arn arn:aws:iam::111122223333:role/tocsin-doctor
  tocsin doctor --policy > policy.json      what the role needs
  tocsin doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.policy {
				_, err := fmt.Fprintln(s.out, doctor.Policy())
				return err
			}
			return s.doctor(c.Context(), f)
		},
	}
	c.Flags().StringArrayVar(&f.regions, "region", nil, "look at this `REGION`; may be repeated (default: those of the sources, or AWS_REGION)")
	c.Flags().StringVar(&f.set.RoleARN, "role-arn", "", "assume this `ROLE` first")
	c.Flags().StringVar(&f.set.ExternalID, "external-id", "", "the external `ID` that the role asks for")
	c.Flags().StringVar(&f.set.EndpointURL, "endpoint-url", "", "another address of AWS's services, such as an emulator's")
	c.Flags().BoolVar(&f.policy, "policy", false, "print the IAM policy that is needed, and nothing else")
	c.Flags().BoolVar(&f.all, "all", false, "print what is as it should be, too")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func (s *shell) doctor(ctx context.Context, f doctorFlags) error {
	c, err := s.load()
	if err != nil {
		return err
	}
	sources := examined(c)
	regions, err := f.where(sources)
	if err != nil {
		return err
	}
	o := doctor.Options{Settings: f.set, Regions: regions, Sources: sources, HTTP: &http.Client{Timeout: 20 * time.Second}}
	if !f.json && terminal(s.err) {
		o.Progress = func(done, total int) { fmt.Fprintf(s.err, "\r%d of %d regions", done, total) }
		defer fmt.Fprint(s.err, "\r\033[K")
	}
	facts, err := doctor.Examine(ctx, o)
	if err != nil {
		return err
	}
	remarks := diagnosis.Judge(facts)
	if f.json {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(remarks)
	} else {
		err = s.printRemarks(facts, remarks, f.all)
	}
	if err == nil && slices.ContainsFunc(remarks, func(r diagnosis.Remark) bool { return r.Weight == diagnosis.Broken }) {
		err = exitCode{errSaid, exitProblems}
	}
	return err
}

func (s *shell) printRemarks(f diagnosis.Facts, remarks []diagnosis.Remark, all bool) error {
	counts := map[diagnosis.Weight]int{}
	names := make([]string, len(f.Regions))
	for i, r := range f.Regions {
		names[i] = r.Name
	}
	fmt.Fprintf(s.out, "account %s, %s\n", f.Caller.Account, strings.Join(names, ", "))
	for _, r := range remarks {
		counts[r.Weight]++
		if r.Weight == diagnosis.Good && !all && r.Code != "open" {
			continue
		}
		fmt.Fprintf(s.out, "\n%-8s %s%s [%s]\n", r.Weight, place(r), s.harmless(r.Says), r.Code)
		if r.Fix != "" {
			fmt.Fprintf(s.out, "         $ %s\n", s.harmless(r.Fix))
		}
	}
	_, err := fmt.Fprintf(s.out, "\n%d broken, %s, %d not looked at\n", counts[diagnosis.Broken], plural(counts[diagnosis.Warning], "warning"), counts[diagnosis.Unknown])
	return err
}

func place(r diagnosis.Remark) string {
	if r.Region == "" {
		return ""
	}
	return r.Region + ": "
}

// where are the regions to look at.
func (f doctorFlags) where(sources []diagnosis.Source) ([]string, error) {
	regions := slices.Clone(f.regions)
	if len(regions) == 0 {
		for _, s := range sources {
			for _, arn := range s.ARNs {
				if p := strings.Split(arn, ":"); len(p) > 3 && p[3] != "" && p[3] != "*" {
					regions = append(regions, p[3])
				}
			}
		}
	}
	if len(regions) == 0 {
		if r := cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")); r != "" {
			regions = []string{r}
		}
	}
	if len(regions) == 0 {
		return nil, usage(fmt.Errorf("no source says in which region to look: name it with --region"))
	}
	slices.Sort(regions)
	return slices.Compact(regions), nil
}

var arnIn = lazyregexp.New(`arn:[a-z-]+:[a-z0-9-]+:[^\s"',\[\]{}]+`)

// examined are the sources that AWS should send to.
func examined(c *config.Config) []diagnosis.Source {
	var all []diagnosis.Source
	for _, s := range c.Sources {
		found := diagnosis.Source{Name: s.Name, Kind: s.Kind}
		for _, value := range s.Values {
			for _, arn := range arnIn.FindAllString(value, -1) {
				if service := strings.Split(arn, ":")[2]; service == "sqs" || service == "sns" || service == "kinesis" {
					found.ARNs = append(found.ARNs, arn)
				}
			}
			if queue, ok := aws.QueueOf(value); ok && !strings.HasPrefix(value, "arn:") {
				found.ARNs = append(found.ARNs, queue.String())
			}
		}
		if posted := s.Kind == "sns" || s.Kind == "https" || s.Kind == "firehose"; posted && c.PublicURL != "" {
			found.URL, _ = url.JoinPath(c.PublicURL, "in", s.Name)
		}
		slices.Sort(found.ARNs)
		if found.URL != "" || found.ARNs != nil {
			all = append(all, found)
		}
	}
	return all
}
