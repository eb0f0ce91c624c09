// Package guardduty reads GuardDuty findings, whatever way they came, and puts
// them into words for a person who was just woken.
//
// A finding has three spellings: the detail of an EventBridge event (the S3
// export is the same without the envelope), the body of the GetFindings call,
// and what the AWS CLI and the SDKs print, which write every name with a capital
// letter. [Read] takes all of them and [Finding.Event] gives the first.
//
// Reading is tolerant: a field that is missing, null or of another type costs
// its own words and nothing else. Only a finding that says nothing of its
// identity is refused. Types, resources and actions that are not known here are
// shown by their names.
//
// The shape is described in
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html and
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html.
package guardduty

import (
	"errors"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope of a finding says of itself.
const (
	Source     = "aws.guardduty"
	DetailType = "GuardDuty Finding"
)

// A Finding is one version of a GuardDuty finding. It refers to the bytes it was
// read from, which are not to change while it is used. Its methods may be called
// by several goroutines.
type Finding struct {
	raw      []byte
	envelope value // absent for a bare finding
	detail   value

	typ        string
	partition  string
	account    string
	region     string
	id         string
	reportedBy string
}

// Read makes a finding of an EventBridge event, of a bare finding as in the S3
// export and in GetFindings, or of one in the capitalised form of the AWS CLI.
//
// It reports false for everything that is not a GuardDuty finding, be it another
// event of GuardDuty's, a finding of another service, or not JSON at all. An
// error says that it claims to be a finding and cannot be one; it names the
// field.
func Read(raw []byte) (Finding, bool, error) {
	root, ok := parse(raw)
	if !ok || root.kind() != object {
		return Finding{}, false, nil
	}
	f := Finding{raw: raw}
	switch detail := root.get("detail"); {
	case isEnvelope(root, detail):
		if detail.kind() != object {
			return Finding{}, true, errors.New("detail: not an object")
		}
		f.envelope, f.detail = root, detail
	case looksLikeFinding(root):
		f.detail = root
	default:
		return Finding{}, false, nil
	}
	f.identify()
	if f.id == "" {
		return Finding{}, true, errors.New(f.path("id") + ": missing, and there is no arn to take it from")
	}
	return f, true, nil
}

// path is a field's name as the sender sees it, for errors.
func (f Finding) path(field string) string {
	if f.envelope.ok() {
		return "detail." + field
	}
	return field
}

// isEnvelope tells an EventBridge event that carries a finding. One of source
// and detail-type may be missing if the detail looks like a finding; neither may
// say otherwise, since only AWS can send as aws.guardduty.
func isEnvelope(root, detail value) bool {
	source, detailType := root.get("source"), root.get("detail-type")
	if !source.ok() && !detailType.ok() && !detail.ok() {
		return false
	}
	is := func(v value, want string) (yes, no bool) {
		if v.kind() != text {
			return false, false
		}
		yes = v.reads(want)
		return yes, !yes
	}
	fromGuardDuty, fromElse := is(source, Source)
	aFinding, otherThing := is(detailType, DetailType)
	if fromElse || otherThing {
		return false
	}
	return fromGuardDuty && aFinding || looksLikeFinding(detail)
}

// looksLikeFinding tells a finding without an envelope. Other services have
// findings with ids, types and accounts as well (Macie's types even have the
// same form); service, resource and a plain number for severity are GuardDuty's.
func looksLikeFinding(v value) bool {
	if v.kind() != object {
		return false
	}
	service := v.get("service")
	if strings.Contains(v.get("arn").text(), ":guardduty:") {
		return true
	}
	if service.get("serviceName").text() == "guardduty" {
		return true
	}
	purpose, rest, ok := strings.Cut(v.get("type").text(), ":")
	if !ok || purpose == "" || !strings.Contains(rest, "/") {
		return false
	}
	return service.kind() == object || v.get("resource").kind() == object
}

// identify sets what tells the finding from others. The finding's own fields
// come first, then its ARN, and the envelope, which may be an administrator's,
// comes last.
func (f *Finding) identify() {
	d := f.detail
	f.typ = clip(d.get("type").text(), 200)
	f.id, f.account = d.get("id").text(), accountID(d.get("accountId"))
	f.region, f.partition = d.get("region").text(), d.get("partition").text()
	if f.id == "" || f.account == "" || f.region == "" || f.partition == "" {
		arn := f.arn()
		f.id = wording.First(f.id, lastSegment(arn.Resource))
		f.account = wording.First(f.account, arn.Account, accountID(f.envelope.get("account")))
		f.region = wording.First(f.region, arn.Region, f.envelope.get("region").text())
		f.partition = wording.First(f.partition, arn.Partition, wording.Partition(f.region))
	}
	if by := accountID(f.envelope.get("account")); by != f.account {
		f.reportedBy = by
	}
	f.id, f.account, f.region, f.partition = digest(f.id), digest(f.account), digest(f.region), digest(f.partition)
}

// arn is the finding's ARN in its parts, if it is one of GuardDuty's.
func (f Finding) arn() wording.ARN {
	if a := wording.ParseARN(f.detail.get("arn").text()); a.Service == "guardduty" {
		return a
	}
	return wording.ARN{}
}

// Key is the identity of the finding: partition, account, region and id, each
// as the finding has it.
func (f Finding) Key() tocsin.Key {
	return tocsin.KeyOf(f.partition, f.account, f.region, f.id)
}

// Type is the finding's type in its parts.
func (f Finding) Type() Type { return ParseType(f.typ) }

// accountID is an account's 12 digits. Senders that keep it as a number lose the
// leading zeros.
func accountID(v value) string {
	s := v.text()
	if v.kind() == number {
		n, ok := v.int()
		if !ok || n < 0 {
			return ""
		}
		s = zeroPad(n, 12)
	}
	return s
}

// lastSegment is what follows the last "/" or ":".
func lastSegment(s string) string {
	return s[strings.LastIndexAny(s, "/:")+1:]
}

// arnName is the name at the end of an ARN, or s itself.
func arnName(s string) string {
	if a := wording.ParseARN(s); a.Resource != "" {
		return a.Name()
	}
	return s
}
