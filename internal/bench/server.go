package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/loopback"
)

// A server is a program under measurement, started anew for each row.
type server struct {
	name    string
	program *rig.Program
	dir     string
}

// around is what a program is started by: taskset, strace.
type around []string

// oneCore pins a server to the first core.
var oneCore = around{"taskset", "-c", "0"}

// slowDisk adds a delay to every fsync of the program, by strace's fault
// injection; with seccomp the other system calls are not slowed down. With -D
// the program is our child and strace is the grandchild.
func slowDisk(delay time.Duration) around {
	return around{
		"strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
		"-e", fmt.Sprintf("inject=fsync,fdatasync:delay_exit=%d", delay.Microseconds()),
	}
}

// startTocsin starts tocsin on an empty folder of its own, with a receiver that is told of everything.
func (b *bench) startTocsin(ctx context.Context, by around) (*server, error) {
	return b.start(ctx, by, rig.Config{Certificate: filepath.Join(b.dir, "sns.pem"), Receivers: map[string]string{"recorder": b.recorder.url}})
}

// start starts tocsin on an empty folder of its own.
func (b *bench) start(ctx context.Context, by around, conf rig.Config) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "tocsin-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "tocsin.yml")
	if err := conf.Write(file); err != nil {
		return nil, err
	}
	address, err := loopback.Free()
	if err != nil {
		return nil, err
	}
	p := rig.Tocsin(b.binary, file, filepath.Join(dir, "data"), address, filepath.Join(dir, "log"))
	p.Args = append(slices.Clip(by), p.Args...)
	return &server{"tocsin", p, dir}, p.Start(ctx)
}

// alertmanagerConfig sends each alert at once and by itself, which is what is
// nearest to what tocsin does. group_interval, after which a group that is
// still firing is looked at again, is Alertmanager's default unless asked otherwise.
const alertmanagerConfig = `route:
  receiver: recorder
  group_by: ['...']
  group_wait: 0s
  group_interval: %s
receivers:
  - name: recorder
    webhook_configs:
      - url: %s
        send_resolved: false
`

func (b *bench) startAlertmanager(ctx context.Context, by around) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "alertmanager-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, alertmanagerConfig, b.groupInterval, b.recorder.url), 0o600); err != nil {
		return nil, err
	}
	address, err := loopback.Free()
	if err != nil {
		return nil, err
	}
	p := &rig.Program{
		Args: append(slices.Clip(by), b.alertmanager, "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"),
			"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error"),
		Address: address, Ready: "/-/ready", Log: filepath.Join(dir, "log"),
	}
	return &server{"Alertmanager", p, dir}, p.Start(ctx)
}

// end ends the server and forgets its data.
func (s *server) end() error {
	if err := s.program.Kill(); err != nil {
		return err
	}
	return os.RemoveAll(s.dir)
}

// cpu is the user and system time that the server has used (proc(5)).
func (s *server) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.program.PID()))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100), err // USER_HZ is 100
}

// rss is what the server has in memory, in bytes.
func (s *server) rss() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.program.PID()))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// pin puts the bench itself on the cores that taskset calls list.
func pin(list string) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", list, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w\n%s", err, out)
	}
	return nil
}

// What is posted. Each makes the n-th request, of about 5 KB.

func (b *bench) snsRequest(n int) ([]byte, error) {
	m, err := b.signer.Notification(rig.TopicARN, string(rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n), Padding: 12}.Event()))
	if err != nil {
		return nil, err
	}
	headers := fmt.Sprintf("Content-Type: text/plain; charset=UTF-8\r\nx-amz-sns-message-type: Notification\r\nx-amz-sns-message-id: %s\r\nx-amz-sns-topic-arn: %s\r\n", m.MessageID, m.TopicARN)
	return request(rig.SNSPath, headers, m.Body()), nil
}

const jsonHeader = "Content-Type: application/json\r\n"

func eventRequest(n int) ([]byte, error) { return request(rig.HTTPSPath, jsonHeader, event(n)), nil }

func event(n int) []byte {
	return rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n), Padding: 44}.Event()
}

// unmatched is an event of the same size that no rule is for.
func unmatched(n int) []byte {
	return []byte(strings.NewReplacer(
		`"GuardDuty Finding"`, `"EC2 Instance State-change Notification"`, `"aws.guardduty"`, `"aws.ec2"`,
	).Replace(string(event(n))))
}

func unmatchedRequest(n int) ([]byte, error) {
	return request(rig.HTTPSPath, jsonHeader, unmatched(n)), nil
}

// perRequest is how many events a request of many brings.
const perRequest = 100

func unmatchedRequests(n int) ([]byte, error) {
	var body []byte
	for i := range perRequest {
		body = append(append(body, unmatched(n*perRequest+i)...), '\n')
	}
	return request(rig.HTTPSPath, jsonHeader, body), nil
}

// alertRequest is the same finding as an alert for Alertmanager: what people
// route by as labels, what they read as annotations, and the event itself.
func alertRequest(n int) ([]byte, error) {
	id := rig.ID(n)
	body, err := json.Marshal([]any{map[string]any{
		"labels": map[string]string{
			"alertname": "UnauthorizedAccess:EC2/MaliciousIPCaller.Custom", "finding_id": id, "severity": "medium",
			"account": rig.Account, "region": rig.Region, "instance": "i-0" + id[16:], "team": "platform",
		},
		"annotations": map[string]string{
			"summary": "EC2 instance i-0" + id[16:] + " is communicating with an IP address on a custom threat list.",
			"event":   string(rig.Finding{Number: n, Version: 1, Severity: 5, Envelope: rig.Envelope(1, n), Padding: 12}.Event()),
		},
		"startsAt": time.Now().UTC().Format(time.RFC3339), "endsAt": time.Now().UTC().Add(6 * time.Hour).Format(time.RFC3339),
		"generatorURL": "https://console.aws.amazon.com/guardduty/home?region=" + rig.Region + "#/findings?fId=" + id,
	}})
	return request("/api/v2/alerts", jsonHeader, body), err
}
