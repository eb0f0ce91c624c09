package coverage

import (
	"cmp"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// A remedy is what to do about a gap: in words, by a command that changes something,
// for a person to read and run, and by one that shows more and only reads.
type remedy struct{ words, change, look string }

const orUnused = " If the account does not use the region, say so with regions under the account."

func (p *place) remedy(kind Kind) remedy {
	region, id := p.at.Region, p.at.Account
	detector, name := "", ""
	if c := p.cell; c != nil && c.Detector != nil {
		detector = c.Detector.ID
	}
	look := run("aws guardduty list-detectors", region)
	if detector != "" {
		look = run("aws guardduty get-detector --detector-id "+quote(detector), region)
	}
	rule := run("aws events list-rules", region)
	if c := p.cell; c != nil && c.Rule != nil && c.Rule.ARN != "" {
		name = ruleName(c.Rule.ARN)
		rule = run("aws events describe-rule --name "+quote(name), region)
	}
	above, admin := p.above()
	switch kind {
	case NoDetector:
		if admin != "" {
			return remedy{
				"In the administrator's account " + admin + ", have all accounts enabled by themselves." + orUnused,
				run("aws guardduty update-organization-configuration --auto-enable-organization-members ALL --detector-id "+quote(above), region),
				run("aws guardduty describe-organization-configuration --detector-id "+quote(above), region),
			}
		}
		return remedy{"Enable GuardDuty in the account." + orUnused, run("aws guardduty create-detector --enable --finding-publishing-frequency FIFTEEN_MINUTES", region), look}
	case DetectorDisabled:
		return remedy{"Enable it in the account.", run("aws guardduty update-detector --enable --detector-id "+quote(detector), region), look}
	case NotAdministered:
		if admin != "" {
			look = run("aws guardduty get-members --account-ids "+id+" --detector-id "+quote(above), region)
		}
		return remedy{"In the administrator's account, make it a member again; or put a rule into the account itself.", "", look}
	case NoRule:
		return remedy{"Put a rule there. tocsin source connect, with the source's name and this region, prints what to paste.", "", rule}
	case RuleDisabled:
		return remedy{"Enable it in the account where it is.", run("aws events enable-rule --name "+quote(name), region), rule}
	case RuleMisses:
		return remedy{"Widen its pattern to all findings, and let rules of tocsin's decide. tocsin pattern lint says what the pattern misses.", "", rule}
	case NeverHeard:
		return remedy{"See that GuardDuty is enabled there, and that a rule forwards its events." + orUnused, "", look}
	case Silent:
		return remedy{
			"Have GuardDuty make a sample finding there, and see whether it arrives.",
			run("aws guardduty create-sample-findings --finding-types Recon:EC2/PortProbeUnprotectedPort --detector-id "+quote(cmp.Or(detector, "DETECTOR")), region), rule,
		}
	case CanaryLate:
		return remedy{"Follow its way: the rule and its target there, what lies between, and how the source stands on the Sources page.", "", rule}
	case CanaryUnsent:
		return remedy{"Give the source of canaries what the error names; the Sources page says how it stands.", "", ""}
	case ReconciliationBehind, ReconciliationFailing:
		return remedy{"See how the source that compares stands on the Sources page, and give it what the error names.", "", look}
	case Unexplained:
		return remedy{"Look for them in GuardDuty's console there, archived ones included; the source's log names them.", "", look}
	case SixHourly:
		return remedy{
			"Have it publish every 15 minutes; what an administrator sets is imposed on all members.",
			run("aws guardduty update-detector --finding-publishing-frequency FIFTEEN_MINUTES --detector-id "+quote(detector), region), look,
		}
	case FeatureOff:
		return remedy{"Enable the plan in the account that administers the region, or take it out of coverage.expect.features.", "", look}
	case Recovered:
		return remedy{"Find where they are lost: the dead-letter queues of the rule's targets and of the topic's subscriptions, and their metrics of failed invocations.", "", rule}
	case LeftOut:
		return remedy{"Add the region to coverage.regions, or to regions under the account. If nobody uses it, deny it with a service control policy.", "", look}
	case LookFailing:
		return remedy{"See how the source that looks stands on the Sources page, and give it what the error names.", "", ""}
	case NotInOrganisation:
		return remedy{"Correct the id under accounts, or say left: true if it has left.", "", "aws organizations describe-account --account-id " + id}
	case NotInConfiguration:
		return remedy{"Name it under accounts, with the team that owns it.", "", "aws organizations describe-account --account-id " + id}
	}
	return remedy{}
}

// above is the region's administrator, and its detector.
func (p *place) above() (detector, admin string) {
	for _, admin := range p.j.administrators[p.at.Region] {
		if l := p.j.detectors[tocsin.Place{Account: admin, Region: p.at.Region}]; l != nil && l.saw != nil && l.saw.ID != "" && admin != p.at.Account {
			return l.saw.ID, admin
		}
	}
	return "", ""
}

// run is a command in a region, where there is one.
func run(command, region string) string {
	if region != "" {
		command += " --region " + region
	}
	return command
}

// quote is s as one word of a shell: as it is where nothing in it means anything.
func quote(s string) string {
	if !strings.HasPrefix(s, "-") && s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
