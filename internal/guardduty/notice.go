package guardduty

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// The detail-types of what GuardDuty sends besides findings: how well it sees a
// cluster or an instance, what it found in an object of a bucket, and whether it can
// protect the bucket at all.
//
// https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-guardduty.html
const (
	RuntimeHealthy       = "GuardDuty Runtime Protection Healthy"
	RuntimeUnhealthy     = "GuardDuty Runtime Protection Unhealthy"
	ObjectScanResult     = "GuardDuty Malware Protection Object Scan Result"
	ResourceActive       = "GuardDuty Malware Protection Resource Status Active"
	ResourceWarning      = "GuardDuty Malware Protection Resource Status Warning"
	ResourceError        = "GuardDuty Malware Protection Resource Status Error"
	PostScanActionFailed = "GuardDuty Malware Protection Post Scan Action Failed"
)

// Where AWS writes of them.
const (
	aboutCoverage = "https://docs.aws.amazon.com/guardduty/latest/ug/runtime-monitoring-assessing-coverage.html"
	aboutScans    = "https://docs.aws.amazon.com/guardduty/latest/ug/monitor-malware-protection-s3-scans-gdu.html"
	aboutPlans    = "https://docs.aws.amazon.com/guardduty/latest/ug/malware-protection-s3-bucket-status-gdu.html"
)

// Notices are the detail-types that [ReadNotice] reads.
func Notices() []string {
	return []string{RuntimeHealthy, RuntimeUnhealthy, ObjectScanResult, ResourceActive, ResourceWarning, ResourceError, PostScanActionFailed}
}

// ReadNotice reads an event of GuardDuty's that is no finding; ok is false for
// anything else. quiet says why there is nothing to tell of: a scan that found
// nothing.
//
// Unhealthy, Warning and Error open an alert for the cluster, the instance or the
// bucket; Healthy and Active end it.
func ReadNotice(raw []byte) (d tocsin.Detection, quiet string, ok bool) {
	ev, ok := wording.Read(raw)
	if !ok || ev.Source != Source {
		return d, "", false
	}
	n := notice{
		Event: ev, account: wording.First(wording.Account(ev.Detail.Get("resourceAccountId")), ev.Account), region: ev.Region,
		partition: wording.Partition(ev.Region), bucket: wording.Line(ev.Detail.Get("s3BucketDetails.bucketName")),
	}
	switch ev.DetailType {
	case RuntimeHealthy, RuntimeUnhealthy:
		d, ok = n.coverage()
	case ObjectScanResult:
		d, quiet, ok = n.scan()
	case ResourceActive, ResourceWarning, ResourceError:
		d, ok = n.protection()
	case PostScanActionFailed:
		d, ok = n.action()
	default:
		ok = false
	}
	return d, quiet, ok
}

// A notice is such an event.
type notice struct {
	wording.Event
	account, region, partition string
	bucket                     string
}

// detection is what all of them have; parts are the rest of the key.
func (n notice) detection(parts ...string) tocsin.Detection {
	at := wording.Time(n.Detail.Get("lastUpdatedAt"))
	if at.IsZero() {
		at = wording.Time(n.Detail.Get("eventTime"))
	}
	if at.IsZero() {
		at = n.Time
	}
	for i, p := range parts {
		parts[i] = wording.Identity(p)
	}
	d := tocsin.Detection{
		Key: tocsin.KeyOf(append([]string{n.partition, n.account, n.region}, parts...)...), Dialect: "guardduty", Type: n.DetailType, ID: n.ID,
		Level: tocsin.Medium, Account: n.account, Region: n.region, Partition: n.partition, FirstSeen: at, LastSeen: at, UpdatedAt: at,
	}
	if n.Account != n.account {
		d.ReportedBy = n.Account
	}
	return d
}

