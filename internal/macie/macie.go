// Package macie reads the findings of Amazon Macie: secrets and personal data in the
// objects of a bucket, and buckets that are open to others.
//
// A finding's account, region and id are its identity; a policy finding that occurs
// again counts on.
//
// https://docs.aws.amazon.com/macie/latest/user/findings-publish-event-schemas.html
package macie

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events.
const (
	Source     = "aws.macie"
	DetailType = "Macie Finding"
)

const documentation = "https://docs.aws.amazon.com/macie/latest/user/findings-types.html"

// A finding of Macie's.
type finding struct {
	wording.Event
	id, typ, account, region, partition string
	bucket, object                      gjson.Result
}

// Read puts the event into words; ok is false for anything else.
func Read(raw []byte) (d tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source || ev.DetailType != DetailType {
		return d, false
	}
	f := finding{
		Event: ev, id: wording.Line(ev.Detail.Get("id")), typ: wording.Line(ev.Detail.Get("type")), region: wording.First(wording.Line(ev.Detail.Get("region")), ev.Region),
		bucket: ev.Detail.Get("resourcesAffected.s3Bucket"), object: ev.Detail.Get("resourcesAffected.s3Object"),
	}
	account, _ := Brief(ev.Detail)
	f.account = wording.First(account, ev.Account)
	f.partition = wording.First(wording.Line(ev.Detail.Get("partition")), wording.Partition(f.region))
	if f.id == "" {
		return d, false
	}
	return f.detection(), true
}

// Brief is whose finding it is and how bad, which takes less.
func Brief(detail gjson.Result) (account string, level tocsin.Level) {
	severity := detail.Get("severity")
	level = wording.Level(wording.Line(severity.Get("description")))
	if level == tocsin.Unknown {
		level = map[string]tocsin.Level{"1": tocsin.Low, "2": tocsin.Medium, "3": tocsin.High}[wording.Line(severity.Get("score"))]
	}
	return wording.Account(detail.Get("accountId")), level
}

// Key is the identity of a finding.
func Key(partition, account, region, id string) tocsin.Key {
	return tocsin.KeyOf(partition, account, region, "macie", wording.Identity(id))
}

func (f finding) detection() tocsin.Detection {
	_, level := Brief(f.Detail)
	seen := wording.Time(f.Detail.Get("createdAt"))
	d := tocsin.Detection{
		Key: Key(f.partition, f.account, f.region, f.id), Dialect: "macie", Type: wording.First(f.typ, DetailType), ID: f.id, Level: level,
		Headline: wording.Headline(f.headline()), Title: wording.First(wording.Title(f.Detail.Get("title").Str), wording.Title(f.headline())), Description: wording.Description(f.Detail.Get("description").Str),
		Account: f.account, Region: f.region, Partition: f.partition, Resource: f.resource(), Actor: f.actor(), Facts: f.facts(),
		Command:       wording.NewCommand("aws macie2 get-findings").Option("--finding-ids", f.id).In(f.region).String(),
		Console:       wording.Console(f.partition, "macie/home", f.region, "findings?itemId="+wording.Escaped(f.id)),
		Documentation: documentation, Count: int64(max(wording.Number(f.Detail.Get("count")), 1)),
		FirstSeen: seen, CreatedAt: seen, LastSeen: wording.Time(f.Detail.Get("updatedAt")), UpdatedAt: wording.Time(f.Detail.Get("updatedAt")),
	}
	d.Sample, _ = wording.Truth(f.Detail.Get("sample"))
	if archived, _ := wording.Truth(f.Detail.Get("archived")); archived {
		d.End(tocsin.ReasonArchived)
	}
	if f.Account != f.account {
		d.ReportedBy = f.Account
	}
	return d
}

// phrases are what the types mean; {bucket} and {object} are ours.
var phrases = map[string]string{
	"Policy:IAMUser/S3BucketPublic":               "S3 bucket {bucket} is open to the public",
	"Policy:IAMUser/S3BlockPublicAccessDisabled":  "public access is no longer blocked for S3 bucket {bucket}",
	"Policy:IAMUser/S3BucketSharedExternally":     "S3 bucket {bucket} is shared outside the organisation",
	"Policy:IAMUser/S3BucketReplicatedExternally": "S3 bucket {bucket} is copied outside the organisation",
	"Policy:IAMUser/S3BucketSharedWithCloudFront": "S3 bucket {bucket} is shared with CloudFront",
	"Policy:IAMUser/S3BucketEncryptionDisabled":   "S3 bucket {bucket} is no longer encrypted",
	"SensitiveData:S3Object/Credentials":          "credentials lie in {object}",
	"SensitiveData:S3Object/Personal":             "personal data lies in {object}",
	"SensitiveData:S3Object/Financial":            "financial data lies in {object}",
	"SensitiveData:S3Object/Multiple":             "several kinds of sensitive data lie in {object}",
	"SensitiveData:S3Object/CustomIdentifier":     "data of a custom identifier lies in {object}",
}

