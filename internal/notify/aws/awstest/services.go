package awstest

import (
	"bytes"
	"crypto/md5" //nolint:gosec // SQS answers with it
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
)

// Region and Account are where everything of the tests is.
const (
	Region  = "eu-west-1"
	Account = "111122223333"
)

// operations are what the services do, beyond what their models say.
var operations = map[string]func(*Server, *Call) (any, *refusal){
	"sts:AssumeRole":          (*Server).assumeRole,
	"sqs:SendMessageBatch":    (*Server).sendMessageBatch,
	"sns:PublishBatch":        (*Server).publishBatch,
	"kinesis:PutRecords":      (*Server).putRecords,
	"firehose:PutRecordBatch": (*Server).putRecordBatch,
	"events:PutEvents":        (*Server).putEvents,
	"logs:PutLogEvents":       (*Server).putLogEvents,
	"logs:CreateLogStream":    (*Server).createLogStream,
	"logs:CreateLogGroup":     (*Server).createLogGroup,
	"lambda:Invoke":           (*Server).invoke,
	"states:StartExecution":   (*Server).startExecution,
	"ecs:RunTask":             (*Server).runTask,
	"ssm:SendCommand":         (*Server).sendCommand,
}

func arn(service, region, resource string) string {
	return "arn:" + aws.PartitionOf(region) + ":" + service + ":" + region + ":" + Account + ":" + resource
}

func text(input map[string]any, name string) string {
	s, _ := input[name].(string)
	return s
}

func list(input map[string]any, name string) []map[string]any {
	var all []map[string]any
	values, _ := input[name].([]any)
	for _, v := range values {
		if one, ok := v.(map[string]any); ok {
			all = append(all, one)
		}
	}
	return all
}

func (s *Server) assumeRole(call *Call) (any, *refusal) {
	role := text(call.Input, "RoleArn")
	call.Call = aws.Call{Action: "sts:AssumeRole", Resource: role}
	if external, ok := s.roles[role]; !ok || external != text(call.Input, "ExternalId") {
		return nil, &refusal{status: http.StatusForbidden, code: "AccessDenied", message: "User: arn:aws:iam::" + Account + ":user/tocsin is not authorized to perform: sts:AssumeRole on resource: " + role}
	}
	n := len(s.known)
	id, c := fmt.Sprintf("ASIAEXAMPLE%09d", n), sigv4test.Credential{
		Secret: fmt.Sprintf("session-secret-%024d", n), Token: fmt.Sprintf("session-token-%064d", n), Ends: time.Now().Add(s.lasting),
	}
	s.known[id] = c
	return fmt.Sprintf(`<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>%s</Arn><AssumedRoleId>x:y</AssumedRoleId></AssumedRoleUser>`,
		id, c.Secret, c.Token, c.Ends.UTC().Format(time.RFC3339), escaped(role)), nil
}

// messageForm are the characters that SQS takes, those of XML 1.0.
func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}

