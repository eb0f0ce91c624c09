package guardduty

import (
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/wording"
)

// The kinds of resource that there are words for, by GuardDuty's resourceType.
const (
	kindAccessKey     = "AccessKey"
	kindInstance      = "Instance"
	kindS3Bucket      = "S3Bucket"
	kindS3Object      = "S3Object"
	kindEKS           = "EKSCluster"
	kindECS           = "ECSCluster"
	kindContainer     = "Container"
	kindLambda        = "Lambda"
	kindRDS           = "RDSDBInstance"
	kindRDSLimitless  = "RDSLimitlessDB"
	kindEBSSnapshot   = "EBSSnapshot"
	kindEC2Image      = "EC2Image"
	kindRecoveryPoint = "RecoveryPoint"
	kindSequence      = "AttackSequence"
)

// detailsOf has the member of resource that describes each kind, the more
// telling ones first: a pod's finding describes its instance as well.
var detailsOf = [...]struct{ kind, member string }{
	{kindLambda, "lambdaDetails"},
	{kindRDS, "rdsDbInstanceDetails"},
	{kindRDSLimitless, "rdsLimitlessDbDetails"},
	{kindEBSSnapshot, "ebsSnapshotDetails"},
	{kindEC2Image, "ec2ImageDetails"},
	{kindRecoveryPoint, "recoveryPointDetails"},
	{kindS3Bucket, "s3BucketDetails"},
	{kindEKS, "eksClusterDetails"},
	{kindECS, "ecsClusterDetails"},
	{kindContainer, "containerDetails"},
	{kindInstance, "instanceDetails"},
	{kindEKS, "kubernetesDetails"},
	{kindAccessKey, "accessKeyDetails"},
}

// kindsByType is what a type's second part is about, where the finding itself
// does not say.
var kindsByType = map[string]string{
	"EC2": kindInstance, "Runtime": kindInstance,
	"IAMUser": kindAccessKey, "IAM": kindAccessKey,
	"S3": kindS3Bucket, "Kubernetes": kindEKS, "EKS": kindEKS, "ECS": kindECS,
	"Container": kindContainer, "Lambda": kindLambda, "RDS": kindRDS,
}

// otherSpellings are resource types as seen in the data of others.
var otherSpellings = map[string]string{
	"DBInstance": kindRDS, "RdsDbInstance": kindRDS, "EC2Instance": kindInstance,
	"Ec2Image": kindEC2Image, "EbsSnapshot": kindEBSSnapshot, "EBSRecoveryPoint": kindRecoveryPoint,
	"S3RecoveryPoint": kindRecoveryPoint, "EC2RecoveryPoint": kindRecoveryPoint,
	"EcsCluster": kindECS, "EksCluster": kindEKS, "LambdaFunction": kindLambda,
}

// Ours is what of ours a finding is about.
type ours struct {
	kind  string // GuardDuty's resourceType, of the resource that id names
	id    string
	name  string
	label string // what it is called in a headline: "EC2 i-0abc (web-1)"
	long  string // the same with what helps to find and judge it
	tags  value
	facts []tocsin.Fact // what is particular to the kind
}

// resource reads what of ours the finding is about.
func (f Finding) resource(t Type) ours {
	r := f.detail.get("resource")
	o := ours{kind: kindOf(r, t)}
	switch o.kind {
	case kindAccessKey:
		o.accessKey(r.get("accessKeyDetails"))
	case kindInstance:
		o.instance(r.get("instanceDetails"))
	case kindS3Bucket, kindS3Object:
		o.bucket(r.get("s3BucketDetails"))
	case kindEKS:
		o.eks(r)
	case kindECS:
		o.ecs(r)
	case kindContainer:
		o.container(r)
	case kindLambda:
		o.lambda(r.get("lambdaDetails"))
	case kindRDS, kindRDSLimitless:
		o.database(r)
	case kindEBSSnapshot:
		o.backup("snapshot", "EBS snapshot", r.at("ebsSnapshotDetails", "snapshotArn"))
	case kindEC2Image:
		o.backup("AMI", "AMI", r.at("ec2ImageDetails", "imageArn"))
	case kindRecoveryPoint:
		p := r.get("recoveryPointDetails")
		o.backup("recovery point", "recovery point", p.get("recoveryPointArn"))
		o.name = p.get("backupVaultName").text()
		o.long = join(", ", o.long, wording.After("vault ", o.name))
	case kindSequence:
		o.label = "attack sequence"
	default:
		o.unknown(r)
	}
	if o.label == "" {
		o.label = o.long
	}
	return o
}

