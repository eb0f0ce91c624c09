// Package securityhub reads the findings that Security Hub sends, in both of its
// languages: ASFF, which Security Hub CSPM speaks, and OCSF, which Security Hub (V2)
// does.
//
// Much of what Security Hub has was found by others. What GuardDuty, Inspector and
// Macie found has their identity here, so that it is the same alert as by their own
// events; such a copy says less, and never makes an alert poorer. All else is known by
// its Id. A finding that is resolved, suppressed, archived or passed is over.
//
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-event-formats.html
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-v2-cwe-event-formats.html
package securityhub

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/inspector"
	"github.com/tocsin-sec/tocsin/internal/macie"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// What the envelope says of such events.
const (
	Source       = "aws.securityhub"
	Imported     = "Security Hub Findings - Imported"
	CustomAction = "Security Hub Findings - Custom Action"
	Insight      = "Security Hub Insight Results"
	ImportedV2   = "Findings Imported V2"
)

// DetailTypes are all of them.
func DetailTypes() []string { return []string{Imported, CustomAction, Insight, ImportedV2} }

const (
	documentation   = "https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-viewing.html"
	aboutInsights   = "https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-insights.html"
	documentationV2 = "https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-ocsf-findings.html"
)

// maxFindings is how many findings of one event are read; a custom action sends at
// most 20.
const maxFindings = 100

// Read puts the findings of an event into words, in the order of the event; ok is false
// for anything else, and where there is nothing in it that could be read.
func Read(raw []byte) (ds []tocsin.Detection, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source {
		return nil, false
	}
	switch ev.DetailType {
	case Imported, CustomAction, ImportedV2:
	case Insight:
		d, ok := insight(ev)
		if !ok {
			return nil, false
		}
		return []tocsin.Detection{d}, true
	default:
		return nil, false
	}
	wording.Each(ev.Detail.Get("findings"), func(v gjson.Result) bool {
		if f := read(ev, v); f.id != "" {
			ds = append(ds, f.detection())
		}
		return len(ds) < maxFindings
	})
	return ds, len(ds) > 0
}

// Brief is what lists need of the first finding, which takes less.
func Brief(detail gjson.Result) (typ, account, region string, level tocsin.Level) {
	v := detail.Get("findings.0")
	if isOCSF(v) {
		return wording.Line(v.Get("finding_info.types.0")), wording.Account(v.Get("cloud.account.uid")), wording.Line(v.Get("cloud.region")), ocsfLevel(v)
	}
	return wording.Line(v.Get("Types.0")), wording.Account(v.Get("AwsAccountId")), wording.Line(v.Get("Region")), asffLevel(v)
}

// isOCSF tells the two languages by what every finding has in them.
func isOCSF(v gjson.Result) bool {
	return v.Get("class_uid").Exists() || v.Get("finding_info").Exists()
}

func read(ev wording.Event, v gjson.Result) finding {
	if isOCSF(v) {
		return readOCSF(ev, v)
	}
	return readASFF(ev, v)
}

// A finding is what either language says of one.
type finding struct {
	wording.Event
	id, identity                             string // identity is the id in full, of which id is what can be shown
	product, name                            string // product is the ARN of who found it, name what it is called
	types                                    []string
	title, description                       string
	account, region, partition               string
	level                                    tocsin.Level
	created, updated, processed, first, last time.Time
	resources                                []resource
	state                                    string // what ends it, in the words of Security Hub: "resolved"; empty if it goes on
	archived                                 bool   // that end is by decision
	control, compliance                      string
	facts                                    wording.Facts // what is particular to the language
	remedy                                   string
	ip                                       string
	sample                                   bool
	service                                  map[string]any // of a finding of GuardDuty's, what GuardDuty calls so
	severity                                 any            // and its number for how bad it is; nil where there is none
	count                                    int64          // how often it happened, where Security Hub says so
	v2                                       bool
}

// A resource is what of ours a finding names.
type resource struct {
	kind, id string
	details  gjson.Result
	tags     map[string]string
}

// by reports whether that product of AWS's found it: anybody may import findings with
// whatever Id they like, but Security Hub does not take them for a product that is not
// theirs. Security Hub (V2) has ARNs of its own for the same products.
func (f finding) by(product string) bool {
	arn := wording.ParseARN(f.product)
	return arn.Service == "securityhub" && (arn.Resource == "product/aws/"+product || arn.Resource == "productv2/aws/"+product)
}

