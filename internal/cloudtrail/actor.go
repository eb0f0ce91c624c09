package cloudtrail

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// An actor is who made the call
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html).
type actor struct {
	short   string // as a headline has it: "ana", "deploy/ci-42"
	long    string // with what helps to find them
	name    string // as CloudTrail looks them up: the user's name, or the session's
	id      string // the same however often they come, but for people who share a role
	arn     string
	account string
	root    bool
	aws     bool // AWS itself, for somebody
}

// linked begins the ARNs of service-linked roles, which nobody but AWS can make or
// assume: the path is AWS's own.
const linked = ":role/aws-service-role/"

// reservedRole begins the names of the roles that IAM Identity Center makes; their
// sessions are named for the person, by AWS.
const reservedRole = "AWSReservedSSO_"

func newActor(u gjson.Result) actor {
	a := actor{
		arn: wording.Line(u.Get("arn")), account: wording.Account(u.Get("accountId")), name: wording.Line(u.Get("userName")),
	}
	kind := wording.Line(u.Get("type"))
	principal := wording.Line(u.Get("principalId"))
	invoked := wording.Line(u.Get("invokedBy"))
	switch kind {
	case "Root":
		a.root = true
		a.short, a.name, a.id = "root", "root", wording.First(a.arn, "root")
		a.long = wording.Join(" ", "root", wording.After("of account ", a.account))
	case "AssumedRole":
		a.assumed(u, principal)
	case "AWSService":
		a.short, a.long, a.id, a.aws = invoked, invoked, invoked, true
	case "AWSAccount":
		a.short = "account " + wording.First(a.account, principal)
		a.long, a.id = wording.Join(", ", a.short, principal), wording.First(a.account, principal)
	case "IdentityCenterUser":
		a.name = wording.First(a.name, wording.Line(u.Get("onBehalfOf.userId")))
		a.short, a.id = a.name, a.name
		a.long = wording.Join(" ", "Identity Center user", a.name)
	default: // IAMUser, FederatedUser, SAMLUser, WebIdentityUser, Directory, Unknown
		a.name = wording.First(a.name, wording.Name(a.arn), principal)
		a.short, a.id = a.name, wording.First(a.arn, a.name)
		a.long = wording.First(a.arn, wording.Join(" ", kind, a.name))
	}
	if invoked != "" && kind != "AWSService" {
		a.long = wording.Join(" ", a.long, "by way of "+invoked)
	}
	if a.short == "" {
		a.short, a.long = "somebody", wording.First(a.long, "unknown")
	}
	if a.id == "" {
		a.id = wording.First(a.arn, principal, kind)
	}
	return a
}

// assumed reads a session of a role: arn:aws:sts::account:assumed-role/role/session.
func (a *actor) assumed(u gjson.Result, principal string) {
	parts := strings.Split(wording.ParseARN(a.arn).Resource, "/")
	role := wording.First(wording.Line(u.Get("sessionContext.sessionIssuer.userName")), at(parts, 1))
	session := at(parts, 2)
	if session == "" {
		_, session, _ = strings.Cut(principal, ":")
	}
	a.name = wording.First(session, role)
	a.long = wording.First(a.arn, principal, role)
	a.aws = strings.Contains(wording.Line(u.Get("sessionContext.sessionIssuer.arn")), linked)
	if strings.HasPrefix(role, reservedRole) && session != "" {
		permissions, _, _ := strings.Cut(strings.TrimPrefix(role, reservedRole), "_")
		a.short, a.id = session, a.arn
		a.long = session + wording.Paren("Identity Center, "+permissions)
		return
	}
	a.short = wording.Join("/", role, session)
	// Sessions of machines have a name of their own each time.
	a.id = wording.First(wording.Line(u.Get("sessionContext.sessionIssuer.arn")), role, a.arn)
}

func at(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}
