package setup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// The groups of the catalogue.
const (
	guardDuty = "Amazon GuardDuty"
	amazon    = "Amazon Web Services"
	incidents = "Incident management"
	others    = "Other tools"
	chat      = "Chat"
	phones    = "E-mail and phone"
	tickets   = "Tickets"
	data      = "Data and queues"
	actions   = "Actions"
	general   = "Anything else"
)

// groups are those of the kinds, by name. A kind that is not here is under "Other
// tools".
var groups = map[What]map[string]string{
	Source: {
		"sqs": amazon, "sns": amazon, "kinesis": amazon, "firehose": amazon, "s3": amazon, "logs": amazon, "lambda": amazon, "eventbridge": amazon,
		"guardduty-api": guardDuty, "canary": guardDuty,
		"alertmanager": others, "shadow": others, "pagerduty": incidents, "heartbeat": general, "https": general, "file": general,
	},
	Receiver: {
		"slack": chat, "teams": chat, "google-chat": chat, "discord": chat, "mattermost": chat, "rocket-chat": chat, "matrix": chat, "zulip": chat, "telegram": chat,
		"email": phones, "sms": phones, "voice": phones, "ntfy": phones, "pushover": phones, "gotify": phones, "web-push": phones,
		"pagerduty": incidents, "opsgenie": incidents,
		"jira": tickets, "servicenow": tickets, "github-issue": tickets, "gitlab-issue": tickets,
		"aws-sns": data, "aws-sqs": data, "aws-kinesis": data, "aws-firehose": data, "aws-eventbridge": data, "aws-logs": data,
		"aws-lambda": actions, "aws-step-functions": actions, "aws-ecs": actions, "aws-ssm": actions,
		"webhook": general, "console": general,
	},
}

// presets are kinds with some of their settings made, where the binary has the kind.
var presets = []Choice{
	{
		Name: "guardduty-sns", Group: guardDuty, Kind: "sns", Title: "GuardDuty by Amazon SNS",
		Doc: "Findings through an EventBridge rule and a topic that posts to tocsin: signed, and confirmed by itself.",
	},
	{
		Name: "guardduty-https", Group: guardDuty, Kind: "https", Title: "GuardDuty by an EventBridge API destination",
		Doc:    "Findings through an EventBridge rule that posts to tocsin, with a key in a header.",
		Values: map[string]string{"https.header": "X-Api-Key"},
	},
	{
		Name: "guardduty-sqs", Group: guardDuty, Kind: "sqs", Title: "GuardDuty by Amazon SQS",
		Doc: "Findings through an EventBridge rule into a queue that tocsin reads: nothing has to reach tocsin, and nothing is lost while it is down. The recommended way.",
	},
	{
		Name: "guardduty-kinesis", Group: guardDuty, Kind: "kinesis", Title: "GuardDuty by Amazon Kinesis",
		Doc: "Findings through an EventBridge rule into a stream that tocsin reads.",
	},
	{
		Name: "guardduty-logs", Group: guardDuty, Kind: "logs", Title: "GuardDuty by CloudWatch Logs",
		Doc: "Findings through an EventBridge rule into a log group that tocsin reads.",
	},
	{
		Name: "guardduty-5-to-10", Group: guardDuty, Kind: "sns", Title: "GuardDuty by Amazon SNS, severity 5 to 10 only",
		Doc:    "As by Amazon SNS, but only findings of severity 5 to 10 open alerts; 0 closes.",
		Values: map[string]string{"preset": "guardduty-5-to-10"},
	},
	{
		Name: "alertops", Group: incidents, Kind: "https", Title: "AlertOps inbound integration",
		Doc:    "Senders that posted to an inbound integration of AlertOps, with its fields, as JSON or as a form.",
		Values: map[string]string{"preset": "alertops"},
	},
	{
		Name: "cloudwatch-alarms", Group: amazon, Kind: "sns", Title: "CloudWatch alarms by Amazon SNS",
		Doc: "Alarms on metrics and logs: ALARM opens an alert, OK closes it.",
	},
	{
		Name: "json", Group: general, Kind: "https", Title: "Any JSON by HTTPS",
		Doc: "Whatever can post JSON. Say with rules, or with a map of the source, what is worth an alert.",
	},
}

// Catalogue are all that can be set up, by group and title.
func (s *Setup) Catalogue(w What) []Choice {
	var all []Choice
	if w == Source {
		for _, k := range s.o.Kinds.Collectors {
			all = append(all, Choice{Name: k.Name, Kind: k.Name, Title: called(k.Name, k.Title), Doc: k.Doc})
		}
		for _, p := range presets {
			if s.has(p) {
				all = append(all, p)
			}
		}
	} else {
		for _, k := range s.o.Kinds.Notifiers {
			if k.Ended != "" {
				continue
			}
			c := Choice{Name: k.Name, Kind: k.Name, Title: called(k.Name, k.Title), Doc: k.Doc, Abilities: &k.Abilities, Checks: k.Checks, Acts: k.Acts}
			if k.Acts {
				c.Group = actions
			}
			all = append(all, c)
		}
	}
	for i := range all {
		all[i].Group = cmp.Or(all[i].Group, groups[w][all[i].Kind], others)
	}
	slices.SortStableFunc(all, func(a, b Choice) int {
		return cmp.Or(rank(a.Group)-rank(b.Group), strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Name, b.Name))
	})
	return all
}

// has reports whether the binary has a preset's kind, and the map that it names if
// it names one.
func (s *Setup) has(p Choice) bool {
	form, ok := s.Form(Source, p.Kind)
	if preset := p.Values["preset"]; ok && preset != "" {
		f, _ := form.Field("preset")
		return slices.Contains(f.Options, preset)
	}
	return ok
}

// rank is where a group stands.
func rank(group string) int {
	return slices.Index([]string{guardDuty, amazon, chat, phones, incidents, tickets, data, others, general, actions}, group)
}

// Choice is an entry of the catalogue by its name.
func (s *Setup) Choice(w What, name string) (Choice, bool) {
	all := s.Catalogue(w)
	i := slices.IndexFunc(all, func(c Choice) bool { return c.Name == name })
	if i < 0 {
		return Choice{}, false
	}
	return all[i], true
}

// title is what people call a kind.
func (s *Setup) title(w What, kind string) string {
	f, _ := s.Form(w, kind)
	return called(kind, f.Title)
}

func called(kind, title string) string { return cmp.Or(title, kind) }

// notifier is a kind of receivers.
func (s *Setup) notifier(kind string) notify.Kind {
	i := slices.IndexFunc(s.o.Kinds.Notifiers, func(k notify.Kind) bool { return k.Name == kind })
	if i < 0 {
		return notify.Kind{}
	}
	return s.o.Kinds.Notifiers[i]
}