func (f finding) detection() tocsin.Detection {
	if d, ok := f.guardduty(); ok {
		return d
	}
	key, copied := f.key()
	d := tocsin.Detection{
		Key: key, Dialect: "securityhub", Type: f.typ(), ID: f.id, Level: f.level,
		Headline: wording.Headline(f.headline()), Title: wording.First(wording.Title(f.title), wording.Title(f.id)), Description: wording.Description(f.description),
		Account: f.account, Region: f.region, Partition: f.partition, Resource: f.resource(), Actor: tocsin.Actor{IP: f.ip},
		Facts: f.said(), Command: f.command(), Console: wording.Console(f.partition, "securityhub/home", f.region, "/findings"),
		Documentation: documentation, Count: 1, FirstSeen: f.first, LastSeen: f.last, CreatedAt: f.created, UpdatedAt: f.updated, Sample: f.sample,
		Copied: copied,
	}
	if f.v2 {
		d.Documentation = documentationV2
	}
	if f.Account != f.account {
		d.ReportedBy = f.Account
	}
	if !d.Copied {
		// What people do to a finding does not change when it was updated last.
		d.UpdatedAt = latest(f.updated, f.processed, f.Time)
	}
	f.end(&d)
	if d.Over {
		d.Intent = tocsin.IntentClose // most findings are never told of at all
	}
	return d
}

// anUpdate is for how long after a product updated its finding Security Hub may tell of
// the update, and not of what somebody did to the finding since.
const anUpdate = 15 * time.Minute

// end says that it is over, if it is. A copy that is resolved may be an update of what
// somebody resolved before it happened again: Security Hub leaves that standing
// (https://docs.aws.amazon.com/securityhub/latest/userguide/finding-workflow-status.html),
// and the alert of what happens goes on.
func (f finding) end(d *tocsin.Detection) {
	if f.state == "" || d.Copied && f.state == "resolved" && f.Time.Sub(f.updated) < anUpdate {
		return
	}
	d.Over, d.OverReason = true, string(tocsin.ReasonRecovered)
	if f.archived {
		d.OverReason = string(tocsin.ReasonArchived)
	}
}

func latest(times ...time.Time) (t time.Time) {
	for _, at := range times {
		if at.After(t) {
			t = at
		}
	}
	return t
}

// key is the identity that whoever found it gives it, where that is known; the finding is
// then a copy of theirs.
func (f finding) key() (key tocsin.Key, copied bool) {
	switch {
	case f.by("inspector") && wording.ParseARN(f.id).Service == "inspector2":
		return inspector.Key(f.partition, f.account, f.region, f.id), true
	case f.by("macie"):
		return macie.Key(f.partition, f.account, f.region, wording.Name(f.id)), true
	}
	return tocsin.KeyOf(f.partition, f.account, f.region, "securityhub", f.identity), false
}

// identify keeps the id: as it can be shown, and as what tells findings apart. Ids are of
// up to 512 characters and may differ in the last of them.
func (f *finding) identify(id gjson.Result) {
	f.id = wording.Line(id)
	f.identity = f.id
	if full := id.String(); len(full) > wording.MaxName {
		f.identity = wording.Identity(f.id + full)
	}
}

func (f finding) typ() string {
	if len(f.types) > 0 {
		return f.types[0]
	}
	return f.DetailType
}

// headline is "bucket payments fails S3.8: …" of a control, and the title and what of
// ours for all else.
func (f finding) headline() string {
	ours := wording.Middle(f.ours(), 34)
	if f.control != "" && strings.EqualFold(f.compliance, "failed") {
		return wording.First(ours, "the account") + " fails " + wording.Middle(f.control, 16) + ": " + strings.TrimPrefix(f.title, f.control+" ")
	}
	title := wording.First(wording.Title(f.title), f.id)
	if ours == "" || strings.Contains(title, ours) {
		return title
	}
	return wording.Middle(title, max(wording.MaxHeadline-len([]rune(ours))-2, 20)) + ": " + ours
}

