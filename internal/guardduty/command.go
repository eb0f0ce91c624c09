package guardduty

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/wording"
)

// maxArgument is the longest value that goes into a command.
const maxArgument = 512

// A commandLine is one command for a shell. Its words that come from the finding
// are quoted; one that could be taken for something else than a value makes the
// whole command unfit.
type commandLine struct {
	strings.Builder
	unfit bool
}

func newCommand(program string) *commandLine {
	c := &commandLine{}
	c.WriteString(program)
	return c
}

// option adds an option with its value. A value that looks like an option is
// tied to it by "=".
func (c *commandLine) option(name, v string) *commandLine {
	c.WriteByte(' ')
	c.WriteString(name)
	if strings.HasPrefix(v, "-") {
		c.WriteByte('=')
	} else {
		c.WriteByte(' ')
	}
	return c.quote(v)
}

// quote adds v for a POSIX shell. The AWS CLI would read a file or a page for a
// value with file:// or http:// before it.
func (c *commandLine) quote(v string) *commandLine {
	if v == "" || len(v) > maxArgument || strings.Contains(v, "://") {
		c.unfit = true
	}
	c.WriteString(shellQuote(v))
	return c
}

// in adds the region, if it is known.
func (c *commandLine) in(region string) *commandLine {
	if region == "" {
		return c
	}
	return c.option("--region", region)
}

// shellQuote makes one word of s for a POSIX shell, whatever is in it.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// text is the command, or "" where it could not be made.
func (c *commandLine) text() string {
	if c.unfit {
		return ""
	}
	return c.String()
}

// command is the first thing to run to see more. It only reads. Where the
// finding does not say enough for its kind, it is the command that shows the
// finding itself.
func (r *reading) command() string {
	if s := r.particular(); s != "" {
		return s
	}
	return r.showFinding()
}

// particular is the command for the kind of finding and resource.
func (r *reading) particular() string {
	resource := r.detail.get("resource")
	switch r.ours.kind {
	case kindAccessKey:
		return r.lookupEvents()
	case kindInstance:
		return r.instanceCommand(resource)
	case kindS3Bucket:
		return r.optional("aws s3api get-bucket-policy-status", "--bucket", r.ours.id)
	case kindS3Object:
		return r.objectCommand(resource)
	case kindEKS:
		return r.kubernetesCommand(resource)
	case kindECS:
		return r.taskCommand(resource)
	case kindContainer:
		return r.instanceCommand(resource)
	case kindLambda:
		return r.optional("aws lambda get-function-configuration", "--function-name", r.ours.id)
	case kindRDS:
		return r.optional("aws rds describe-db-instances", "--db-instance-identifier", r.ours.id)
	case kindRDSLimitless:
		return r.optional("aws rds describe-db-shard-groups", "--db-shard-group-identifier", r.ours.id)
	case kindEBSSnapshot:
		return r.optional("aws ec2 describe-snapshots", "--snapshot-ids", r.ours.id)
	case kindEC2Image:
		return r.optional("aws ec2 describe-images", "--image-ids", r.ours.id)
	case kindRecoveryPoint:
		return r.recoveryPointCommand(resource)
	}
	return ""
}

// optional is a command with one value, or "" without the value.
func (r *reading) optional(program, option, v string) string {
	if v == "" {
		return ""
	}
	return newCommand(program).option(option, v).in(r.region).text()
}

// lookupEvents asks CloudTrail what else was done with the key, or by the user.
func (r *reading) lookupEvents() string {
	keys := r.detail.at("resource", "accessKeyDetails")
	attribute, v := "AccessKeyId", keys.get("accessKeyId").text()
	if v == "" {
		attribute, v = "Username", keys.get("userName").text()
	}
	if v == "" {
		return ""
	}
	c := newCommand("aws cloudtrail lookup-events")
	if isPlainWord(v) {
		c.option("--lookup-attributes", "AttributeKey="+attribute+",AttributeValue="+v)
	} else {
		// The short form would take a comma for the next attribute.
		c.option("--lookup-attributes", toJSON([]map[string]string{{"AttributeKey": attribute, "AttributeValue": v}}))
	}
	if since := r.detail.at("service", "eventFirstSeen").time(); !since.IsZero() {
		c.option("--start-time", since.Format(time.RFC3339))
	}
	return c.words("--max-results 50").in(r.region).text()
}

// words adds words of ours, which need no quotes.
func (c *commandLine) words(words string) *commandLine {
	c.WriteByte(' ')
	c.WriteString(words)
	return c
}

