package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Judge says what is wrong, worst first, and then by region.
func Judge(f Facts) []Remark {
	j := &judge{facts: f}
	j.credentials()
	for _, r := range f.Regions {
		j.region(r)
	}
	j.sources()
	j.denied()
	j.summary()
	rank := []Weight{Broken, Warning, Unknown, Good}
	slices.SortStableFunc(j.remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.Weight), slices.Index(rank, b.Weight)), cmp.Compare(a.Region, b.Region))
	})
	return j.remarks
}

type judge struct {
	facts   Facts
	remarks []Remark
	// reached are the ARNs to which an enabled rule sends findings, by any way that was
	// found to work.
	reached map[string]bool
	broken  map[string]bool // the same, by ways that do not work
	glass   bool            // some rule e-mails Critical findings past tocsin
}

func (j *judge) say(w Weight, code, region, where, fix, says string, args ...any) {
	j.remarks = append(j.remarks, Remark{w, code, region, where, fmt.Sprintf(says, args...), fix})
}

// credentials judges whether they are of the account in which findings are gathered.
func (j *judge) credentials() {
	for _, s := range j.facts.Sources {
		for _, arn := range s.ARNs {
			account := part(arn, 4)
			if account == "" || account == "*" || account == j.facts.Caller.Account {
				continue
			}
			j.say(Broken, "wrong-account", part(arn, 3), arn, "aws sts get-caller-identity",
				"source %s reads from account %s, and these credentials are of account %s: ask with credentials of %s, or correct the source", s.Name, account, j.facts.Caller.Account, account)
		}
	}
}

func (j *judge) region(r Region) {
	j.detector(r)
	for _, b := range r.Buses {
		j.bus(r, b)
	}
	forwards := false
	for _, rule := range r.Rules {
		forwards = j.rule(r, rule) || forwards
	}
	if !forwards && r.Detector != nil && r.Detector.Administrator == "" {
		j.say(Broken, "no-rule", r.Name, "", "aws events put-rule --region "+r.Name+` --name tocsin --event-pattern '{"source": ["aws.guardduty"]}'`,
			"no enabled rule in %s takes GuardDuty's findings off the bus: nothing of this region arrives; tocsin source connect writes rule, target and permission", r.Name)
	}
}

func (j *judge) detector(r Region) {
	d := r.Detector
	switch {
	case d == nil && r.Looked:
		j.say(Broken, "no-detector", r.Name, "", "aws guardduty create-detector --enable --finding-publishing-frequency FIFTEEN_MINUTES --region "+r.Name,
			"GuardDuty is not on in %s: it finds nothing there", r.Name)
		return
	case d == nil:
		return
	case !d.Enabled:
		j.say(Broken, "detector-disabled", r.Name, d.ID, "aws guardduty update-detector --enable --detector-id "+d.ID+" --region "+r.Name,
			"GuardDuty's detector in %s is suspended: it finds nothing", r.Name)
	}
	if d.Administrator != "" {
		j.say(Warning, "member-not-administrator", r.Name, d.Administrator, "",
			"account %s is a member in %s, and account %s administers GuardDuty: findings of this account arrive, and those of other members do not; set tocsin up in the administrator's account", j.facts.Caller.Account, r.Name, d.Administrator)
	} else if d.Frequency == "SIX_HOURS" || d.Frequency == "" {
		j.say(Warning, "six-hours", r.Name, d.ID, "aws guardduty update-detector --finding-publishing-frequency FIFTEEN_MINUTES --detector-id "+d.ID+" --region "+r.Name,
			"GuardDuty publishes updates of findings every six hours in %s: what goes on is known up to six hours late", r.Name)
	}
	for to, status := range d.Exports {
		if status != "PUBLISHING" {
			j.say(Warning, "export-broken", r.Name, to, "aws guardduty list-publishing-destinations --detector-id "+d.ID+" --region "+r.Name,
				"the export of findings to %s is %s: nothing is written there", to, status)
		}
	}
}

// bus judges a bus's own policy.
func (j *judge) bus(r Region, b Bus) {
	p, err := readPolicy(b.Policy)
	if err != nil {
		j.say(Unknown, "policy-unreadable", r.Name, b.ARN, "", "the policy of bus %s cannot be read: %v", b.Name, err)
		return
	}
	for _, s := range p.Statement {
		if s.Effect == "Allow" && s.Principal.everybody() && len(s.Condition) == 0 {
			j.say(Warning, "bus-open", r.Name, b.ARN, "aws events remove-permission --event-bus-name "+b.Name+" --statement-id "+cmp.Or(s.Sid, "ID")+" --region "+r.Name,
				"every AWS account in the world may put events on bus %s: allow only your organisation, with the condition aws:PrincipalOrgID", b.Name)
		}
	}
}