// ours is the first resource as people call it.
func (f finding) ours() string {
	if len(f.resources) == 0 {
		return ""
	}
	r := f.resources[0]
	kind := strings.TrimPrefix(strings.ReplaceAll(strings.TrimPrefix(r.kind, "AWS::"), "::", " "), "Aws")
	return wording.Join(" ", kind, wording.First(r.tags["Name"], shortID(r.id)))
}

// shortID is the name at the end of an ARN, or of Security Hub's own kind of id,
// "AWS::IAM::AccessKey:AKIA…".
func shortID(id string) string {
	if strings.HasPrefix(id, "AWS::") {
		return id[strings.LastIndex(id, ":")+1:]
	}
	return wording.Name(id)
}

func (f finding) resource() tocsin.Resource {
	if len(f.resources) == 0 {
		return tocsin.Resource{}
	}
	r := f.resources[0]
	return tocsin.Resource{Type: r.kind, ID: shortID(r.id), Name: r.tags["Name"], Tags: r.tags}
}

// said are the facts.
func (f finding) said() []tocsin.Fact {
	var all wording.Facts
	all.Add("Found by", f.name)
	all.Add("Control", wording.Join(", ", f.control, strings.ToLower(f.compliance)))
	var ours []string
	for _, r := range f.resources {
		ours = append(ours, shortID(r.id)+wording.Paren(r.kind))
	}
	all.Add("Ours", wording.Some(3, ours))
	for _, fact := range f.facts {
		all.Add(fact.Name, fact.Value)
	}
	all.Add("From", f.ip)
	all.Add("State", f.state)
	all.Add("Kind", wording.Some(2, f.types))
	all.Add("Do", f.remedy)
	return all
}

// command shows the finding.
func (f finding) command() string {
	equals := []map[string]string{{"Value": f.id, "Comparison": "EQUALS"}}
	filters, words := any(map[string]any{"Id": equals}), "aws securityhub get-findings"
	if f.v2 {
		words = "aws securityhub get-findings-v2"
		filters = map[string]any{"CompositeFilters": []any{map[string]any{"StringFilters": []any{map[string]any{"FieldName": "finding_info.uid", "Filter": equals[0]}}}}}
	}
	text, _ := json.Marshal(filters) // strings always marshal
	return wording.First(wording.NewCommand(words).Option("--filters", string(text)).In(f.region).String(), "aws securityhub describe-hub")
}

// insight reads what somebody sent of an insight by a custom action.
func insight(ev wording.Event) (d tocsin.Detection, ok bool) {
	v := ev.Detail
	arn, name := wording.Line(v.Get("insightArn")), wording.Line(v.Get("insightName"))
	if arn == "" && name == "" {
		return d, false
	}
	partition := wording.First(wording.ParseARN(arn).Partition, wording.Partition(ev.Region))
	d = tocsin.Detection{
		Key: tocsin.KeyOf(partition, ev.Account, ev.Region, "securityhub-insight", wording.Identity(wording.First(arn, name))), Dialect: "securityhub", Type: Insight,
		ID: wording.First(arn, name), Level: tocsin.Informational, Headline: wording.Headline("Security Hub insight: " + wording.First(name, arn)), Title: wording.Title("Insight: " + wording.First(name, arn)),
		Description: wording.Description(v.Get("actionDescription").Str), Account: ev.Account, Region: ev.Region, Partition: partition,
		Resource: tocsin.Resource{Type: "Insight", ID: wording.First(name, arn)}, Documentation: aboutInsights, Console: wording.Console(partition, "securityhub/home", ev.Region, "/insights"),
		FirstSeen: ev.Time, LastSeen: ev.Time, UpdatedAt: ev.Time, Command: wording.NewCommand("aws securityhub get-insights").In(ev.Region).String(),
	}
	if arn != "" {
		d.Command = wording.First(wording.NewCommand("aws securityhub get-insight-results").Option("--insight-arn", arn).In(ev.Region).String(), d.Command)
	}
	var f wording.Facts
	f.Add("Sent by", wording.Line(v.Get("actionName")))
	f.Add("Grouped by", wording.Line(v.Get("resultType")))
	wording.Each(v.Get("insightResults"), func(r gjson.Result) bool {
		r.ForEach(func(k, n gjson.Result) bool {
			f.Add(wording.Line(k), wording.Line(n))
			return true
		})
		return len(f) < wording.MaxFacts
	})
	d.Facts = f
	return d, true
}

