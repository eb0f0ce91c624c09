package demo

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

type object = map[string]any

// A finding lives in the simulation as GuardDuty keeps it: one id, a count that
// grows, and details that each update replaces.
type finding struct {
	place
	kind     kind
	id       string
	severity float64
	count    int
	created  time.Time
	updated  time.Time
	archived bool
	remote   remote
	resource object
	action   object
	extra    object // further fields of service
}

// A kind of finding, as GuardDuty has them.
type kind struct {
	name     string
	severity float64
	title    string
	role     string
	make     func(w *world, f *finding)
}

type remote struct{ ip, country, city, asn, org string }

var remotes = []remote{
	{"198.51.100.23", "Netherlands", "Amsterdam", "64500", "Example Hosting"},
	{"203.0.113.77", "Brazil", "São Paulo", "64501", "Exemplo Telecom"},
	{"192.0.2.45", "Romania", "Bucharest", "64502", "Beispiel Cloud"},
	{"198.51.100.188", "United States", "Ashburn", "64503", "Example Relay"},
}

func (r remote) details() object {
	return object{
		"ipAddressV4": r.ip, "country": object{"countryName": r.country}, "city": object{"cityName": r.city},
		"organization": object{"asn": r.asn, "asnOrg": r.org, "isp": r.org, "org": r.org},
		"geoLocation":  object{"lat": 52.37, "lon": 4.89},
	}
}