// rule judges a rule, and reports whether it takes findings off the bus to where
// they arrive.
func (j *judge) rule(r Region, rule Rule) bool {
	took := wants(rule.Pattern)
	if took.none() || rule.ManagedBy != "" {
		if said, bad := hopeless(rule); bad && rule.ManagedBy == "" {
			j.say(Broken, "rule-never-matches", r.Name, rule.ARN, describeRule(r, rule), "rule %s was meant for GuardDuty and never matches a finding: %s", rule.Name, said)
		}
		return false
	}
	if rule.State == "DISABLED" {
		j.say(Broken, "rule-disabled", r.Name, rule.ARN, "aws events enable-rule --name "+rule.Name+onBus(rule)+" --region "+r.Name,
			"rule %s takes GuardDuty's findings and is disabled", rule.Name)
		return false
	}
	if j.isBreakGlass(r, rule, took) {
		j.glass = true
		return false
	}
	if left := took.misses(); left != "" {
		j.say(Broken, "rule-misses", r.Name, rule.ARN, describeRule(r, rule), "rule %s leaves out %s; write \"severity\": [{\"numeric\": [\">=\", 1]}], or nothing of severity at all, and let tocsin decide", rule.Name, left)
	}
	if len(rule.Targets) == 0 {
		j.say(Broken, "no-target", r.Name, rule.ARN, "aws events list-targets-by-rule --rule "+rule.Name+onBus(rule)+" --region "+r.Name, "rule %s has no target: what it matches goes nowhere", rule.Name)
	}
	for _, t := range rule.Targets {
		j.target(r, rule, t)
	}
	return true
}

func describeRule(r Region, rule Rule) string {
	return "aws events describe-rule --name " + rule.Name + onBus(rule) + " --region " + r.Name
}

func onBus(rule Rule) string {
	if rule.Bus == "" || rule.Bus == "default" {
		return ""
	}
	return " --event-bus-name " + rule.Bus
}

// isBreakGlass tells the rule that mails Critical findings past tocsin.
func (j *judge) isBreakGlass(r Region, rule Rule, took wanted) bool {
	if !took.onlyWorst() {
		return false
	}
	for _, t := range rule.Targets {
		for _, s := range r.Topics[t.ARN].Subscriptions {
			if s.Protocol == "email" && s.ARN != pending {
				return true
			}
		}
	}
	return false
}

// pending is in the place of a subscription's ARN until it is confirmed.
const pending = "PendingConfirmation"

// sources judges whether each source is reached by some rule.
func (j *judge) sources() {
	for _, s := range j.facts.Sources {
		for _, arn := range s.ARNs {
			if part(arn, 4) != j.facts.Caller.Account && part(arn, 4) != "*" || j.regionOf(arn) == nil {
				continue // it is said already, or was not looked at
			}
			switch {
			case j.someReached(arn):
				j.say(Good, "reached", part(arn, 3), arn, "", "findings are sent to %s, which source %s reads", arn, s.Name)
			case !j.someBroken(arn):
				j.say(Broken, "nothing-sends", part(arn, 3), arn, "aws events list-rule-names-by-target --target-arn "+arn+" --region "+part(arn, 3),
					"no enabled rule that was looked at sends findings to %s, which source %s reads", arn, s.Name)
			}
		}
	}
	if !j.glass && len(j.facts.Regions) > 0 && len(j.facts.Sources) > 0 {
		j.say(Warning, "no-break-glass", "", "", "tocsin break-glass --help",
			"nothing tells anybody of Critical findings while tocsin itself is down: a rule that mails them past it was not found")
	}
}

func (j *judge) regionOf(arn string) *Region {
	for i, r := range j.facts.Regions {
		if like(part(arn, 3), r.Name) {
			return &j.facts.Regions[i]
		}
	}
	return nil
}

func (j *judge) someReached(arn string) bool { return someLike(j.reached, arn) }
func (j *judge) someBroken(arn string) bool  { return someLike(j.broken, arn) }

func someLike(set map[string]bool, pattern string) bool {
	for arn := range set {
		if like(pattern, arn) {
			return true
		}
	}
	return false
}

func (j *judge) denied() {
	for _, d := range j.facts.Denied {
		fix, says, where := "", d.Says, d.Resource
		if where == "" || where == "*" {
			where = d.Action
		}
		if d.Access {
			fix = "tocsin doctor --policy"
			says = "a policy does not allow " + d.Action + " to these credentials: " + d.Says
		}
		j.say(Unknown, "not-looked-at", d.Region, where, fix, "%s", says)
	}
}

// summary says that all is well where nothing is wrong.
func (j *judge) summary() {
	wrong := slices.ContainsFunc(j.remarks, func(r Remark) bool { return r.Weight == Broken })
	if !wrong && len(j.facts.Regions) > 0 {
		j.say(Good, "open", "", "", "", "nothing was found that keeps findings from arriving in %d regions of account %s", len(j.facts.Regions), j.facts.Caller.Account)
	}
}

// part is the n-th part of an ARN: 2 is the service, 3 the region, 4 the account,
// 5 what it is.
func part(arn string, n int) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return parts[n]
}