// kindOf decides which of the described resources the finding is about. S3's
// findings name the caller's access key as the resource; the bucket is what
// people ask for.
func kindOf(r value, t Type) string {
	declared := clip(r.get("resourceType").text(), 60)
	if k, ok := otherSpellings[declared]; ok {
		declared = k
	}
	bucket := r.get("s3BucketDetails").get("name").ok() || r.get("s3BucketDetails").get("arn").ok()
	switch {
	case t.Resource == "S3" && bucket && (declared == kindAccessKey || declared == ""):
		return kindS3Bucket
	case isKnown(declared):
		return declared
	case (t.Resource == "IAMUser" || t.Resource == "IAM") && r.get("accessKeyDetails").ok():
		return kindAccessKey
	}
	for _, d := range detailsOf {
		if v := r.get(d.member); v.kind() == object || v.kind() == array && v.child().ok() {
			return d.kind
		}
	}
	switch {
	case declared != "":
		return declared
	case t.Purpose == kindSequence:
		return kindSequence
	}
	return kindsByType[t.Resource]
}

func isKnown(k string) bool {
	for _, d := range detailsOf {
		if d.kind == k {
			return true
		}
	}
	return k == kindSequence || k == kindS3Object
}

func (o *ours) fact(name, v string) {
	if v != "" {
		o.facts = append(o.facts, tocsin.Fact{Name: name, Value: v})
	}
}

func (o *ours) accessKey(a value) {
	o.id = wording.First(a.get("accessKeyId").text(), a.get("principalId").text())
	o.name = a.get("userName").text()
	p := readPrincipal(a)
	o.label = p.short(maxName)
	o.long = p.long()
}

func (o *ours) instance(d value) {
	o.id = d.get("instanceId").text()
	o.tags = d.get("tags")
	o.name = tagName(o.tags)
	o.label = "EC2 " + wording.First(middle(o.id, maxName), "instance") + paren(middle(o.name, maxName))
	nic := d.get("networkInterfaces")
	o.long = join(", ",
		wording.First(o.id, "an instance")+paren(o.name),
		d.get("instanceType").text(), d.get("instanceState").text(),
		wording.After("public ", nic.get("publicIp").text()),
		wording.After("private ", nic.get("privateIpAddress").text()),
		nic.get("vpcId").text(),
	)
	o.fact("Groups", securityGroups(nic.get("securityGroups")))
	o.fact("Profile", arnName(d.at("iamInstanceProfile", "arn").text()))
}

// tagName is the value of the Name tag.
func tagName(tags value) (name string) {
	tags.list(func(t value) bool {
		if t.get("key").is("name") {
			name = t.get("value").text()
		}
		return name == ""
	})
	return name
}

func securityGroups(groups value) string {
	var all []string
	groups.list(func(g value) bool {
		all = append(all, wording.First(g.get("groupId").text(), g.get("groupName").text())+paren(g.get("groupName").text()))
		return len(all) < 20
	})
	return wording.Some(5, all)
}

func (o *ours) bucket(b value) {
	name := wording.First(b.get("name").text(), arnName(b.get("arn").text()))
	o.id, o.tags = name, b.get("tags")
	o.label = "S3 bucket" + wording.After(" ", middle(name, 40))
	o.long = o.label
	if name != "" {
		o.long = "S3 bucket " + name
	}
	encryption := b.at("defaultServerSideEncryption", "encryptionType").text()
	o.long = join(", ", o.long, publicness(b.at("publicAccess", "effectivePermission").text()),
		wording.After("encryption ", encryption))
	objects := b.get("s3ObjectDetails")
	key := objects.get("key").text()
	if o.kind == kindS3Object && (key != "" || name != "") {
		o.id = join("/", name, key)
		o.name = wording.First(lastSegment(key), name)
		o.label = "S3 object " + middle(o.id, 44)
		o.long = join(", ", "s3://"+o.id, wording.After("version ", objects.get("versionId").text()))
	}
	if n := objects.len(); key != "" && (o.kind != kindS3Object || n > 1) {
		o.fact("Objects", key+moreThanOne(n))
	}
	if h := objects.get("hash").text(); h != "" {
		o.fact("Hash", h)
	}
}

func moreThanOne(n int) string {
	if n > 1 {
		return " and " + strconv.Itoa(n-1) + " more"
	}
	return ""
}

func publicness(permission string) string {
	switch permission {
	case "PUBLIC":
		return "PUBLIC"
	case "NOT_PUBLIC":
		return "not public"
	}
	return strings.ToLower(permission)
}

