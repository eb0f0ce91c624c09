package send_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

// endless is a message whose every text is as long as somebody could make it.
func endless() notify.Message {
	long := strings.Repeat("&\ufffe\"", 40<<10)
	m := notifytest.Messages()[0].Message
	a := &m.Alert
	a.Headline, a.Title, a.Description, a.Type, a.Command, a.OverReason = long, long, long, long, long, long
	a.Resource = tocsin.Resource{Type: long, ID: long, Name: long, Tags: map[string]string{long: long}}
	a.Actor = tocsin.Actor{IP: long, Country: long, Org: long, Domain: long, Principal: long}
	a.Facts, a.Unsaid, m.Changes = nil, nil, nil
	for range 40 {
		a.Facts = append(a.Facts, tocsin.Fact{Name: long, Value: long})
		a.Unsaid = append(a.Unsaid, tocsin.Change{What: long, From: long, To: long})
		m.Changes = append(m.Changes, tocsin.Change{What: long, From: long, To: long})
	}
	return m
}

// No finding can be made so long that nobody is told of it.
func TestADocumentAlwaysFits(t *testing.T) {
	t.Parallel()
	for _, most := range []int{64 << 10, 256 << 10, 1 << 20} {
		body, err := send.Content{}.Body("aws-test", most)
		if err != nil {
			t.Fatal(err)
		}
		m := endless()
		text, err := body.Of(m)
		if err != nil || len(text) > min(most, 256<<10-send.Room) {
			t.Fatalf("%d bytes of %d: %v", len(text), most, err)
		}
		var document struct {
			Version  int
			ID, Kind string
			Alert    struct{ ID int64 }
			Links    struct{ Alert string }
		}
		if err := json.Unmarshal(text, &document); err != nil || document.ID != m.ID || document.Alert.ID != 4821 || document.Links.Alert != m.AlertURL || document.Version != 1 {
			t.Errorf("the document is %+v, %v", document, err)
		}
		if bytes.ContainsAny(text, "\ufffe\uffff") {
			t.Error("it has characters that SNS and SQS refuse")
		}
	}
}

func TestAttributesFitTheirRoom(t *testing.T) {
	t.Parallel()
	m := endless()
	m.Alert.Account, m.Alert.Region = strings.Repeat("é", 9000), strings.Repeat("𝔘", 9000)
	attributes := send.Attributes(m)
	if got := send.Weight(attributes); got > send.Room || len(attributes) != 5 {
		t.Errorf("%d attributes weigh %d bytes, want 5 and at most %d", len(attributes), got, send.Room)
	}
	for _, c := range notifytest.Messages() {
		for _, a := range send.Attributes(c.Message) {
			if a.Value == "" {
				t.Errorf("%s: attribute %s is empty", c.Name, a.Name)
			}
		}
	}
}

// The manual prints what is written nowhere else: each kind has a row in its table
// and a section.
func TestTheManualHasEveryTarget(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "aws-targets.md"))
	if err != nil {
		t.Fatal(err)
	}
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !f.IsDir() || f.Name() == "awstest" || f.Name() == "send" {
			continue
		}
		kind := "aws-" + strings.Replace(f.Name(), "stepfunctions", "step-functions", 1)
		if !regexp.MustCompile("(?m)^\\| \\[`" + kind + "`\\]\\(#" + kind + "\\) \\|").Match(text) {
			t.Errorf("the table has no row of %s", kind)
		}
		if !bytes.Contains(text, []byte("\n### `"+kind+"`\n")) {
			t.Errorf("there is no section on %s", kind)
		}
	}
}
