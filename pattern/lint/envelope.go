package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/spelling"
)

// envelopeValues tells of empty strings where there never are any, and of regions
// that cannot be.
func envelopeValues(l *linter) {
	for _, f := range l.leaves {
		isRegion := f.name == "region" || f.name == "detail.awsRegion"
		for _, s := range f.strings() {
			_, ofEnvelope := envelope[f.name]
			switch {
			case l.full():
				return
			case ofEnvelope && s.text == "" && l.over == Events:
				l.say("empty-string", Error, s.place, "no event has an empty "+f.name+": this never matches", "take it out, or write what was meant")
			case !isRegion || slices.Contains(regions, s.text) || s.text == "" || placeholder(s.text):
			case !regionForm.MatchString(s.text):
				l.say("region", Error, s.place, shown(s.text)+" is not the name of a region", regionLike(s.text))
			default:
				l.say("region", Warning, s.place, "no region "+shown(s.text)+" is known here", regionLike(s.text))
			}
		}
	}
}

// placeholder reports whether a tool is yet to put the value in.
func placeholder(s string) bool { return strings.Contains(s, "${") || strings.Contains(s, "{{") }

func regionLike(s string) string {
	if zone := strings.TrimRight(s, "abcdef"); zone != s && slices.Contains(regions, zone) {
		return "write " + quote(zone) + ", without the availability zone"
	}
	if near := nearest(s, regions); near != "" {
		return "write " + quote(near)
	}
	return "write one such as " + quote("eu-central-1")
}

func isAccountField(name string) bool {
	return name == "account" || slices.Contains([]string{"accountId", "recipientAccountId", "awsAccountId", "AwsAccountId", "account_id"}, lastKey(name))
}

// accounts tells of account ids that are none.
func accounts(l *linter) {
	for _, f := range l.leaves {
		if !isAccountField(f.name) {
			continue
		}
		for _, a := range f.list.elements {
			if l.full() {
				return
			}
			l.account(f, a)
		}
	}
}

func (l *linter) account(f *leaf, a *node) {
	digits := a.text
	if exactly, ok := a.is("exactly"); ok {
		a, digits = exactly, exactly.text
	}
	isDigits := digits != "" && strings.Trim(digits, "0123456789") == ""
	switch {
	case a.kind == isNumber && len(digits) == 12 && isDigits:
		l.say("number-for-string", Error, a.place, "account ids are strings, and no number is equal to a string", "write "+quote(digits))
	case a.kind == isNumber:
		l.say("account-id", Error, a.place, digits+" is a number, and account ids are strings of 12 digits"+yamlAte, restored(digits))
	case a.kind != isString || accountForm.MatchString(digits):
	case isDigits && len(digits) < 12:
		l.say("account-id", Error, a.place, fmt.Sprintf("account id %s has %d digits of 12%s", quote(digits), len(digits), yamlAte), restored(digits))
	case accountForm.MatchString(strings.ReplaceAll(digits, "-", "")):
		l.say("account-id", Error, a.place, "account ids in events are without dashes", "write "+quote(strings.ReplaceAll(digits, "-", "")))
	case isDigits, l.over == Events && f.name == "account" && digits != "" && !strings.Contains(digits, "*") && !placeholder(digits):
		l.say("account-id", Error, a.place, shown(digits)+" is not an account id: those are 12 digits", "")
	}
}

const yamlAte = ": YAML without quotes takes zeros from the front of one, or reads it as octal"

// restored guesses what an account id was before YAML read it as a number.
func restored(digits string) string {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(digits) > 12 {
		return "write 12 digits in quotes"
	}
	padded := fmt.Sprintf("%012d", n)
	if octal := strconv.FormatUint(n, 8); len(octal) == 11 {
		return fmt.Sprintf("write %s if it was read as octal, %s if zeros were lost", quote("0"+octal), quote(padded))
	}
	return "write " + quote(padded) + " if zeros were lost"
}

// sources tells of sources that no event has.
func sources(l *linter) {
	if l.over == Alerts {
		return
	}
	for _, f := range l.leaves {
		if f.name != "source" {
			continue
		}
		for _, s := range f.strings() {
			if l.full() {
				return
			}
			l.source(s)
		}
	}
}

