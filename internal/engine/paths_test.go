package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/rules"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// An object of JSON.
type object = map[string]any

// A finding by five ways: the buses of the member and of the delegated administrator,
// the export to S3, the API, and Security Hub.
type fiveWays struct {
	event object // of the member's bus
	api   func(detail object) object
}

const (
	administrator = "999988887777"
	hubAccount    = "888877776666"
)

func document(t *testing.T, path string) (v object) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../guardduty/testdata", path))
	check(t, err)
	check(t, json.Unmarshal(raw, &v))
	return v
}

func text(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	check(t, err)
	return raw
}

func clone(t *testing.T, v object) (c object) {
	t.Helper()
	check(t, json.Unmarshal(text(t, v), &c))
	return c
}

// asTheAPI has additionalInfo as text, and times within a resource as seconds.
func asTheAPI(detail object) object {
	service := detail["service"].(object)
	if info, ok := service["additionalInfo"].(object); ok {
		if _, packed := info["value"].(string); !packed {
			value, err := json.Marshal(info)
			if err != nil {
				panic(err)
			}
			info = object{"value": string(value)}
		}
		service["additionalInfo"] = object{"value": info["value"], "type": "default"}
	}
	if cluster, ok := detail["resource"].(object)["eksClusterDetails"].(object); ok {
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(cluster["createdAt"])); err == nil {
			cluster["createdAt"] = float64(at.UnixMilli()) / 1000
		}
	}
	return detail
}

// asTheCLI is that with capitals.
func asTheCLI(detail object) object { return capitals(asTheAPI(detail)).(object) }

func capitals(v any) any {
	switch v := v.(type) {
	case object:
		all := object{}
		for k, m := range v {
			all[strings.ToUpper(k[:1])+k[1:]] = capitals(m)
		}
		return all
	case []any:
		for i := range v {
			v[i] = capitals(v[i])
		}
	}
	return v
}

// asff is the finding as Security Hub imports it, as its user guide and real findings
// have it: what GuardDuty calls the service in flat fields, and resources by types.
func asff(detail object) object {
	arn, _ := detail["arn"].(string)
	fields := object{"aws/securityhub/ProductName": "GuardDuty", "aws/securityhub/CompanyName": "Amazon"}
	flatten(fields, "aws/guardduty/service", detail["service"])
	var resources []any
	all := detail["resource"].(object)
	if in, ok := all["instanceDetails"].(object); ok {
		network := in["networkInterfaces"].([]any)[0].(object)
		tags := object{}
		for _, tag := range list(in["tags"]) {
			tags[fmt.Sprint(tag.(object)["key"])] = tag.(object)["value"]
		}
		resources = append(resources, object{
			"Type": "AwsEc2Instance", "Id": fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", detail["region"], detail["accountId"], in["instanceId"]), "Partition": "aws", "Region": detail["region"], "Tags": tags,
			"Details": object{"AwsEc2Instance": object{"Type": in["instanceType"], "ImageId": in["imageId"], "VpcId": network["vpcId"], "IpV4Addresses": []any{network["privateIpAddress"], network["publicIp"]}}},
		})
	}
	if cluster, ok := all["eksClusterDetails"].(object); ok {
		resources = append(resources, object{"Type": "AwsEksCluster", "Id": cluster["arn"], "Partition": detail["partition"], "Region": detail["region"]})
	}
	if key, ok := all["accessKeyDetails"].(object); ok {
		resources = append(resources, object{
			"Type": "AwsIamAccessKey", "Id": fmt.Sprint("AWS::IAM::AccessKey:", key["accessKeyId"]), "Partition": detail["partition"], "Region": detail["region"],
			"Details": object{"AwsIamAccessKey": object{"PrincipalId": key["principalId"], "PrincipalName": key["userName"], "PrincipalType": key["userType"]}},
		})
	}
	generator, _, _ := strings.Cut(arn, "/finding/")
	severity, _ := detail["severity"].(float64)
	service := detail["service"].(object)
	return object{
		"SchemaVersion": "2018-10-08", "Id": arn, "ProductArn": fmt.Sprintf("arn:%s:securityhub:%s::product/aws/guardduty", detail["partition"], detail["region"]), "ProductName": "GuardDuty", "CompanyName": "Amazon",
		"GeneratorId": generator, "AwsAccountId": detail["accountId"], "Region": detail["region"], "Types": []any{"TTPs/Command and Control/" + strings.Replace(detail["type"].(string), "/", "-", 1)},
		"CreatedAt": detail["createdAt"], "UpdatedAt": detail["updatedAt"], "FirstObservedAt": service["eventFirstSeen"], "LastObservedAt": service["eventLastSeen"],
		"ProcessedAt": "2026-11-01T00:00:00.000Z", "Severity": object{"Label": map[bool]string{true: "HIGH", false: "MEDIUM"}[severity >= 7], "Normalized": severity * 10, "Product": severity},
		"Title": detail["title"], "Description": detail["description"], "ProductFields": fields, "Resources": resources, "RecordState": "ACTIVE", "WorkflowState": "NEW", "Workflow": object{"Status": "NEW"}, "Sample": false,
	}
}