func (f finding) headline() string {
	phrase, ok := phrases[f.typ]
	if !ok {
		return wording.First(wording.Line(f.Detail.Get("title")), f.typ, f.DetailType) + wording.After(": ", wording.Short(wording.First(f.path(), f.name())))
	}
	if f.name() == "" {
		phrase = strings.ReplaceAll(phrase, "S3 bucket {bucket}", "an S3 bucket")
	}
	return strings.NewReplacer("{bucket}", wording.Short(f.name()), "{object}", wording.First(wording.Middle(f.path(), 40), "an S3 object")).Replace(phrase)
}

func (f finding) name() string { return wording.Line(f.bucket.Get("name")) }

// path is "bucket/key".
func (f finding) path() string {
	if p := wording.Line(f.object.Get("path")); p != "" {
		return p
	}
	if key := wording.Line(f.object.Get("key")); key != "" {
		return wording.Join("/", f.name(), key)
	}
	return ""
}

func (f finding) resource() tocsin.Resource {
	r := tocsin.Resource{Type: "S3Bucket", ID: f.name()}
	if p := f.path(); p != "" {
		r = tocsin.Resource{Type: "S3Object", ID: p, Name: f.name()}
	}
	r.Tags = wording.Tags(f.bucket.Get("tags"))
	return r
}

// actor is who changed the bucket, of a policy finding.
func (f finding) actor() tocsin.Actor {
	a := f.Detail.Get("policyDetails.actor")
	ip := a.Get("ipAddressDetails")
	owner := ip.Get("ipOwner")
	return tocsin.Actor{
		IP: wording.Line(ip.Get("ipAddressV4")), Country: wording.Line(ip.Get("ipCountry.name")),
		Org:    wording.Join(" ", wording.After("AS", wording.Line(owner.Get("asn"))), wording.Line(owner.Get("asnOrg"))),
		Domain: strings.ReplaceAll(wording.Line(a.Get("domainDetails.domainName")), ".", "[.]"), Principal: wording.Prose(principal(a.Get("userIdentity")), wording.MaxName),
	}
}

// principal is who did it, by whichever of the forms the identity has.
func principal(u gjson.Result) string {
	for _, p := range []string{"iamUser", "assumedRole", "federatedUser", "root", "awsAccount"} {
		if v := u.Get(p); v.IsObject() {
			return wording.First(wording.Line(v.Get("arn")), wording.Line(v.Get("userName")), wording.Line(v.Get("accountId")), wording.Line(v.Get("principalId")))
		}
	}
	return wording.Line(u.Get("awsService.invokedBy"))
}

func (f finding) facts() []tocsin.Fact {
	var all wording.Facts
	result := f.Detail.Get("classificationDetails.result")
	all.Add("Found", f.found(result))
	all.Add("Object", f.path())
	all.Add("Bucket", wording.Join(", ", f.name(), f.public(), f.encryption()))
	action := f.Detail.Get("policyDetails.action.apiCallDetails")
	all.Add("What", wording.Join(" of ", wording.Line(action.Get("api")), wording.Line(action.Get("apiServiceName"))))
	actor := f.actor()
	all.Add("By", actor.Principal)
	all.Add("From", actor.IP+wording.Paren(wording.Join(", ", actor.Country, actor.Org)))
	if public, known := wording.Truth(f.object.Get("publicAccess")); known {
		all.Add("Object is public", map[bool]string{true: "yes", false: "no"}[public])
	}
	all.Add("Changed", timeText(f.object.Get("lastModified")))
	all.Add("Kind of file", wording.Line(result.Get("mimeType")))
	all.Add("Owner", wording.Line(f.bucket.Get("owner.displayName")))
	all.Add("Found by", wording.Sentence(wording.Line(f.Detail.Get("classificationDetails.originType"))))
	return all
}

// found is "AWS credentials 3, names 12".
func (f finding) found(result gjson.Result) string {
	var kinds []string
	add := func(name string, count gjson.Result) {
		if name != "" {
			kinds = append(kinds, wording.Sentence(name)+wording.After(" × ", wording.Line(count)))
		}
	}
	wording.Each(result.Get("sensitiveData"), func(c gjson.Result) bool {
		wording.Each(c.Get("detections"), func(d gjson.Result) bool {
			add(wording.Line(d.Get("type")), d.Get("count"))
			return len(kinds) < 20
		})
		return len(kinds) < 20
	})
	wording.Each(result.Get("customDataIdentifiers.detections"), func(d gjson.Result) bool {
		add(wording.Line(d.Get("name")), d.Get("count"))
		return len(kinds) < 20
	})
	more, _ := wording.Truth(result.Get("additionalOccurrences"))
	return wording.Some(6, kinds) + map[bool]string{true: ", and more of it"}[more && len(kinds) > 0]
}

func (f finding) public() string {
	switch wording.Line(f.bucket.Get("publicAccess.effectivePermission")) {
	case "PUBLIC":
		return "public"
	case "NOT_PUBLIC":
		return "not public"
	}
	return ""
}

func (f finding) encryption() string {
	switch e := wording.Line(f.bucket.Get("defaultServerSideEncryption.encryptionType")); e {
	case "", "UNKNOWN":
		return ""
	case "NONE":
		return "not encrypted"
	default:
		return "encrypted with " + e
	}
}

func timeText(v gjson.Result) string {
	if t := wording.Time(v); !t.IsZero() {
		return t.Format("2006-01-02 15:04:05 MST")
	}
	return ""
}