func (l *linter) source(s *node) {
	known := knownSources
	name, ofAWS := strings.CutPrefix(s.text, "aws.")
	service, endpoint := strings.CutSuffix(s.text, ".amazonaws.com")
	_, isDetailType := detailTypesOf[s.text]
	switch {
	case slices.Contains(known, s.text) || s.text == "" || strings.HasPrefix(s.text, "aws.partner/"):
	case isDetailType:
		l.say("unknown-source", Error, s.place, shown(s.text)+" is a detail-type: no event has it as its source", `put it under "detail-type"`)
	case endpoint:
		l.say("unknown-source", Error, s.place, shown(s.text)+" is how CloudTrail calls a service, in detail.eventSource: no event has it as its source", "write "+quote("aws."+service))
	case !ofAWS && slices.Contains(services, plain(s.text)) && (l.mentionsAWS() || !slices.Contains(plainWords, plain(s.text))):
		l.say("source-without-aws", Error, s.place, "sources of AWS begin with aws.: no service has the source "+shown(s.text), "write "+quote("aws."+plain(s.text)))
	case ofAWS || strings.HasPrefix(strings.ToLower(s.text), "aws"):
		if near := nearest(s.text, known); near != "" {
			l.say("unknown-source", nearSeverity(s.text, near), s.place, "no service is known here whose source is "+shown(s.text), "write "+quote(near))
		} else if name == "" || strings.ToLower(name) != name {
			l.say("unknown-source", Error, s.place, "no service has the source "+shown(s.text), "")
		}
	}
}

// nearSeverity is an error where the two differ in case and punctuation, or in a
// letter or two of a long word: what is farther off may be something new.
func nearSeverity(word, near string) Severity {
	if a, b := plain(word), plain(near); a == b || len(a) >= len("aws.inspector") && spelling.Edits(a, b) <= 2 {
		return Error
	}
	return Warning
}

// mentionsAWS reports whether the pattern asks for a detail-type that AWS sends.
func (l *linter) mentionsAWS() bool {
	return slices.ContainsFunc(l.leaves, func(f *leaf) bool {
		return f.name == "detail-type" && slices.ContainsFunc(f.strings(), func(s *node) bool { return detailTypesOf[s.text] != "" })
	})
}

// detailTypes tells of detail-types that are misspelt.
func detailTypes(l *linter) {
	if l.over == Alerts {
		return
	}
	known := knownDetailTypes
	for _, f := range l.leaves {
		if f.name != "detail-type" {
			continue
		}
		for _, s := range f.strings() {
			if l.full() {
				return
			}
			l.detailType(s, known)
		}
	}
}

// detailTypesNot are what people write for a detail-type and the nearest word is
// not.
var detailTypesNot = map[string]string{
	"guardduty": finding, "awsguardduty": finding, "awsguarddutyfinding": finding, "amazonguarddutyfinding": finding, "guarddutyevent": finding,
	"finding": finding, "findings": finding, "guarddutyalert": finding,
	"securityhubfindings": "Security Hub Findings - Imported", "securityhubfinding": "Security Hub Findings - Imported",
	"awsapicall": callDetail, "apicallviacloudtrail": callDetail, "cloudtrail": callDetail,
	"awsconsolesigninviacloudtrail": signInDetail, "consolelogin": signInDetail, "awsconsolesignin": signInDetail, "consolesignin": signInDetail,
}

func (l *linter) detailType(s *node, known []string) {
	if _, ok := detailTypesOf[s.text]; ok || s.text == "" {
		return
	}
	near := nearest(s.text, known)
	if near == "" {
		near = detailTypesNot[plain(s.text)]
	}
	guardDutyOnly := len(l.combos) > 0 && !slices.ContainsFunc(l.combos, func(c combo) bool {
		src := c.at("source")
		return src == nil || l.open(src) || !l.onlyTakes(src, guardDuty, knownSources)
	})
	switch {
	case near != "" && l.fromAWS():
		l.say("unknown-detail-type", nearSeverity(s.text, near), s.place, "no event has the detail-type "+shown(s.text), "write "+quote(near))
	case guardDutyOnly:
		l.say("unknown-detail-type", Warning, s.place, "GuardDuty sends no events of detail-type "+shown(s.text)+" that are known here", "findings have "+quote(finding))
	}
}

// fromAWS reports whether a source of AWS would do in some combination.
func (l *linter) fromAWS() bool {
	return slices.ContainsFunc(l.combos, func(c combo) bool { return l.allowedSource(c.at("source"), anySource) })
}

// combined tells of fields that no event has together.
func combined(l *linter) {
	if l.over == Alerts {
		return
	}
	for _, c := range l.combos {
		if l.full() {
			return
		}
		src, typ := c.at("source"), c.at("detail-type")
		if typ != nil && !l.open(typ) && src != nil {
			l.typeOfSource(src, typ)
		}
		if l.about(c).calls {
			l.call(c)
		}
	}
}

// typeOfSource tells of a detail-type that comes from another source.
func (l *linter) typeOfSource(src, typ *leaf) {
	var types []string
	for _, d := range knownDetailTypes {
		if l.takes(typ, d) {
			if l.allowedSource(src, detailTypesOf[d]) {
				return
			}
			types = append(types, d)
		}
	}
	unknown := slices.ContainsFunc(typ.strings(), func(s *node) bool { return detailTypesOf[s.text] == "" })
	if len(types) == 0 || unknown {
		return
	}
	want := detailTypesOf[types[0]]
	from := "the source " + want
	instead := "write " + quote(want)
	if want == anySource {
		from, instead = "a source that begins with aws.", "write "+quote("aws.iam")+" for calls of IAM, and so on"
	}
	l.say("impossible-combination", Error, src.place, fmt.Sprintf("events of detail-type %s have %s: with this source they never match", quote(types[0]), from), instead)
}