// coverage is whether the runtime agent reports.
func (n notice) coverage() (d tocsin.Detection, ok bool) {
	details := n.Detail.Get("resourceDetails")
	kind := wording.Line(details.Get("resourceType"))
	eks, ecs, ec2 := details.Get("eksClusterDetails"), details.Get("ecsClusterDetails"), details.Get("ec2InstanceDetails")
	var it, id, command string
	switch {
	case wording.Line(eks.Get("clusterName")) != "":
		id = wording.Line(eks.Get("clusterName"))
		it = "EKS cluster " + wording.Short(id)
		command = wording.NewCommand("aws eks describe-addon --addon-name aws-guardduty-agent").Option("--cluster-name", id).In(n.region).String()
	case wording.Line(ecs.Get("clusterName")) != "":
		id = wording.Line(ecs.Get("clusterName"))
		it = "ECS cluster " + wording.Short(id)
		command = wording.NewCommand("aws ecs describe-clusters").Option("--clusters", id).In(n.region).String()
	case wording.Line(ec2.Get("instanceId")) != "":
		id = wording.Line(ec2.Get("instanceId"))
		it = "EC2 " + wording.Short(id)
		command = wording.NewCommand("aws ec2 describe-instances").Option("--instance-ids", id).In(n.region).String()
	default:
		return d, false
	}
	d = n.detection("runtime-coverage", kind, id)
	d.Headline, d.Title = wording.Headline("GuardDuty's agent is silent on "+it), wording.Title("GuardDuty Runtime Monitoring does not cover "+it)
	d.Resource, d.Command = tocsin.Resource{Type: kind, ID: id}, command
	d.Console, d.Documentation = wording.Console(n.partition, "guardduty/home", n.region, "/runtime-monitoring"), aboutCoverage
	var f wording.Facts
	f.Add("State", wording.Join(", before that ", strings.ToLower(wording.Line(n.Detail.Get("currentStatus"))), strings.ToLower(wording.Line(n.Detail.Get("previousStatus")))))
	f.Add("Issue", wording.Line(n.Detail.Get("issue")))
	f.Add("Issues", wording.Some(5, wording.Texts(ecs.Get("fargateDetails.issues"), 20)))
	f.Add("Nodes", wording.Join(" of ", wording.Line(eks.Get("availableNodes")), wording.Line(eks.Get("desiredNodes"))))
	f.Add("Instances", wording.Join(" of ", wording.Line(ecs.Get("containerInstanceDetails.coveredContainerInstances")), wording.Line(ecs.Get("containerInstanceDetails.compatibleContainerInstances"))))
	f.Add("Agent", wording.First(wording.Line(eks.Get("addonVersion")), wording.Line(ec2.Get("agentDetails.version"))))
	f.Add("Managed", wording.Sentence(wording.First(wording.Line(ec2.Get("managementType")), wording.Line(ecs.Get("fargateDetails.managementType")))))
	d.Facts = f
	if n.DetailType == RuntimeHealthy {
		d.End(tocsin.ReasonRecovered)
	}
	return d, true
}

// object is the object of a bucket that was scanned.
func (n notice) object() (bucket, key, version string) {
	o := n.Detail.Get("s3ObjectDetails")
	return wording.Line(o.Get("bucketName")), wording.Line(o.Get("objectKey")), wording.First(wording.Line(o.Get("versionId")), wording.Line(o.Get("eTag")))
}

// of has what is the same of all that concerns an object.
func (n notice) of(d *tocsin.Detection, bucket, key string) {
	d.Resource = tocsin.Resource{Type: kindS3Object, ID: wording.Line(n.Detail.Get("s3ObjectDetails.objectKey")), Name: bucket}
	d.Command = wording.NewCommand("aws s3api get-object-tagging").Option("--bucket", bucket).Option("--key", key).In(n.region).String()
	d.Documentation = aboutScans
}

