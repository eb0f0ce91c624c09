package api

import (
	"reflect"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/oncall"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// words are the values of texts that have only a few.
var words = map[reflect.Type][]string{
	reflect.TypeFor[tocsin.Status](): {string(tocsin.StatusOpen), string(tocsin.StatusAcked), string(tocsin.StatusClosed)},
	reflect.TypeFor[tocsin.Level]():  append([]string{tocsin.Unknown.String()}, tocsin.Levels()...),
	reflect.TypeFor[tocsin.State](): {
		string(tocsin.Pending), string(tocsin.Delivered), string(tocsin.Failed), string(tocsin.Parked), string(tocsin.Shadow), string(tocsin.Cancelled),
	},
	reflect.TypeFor[tocsin.Kind](): {
		string(tocsin.TellOpened), string(tocsin.TellRaised), string(tocsin.TellUpdated), string(tocsin.TellAcknowledged), string(tocsin.TellChanged),
		string(tocsin.TellClosed), string(tocsin.TellAction), string(tocsin.TellDigest), string(tocsin.TellCode), string(tocsin.TellNote),
	},
	reflect.TypeFor[tocsin.SilenceKind]():   {string(tocsin.KindSilence), string(tocsin.KindMaintenance), string(tocsin.KindMute)},
	reflect.TypeFor[tocsin.Updates]():       tocsin.AllUpdates(),
	reflect.TypeFor[oncall.OverrideKind]():  {string(oncall.Replace), string(oncall.Add), string(oncall.Remove), string(oncall.Set)},
	reflect.TypeFor[escalation.Assign]():    {string(escalation.All), string(escalation.RoundRobin)},
	reflect.TypeFor[escalation.Condition](): {string(escalation.Unacked), string(escalation.Unclosed)},
	reflect.TypeFor[escalation.Kind](): {
		string(escalation.Told), string(escalation.Skipped), string(escalation.Fallback), string(escalation.Unanswered), string(escalation.Reminded),
	},
	reflect.TypeFor[coverage.State]():     textsOf(coverage.States()),
	reflect.TypeFor[coverage.Kind]():      kindsOfGaps(),
	reflect.TypeFor[coverage.Severity]():  {string(coverage.IsGap), string(coverage.IsWarning)},
	reflect.TypeFor[coverage.ProofKind](): {string(coverage.ByEvent), string(coverage.ByCanary), string(coverage.ByReconciliation)},
	reflect.TypeFor[routing.LaterKind]():  {string(routing.LaterSequence), string(routing.LaterSuspect), string(routing.LaterFixed)},
	reflect.TypeFor[routing.StepResult](): {string(routing.Matched), string(routing.NotMatched), string(routing.NotReached)},
	reflect.TypeFor[tocsin.Verdict](): {
		string(tocsin.Opened), string(tocsin.Updated), string(tocsin.Appended), string(tocsin.Closed), string(tocsin.Filtered),
		string(tocsin.Suppressed), string(tocsin.Silenced), string(tocsin.Watched), string(tocsin.Ignored), string(tocsin.Unmapped), string(tocsin.Malformed), string(tocsin.Duplicate),
	},
}

func wordsOf(t reflect.Type) []string { return words[t] }

// textsOf are words as plain texts.
func textsOf[W ~string](all []W) []string {
	texts := make([]string, len(all))
	for i, w := range all {
		texts[i] = string(w)
	}
	return texts
}

// kindsOfGaps are those of gaps and warnings of coverage.
func kindsOfGaps() []string {
	var all []string
	for _, k := range coverage.Kinds() {
		all = append(all, string(k.Kind))
	}
	return all
}

// forms are what has a form of its own in JSON.
var forms = map[reflect.Type]jsonschema.Schema{
	reflect.TypeFor[time.Time]():           {Type: "string", Format: "date-time"},
	reflect.TypeFor[escalation.Duration](): {Type: "string", Pattern: `^-?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`},
	reflect.TypeFor[escalation.Target]():   {Type: "string", Pattern: `^(person|schedule|team|receiver):.`},
	reflect.TypeFor[oncall.Turn](): {OneOf: []*jsonschema.Schema{
		{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}},
	}},
}