var kinds = []kind{
	{"CryptoCurrency:EC2/BitcoinTool.B!DNS", 8, "The EC2 instance %s is querying a domain name associated with Bitcoin activity.", "ACTOR", func(w *world, f *finding) {
		f.resource = w.instance(f)
		f.action = object{"actionType": "DNS_REQUEST", "dnsRequestAction": object{"domain": "pool.mine.example", "protocol": "UDP", "blocked": false}}
	}},
	{"Backdoor:EC2/C&CActivity.B", 8, "The EC2 instance %s is communicating with a known command and control server.", "ACTOR", func(w *world, f *finding) {
		f.resource = w.instance(f)
		f.action = connection(f.remote, "OUTBOUND", 443)
	}},
	{"UnauthorizedAccess:EC2/SSHBruteForce", 5, "%s is performing SSH brute force attacks.", "TARGET", func(w *world, f *finding) {
		f.resource = w.instance(f)
		f.action = connection(f.remote, "INBOUND", 22)
	}},
	{"Recon:EC2/PortProbeUnprotectedPort", 2, "Unprotected port on EC2 instance %s is being probed.", "TARGET", func(w *world, f *finding) {
		f.resource = w.instance(f)
		f.action = object{"actionType": "PORT_PROBE", "portProbeAction": object{"blocked": false, "portProbeDetails": []object{{
			"localPortDetails": object{"port": 6379, "portName": "Redis"}, "remoteIpDetails": f.remote.details(), "localIpDetails": object{"ipAddressV4": "10.0.1.17"},
		}}}}
	}},
	{"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", 8, "Credentials for the EC2 instance role %s were used from an external IP address.", "TARGET", func(w *world, f *finding) {
		f.resource = w.accessKey("AssumedRole", "web-server-role")
		f.action = call(f.remote, "GetSecretValue", "secretsmanager.amazonaws.com")
	}},
	{"Stealth:IAMUser/CloudTrailLoggingDisabled", 2, "AWS CloudTrail trail was disabled by %s.", "TARGET", func(w *world, f *finding) {
		f.resource = w.accessKey("IAMUser", "deploy-bot")
		f.action = call(f.remote, "StopLogging", "cloudtrail.amazonaws.com")
	}},
	{"Policy:IAMUser/RootCredentialUsage", 2, "API DescribeRegions was invoked using root credentials.", "TARGET", func(w *world, f *finding) {
		f.resource = w.accessKey("Root", "Root")
		f.action = call(f.remote, "DescribeRegions", "ec2.amazonaws.com")
	}},
	{"Exfiltration:S3/AnomalousBehavior", 8, "User %s performed an unusual number of reads on an S3 bucket.", "TARGET", func(w *world, f *finding) {
		f.resource = w.bucket(f, "NOT_PUBLIC")
		f.action = call(f.remote, "GetObject", "s3.amazonaws.com")
	}},
	{"Policy:S3/BucketAnonymousAccessGranted", 8, "Anonymous access was granted to the S3 bucket %s.", "TARGET", func(w *world, f *finding) {
		f.resource = w.bucket(f, "PUBLIC")
		f.action = call(f.remote, "PutBucketPolicy", "s3.amazonaws.com")
	}},
	{"Discovery:Kubernetes/SuccessfulAnonymousAccess", 5, "Kubernetes API was called anonymously on EKS cluster %s.", "TARGET", func(_ *world, f *finding) {
		f.resource = object{
			"resourceType": "EKSCluster", "eksClusterDetails": object{"name": "prod-cluster", "arn": fmt.Sprintf("arn:aws:eks:%s:%s:cluster/prod-cluster", f.region, f.account.id), "vpcId": "vpc-0a1b2c3d", "status": "ACTIVE"},
			"kubernetesDetails": object{"kubernetesUserDetails": object{"username": "system:anonymous", "groups": []string{"system:unauthenticated"}}},
		}
		f.action = object{"actionType": "KUBERNETES_API_CALL", "kubernetesApiCallAction": object{"requestUri": "/api/v1/namespaces/kube-system/secrets", "verb": "list", "sourceIPs": []string{f.remote.ip}, "statusCode": 200, "namespace": "kube-system", "remoteIpDetails": f.remote.details()}}
	}},
	{"CredentialAccess:RDS/AnomalousBehavior.SuccessfulBruteForce", 8, "RDS database %s was logged into after a brute force.", "TARGET", func(_ *world, f *finding) {
		f.resource = object{
			"resourceType": "RDSDBInstance", "rdsDbInstanceDetails": object{"dbInstanceIdentifier": "orders-db", "engine": "Aurora PostgreSQL", "engineVersion": "15.4", "dbClusterIdentifier": "orders", "publiclyAccessible": true},
			"rdsDbUserDetails": object{"user": "app_admin", "application": "psql", "database": "orders", "authMethod": "PASSWORD"},
		}
		f.action = object{"actionType": "RDS_LOGIN_ATTEMPT", "rdsLoginAttemptAction": object{"remoteIpDetails": f.remote.details(), "LoginAttributes": []object{{"user": "app_admin", "application": "psql", "failedLoginAttempts": 412, "successfulLoginAttempts": 1}}}}
	}},
	{"Backdoor:Lambda/C&CActivity.B", 8, "Lambda function %s is communicating with a command and control server.", "ACTOR", func(_ *world, f *finding) {
		f.resource = object{"resourceType": "Lambda", "lambdaDetails": object{"functionName": "invoice-pdf", "functionArn": fmt.Sprintf("arn:aws:lambda:%s:%s:function:invoice-pdf", f.region, f.account.id), "role": fmt.Sprintf("arn:aws:iam::%s:role/invoice-pdf", f.account.id), "functionVersion": "$LATEST"}}
		f.action = connection(f.remote, "OUTBOUND", 8443)
	}},
	{"Execution:Runtime/NewBinaryExecuted", 5, "A newly created binary was executed in container %s.", "TARGET", func(_ *world, f *finding) {
		f.resource = object{"resourceType": "ECSCluster", "ecsClusterDetails": object{"name": "web", "arn": fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/web", f.region, f.account.id), "taskDetails": object{"definitionArn": fmt.Sprintf("arn:aws:ecs:%s:%s:task-definition/web:41", f.region, f.account.id), "containers": []object{{"name": "nginx", "image": "nginx:1.27"}}}}}
		f.extra = object{"featureName": "RuntimeMonitoring", "runtimeDetails": object{"process": object{"name": "kworkerds", "executablePath": "/tmp/kworkerds", "executableSha256": "2f1c…", "pid": 4711, "user": "www-data", "lineage": []object{{"name": "sh", "executablePath": "/bin/sh", "pid": 4700}, {"name": "nginx", "executablePath": "/usr/sbin/nginx", "pid": 1}}}}}
	}},
	{"AttackSequence:IAM/CompromisedCredentials", 9, "Potential credential compromise of %s indicated by a sequence of actions.", "TARGET", func(_ *world, f *finding) {
		f.resource = object{"resourceType": "AttackSequence"}
		f.extra = object{"featureName": "Correlation", "detection": object{"sequence": object{
			"uid": f.id, "description": "A sequence of actions involving 3 signals indicates that the credentials of deploy-bot are compromised.",
			"actors":    []object{{"id": "IAMUser:AIDAEXAMPLE", "user": object{"name": "deploy-bot", "uid": "AIDAEXAMPLE", "type": "IAMUser", "account": object{"uid": f.account.id}}}},
			"endpoints": []object{{"id": "e1", "ip": f.remote.ip, "location": object{"city": f.remote.city, "country": f.remote.country}, "autonomousSystem": object{"name": f.remote.org, "number": 64500}}},
			"resources": []object{{"uid": "arn:aws:s3:::customer-exports", "name": "customer-exports", "resourceType": "S3_BUCKET", "accountId": f.account.id, "region": f.region}},
			"signals": []object{
				{"uid": "s1", "type": "FINDING", "name": "UnauthorizedAccess:IAMUser/TorIPCaller", "severity": 5, "count": 3},
				{"uid": "s2", "type": "CLOUD_TRAIL", "name": "CreateAccessKey", "count": 1},
				{"uid": "s3", "type": "S3_DATA_EVENTS", "name": "GetObject", "count": 1840},
			},
			"sequenceIndicators": []object{
				{"key": "ATTACK_TACTIC", "values": []string{"Initial Access", "Persistence", "Exfiltration"}},
				{"key": "ATTACK_TECHNIQUE", "values": []string{"T1078.004 - Valid Accounts: Cloud Accounts"}},
			},
		}}}
	}},
}

func kindOf(name string) kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	panic("demo: no kind " + name)
}

func connection(r remote, direction string, port int) object {
	return object{"actionType": "NETWORK_CONNECTION", "networkConnectionAction": object{
		"connectionDirection": direction, "protocol": "TCP", "blocked": false, "remoteIpDetails": r.details(),
		"localPortDetails": object{"port": 39184, "portName": "Unknown"}, "remotePortDetails": object{"port": port, "portName": "Unknown"}, "localIpDetails": object{"ipAddressV4": "10.0.1.17"},
	}}
}

func call(r remote, api, service string) object {
	c := object{"api": api, "serviceName": service, "callerType": "Remote IP", "userAgent": "aws-cli/2.17.0", "remoteIpDetails": r.details(), "affectedResources": object{}}
	return object{"actionType": "AWS_API_CALL", "awsApiCallAction": c}
}

func (w *world) instance(f *finding) object {
	name := pick(w.rng, []string{"web-1", "web-2", "batch-7", "bastion", "worker-12"})
	return object{"resourceType": "Instance", "instanceDetails": object{
		"instanceId": "i-0" + f.id[:16], "instanceType": "m6i.large", "instanceState": "running", "availabilityZone": f.region + "a",
		"launchTime": f.created.AddDate(0, -2, 0).Format(time.RFC3339), "imageId": "ami-0" + f.id[16:32],
		"tags":               []object{{"key": "Name", "value": name}, {"key": "owner", "value": f.account.owner()}},
		"iamInstanceProfile": object{"arn": fmt.Sprintf("arn:aws:iam::%s:instance-profile/web", f.account.id), "id": "AIPAEXAMPLE"},
		"networkInterfaces": []object{{
			"networkInterfaceId": "eni-0" + f.id[:12], "publicIp": "203.0.113.10", "privateIpAddress": "10.0.1.17", "vpcId": "vpc-0a1b2c3d", "subnetId": "subnet-0a1b2c3d",
			"securityGroups": []object{{"groupId": "sg-0a1b2c3d", "groupName": "web-public"}},
		}},
	}}
}

func (w *world) accessKey(userType, name string) object {
	return object{"resourceType": "AccessKey", "accessKeyDetails": object{"accessKeyId": "ASIAEXAMPLE7QK2M9XT4", "principalId": "AROAEXAMPLE:session", "userType": userType, "userName": name}}
}

func (w *world) bucket(f *finding, permission string) object {
	r := w.accessKey("IAMUser", "deploy-bot")
	r["resourceType"] = "S3Bucket"
	r["s3BucketDetails"] = []object{{
		"name": f.account.name + "-exports", "arn": "arn:aws:s3:::" + f.account.name + "-exports", "type": "Destination",
		"publicAccess": object{"effectivePermission": permission}, "defaultServerSideEncryption": object{"encryptionType": "SSEAlgorithm"},
	}}
	return r
}

// find makes a new finding of a kind at a place.
func (w *world) find(k kind, p place) *finding {
	sum := md5.Sum(fmt.Appendf(nil, "%d/%s/%s/%s", w.rng.Uint64(), p.account.id, p.region, k.name))
	f := &finding{
		place: p, kind: k, id: hex.EncodeToString(sum[:]), severity: k.severity, count: 1 + w.rng.IntN(4),
		created: w.seen(), updated: w.seen(), remote: pick(w.rng, remotes),
	}
	k.make(w, f)
	return f
}

// moves is somebody who goes on from elsewhere: another name is looked up.
func (f *finding) moves() {
	if dns, ok := f.action["dnsRequestAction"].(object); ok {
		dns["domain"] = "xmr.pool.example"
	}
}

// publishing is how often GuardDuty publishes updates, here as often as it can.
const publishing = 15 * time.Minute

// since has it be found so much earlier, so that updates can follow.
func (f *finding) since(d time.Duration) {
	f.created, f.updated = f.created.Add(-d), f.updated.Add(-d)
}

// grow is the next update of the finding, later by a publishing period as long as
// nothing is in the future by that.
func (w *world) grow(f *finding) {
	next := f.updated.Add(publishing)
	if now := w.seen(); next.After(now) {
		next = now
	}
	if !next.After(f.updated) {
		next = f.updated.Add(time.Second)
	}
	f.updated = next
	f.count += 3 + w.rng.IntN(40)
}

// event is the finding as EventBridge delivers it on the bus of account bus.
func (w *world) event(f *finding, bus string) []byte {
	detector := f.detectorID()
	service := object{
		"serviceName": "guardduty", "detectorId": detector, "resourceRole": f.kind.role, "archived": f.archived, "count": f.count,
		"eventFirstSeen": f.created.Add(-5 * time.Minute).Format(time.RFC3339), "eventLastSeen": f.updated.Add(-time.Minute).Format(time.RFC3339),
		"additionalInfo": object{"value": "{}", "type": "default"},
	}
	if f.action != nil {
		service["action"] = f.action
	}
	maps.Copy(service, f.extra)
	raw, err := json.Marshal(object{
		"version": "0", "id": w.uuid(), "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "account": bus,
		"time": w.put(f).Format(time.RFC3339), "region": f.region, "resources": []string{},
		"detail": object{
			"schemaVersion": "2.0", "accountId": f.account.id, "region": f.region, "partition": "aws", "id": f.id,
			"arn":  fmt.Sprintf("arn:aws:guardduty:%s:%s:detector/%s/finding/%s", f.region, f.account.id, detector, f.id),
			"type": f.kind.name, "resource": f.resource, "service": service, "severity": f.severity,
			"createdAt": f.created.Format(stamp), "updatedAt": f.updated.Format(stamp),
			"title": f.title(), "description": f.title() + " If this activity is unexpected, your resource may be compromised.",
		},
	})
	if err != nil {
		panic(err) // only maps, strings and numbers are in it
	}
	return raw
}

const stamp = "2006-01-02T15:04:05.000Z"

// put is when EventBridge has the finding's event: some seconds before it is here.
func (w *world) put(f *finding) time.Time {
	return w.seen().Add(ago - time.Duration(1+f.id[0]%4)*time.Second)
}

func (f *finding) title() string {
	subject := f.account.name
	if d, ok := f.resource["instanceDetails"].(object); ok {
		subject = d["instanceId"].(string)
	}
	if d, ok := f.resource["accessKeyDetails"].(object); ok {
		subject = d["userName"].(string)
	}
	return strings.Replace(f.kind.title, "%s", subject, 1)
}

func (w *world) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return uuid(b)
}

// uuid is a UUID of random bits.
func uuid(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