func isPlainWord(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("+.@_-/", c) < 0 {
			return false
		}
	}
	return true
}

func toJSON(v any) string {
	b, _ := json.Marshal(v) // strings always marshal
	return string(b)
}

func (r *reading) instanceCommand(resource value) string {
	instance := resource.get("instanceDetails")
	if r.action.kind == actionProbe {
		var groups []string
		instance.get("networkInterfaces").get("securityGroups").list(func(g value) bool {
			if id := g.get("groupId").text(); id != "" && !strings.HasPrefix(id, "-") {
				groups = append(groups, id)
			}
			return len(groups) < 5
		})
		if len(groups) > 0 {
			c := newCommand("aws ec2 describe-security-groups --group-ids")
			for _, g := range groups {
				c.WriteByte(' ')
				c.quote(g)
			}
			return c.in(r.region).text()
		}
	}
	if r.malware.scanID != "" {
		if s := r.scanCommand(); s != "" {
			return s
		}
	}
	return r.optional("aws ec2 describe-instances", "--instance-ids", instance.get("instanceId").text())
}

// scanCommand shows the malware scan.
func (r *reading) scanCommand() string {
	detector := r.detectorID()
	if detector == "" {
		return ""
	}
	filter := map[string]any{"FilterCriterion": []any{map[string]any{
		"CriterionKey": "SCAN_ID", "FilterCondition": map[string]string{"EqualsValue": r.malware.scanID},
	}}}
	return newCommand("aws guardduty describe-malware-scans").option("--detector-id", detector).
		option("--filter-criteria", toJSON(filter)).in(r.region).text()
}

func (r *reading) objectCommand(resource value) string {
	bucket := resource.get("s3BucketDetails")
	name, object := bucket.get("name").text(), bucket.get("s3ObjectDetails")
	key := object.get("key").text()
	if name == "" || key == "" {
		return r.optional("aws s3api get-bucket-policy-status", "--bucket", name)
	}
	c := newCommand("aws s3api head-object").option("--bucket", name).option("--key", key)
	if version := object.get("versionId").text(); version != "" {
		c.option("--version-id", version)
	}
	return c.in(r.region).text()
}

func (r *reading) kubernetesCommand(resource value) string {
	w := resource.at("kubernetesDetails", "kubernetesWorkloadDetails")
	name, kind := w.get("name").text(), strings.ToLower(w.get("type").text())
	if name != "" && kind != "" {
		c := newCommand("kubectl get")
		if ns := w.get("namespace").text(); ns != "" {
			c.option("--namespace", ns)
		}
		// What follows "--" cannot be taken for an option.
		if s := c.words("--output yaml -- ").quote(kind + "/" + name).text(); s != "" {
			return s
		}
	}
	return r.optional("aws eks describe-cluster", "--name", r.ours.id)
}

func (r *reading) taskCommand(resource value) string {
	task := resource.at("ecsClusterDetails", "taskDetails", "arn").text()
	if task == "" || r.ours.id == "" {
		return r.optional("aws ecs describe-clusters", "--clusters", r.ours.id)
	}
	return newCommand("aws ecs describe-tasks").option("--cluster", r.ours.id).option("--tasks", task).in(r.region).text()
}

func (r *reading) recoveryPointCommand(resource value) string {
	p := resource.get("recoveryPointDetails")
	vault, arn := p.get("backupVaultName").text(), p.get("recoveryPointArn").text()
	if vault == "" || arn == "" {
		return ""
	}
	return newCommand("aws backup describe-recovery-point").option("--backup-vault-name", vault).
		option("--recovery-point-arn", arn).in(r.region).text()
}

// showFinding shows the finding itself, or, where its detector is not known,
// which detectors there are.
func (r *reading) showFinding() string {
	if detector := r.detectorID(); detector != "" {
		if s := newCommand("aws guardduty get-findings").option("--detector-id", detector).
			option("--finding-ids", r.id).in(r.region).text(); s != "" {
			return s
		}
	}
	return wording.First(newCommand("aws guardduty list-detectors").in(r.region).text(), "aws guardduty list-detectors")
}

// detectorID comes from the ARN where the finding does not have it.
func (r *reading) detectorID() string {
	if id := r.detail.at("service", "detectorId").text(); id != "" {
		return id
	}
	rest, ok := strings.CutPrefix(r.arn().Resource, "detector/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}