// called are names in the description of types whose own would say too little, or
// are there twice.
var called = map[reflect.Type]string{
	reflect.TypeFor[Alert]():               "AlertDetails",
	reflect.TypeFor[OnCall]():              "OnCallNow",
	reflect.TypeFor[engine.ScheduleInfo](): "Schedule",
	reflect.TypeFor[escalation.Policy]():   "Policy",
	reflect.TypeFor[escalation.Step]():     "PolicyStep",
	reflect.TypeFor[escalation.Expected](): "PolicyExpected",
	reflect.TypeFor[routing.Preview]():     "SilencePreview",
	reflect.TypeFor[routing.Later]():       "HiddenAlert",
	reflect.TypeFor[routing.Dead]():        "DeadRoute",
	reflect.TypeFor[routing.Trace]():       "RouteTrace",
	reflect.TypeFor[routing.Step]():        "RouteStep",
	reflect.TypeFor[routing.Target]():      "RouteTarget",
	reflect.TypeFor[routing.Limit]():       "RouteLimit",
	reflect.TypeFor[routing.Shadow]():      "RouteShadow",

	reflect.TypeFor[coverage.Grid]():        "CoverageGrid",
	reflect.TypeFor[coverage.Account]():     "CoverageAccount",
	reflect.TypeFor[coverage.Cell]():        "CoveragePlace",
	reflect.TypeFor[coverage.Proof]():       "CoverageProof",
	reflect.TypeFor[coverage.Detector]():    "CoverageDetector",
	reflect.TypeFor[coverage.Rule]():        "CoverageRule",
	reflect.TypeFor[coverage.Canary]():      "CoverageCanary",
	reflect.TypeFor[coverage.Reconciling](): "PlaceReconciliation",
	reflect.TypeFor[coverage.Gap]():         "CoverageGap",
	reflect.TypeFor[coverage.Totals]():      "CoverageTotals",
	reflect.TypeFor[coverage.Note]():        "CoverageNote",
}

// examples are parts of example bodies that a tag cannot say.
var examples = map[reflect.Type]object{
	reflect.TypeFor[Acknowledgements](): {"ids": []int{41, 42}},
	reflect.TypeFor[Closings]():         {"ids": []int{41, 42}},
	reflect.TypeFor[SilenceBody]():      {"pattern": object{"type": []any{object{"prefix": "Recon:"}}, "account": []string{"111122223333"}}},
	reflect.TypeFor[SilenceChange]():    {"pattern": object{"type": []any{object{"prefix": "Recon:"}}, "account": []string{"111122223333"}}},
	reflect.TypeFor[PreviewBody]():      {"pattern": object{"type": []any{object{"prefix": "Recon:"}}}},
	reflect.TypeFor[PersonBody]():       {"high": []object{{"minutes": 0, "contact": 1}, {"minutes": 5, "contact": 2}}},
	reflect.TypeFor[OverrideBody]():     {"people": []string{"ana"}, "with": []string{"bo"}},
	reflect.TypeFor[SwapBody](): {
		"accepted": []string{"ana", "bo"},
		"b":        object{"person": "bo", "from": "2026-06-19T08:00:00Z", "until": "2026-06-20T08:00:00Z"},
	},
}

// describing is the description of a type or of one of its fields: what the field's
// doc tag says, or what stands here of a type of the other packages.
func describing(t reflect.Type, field string) string {
	if field == "" {
		return descriptions[t][""]
	}
	f, ok := t.FieldByName(field)
	if !ok {
		return ""
	}
	if doc := f.Tag.Get("doc"); doc != "" {
		return doc
	}
	return descriptions[t][field]
}