func list(v any) []any { all, _ := v.([]any); return all }

// flatten writes a tree into flat fields; elements of lists are "name.0_".
func flatten(into object, path string, v any) {
	switch v := v.(type) {
	case object:
		for k, m := range v {
			flatten(into, path+"/"+k, m)
		}
	case []any:
		for i, m := range v {
			flatten(into, fmt.Sprintf("%s.%d_", path, i), m)
		}
	case nil:
	case float64:
		into[path] = fmt.Sprintf("%v", v)
	default:
		into[path] = fmt.Sprint(v)
	}
}

// wayNames are the five ways, as [fiveWays.by] has them.
var wayNames = []string{"the member's bus", "the administrator's bus", "the export to S3", "the API", "Security Hub"}

// by is the finding by one of the ways. Each has an envelope of its own.
func (w fiveWays) by(t *testing.T, way int, id string, update func(detail object)) tocsin.Event {
	t.Helper()
	e := clone(t, w.event)
	detail := e["detail"].(object)
	old := detail["id"].(string)
	detail["id"], detail["arn"] = id, strings.Replace(detail["arn"].(string), old, id, 1)
	update(detail)
	envelope := fmt.Sprintf("%s-%d-%v", id, way, detail["updatedAt"])
	e["id"] = envelope
	ev := tocsin.Event{Envelope: envelope}
	switch way {
	case 0:
		ev.Source, ev.Via, ev.Raw = "member", "https", text(t, e)
	case 1:
		e["account"] = administrator
		body := text(t, object{"Type": "Notification", "MessageId": envelope, "TopicArn": "arn:aws:sns:eu-west-1:" + administrator + ":findings", "Message": string(text(t, e)), "Timestamp": "2026-03-01T12:00:00.000Z"})
		n, ok := queue.Unwrap(string(body))
		if !ok {
			t.Fatalf("no notification: %s", body)
		}
		ev.Source, ev.Via, ev.Raw = "organisation", "sqs", []byte(n.Message)
	case 2:
		ev.Source, ev.Via, ev.Raw = "export", "s3", text(t, detail)
	case 3:
		ev.Source, ev.Via, ev.Raw = "guardduty", tocsin.ViaReconcile, text(t, w.api(detail))
	case 4:
		ev.Source, ev.Via, ev.Raw = "hub", "sqs", text(t, object{
			"version": "0", "id": envelope, "detail-type": "Security Hub Findings - Imported", "source": "aws.securityhub", "account": hubAccount, "time": "2026-11-01T00:00:01Z",
			"region": detail["region"], "resources": []any{detail["arn"]}, "detail": object{"findings": []any{asff(detail)}},
		})
	}
	return ev
}

// orders are all orders of n things.
func orders(n int) (all [][]int) {
	var permute func(done []int)
	permute = func(done []int) {
		if len(done) == n {
			all = append(all, slices.Clone(done))
			return
		}
		for i := range n {
			if !slices.Contains(done, i) {
				permute(append(done, i))
			}
		}
	}
	permute(nil)
	return all
}