func (o *ours) eks(r value) {
	c := r.get("eksClusterDetails")
	o.id = wording.First(c.get("name").text(), arnName(c.get("arn").text()))
	o.tags = c.get("tags")
	w := r.at("kubernetesDetails", "kubernetesWorkloadDetails")
	o.name = join("/", w.get("namespace").text(), w.get("name").text())
	o.label = "EKS cluster" + wording.After(" ", middle(o.id, maxName))
	o.long = join(", ", o.label, workload(w))
	o.workloadFacts(w)
	if r.get("containerDetails").ok() {
		o.containerFacts(r.get("containerDetails"))
	}
	o.hostFact(r)
}

// workload is "pod payments/nginx".
func workload(w value) string {
	name := join("/", w.get("namespace").text(), w.get("name").text())
	if name == "" {
		return ""
	}
	return wording.First(strings.TrimSuffix(strings.ToLower(w.get("type").text()), "s"), "workload") + " " + name
}

func (o *ours) workloadFacts(w value) {
	var images []string
	privileged := false
	w.get("containers").list(func(c value) bool {
		images = append(images, c.get("image").text())
		if yes, _ := c.at("securityContext", "privileged").truth(); yes {
			privileged = true
		}
		return len(images) < 20
	})
	o.fact("Image", wording.Some(3, images))
	var mounts []string
	w.get("volumes").list(func(v value) bool {
		mounts = append(mounts, v.at("hostPath", "path").text())
		return len(mounts) < 20
	})
	var risks []string
	if privileged {
		risks = append(risks, "privileged container")
	}
	for _, name := range [...]string{"hostNetwork", "hostPID", "hostIPC"} {
		if yes, _ := w.get(name).truth(); yes {
			risks = append(risks, name)
		}
	}
	if m := wording.Some(3, mounts); m != "" {
		risks = append(risks, "host path "+m)
	}
	o.fact("Access", strings.Join(risks, ", "))
}

func (o *ours) containerFacts(c value) {
	image := c.get("image").text()
	for _, f := range o.facts {
		if f.Name == "Image" {
			image = ""
		}
	}
	o.fact("Image", image)
	o.fact("Container", join(" ", c.get("name").text(), clip(strings.TrimPrefix(c.get("id").text(), "docker://"), 13)))
	if yes, _ := c.at("securityContext", "privileged").truth(); yes {
		for _, f := range o.facts {
			if f.Name == "Access" {
				return
			}
		}
		o.fact("Access", "privileged container")
	}
}

// hostFact names the instance on which a workload runs.
func (o *ours) hostFact(r value) {
	if d := r.get("instanceDetails"); d.ok() {
		o.fact("Host", d.get("instanceId").text()+paren(tagName(d.get("tags"))))
	}
}

func (o *ours) ecs(r value) {
	c := r.get("ecsClusterDetails")
	o.id = wording.First(c.get("name").text(), arnName(c.get("arn").text()))
	o.tags = c.get("tags")
	task := c.get("taskDetails")
	o.name = strings.TrimPrefix(task.get("group").text(), "service:")
	o.label = "ECS cluster" + wording.After(" ", middle(o.id, maxName)) + paren(middle(o.name, maxName))
	o.long = join(", ", "ECS cluster"+wording.After(" ", o.id), task.get("group").text(),
		wording.After("task ", lastSegment(task.get("arn").text())),
		wording.After("definition ", lastDefinition(task.get("definitionArn").text())), task.get("launchType").text())
	image := task.get("containers").get("image").text()
	if r.get("containerDetails").get("image").text() == "" {
		o.fact("Image", image)
	}
	o.containerFacts(r.get("containerDetails"))
	o.hostFact(r)
}