// descriptions are those of fields of types that other packages have, by type and
// Go name.
var descriptions = map[reflect.Type]map[string]string{
	reflect.TypeFor[tocsin.Version](): {
		"":          "A version of a finding.",
		"UpdatedAt": "When the finding changed.",
		"Count":     "How often it had happened, as the finding says.",
		"Over":      "Whether it was over.",
	},
	reflect.TypeFor[tocsin.Alert](): {
		"":             "One thing that is wrong, whatever number of events told of it.",
		"ID":           "Its number.",
		"Version":      "Grows by one with each change.",
		"Status":       "Where it stands.",
		"Worst":        "The highest level that it ever had.",
		"Worded":       "The version that the words are of, where a copy told of a newer one; left out where they are of the newest.",
		"Occurrences":  "How often it happened: the count that the finding gives, or the number of events where the sender does not count.",
		"Events":       "How many events were folded in.",
		"Paths":        "The ways by which it came: https:api, sns:org-topic.",
		"OpenedAt":     "When it opened first.",
		"ReopenedAt":   "When its present episode began, if it is not the first.",
		"HeardAt":      "When an event was folded in last.",
		"ChangedAt":    "When anything of it changed last.",
		"AckedAt":      "When it was acknowledged, if it is.",
		"AckedBy":      "Who acknowledged it.",
		"ClosedAt":     "When it was closed, if it is.",
		"ClosedBy":     "Who closed it: a person, the source, or tocsin.",
		"CloseReason":  "Why it was closed: a reason that people give, or archived, recovered, quiet, stale, account_left, or what else its source says.",
		"Reopened":     "How often it opened again.",
		"Previous":     "The alert of the same key that was closed before this one opened.",
		"Told":         "The receivers that were told of its opening.",
		"Team":         "The team that owns it.",
		"Assignee":     "Who has taken it on or was given it.",
		"FirstAckAt":   "When a person first took it on in this episode.",
		"AckExpires":   "When the acknowledgement runs out.",
		"SnoozedUntil": "Until when nobody is called.",
		"SnoozedBy":    "Who snoozed it.",
		"Held":         "Why its opening was not told yet.",
		"Escalation":   "How far the calling of people has come.",
		"SaidAt":       "When its state was told last.",
		"Unsaid":       "What is new since then, and will be told.",
		"SayAt":        "When that will be.",
		"Tags":         "What routes put on it.",
		"Approvals":    "The actions that wait for somebody's approval.",
		"Hidden":       "The fields that are not to leave, by receiver; the empty name is for whoever is not named.",
		"OwnLevel":     "The level that the finding has, where a route says otherwise.",
		"OwnUnknown":   "Whether the finding has no level, where a route gives it one.",
		"OwnTitle":     "The title that the finding has, where a route says otherwise.",
		"Terms":        "What its life goes by, as it was when it opened.",
	},
	reflect.TypeFor[tocsin.Detection](): {
		"Key":           "Its identity: for GuardDuty partition, account, region and finding id.",
		"Rule":          "The rule that found it worth an alert.",
		"Intent":        "What the sender wants done with an alert that is there: update, acknowledge or close.",
		"Linked":        "Ids of the findings that are signals of an attack sequence.",
		"Dialect":       "What read it: guardduty or generic.",
		"Type":          "The finding's type, or the event's detail-type.",
		"ID":            "The finding's id.",
		"Level":         "How bad it is now.",
		"Severity":      "GuardDuty's severity, 1.0 to 10.0.",
		"Headline":      "What happened to what of ours, in about 70 characters.",
		"Title":         "The finding's own title.",
		"Description":   "The finding's own description.",
		"Account":       "The AWS account that it is about.",
		"Region":        "The AWS region that it is about.",
		"Partition":     "The AWS partition: aws, aws-cn, aws-us-gov.",
		"ReportedBy":    "The account whose bus gave us the event, where it is another.",
		"Resource":      "What of ours is concerned.",
		"Actor":         "Who did it, as far as it is known.",
		"Role":          "Whether our resource is the TARGET or the ACTOR.",
		"Facts":         "What a person needs at 3 a.m., the most important first.",
		"Command":       "The first thing to run: it only reads.",
		"Console":       "Link to the finding in the AWS console.",
		"Documentation": "Link to AWS's page on the type.",
		"Count":         "How often it happened as the sender counts.",
		"FirstSeen":     "When it happened first.",
		"LastSeen":      "When it happened last.",
		"CreatedAt":     "When the finding was made.",
		"UpdatedAt":     "When the finding was updated last.",
		"Over":          "Whether the sender regards it as ended.",
		"OverReason":    "Why: archived.",
		"Sample":        "Whether it is a sample finding.",
		"Copied":        "Whether another service than the one that found it tells of it, such as Security Hub of a finding of GuardDuty's.",
		"Path":          "How this copy came.",
	},
	reflect.TypeFor[tocsin.Resource](): {
		"": "What of ours is concerned.", "Type": "GuardDuty's resourceType: Instance.", "ID": "Its id: i-0abc.", "Name": "Its Name tag, or the like.", "Tags": "Its tags in AWS.",
	},
	reflect.TypeFor[tocsin.Actor](): {
		"": "Who did it.", "IP": "Remote address.", "Country": "Where that is.", "Org": "Whose that is: AS64500 Example Hosting.",
		"Domain": "Domain that was asked for, defanged.", "Principal": "User, role session, database or Kubernetes user.",
	},
	reflect.TypeFor[tocsin.Fact]():   {"": "One line of a message.", "Name": "What it is.", "Value": "Its text, untrusted."},
	reflect.TypeFor[tocsin.Change](): {"": "One difference.", "What": "What changed: severity, count, remote IP.", "From": "What it was.", "To": "What it is."},
	reflect.TypeFor[tocsin.Hold](): {
		"": "Why an alert's opening was not told yet.", "By": "What holds it: silence 3, maintenance 4, mute 5, alert 12, first window.",
		"Until": "When that ends at the latest.", "Tell": "Whether people are told at its end, if it is still open.",
	},
	reflect.TypeFor[tocsin.Escalation](): {
		"": "How far the calling of people has come.", "Policy": "The policy.", "Version": "The policy's version that it goes by.",
		"Pass": "Which pass fires next, from 0.", "Step": "Which step fires next, from 0; the number of steps where the last delay is running out.",
		"At": "When that is.", "Ended": "Why nothing is to fire: acknowledged, exhausted, told once, closed.",
		"Reached": "Whether somebody was told in this pass.", "Empty": "Whether the pass reached nobody, and is tried again.",
		"Exhausted": "Whether nobody answered to the end.", "FallbackTold": "Whether the fallback was told.",
		"Acked": "Who acknowledged, where several have to.", "Highest": "The furthest step that fired, from 1.",
	},
	reflect.TypeFor[tocsin.Terms](): {
		"": "What an alert's life goes by; durations are in nanoseconds.", "Reopen": "How long after its source closed it it may open again as itself.",
		"ReopenAfterPerson": "How long after a person did.", "AckTimeout": "How long an acknowledgement holds.",
		"Stale": "How long without an occurrence closes it.", "Quiet": "How long without being heard of closes it.",
		"Updates": "The least time between two messages that tell what is new.", "MarkOver": "Whether its source's end is noted only.",
		"AtLeast": "The least level that it has.", "AtMost": "The highest level that it has.", "Title": "What it is called instead.",
	},
	reflect.TypeFor[tocsin.Entry](): {
		"": "One line of a timeline.", "Alert": "The alert.", "At": "When.", "Kind": "What happened: opened, updated, appended, raised, reopened, closed, acknowledged, note and the like.",
		"By": "Who did it: a person, or the way by which the event came; left out for tocsin itself.", "Text": "What there is to say of it.", "Event": "The event in the inbound log that did it.",
	},
	reflect.TypeFor[tocsin.Notification](): {
		"ID": "Its number.", "Alert": "The alert; 0 where it is about none.", "Receiver": "The receiver of the configuration.",
		"Person": "Whose contact method it goes to; left out for the receiver's own place.", "Contact": "Which contact method.",
		"Kind": "What it tells.", "Why": "By what they came to be told: route 2, fallback, policy around-the-clock, step 2.", "Text": "What a note says.",
		"Digest": "Whether it is sent in one message with others.", "Changes": "What is new, for the message.", "State": "Where it stands.",
		"CreatedAt": "When it came to be owed.", "Deadline": "When it is parked if it could not be delivered.", "Due": "When it is tried next.",
		"Attempts": "How many attempts were begun.", "SettledAt": "When it reached its end.", "Ref": "What the receiver calls the message.", "LastError": "What went wrong last, without secrets.",
	},
	reflect.TypeFor[tocsin.Silence](): {
		"": "Keeps alerts from being told.", "ID": "Its number.", "Kind": "What it is for.", "Pattern": "Event pattern over the alert.", "Key": "Of a mute: the one alert, by its key.",
		"Author": "Who made it.", "Reason": "Why.", "From": "When it begins.", "Until": "When it ends.", "Every": "When it is in force within that time, if it recurs.",
		"NotifyFrom": "The lowest level of which people are told at its end, if the alert is still open.", "CreatedAt": "When it was made.",
		"EndedAt": "When somebody ended it before its time.", "EndedBy": "Who did.", "RemindedAt": "When its author was told that it ends soon.",
		"ReportedAt": "When its author was told what it hid.", "Version": "Grows by one with each change.",
	},
	reflect.TypeFor[tocsin.Recurrence](): {
		"": "Windows by the wall clock.", "TimeZone": "IANA time zone, such as Europe/Berlin.", "Weekdays": "Days on which a window begins, mon to sun; every day if left out.",
		"From": "When a window begins: 02:00.", "To": "When it ends: 04:00; at or before from is on the next day.",
	},
	reflect.TypeFor[tocsin.Person](): {
		"": "Somebody who can be told.", "Name": "What schedules, policies and teams call them.", "FullName": "How people call them.", "TimeZone": "IANA time zone; UTC if left out.",
		"Quiet": "When alerts of low urgency wait.", "High": "How they are told of high and critical alerts; at once by every contact method if left out.", "Low": "How they are told of other alerts.",
		"Disabled": "Whether they are told nothing.", "Version": "Grows by one with each change.", "Contacts": "How they can be reached.",
	},
	reflect.TypeFor[tocsin.Hours]():            {"": "A part of every day.", "From": "When it begins: 22:00.", "To": "When it ends: 07:00; it may be on the next day."},
	reflect.TypeFor[tocsin.NotificationRule](): {"": "By which contact method somebody is told, and how soon.", "Minutes": "How long after they came to be told at all.", "Contact": "The contact method, by its number."},
	reflect.TypeFor[tocsin.Contact](): {
		"": "An address of a person that a receiver of the configuration reaches.", "ID": "Its number.", "Person": "Whose it is.", "Receiver": "The receiver.", "Address": "The address, as that receiver writes it.",
		"VerifiedAt": "When it was proved; until then it is sent nothing but its code.", "DisabledWhy": "Why it is not used any more.", "Failures": "Lasting failures in a row.",
	},
	reflect.TypeFor[tocsin.Team](): {
		"": "Owns accounts and alerts.", "Name": "Its name.", "Policy": "By which its people are called.", "Receivers": "The receivers that are told besides.", "Members": "People, for steps that tell the whole team.",
		"Channel": "The receiver that hears what is about the team itself.", "Updates": "How often it hears what is new of an alert.",
	},
	reflect.TypeFor[engine.OnCall](): {
		"": "Who is on call for a schedule.", "Schedule": "The schedule.", "People": "Who is on call; an empty list is nobody.", "Until": "When that changes next, within 60 days.", "Next": "Who is on call then.",
	},
	reflect.TypeFor[engine.ScheduleInfo](): {"": "A schedule as configured.", "Policies": "The policies that ask it."},
	reflect.TypeFor[engine.Explanation](): {
		"": "What would become of an event.", "At": "The moment for which it holds.", "Verdict": "What would become of it.", "Reason": "Why, in words.", "Rule": "The rule that matched.",
		"Alert": "The alert as it would be.", "Live": "The alert of the same key that is open already.", "Routes": "Whose it is, and how that came about.", "Held": "What would hold it back.",
		"Expected": "What the policy would do if nobody acknowledged it.", "Told": "Receivers and people that would be told at once.", "Steps": "All of it in words, in order.",
	},
	reflect.TypeFor[oncall.Shift](): {
		"": "As long as the same people are on call.", "Schedule": "The schedule.", "Start": "When it begins, in the schedule's zone.", "End": "When it ends.", "People": "Who is on call.",
		"Layers": "The layers by which they are.", "Overrides": "The overrides that changed who is.",
	},
	reflect.TypeFor[oncall.Gap]():    {"": "As long as nobody is on call.", "Schedule": "The schedule.", "Start": "When it begins, in the schedule's zone.", "End": "When it ends."},
	reflect.TypeFor[oncall.Layer]():  {"": "Turns that follow each other."},
	reflect.TypeFor[oncall.Window](): {"": "A part of every day, or of every week."},
	reflect.TypeFor[oncall.Override](): {
		"": "What somebody decided about a stretch of a schedule.", "ID": "Its number, as text.", "Schedule": "The schedule; all if left out.", "Kind": "What it does with who is on call.", "People": "The people that it is about.",
		"With": "Who comes for them.", "From": "When it begins.", "Until": "When it ends.", "By": "Who made it.", "Reason": "Why.", "CreatedAt": "When it was made.",
	},
	reflect.TypeFor[escalation.Policy](): {
		"": "Who is told one after the other until somebody answers.", "Name": "Its name.", "Steps": "The steps, in order.", "Repeat": "How often the steps are gone through once more; -1 is for as long as nobody answers.",
		"Fallback": "Who is told when a pass reaches nobody, and when nobody answers.", "AckTimeout": "How long an acknowledgement holds; 0s is for ever, left out is 4h for high and critical.",
		"ExhaustedEvery": "How often the fallback is told again that nobody answers; 0s is never, left out is 1h for high and critical.", "NeedAcks": "How many people must acknowledge; 1 if left out.",
		"NotifyOnlyBelow": "Alerts below that level are told once, and no more.",
	},
	reflect.TypeFor[escalation.Step](): {
		"": "Some people and places that are told at once.", "Targets": "Whom: person:NAME, schedule:NAME, team:NAME, receiver:NAME.", "Wait": "How long they have until the next step.",
		"Assign": "Whether all are told or one after the other; all if left out.", "OnlyIf": "Until when it is told; unacked if left out.", "MinLevel": "The lowest level that it is for.", "Window": "When it is told at all.",
	},
	reflect.TypeFor[escalation.Expected](): {
		"": "One line of what would happen.", "After": "How long after the alert opened.", "Kind": "What it is; left out in the line that says how it goes on.", "Text": "It in words.",
		"People": "Who is told.", "Receivers": "The receivers that are told.",
	},
	reflect.TypeFor[routing.Preview](): {
		"": "What a silence would have hidden, or did hide.", "From": "From when on.", "To": "Until when.", "Hid": "Whether it did.", "Alerts": "How many alerts.", "Notifications": "How many messages about openings.",
		"ByLevel": "How many alerts of each level.", "ByType": "The most frequent types, ten at most.", "Sequences": "How many of them became part of an attack sequence.",
		"Suspects": "How many share a resource, a principal or an address with one within a day.", "Fixed": "How many somebody closed as fixed.", "Later": "The alerts so counted, the worst first, a hundred at most.",
	},
	reflect.TypeFor[routing.TypeCount](): {"": "How many alerts of a type there were.", "Type": "The finding type.", "Alerts": "How many."},
	reflect.TypeFor[routing.Later](): {
		"": "A hidden alert that was worth knowing of.", "Alert": "The alert.", "Type": "Its finding type.", "Level": "Its level.", "What": "What became of it.",
		"Sequence": "The alert of the attack sequence.", "By": "What ties them.",
	},
	reflect.TypeFor[routing.Dead]():  {"": "A route or a receiver that took nothing.", "What": "route or receiver.", "Name": "Its name."},
	reflect.TypeFor[routing.Tally](): {"Count": "How much it ever took.", "Last": "When last.", "Since": "When counting began; left out is always."},
	reflect.TypeFor[routing.Trace](): {
		"": "How it came about whose an alert is.", "Document": "What the routes saw.", "Steps": "The routes in the order in which they were looked at.", "Owner": "Whose the account is, and by what.",
		"Notes": "What one might wonder at.", "Decision": "What came of it.",
	},
	reflect.TypeFor[routing.Step](): {
		"": "One route that was looked at.", "Route": "The route.", "Depth": "How many routes stand above it.", "Result": "Whether it matched.", "Why": "Each leaf of its pattern with what the alert has there.",
		"Inherited": "What it has from the routes above.", "Outcome": "What followed, in words.",
	},
	reflect.TypeFor[routing.Inheritance](): {"": "What a route has from one above it.", "Field": "What: receivers, team, policy.", "From": "The route that says it."},
	reflect.TypeFor[routing.Decision](): {
		"Hide": "The fields that are not to leave, by receiver; the empty name is for whoever is not named.",
		"":     "Whose an alert is and who is told.", "Targets": "Receivers to be told.", "Team": "The team that owns it.", "Policy": "The policy by which people are called.", "PolicyWhy": "By what it came to that.",
		"Routes": "The routes that decided.", "Level": "What it is told as.", "Title": "What it is called instead.", "Tags": "What is put on it.", "FirstWindow": "How long the first message waits, in nanoseconds.",
		"Updates": "How often people hear what is new.", "Limits": "How many new alerts a minute are told singly.", "Digest": "When a digest is due that tells of it instead of the first step.",
		"Drop": "Why nobody is told.", "Fallback": "Whether it went to the fallback.", "Shadows": "What routes in shadow would have done.",
	},
	reflect.TypeFor[routing.Target](): {"": "A receiver to be told.", "Receiver": "The receiver.", "Why": "By which route it came to that.", "Fallback": "Whether nobody else was to be told.", "Digest": "When a digest is due that tells of it instead."},
	reflect.TypeFor[routing.Limit]():  {"": "How many new alerts a minute one route tells singly.", "Route": "The route.", "PerMinute": "How many."},
	reflect.TypeFor[routing.Shadow](): {"": "What a route would have done.", "Route": "The route.", "Team": "The team.", "Policy": "The policy.", "Receivers": "The receivers.", "Drop": "Why it would have told nobody."},
}