// scan is what GuardDuty found in an object.
func (n notice) scan() (d tocsin.Detection, quiet string, ok bool) {
	bucket, key, version := n.object()
	result := n.Detail.Get("scanResultDetails")
	status := wording.First(wording.Line(result.Get("scanResultStatus")), wording.Line(n.Detail.Get("scanStatus")))
	if bucket == "" || key == "" || status == "" {
		return d, "", false
	}
	var threats []string
	wording.Each(result.Get("threats"), func(t gjson.Result) bool {
		threats = append(threats, wording.Line(t.Get("name")))
		return len(threats) < 20
	})
	d = n.detection("malware-scan", bucket, key, version)
	n.of(&d, bucket, key)
	object := wording.Middle(bucket+"/"+key, 40)
	switch status {
	case "NO_THREATS_FOUND":
		quiet = "no threats were found in the object"
		d.Level, d.Headline, d.Title = tocsin.Informational, wording.Headline("no malware in "+object), "S3 object is clean"
	case "THREATS_FOUND":
		d.Level = tocsin.High
		d.Headline = wording.Headline("malware in S3 object " + object + wording.After(": ", wording.Middle(wording.Some(1, threats), 20)))
		d.Title = wording.Title("Malware in an S3 object" + wording.After(": ", wording.Some(3, threats)))
	default:
		d.Level = tocsin.Low
		d.Headline = wording.Headline("S3 object " + object + " was not scanned: " + wording.Sentence(status))
		d.Title = wording.Title("Malware scan of an S3 object: " + wording.Sentence(status))
	}
	var f wording.Facts
	f.Add("Threat", wording.Some(5, threats))
	f.Add("Object", "s3:"+bucket+"/"+key)
	f.Add("Version", wording.Line(n.Detail.Get("s3ObjectDetails.versionId")))
	f.Add("ETag", wording.Line(n.Detail.Get("s3ObjectDetails.eTag")))
	f.Add("Scan", wording.Join(", ", wording.Sentence(wording.Line(n.Detail.Get("scanStatus"))), wording.Sentence(status)))
	f.Add("Why", wording.Some(3, wording.Texts(result.Get("statusReasons"), 5)))
	f.Add("Plan", n.plan())
	d.Facts = f
	return d, quiet, true
}

// plan is the id of the malware protection plan that the event names.
func (n notice) plan() string {
	for _, r := range n.Resources {
		if a := wording.ParseARN(r); a.Service == "guardduty" {
			return a.Name()
		}
	}
	return ""
}

// protection is whether GuardDuty can protect a bucket.
func (n notice) protection() (d tocsin.Detection, ok bool) {
	if n.bucket == "" {
		return d, false
	}
	d = n.detection("malware-protection", n.bucket)
	d.Resource, d.Documentation = tocsin.Resource{Type: kindS3Bucket, ID: n.bucket}, aboutPlans
	d.Command = wording.NewCommand("aws guardduty get-malware-protection-plan").Option("--malware-protection-plan-id", n.plan()).In(n.region).String()
	d.Title = wording.Title("GuardDuty Malware Protection of S3 bucket " + n.bucket + ": " + wording.Sentence(wording.Line(n.Detail.Get("resourceStatus"))))
	short := "S3 bucket " + wording.Short(n.bucket)
	switch n.DetailType {
	case ResourceError:
		d.Level, d.Headline = tocsin.High, wording.Headline("GuardDuty does not scan "+short+" for malware")
	default:
		d.Headline = wording.Headline("GuardDuty may not scan all of " + short + " for malware")
	}
	var reasons []string
	wording.Each(n.Detail.Get("statusReasons"), func(r gjson.Result) bool {
		reasons = append(reasons, wording.Sentence(wording.Line(r.Get("code"))))
		return len(reasons) < 10
	})
	var f wording.Facts
	f.Add("State", wording.Sentence(wording.Line(n.Detail.Get("resourceStatus"))))
	f.Add("Why", wording.Some(5, reasons))
	f.Add("Plan", n.plan())
	d.Facts = f
	if n.DetailType == ResourceActive {
		d.End(tocsin.ReasonRecovered)
	}
	return d, true
}

// action is what was to be done after a scan and failed.
func (n notice) action() (d tocsin.Detection, ok bool) {
	bucket, key, version := n.object()
	if bucket == "" || key == "" {
		return d, false
	}
	var what, why []string
	wording.Each(n.Detail.Get("postScanActions"), func(a gjson.Result) bool {
		kind := wording.Sentence(wording.Line(a.Get("actionType")))
		what = append(what, kind)
		why = append(why, wording.Join(": ", kind, wording.Join(", ", wording.Sentence(wording.Line(a.Get("status"))), wording.Sentence(wording.Line(a.Get("failureReason"))))))
		return len(what) < 10
	})
	d = n.detection("post-scan-action", bucket, key, version)
	n.of(&d, bucket, key)
	d.Headline = wording.Headline("after a malware scan of " + wording.Middle(bucket+"/"+key, 36) + ", " + wording.First(wording.Some(1, what), "an action") + " failed")
	d.Title = wording.Title("GuardDuty could not act after a malware scan" + wording.After(": ", wording.Some(3, what)))
	var f wording.Facts
	f.Add("Failed", wording.Some(4, why))
	f.Add("Object", "s3:"+bucket+"/"+key)
	f.Add("Version", version)
	f.Add("Plan", n.plan())
	d.Facts = f
	return d, true
}