// lastDefinition is "app:7" of a task definition's ARN, whose name has a colon.
func lastDefinition(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

func (o *ours) container(r value) {
	c := r.get("containerDetails")
	o.id = c.get("id").text()
	o.name = c.get("name").text()
	host := r.get("instanceDetails")
	o.tags = host.get("tags")
	o.label = "container " + wording.First(middle(o.name, maxName), clip(o.id, 13), "on "+wording.First(host.get("instanceId").text(), "EC2"))
	o.long = join(", ", o.label, wording.After("on ", host.get("instanceId").text())+paren(tagName(o.tags)))
	o.containerFacts(c)
}

func (o *ours) lambda(d value) {
	o.id = wording.First(d.get("functionName").text(), arnName(d.get("functionArn").text()))
	o.tags = d.get("tags")
	o.label = "Lambda " + wording.First(middle(o.id, 40), "function")
	o.long = join(", ", "Lambda "+wording.First(o.id, "function"), wording.After("version ", d.get("functionVersion").text()),
		wording.After("role ", arnName(d.get("role").text())), d.at("vpcConfig", "vpcId").text())
	o.fact("Groups", securityGroups(d.at("vpcConfig", "securityGroups")))
}

func (o *ours) database(r value) {
	d := r.get("rdsDbInstanceDetails")
	id := d.get("dbInstanceIdentifier")
	if o.kind == kindRDSLimitless {
		d = r.get("rdsLimitlessDbDetails")
		id = d.get("dbShardGroupIdentifier")
	}
	o.id = wording.First(id.text(), arnName(wording.First(d.get("dbInstanceArn").text(), d.get("dbShardGroupArn").text())))
	o.name, o.tags = d.get("dbClusterIdentifier").text(), d.get("tags")
	o.label = "RDS " + wording.First(middle(o.id, 36), "database")
	public := ""
	if yes, known := d.get("publiclyAccessible").truth(); known && yes {
		public = "PUBLIC"
	} else if known {
		public = "not public"
	}
	o.long = join(", ", "RDS "+wording.First(o.id, "database"), wording.After("cluster ", o.name),
		join(" ", d.get("engine").text(), d.get("engineVersion").text()), public)
}

func (o *ours) backup(short, long string, arn value) {
	full := arn.text()
	o.id = arnName(full)
	o.label = short + wording.After(" ", middle(o.id, 36))
	o.long = long + wording.After(" ", wording.First(full, o.id))
}

// unknown finds a name for a resource of a type that is not known here: in the
// member that describes it, what ends in Name, Identifier, Id or Arn.
func (o *ours) unknown(r value) {
	suffixes := [...]string{"name", "identifier", "id", "arn"}
	best := len(suffixes)
	r.each(func(details value) bool {
		if details.kind() == array {
			details = details.child()
		}
		if details.kind() != object {
			return true
		}
		details.each(func(m value) bool {
			s := m.text()
			if s == "" {
				return true
			}
			for i, suffix := range suffixes[:best] {
				if strings.HasSuffix(strings.ToLower(m.name()), suffix) {
					best, o.id = i, s
					break
				}
			}
			return true
		})
		if tags := details.get("tags"); tags.ok() {
			o.tags = tags
		}
		return true
	})
	o.long = join(" ", wording.First(humanise(o.kind), "resource"), o.id)
	o.label = join(" ", wording.First(middle(humanise(o.kind), 30), "resource"), middle(o.id, 36))
}

// resourceOf is o as the detection has it.
func (o ours) resource() tocsin.Resource {
	return tocsin.Resource{
		Type: o.kind, ID: clip(o.id, maxFact), Name: clip(o.name, maxFact), Tags: readTags(o.tags),
	}
}

// readTags reads [{key, value}], and the plain map that some senders make of it.
func readTags(v value) map[string]string {
	var tags map[string]string
	add := func(k, val string) bool {
		if k != "" {
			if tags == nil {
				tags = make(map[string]string)
			}
			tags[clip(k, 128)] = clip(val, 256)
		}
		return len(tags) < maxTags
	}
	if v.kind() == object && !v.get("key").ok() {
		v.each(func(m value) bool { return add(clip(m.name(), 128), m.text()) })
		return tags
	}
	v.list(func(t value) bool { return add(t.get("key").text(), t.get("value").text()) })
	return tags
}

// A principal is somebody with credentials of ours.
type principal struct {
	userType, userName, session, key string
}

func readPrincipal(a value) principal {
	p := principal{userType: a.get("userType").text(), userName: a.get("userName").text()}
	id := a.get("principalId").text()
	id, p.session, _ = strings.Cut(id, ":")
	if p.userName == "" {
		p.userName = id
	}
	if key := a.get("accessKeyId").text(); key != "" {
		p.key = lastFour(key)
	}
	return p
}

// lastFour hides all but the end of a key's id.
func lastFour(key string) string {
	r := []rune(key)
	return "…" + string(r[max(0, len(r)-4):])
}

// short is how a headline calls them: "role Admin", "root user".
func (p principal) short(limit int) string {
	kind := ""
	switch p.userType {
	case "Root":
		return "root user"
	case "IAMUser":
		kind = "user"
	case "Role", "AssumedRole":
		kind = "role"
	case "FederatedUser":
		kind = "federated user"
	case "AWSService":
		kind = "AWS service"
	case "AWSAccount":
		kind = "AWS account principal"
	default:
		if kind = humanise(p.userType); kind == "" || len(kind) > 20 {
			kind = "principal"
		}
	}
	switch {
	case p.userName != "":
		return kind + " " + middle(p.userName, limit)
	case p.key != "":
		return "access key " + p.key
	case p.userType == "":
		return "an IAM principal"
	}
	return kind
}

func (p principal) long() string {
	session := ""
	if p.session != "" && p.session != p.userName {
		session = p.session
	}
	return join(", ", p.short(200), wording.After("session ", session), wording.After("key ", p.key))
}