// guardduty is the finding as GuardDuty's own dialect reads it, made of what the copy
// has of it.
func (f finding) guardduty() (d tocsin.Detection, ok bool) {
	g, ok := f.copyOfGuardDuty()
	if !ok {
		return d, false
	}
	d = g.Detection()
	d.Dialect, d.Copied, d.Count, d.Type = "securityhub", true, max(d.Count, f.count, 1), wording.First(d.Type, f.typ())
	if d.Level == tocsin.Unknown {
		d.Level = f.level
	}
	if d.FirstSeen.IsZero() {
		d.FirstSeen = f.first
	}
	if d.LastSeen.IsZero() {
		d.LastSeen = f.last
	}
	d.Sample = d.Sample || f.sample
	if f.Account != d.Account {
		d.ReportedBy = f.Account
	}
	f.end(&d)
	return d, true
}

func (f finding) copyOfGuardDuty() (g guardduty.Finding, ok bool) {
	arn := wording.ParseARN(f.id)
	parts := strings.Split(arn.Resource, "/") // detector/…/finding/…
	if !f.by("guardduty") || arn.Service != "guardduty" || len(parts) != 4 || parts[2] != "finding" || parts[3] == "" {
		return g, false
	}
	doc := map[string]any{
		"schemaVersion": "2.0", "arn": f.id, "id": parts[3], "accountId": wording.First(arn.Account, f.account), "region": arn.Region, "partition": arn.Partition,
		"type": guardDutyType(f.types), "severity": f.severity, "title": f.title, "description": f.description,
		"resource": f.guardDutyResource(), "service": f.service,
	}
	for name, at := range map[string]time.Time{"createdAt": f.created, "updatedAt": f.updated} {
		if !at.IsZero() {
			doc[name] = at.Format("2006-01-02T15:04:05.000Z")
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return g, false
	}
	g, ok, err = guardduty.Read(raw)
	return g, ok && err == nil
}

// guardDutyType is GuardDuty's type in Security Hub's taxonomy:
// "TTPs/Defense Evasion/Stealth:IAMUser-CloudTrailLoggingDisabled", and
// "TTPs/Initial Access/IAMUser-AnomalousBehavior" where the purpose is the tactic.
func guardDutyType(types []string) string {
	for _, t := range types {
		if colon := strings.Index(t, ":"); colon >= 0 {
			return t[strings.LastIndex(t[:colon], "/")+1:colon] + ":" + slashed(t[colon+1:])
		}
	}
	for _, t := range types {
		if parts := strings.Split(t, "/"); len(parts) == 3 && strings.Contains(parts[2], "-") {
			return strings.ReplaceAll(parts[1], " ", "") + ":" + slashed(parts[2])
		}
	}
	return ""
}

// slashed is what a type has after its purpose, as GuardDuty writes it.
func slashed(rest string) string {
	if strings.Contains(rest, "/") {
		return rest
	}
	return strings.Replace(rest, "-", "/", 1)
}

// A tree is put together again of the flat product fields of a finding, as many as have
// room in it.
type tree struct {
	root map[string]any
	left int // how many more elements of lists it may have: "a.49_" asks for fifty
}

// put puts "aws/guardduty/service/count" where it was:
// "threatIntelligenceDetails.0_/threatListName" is of the first element of a list.
func (t *tree) put(path, value string) {
	parts := strings.Split(path, "/")
	if len(parts) > 20 {
		return
	}
	at := t.root
	for i, p := range parts {
		name, index, listed := strings.Cut(strings.TrimSuffix(p, "_"), ".")
		listed = listed && strings.HasSuffix(p, "_") && strings.Trim(index, "0123456789") == "" && index != ""
		if !listed {
			name = p
		}
		last := i == len(parts)-1
		switch {
		case listed && last:
			all, _ := at[name].([]any)
			at[name] = append(all, value)
			return
		case listed:
			at = t.element(at, name, index)
		case last:
			if _, taken := at[name]; !taken {
				at[name] = value
			}
			return
		default:
			next, ok := at[name].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[name] = next
			}
			at = next
		}
		if at == nil {
			return
		}
	}
}