// One finding by five ways, whatever the order, is one alert with one message owed and
// five pieces of evidence, and it ends the same; and so it is when one of the ways
// tells of an update.
func TestAFindingByFiveWaysIsOneAlert(t *testing.T) {
	t.Parallel()
	ec2, eks := document(t, "findings/real-ec2-custom-threat-list.json"), document(t, "spellings/eks.event.json")
	for name, ways := range map[string]fiveWays{
		"EC2, the API as the CLI prints it": {ec2, asTheCLI},
		"EKS, the API as it answers":        {eks, asTheAPI},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, openSQLite)
			rs, err := rules.New([]rules.Rule{
				{Name: "guardduty", Pattern: parse(t, `{"source":["aws.guardduty"]}`)},
				{Name: "security-hub", Pattern: parse(t, `{"source":["aws.securityhub"]}`)},
			}, nil)
			check(t, err)
			s.plan.Rules = rs
			s.reopenEngine(t)
			all := orders(5)
			id := func(i int) string { return fmt.Sprintf("%032x", i) }
			for turn := range 5 { // of all orders at once
				var events []tocsin.Event
				for i, order := range all {
					events = append(events, ways.by(t, order[turn], id(i), func(object) {}))
				}
				s.accept(t, events...)
			}
			s.sameEverywhere(t, all, id, 5, func(int) string { return "" })
			// A later version, by each of the ways in turn.
			var updates []tocsin.Event
			for i := range all {
				updates = append(updates, ways.by(t, i%5, id(i), func(detail object) {
					at, err := time.Parse(time.RFC3339, detail["updatedAt"].(string))
					check(t, err)
					detail["updatedAt"] = at.Add(15 * time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")
					service := detail["service"].(object)
					service["count"] = service["count"].(float64) + 7
				}))
			}
			s.accept(t, updates...)
			// Security Hub knows the new figures, and has not all the words.
			s.sameEverywhere(t, all, id, 6, func(i int) string { return map[bool]string{true: "updated by Security Hub"}[i%5 == 4] })
		})
	}
}

// sameEverywhere holds the alerts of all orders against each other; those that group
// says are different may be.
func (s *scene) sameEverywhere(t *testing.T, all [][]int, id func(int) string, events int64, group func(int) string) {
	t.Helper()
	s.drain(t)
	alerts := s.alerts(t)
	if len(alerts) != len(all) {
		t.Fatalf("%d alerts of %d findings", len(alerts), len(all))
	}
	byFinding := map[string]tocsin.Alert{}
	for _, a := range alerts {
		byFinding[a.Detection.ID] = a
	}
	owed, told := map[int64]int{}, map[int64]int{}
	for _, n := range s.notifications(t) {
		owed[n.Alert]++
		if n.Kind == tocsin.TellOpened {
			told[n.Alert]++
		}
	}
	evidence := map[int64][]string{}
	check(t, s.store.View(t.Context(), func(tx *store.Tx) error {
		return tx.EachEvent(store.EventFilter{}, func(ev tocsin.Event) error {
			evidence[ev.Alert] = append(evidence[ev.Alert], ev.Via+":"+ev.Source)
			return nil
		})
	}))
	first := map[string]string{}
	for i, order := range all {
		a, ok := byFinding[id(i)]
		if !ok {
			t.Fatalf("order %s: no alert of its finding", names(order))
		}
		if owed[a.ID] != 1 || told[a.ID] != 1 {
			t.Errorf("order %s: %d notifications are owed, %d of its opening; want one", names(order), owed[a.ID], told[a.ID])
		}
		slices.Sort(evidence[a.ID])
		if ways := slices.Compact(evidence[a.ID]); len(ways) != 5 || !slices.Equal(ways, a.Paths) || a.Events != events {
			t.Errorf("order %s: it came by %v in %d events, the journal has %v", names(order), a.Paths, a.Events, ways)
		}
		end := endState(t, a, id(i))
		which := group(i)
		if first[which] == "" {
			first[which] = end
		}
		if diff := cmp.Diff(first[which], end); diff != "" {
			t.Fatalf("order %s ends otherwise than %s (-that +this):\n%s", names(order), names(all[0]), diff)
		}
	}
	for _, a := range alerts {
		if a.Dialect != "guardduty" || a.Copied || a.Rule != "guardduty" || a.ReportedBy != hubAccount {
			t.Errorf("it is %s's by rule %s, copied %v, reported by %s", a.Dialect, a.Rule, a.Copied, a.ReportedBy)
		}
	}
}

func names(order []int) string {
	var all []string
	for _, way := range order {
		all = append(all, wayNames[way])
	}
	return strings.Join(all, ", ")
}

// endState is the alert as JSON without what is of this one alone: its number, when
// its events came, and which of the ways that told of the same version was first.
func endState(t *testing.T, a tocsin.Alert, id string) string {
	t.Helper()
	a.ID, a.Version = 0, 0
	for _, at := range []*time.Time{&a.OpenedAt, &a.HeardAt, &a.ChangedAt, &a.SaidAt} {
		*at = time.Time{}
	}
	a.Path = ""
	raw, err := json.MarshalIndent(a, "", "  ")
	check(t, err)
	return strings.ReplaceAll(string(raw), id, "the finding")
}
