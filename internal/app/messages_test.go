package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// seen are the findings whose messages are golden for every notifier: at least
// one of each resource type, and what was seen of each in the wild.
var seen = []string{
	"container-new-library", "ec2-backup-malware", "ec2-c2", "ec2-c2-dns", "ec2-malware", "ec2-port-probe", "ecs-reverse-shell",
	"eks-anonymous-secrets", "eks-runtime-mining", "hostile-texts", "iam-anomalous-delete-trail", "iam-stolen-credentials", "lambda-tor",
	"rds-brute-force-succeeded", "rds-limitless", "odd-unicode", "real-attack-sequence-prose-only", "real-barely-anything",
	"real-ec2-rdp-brute-force", "real-ec2-tor-caller", "real-eks-exec-in-kube-system", "real-iam-make-administrator", "real-iam-malicious-caller",
	"real-s3-object-read", "real-s3-parrot-linux", "s3-exfiltration", "s3-made-public", "s3-object-malware",
	"sequence-ec2", "sequence-eks", "sequence-iam", "sequence-s3",
}

// The alerts whose messages notifytest holds against every notifier are those
// that findings make today.
func TestTheAlertsOfNotifytestAreCurrent(t *testing.T) {
	t.Parallel()
	for _, name := range seen {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("../guardduty/testdata/findings", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			f, ok, err := guardduty.Read(raw)
			if err != nil || !ok {
				t.Fatalf("Read: %v, %v", ok, err)
			}
			d := f.Detection()
			d.Rule, d.Path = "guardduty", "sns:org-topic"
			a, _ := tocsin.Alert{}.Fold(d, time.Date(2026, 6, 13, 2, 0, 0, 0, time.UTC))
			a.ID = 4821
			got, err := json.MarshalIndent(a, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			file := filepath.Join("../notify/notifytest/testdata/alerts", name+".json")
			if notifytest.Updating() {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what the finding makes today; write it with -update and read the difference", file)
			}
		})
	}
}