// element is the object at that place of the list of that name; nil for a place that
// no list of GuardDuty's reaches.
func (t *tree) element(at map[string]any, name, index string) map[string]any {
	const most = 50
	n, err := strconv.Atoi(index)
	if err != nil || n >= most {
		return nil
	}
	all, _ := at[name].([]any)
	for len(all) <= n && t.left > 0 {
		all = append(all, map[string]any{})
		t.left--
	}
	at[name] = all
	if n >= len(all) {
		return nil
	}
	object, _ := all[n].(map[string]any)
	return object
}

// guardDutyResource is the resource part of a finding of GuardDuty's.
func (f finding) guardDutyResource() map[string]any {
	all := map[string]any{}
	set := func(name string, v any) {
		if _, taken := all[name]; !taken {
			all[name] = v
		}
	}
	for _, r := range f.resources {
		d := func(path string) any { return value(r.details.Get(path)) }
		tags := tagList(r.tags)
		switch strings.ToLower(strings.ReplaceAll(r.kind, "::", "")) {
		case "awsec2instance":
			addresses := r.details.Get("AwsEc2Instance.IpV4Addresses")
			set("instanceDetails", map[string]any{
				"instanceId": shortID(r.id), "instanceType": d("AwsEc2Instance.Type"), "imageId": d("AwsEc2Instance.ImageId"), "launchTime": d("AwsEc2Instance.LaunchedAt"),
				"iamInstanceProfile": map[string]any{"arn": d("AwsEc2Instance.IamInstanceProfileArn")}, "tags": tags,
				"networkInterfaces": []any{map[string]any{"vpcId": d("AwsEc2Instance.VpcId"), "subnetId": d("AwsEc2Instance.SubnetId"), "privateIpAddress": value(addresses.Get("0")), "publicIp": value(addresses.Get("1"))}},
			})
		case "awsiamaccesskey":
			v := func(names ...string) any { return value(first(r.details, names...)) }
			set("accessKeyDetails", map[string]any{
				"accessKeyId": shortID(r.id), "principalId": v("AwsIamAccessKey.PrincipalId", "principal_id"), "userName": v("AwsIamAccessKey.PrincipalName", "user_name"), "userType": v("AwsIamAccessKey.PrincipalType", "user_type"),
			})
		case "awss3bucket":
			set("s3BucketDetails", []any{map[string]any{"arn": r.id, "name": shortID(r.id), "owner": map[string]any{"id": d("AwsS3Bucket.OwnerId")}, "createdAt": d("AwsS3Bucket.CreatedAt"), "tags": tags}})
		case "awsekscluster":
			set("eksClusterDetails", map[string]any{"arn": r.id, "name": shortID(r.id), "vpcId": d("AwsEksCluster.ResourcesVpcConfig.VpcId"), "tags": tags})
		case "awsecscluster":
			set("ecsClusterDetails", map[string]any{"arn": r.id, "name": shortID(r.id), "tags": tags})
		case "awslambdafunction":
			name := wording.First(wording.Line(r.details.Get("AwsLambdaFunction.FunctionName")), shortID(r.id))
			set("lambdaDetails", map[string]any{"functionArn": r.id, "functionName": name, "role": d("AwsLambdaFunction.Role"), "tags": tags})
		case "awsrdsdbinstance":
			set("rdsDbInstanceDetails", map[string]any{"dbInstanceIdentifier": shortID(r.id), "dbInstanceArn": r.id, "engine": d("AwsRdsDbInstance.Engine"), "tags": tags})
		case "container":
			set("containerDetails", map[string]any{"id": r.id, "name": d("Container.Name"), "image": d("Container.ImageName")})
		}
	}
	return all
}

// value is v for a document; nothing where there is none.
func value(v gjson.Result) any {
	if s := wording.Line(v); s != "" {
		return s
	}
	return nil
}

func tagList(tags map[string]string) []any {
	var all []any
	for k, v := range tags {
		all = append(all, map[string]any{"key": k, "value": v})
	}
	return all
}

// first is the first of the members that is there.
func first(v gjson.Result, names ...string) gjson.Result {
	for _, n := range names {
		if m := v.Get(n); m.Exists() {
			return m
		}
	}
	return gjson.Result{}
}