var (
	entryForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	orderForm = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\\[\\\\\\]^_`{|}~-]{1,128}$")
)

// batch holds the entries of SQS and SNS to what both ask for, and gives their
// weight.
func batch(entries []map[string]any, body string, most int) *refusal {
	if len(entries) == 0 {
		return bad("EmptyBatchRequest", "there are no entries")
	}
	if len(entries) > 10 {
		return bad("TooManyEntriesInBatchRequest", "%d entries", len(entries))
	}
	ids, bytes := map[string]bool{}, 0
	for _, e := range entries {
		id := text(e, "Id")
		if !entryForm.MatchString(id) || ids[id] {
			return bad("InvalidBatchEntryId", "%q", id)
		}
		ids[id] = true
		bytes += len(text(e, body))
		attributes, _ := e["MessageAttributes"].(map[string]any)
		for name, v := range attributes {
			value, _ := v.(map[string]any)
			bytes += len(name) + len(text(value, "DataType")) + len(text(value, "StringValue"))
		}
	}
	if bytes > most {
		return bad("BatchRequestTooLong", "%d bytes", bytes)
	}
	return nil
}

// fault says what is wrong with one message.
func fault(e map[string]any, body string, fifo bool) *Failure {
	attributes, _ := e["MessageAttributes"].(map[string]any)
	for name, v := range attributes {
		value, _ := v.(map[string]any)
		if s := text(value, "StringValue"); text(value, "DataType") != "String" || s == "" || !printable(s) {
			return &Failure{"InvalidParameterValue", "attribute " + name, true}
		}
	}
	switch group, id := text(e, "MessageGroupId"), text(e, "MessageDeduplicationId"); {
	case len(attributes) > 10:
		return &Failure{"InvalidParameterValue", "too many attributes", true}
	case text(e, body) == "" || !printable(text(e, body)):
		return &Failure{"InvalidMessageContents", "Invalid characters found.", true}
	case fifo && (!orderForm.MatchString(group) || !orderForm.MatchString(id)):
		return &Failure{"InvalidParameterValue", "group " + group + ", id " + id, true}
	case !fifo && (group != "" || id != ""):
		return &Failure{"InvalidParameterValue", "a standard queue has no groups", true}
	}
	return nil
}

// message takes one message and gives its id; a FIFO queue takes each
// deduplication id once.
func (s *Server) message(call *Call, place string, e map[string]any, body string) (string, *Failure) {
	if f := fault(e, body, strings.HasSuffix(place, ".fifo")); f != nil {
		return "", f
	}
	if id := text(e, "MessageDeduplicationId"); id != "" && s.deduplicated != nil {
		if s.deduplicated[place] == nil {
			s.deduplicated[place] = map[string]string{}
		}
		if before := s.deduplicated[place][id]; before != "" {
			call.Entries++
			return before, nil
		}
		defer func() { s.deduplicated[place][id] = fmt.Sprintf("%08d-aaaa-4bbb-8ccc-dddddddddddd", len(s.taken)) }()
	}
	if f := s.take(call, e); f != nil {
		return "", f
	}
	return fmt.Sprintf("%08d-aaaa-4bbb-8ccc-dddddddddddd", len(s.taken)), nil
}

func (s *Server) sendMessageBatch(call *Call) (any, *refusal) {
	parts := strings.Split(text(call.Input, "QueueUrl"), "/")
	call.Call = aws.Call{Action: "sqs:SendMessage", Resource: arn("sqs", call.Region, parts[len(parts)-1])}
	entries := list(call.Input, "Entries")
	if refused := batch(entries, "MessageBody", 1<<20); refused != nil {
		return nil, refused
	}
	successful, failed := []any{}, []any{}
	for _, e := range entries {
		id, f := s.message(call, parts[len(parts)-1], e, "MessageBody")
		if f != nil {
			failed = append(failed, map[string]any{"Id": e["Id"], "Code": f.Code, "Message": f.Message, "SenderFault": f.Sender})
			continue
		}
		sum := md5.Sum([]byte(text(e, "MessageBody"))) //nolint:gosec // SQS answers with it
		successful = append(successful, map[string]any{"Id": e["Id"], "MessageId": id, "MD5OfMessageBody": hex.EncodeToString(sum[:])})
	}
	return map[string]any{"Successful": successful, "Failed": failed}, nil
}

var subjectForm = regexp.MustCompile(`^[!-~][ -~]{0,98}$`)

func (s *Server) publishBatch(call *Call) (any, *refusal) {
	topic := text(call.Input, "TopicArn")
	call.Call = aws.Call{Action: "sns:Publish", Resource: topic}
	entries := list(call.Input, "PublishBatchRequestEntries")
	if refused := batch(entries, "Message", 256<<10); refused != nil {
		return nil, refused
	}
	var successful, failed strings.Builder
	for _, e := range entries {
		var id string
		f := &Failure{"InvalidParameter", "Invalid parameter: Subject", true}
		if subject := text(e, "Subject"); subject == "" || subjectForm.MatchString(subject) {
			id, f = s.message(call, topic, e, "Message")
		}
		if f != nil {
			fmt.Fprintf(&failed, `<member><Id>%s</Id><Code>%s</Code><Message>%s</Message><SenderFault>%v</SenderFault></member>`, text(e, "Id"), f.Code, escaped(f.Message), f.Sender)
			continue
		}
		fmt.Fprintf(&successful, `<member><Id>%s</Id><MessageId>%s</MessageId></member>`, text(e, "Id"), id)
	}
	return "<Successful>" + successful.String() + "</Successful><Failed>" + failed.String() + "</Failed>", nil
}

func data(e map[string]any) []byte {
	b, err := base64.StdEncoding.DecodeString(text(e, "Data"))
	if err != nil {
		return nil // the model was asked already
	}
	return b
}

func (s *Server) putRecords(call *Call) (any, *refusal) {
	stream := text(call.Input, "StreamARN")
	if name := text(call.Input, "StreamName"); name != "" {
		stream = arn("kinesis", call.Region, "stream/"+name)
	}
	call.Call = aws.Call{Action: "kinesis:PutRecords", Resource: stream}
	if stream == "" {
		return nil, bad("ValidationException", "StreamARN or StreamName")
	}
	total := 0
	for _, e := range list(call.Input, "Records") {
		if total += len(data(e)) + len(text(e, "PartitionKey")); total > 10<<20 {
			return nil, bad("ValidationException", "Records size exceeds 10 MB limit")
		}
	}
	records, count := []any{}, 0
	for _, e := range list(call.Input, "Records") {
		if f := s.take(call, e); f != nil {
			records = append(records, map[string]any{"ErrorCode": f.Code, "ErrorMessage": f.Message})
			count++
			continue
		}
		records = append(records, map[string]any{"ShardId": "shardId-000000000000", "SequenceNumber": fmt.Sprintf("4957%020d", len(s.taken))})
	}
	return map[string]any{"FailedRecordCount": count, "Records": records}, nil
}

func (s *Server) putRecordBatch(call *Call) (any, *refusal) {
	call.Call = aws.Call{Action: "firehose:PutRecordBatch", Resource: arn("firehose", call.Region, "deliverystream/"+text(call.Input, "DeliveryStreamName"))}
	total := 0
	for _, e := range list(call.Input, "Records") {
		size := len(data(e))
		if total += size; size > 1000<<10 || total > 4<<20 {
			return nil, bad("InvalidArgumentException", "a record of %d bytes, %d in all", size, total)
		}
	}
	responses, count := []any{}, 0
	for _, e := range list(call.Input, "Records") {
		if f := s.take(call, e); f != nil {
			responses = append(responses, map[string]any{"ErrorCode": f.Code, "ErrorMessage": f.Message})
			count++
			continue
		}
		responses = append(responses, map[string]any{"RecordId": fmt.Sprintf("record-%d", len(s.taken))})
	}
	return map[string]any{"FailedPutCount": count, "RequestResponses": responses}, nil
}

func (s *Server) putEvents(call *Call) (any, *refusal) {
	total := 0
	for _, e := range list(call.Input, "Entries") {
		bus := text(e, "EventBusName")
		if !strings.HasPrefix(bus, "arn:") {
			bus = arn("events", call.Region, "event-bus/"+bus)
		}
		call.Call = aws.Call{Action: "events:PutEvents", Resource: bus}
		total += len(text(e, "Source")) + len(text(e, "DetailType")) + len(text(e, "Detail"))
		if e["Time"] != nil {
			total += 14
		}
	}
	if total > 256<<10 {
		return nil, bad("ValidationException", "Total size of the entries in the request is over the limit.")
	}
	out, count := []any{}, 0
	for _, e := range list(call.Input, "Entries") {
		var f *Failure
		var detail map[string]any
		switch {
		case json.Unmarshal([]byte(text(e, "Detail")), &detail) != nil:
			f = &Failure{Code: "MalformedDetail", Message: "Detail is malformed."}
		case strings.HasPrefix(text(e, "Source"), "aws."):
			f = &Failure{Code: "NotAuthorizedForSourceException", Message: "Not authorized for the source."}
		case text(e, "DetailType") == "":
			f = &Failure{Code: "InvalidArgument", Message: "Parameter DetailType is not valid."}
		default:
			f = s.take(call, e)
		}
		if f != nil {
			out = append(out, map[string]any{"ErrorCode": f.Code, "ErrorMessage": f.Message})
			count++
			continue
		}
		out = append(out, map[string]any{"EventId": fmt.Sprintf("%08d-eeee-4fff-8000-111111111111", len(s.taken))})
	}
	return map[string]any{"FailedEntryCount": count, "Entries": out}, nil
}

func (s *Server) putLogEvents(call *Call) (any, *refusal) {
	group, stream := text(call.Input, "logGroupName"), text(call.Input, "logStreamName")
	call.Call = aws.Call{Action: "logs:PutLogEvents", Resource: arn("logs", call.Region, "log-group:"+group+":log-stream:"+stream)}
	if !s.streams[group+"\x00"+stream] {
		return nil, bad("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	events := list(call.Input, "logEvents")
	total, now := 0, time.Now()
	if s.now != nil {
		now = s.now()
	}
	info := map[string]any{}
	at := func(e map[string]any) time.Time { n, _ := e["timestamp"].(float64); return time.UnixMilli(int64(n)) }
	for i, e := range events {
		size := len(text(e, "message")) + 26
		if total += size; size > 256<<10 || total > 1<<20 {
			return nil, bad("InvalidParameterException", "Log event too large: %d bytes, %d in all", size, total)
		}
		switch {
		case i > 0 && at(e).Before(at(events[i-1])):
			return nil, bad("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
		case at(e).Sub(at(events[0])) > 24*time.Hour:
			return nil, bad("InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
		case at(e).Before(now.Add(-14 * 24 * time.Hour)):
			info["tooOldLogEventEndIndex"] = i + 1
			continue
		case at(e).After(now.Add(2 * time.Hour)):
			if info["tooNewLogEventStartIndex"] == nil {
				info["tooNewLogEventStartIndex"] = i
			}
			continue
		}
		if f := s.take(call, e); f != nil {
			info["expiredLogEventEndIndex"] = i + 1
		}
	}
	if len(info) > 0 {
		return map[string]any{"rejectedLogEventsInfo": info}, nil
	}
	return map[string]any{}, nil
}

func (s *Server) createLogStream(call *Call) (any, *refusal) {
	group, stream := text(call.Input, "logGroupName"), text(call.Input, "logStreamName")
	call.Call = aws.Call{Action: "logs:CreateLogStream", Resource: arn("logs", call.Region, "log-group:"+group+":log-stream:"+stream)}
	switch {
	case !s.groups[group]:
		return nil, bad("ResourceNotFoundException", "The specified log group does not exist.")
	case s.streams[group+"\x00"+stream]:
		return nil, bad("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	s.streams[group+"\x00"+stream] = true
	return map[string]any{}, nil
}

func (s *Server) createLogGroup(call *Call) (any, *refusal) {
	group := text(call.Input, "logGroupName")
	call.Call = aws.Call{Action: "logs:CreateLogGroup", Resource: arn("logs", call.Region, "log-group:"+group+":log-stream:")}
	if s.groups[group] {
		return nil, bad("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	s.groups[group] = true
	return map[string]any{}, nil
}

// invoked is Lambda's answer.
type invoked struct {
	status  int
	failure string
}

func (s *Server) invoke(call *Call) (any, *refusal) {
	function := text(call.Input, "FunctionName")
	if !strings.HasPrefix(function, "arn:") {
		function = arn("lambda", call.Region, "function:"+function)
	}
	call.Call = aws.Call{Action: "lambda:InvokeFunction", Resource: function}
	payload, _ := base64.StdEncoding.DecodeString(text(call.Input, "Payload"))
	waits, most := text(call.Input, "InvocationType") != "Event", 1<<20
	if waits {
		most = 6 << 20
	}
	about, err := base64.StdEncoding.DecodeString(text(call.Input, "ClientContext"))
	switch {
	case len(payload) > most:
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: "RequestTooLargeException", message: "the payload is too large"}
	case !json.Valid(payload):
		return nil, bad("InvalidRequestContentException", "Could not parse request body into json")
	case len(text(call.Input, "ClientContext")) > 3583 || err != nil || len(about) > 0 && !json.Valid(about):
		return nil, bad("InvalidRequestContentException", "the client context")
	}
	call.Input["Payload"], call.Input["ClientContext"] = string(payload), string(about)
	if f := s.take(call, call.Input); f != nil {
		return nil, bad(f.Code, "%s", f.Message)
	}
	if waits {
		return invoked{http.StatusOK, s.functionError}, nil
	}
	return invoked{status: http.StatusAccepted}, nil
}

var executionForm = regexp.MustCompile(`^[0-9A-Za-z_-]{1,80}$`)

func (s *Server) startExecution(call *Call) (any, *refusal) {
	machine, name, input := text(call.Input, "stateMachineArn"), text(call.Input, "name"), text(call.Input, "input")
	call.Call = aws.Call{Action: "states:StartExecution", Resource: machine}
	switch {
	case !executionForm.MatchString(name):
		return nil, bad("InvalidName", "Invalid Name: '%s'", name)
	case !json.Valid([]byte(input)) || len(input) > 256<<10:
		return nil, bad("InvalidExecutionInput", "Invalid State Machine Execution Input")
	}
	execution := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
	if before, ok := s.executions[name]; ok {
		if before[1] != input {
			return nil, bad("ExecutionAlreadyExists", "Execution Already Exists: '%s'", before[0])
		}
		return map[string]any{"executionArn": before[0], "startDate": 1.7e9}, nil
	}
	if f := s.take(call, call.Input); f != nil {
		return nil, bad(f.Code, "%s", f.Message)
	}
	if s.executions != nil {
		s.executions[name] = [2]string{execution, input}
	}
	return map[string]any{"executionArn": execution, "startDate": 1.7e9}, nil
}

func (s *Server) runTask(call *Call) (any, *refusal) {
	task := text(call.Input, "taskDefinition")
	if !strings.HasPrefix(task, "arn:") {
		task = arn("ecs", call.Region, "task-definition/"+task)
	}
	call.Call = aws.Call{Action: "ecs:RunTask", Resource: task}
	var written bytes.Buffer
	e := json.NewEncoder(&written)
	e.SetEscapeHTML(false)
	err := e.Encode(call.Input["overrides"])
	overrides := bytes.TrimSpace(written.Bytes())
	if err != nil || utf8.RuneCount(overrides) > 8192 {
		return nil, bad("InvalidParameterException", "Container Overrides length must be at most 8192")
	}
	token := text(call.Input, "clientToken")
	if len(token) > 64 || strings.Trim(token, "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
		return nil, bad("InvalidParameterException", "clientToken")
	}
	if before, ok := s.tasks[token]; ok && token != "" {
		if before[1] != string(overrides) {
			return nil, &refusal{status: 400, code: "ConflictException", message: "the token is in use", more: map[string]any{"resourceIds": []string{before[0]}}}
		}
		return map[string]any{"tasks": []any{map[string]any{"taskArn": before[0]}}, "failures": []any{}}, nil
	}
	if s.unplaced != "" {
		return map[string]any{"tasks": []any{}, "failures": []any{map[string]any{"arn": arn("ecs", call.Region, "container-instance/x"), "reason": s.unplaced}}}, nil
	}
	if f := s.take(call, call.Input); f != nil {
		return nil, bad(f.Code, "%s", f.Message)
	}
	run := arn("ecs", call.Region, fmt.Sprintf("task/response/%032d", len(s.taken)))
	if s.tasks != nil {
		s.tasks[token] = [2]string{run, string(overrides)}
	}
	return map[string]any{"tasks": []any{map[string]any{"taskArn": run}}, "failures": []any{}}, nil
}

func (s *Server) sendCommand(call *Call) (any, *refusal) {
	document := text(call.Input, "DocumentName")
	if !strings.HasPrefix(document, "arn:") {
		document = arn("ssm", call.Region, "document/"+document)
	}
	call.Call = aws.Call{Action: "ssm:SendCommand", Resource: document}
	ids, _ := call.Input["InstanceIds"].([]any)
	if len(ids) == 0 && len(list(call.Input, "Targets")) == 0 {
		return nil, bad("InvalidInstanceId", "no nodes")
	}
	if f := s.take(call, call.Input); f != nil {
		return nil, bad(f.Code, "%s", f.Message)
	}
	return map[string]any{"Command": map[string]any{"CommandId": fmt.Sprintf("%08d-5555-4666-8777-888888888888", len(s.taken)), "Status": "Pending"}}, nil
}