// call tells of what a call via CloudTrail does not have together.
func (l *linter) call(c combo) {
	src, typ := c.at("source"), c.at("detail-type")
	for _, name := range []string{"detail.severity", "detail.type", "detail.service.archived"} {
		if f := c.at(name); f != nil && src != nil && !l.open(src) && l.takes(src, guardDuty) && !f.absentOnly() {
			l.say("impossible-combination", Error, typ.place, "calls via CloudTrail have no "+name+", which findings have", "write "+quote(finding))
		}
	}
	if e := c.at("detail.eventSource"); e != nil && src != nil && !l.open(src) {
		l.eventSource(src, e)
	}
	names := c.at("detail.eventName").strings()
	if len(names) == 0 || len(names) != len(c.at("detail.eventName").list.elements) {
		return
	}
	signIn := func(n *node) bool { return n.text == "ConsoleLogin" || n.text == "SwitchRole" }
	readOnly := func(n *node) bool {
		return strings.HasPrefix(n.text, "Get") || strings.HasPrefix(n.text, "List") || strings.HasPrefix(n.text, "Describe")
	}
	switch {
	case !slices.ContainsFunc(names, func(n *node) bool { return !signIn(n) }):
		if !l.takes(typ, signInDetail) {
			l.say("impossible-combination", Error, typ.place, "events of "+names[0].text+" have another detail-type", "write "+quote(signInDetail))
		} else if !l.takes(src, "aws.signin") {
			l.say("impossible-combination", Error, src.place, "events of "+names[0].text+" have another source", "write "+quote("aws.signin"))
		}
	case !slices.ContainsFunc(names, func(n *node) bool { return !readOnly(n) }):
		l.say("read-only-calls", Warning, c.at("detail.eventName").place,
			"calls that only read are not on the bus, unless the rule's state is ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
			"set that state, or take the calls from a trail")
	}
}

// eventSource tells of calls to other services than CloudTrail that are looked for
// under CloudTrail's own source.
func (l *linter) eventSource(src, e *leaf) {
	if !l.onlyTakes(src, "aws.cloudtrail", knownSources) || !l.takes(src, "aws.cloudtrail") || l.takes(e, "cloudtrail.amazonaws.com") {
		return
	}
	for _, s := range e.strings() {
		if service, ok := strings.CutSuffix(s.text, ".amazonaws.com"); ok {
			l.say("impossible-combination", Error, src.place,
				"calls have the source of the service that was called: none from aws.cloudtrail has the eventSource "+shown(s.text), "write "+quote("aws."+service))
			return
		}
	}
}

// tooBroad tells of patterns that match everything, or do not say whose events
// they want.
func tooBroad(l *linter) {
	if l.over == Alerts {
		return
	}
	for _, c := range l.combos {
		all := !slices.ContainsFunc(c, func(f *leaf) bool { return !l.always(f) })
		switch {
		case all:
			l.say("matches-everything", Warning, c[0].place, "this matches every event", `say whose events are wanted: {"source": ["aws.guardduty"]}`)
			return
		case c.at("source") == nil && l.hasEnvelope():
			l.say("no-source", Warning, l.root.place, "without a source this matches what anybody puts on the bus, and only AWS can send with one that begins with aws.",
				"add "+l.likelySource(c))
			return
		}
	}
}

// always reports whether every event has what a leaf asks for.
func (l *linter) always(f *leaf) bool {
	there, absent := false, false
	for _, a := range f.list.elements {
		e, ok := a.is("exists")
		there = there || ok && e.text == "true"
		absent = absent || ok && e.text == "false"
	}
	if there && absent {
		return true
	}
	if !slices.Contains([]string{"version", "id", "detail-type", "source", "account", "time", "region"}, f.name) {
		return false
	}
	return there || slices.ContainsFunc(f.list.elements, func(a *node) bool {
		return anyString(a) || f.name == "version" && a.text == "0"
	})
}

// likelySource is the source that a combination is likely after.
func (l *linter) likelySource(c combo) string {
	if typ := c.at("detail-type"); typ != nil && !l.open(typ) {
		for _, d := range knownDetailTypes {
			if s := detailTypesOf[d]; s != anySource && l.takes(typ, d) {
				return `"source": [` + quote(s) + "]"
			}
		}
	}
	if l.about(c).findings {
		return `"source": [` + quote(guardDuty) + "]"
	}
	return "a source"
}

// maxLength is what a rule takes unless AWS was asked for more.
const maxLength = 2048

func tooLong(l *linter) {
	if l.over == Alerts {
		return
	}
	if n := len([]rune(string(compact(l.text)))); n > maxLength {
		l.say("too-long", Warning, l.root.place, fmt.Sprintf("AWS takes patterns of %d characters unless asked for more, and without its white space this has %d", maxLength, n),
			"use prefix and wildcard instead of long lists, or several rules")
	}
}
