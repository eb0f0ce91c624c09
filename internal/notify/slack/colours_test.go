package slack

import (
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestColoursAreThoseOfTheLevelAndNoOther(t *testing.T) {
	t.Parallel()
	p, err := Colors{Informational: "#101010", Low: "#202020", Medium: "#303030", High: "#404040", Critical: "#505050"}.palette()
	if err != nil {
		t.Fatal(err)
	}
	at := func(l tocsin.Level) notify.Message {
		m := shared(t, "opened-with-actions")
		m.Alert.Level = l
		return m
	}
	closed, sample, note := at(tocsin.High), at(tocsin.High), notify.Message{Kind: tocsin.TellNote}
	closed.Kind, sample.Alert.Sample = tocsin.TellClosed, true
	digest := notify.Message{Kind: tocsin.TellDigest, Digest: []notify.Item{
		{Alert: at(tocsin.Low).Alert}, {Alert: at(tocsin.Critical).Alert}, {Alert: at(tocsin.Medium).Alert},
	}}
	for _, tt := range []struct {
		name string
		m    notify.Message
		want string
	}{
		{"level unknown", at(tocsin.Unknown), "#101010"},
		{"informational", at(tocsin.Informational), "#101010"},
		{"low", at(tocsin.Low), "#202020"},
		{"medium", at(tocsin.Medium), "#303030"},
		{"high", at(tocsin.High), "#404040"},
		{"critical", at(tocsin.Critical), "#505050"},
		{"the worst of a digest", digest, "#505050"},
		{"what is over is grey", closed, "#546E7A"},
		{"a sample is grey", sample, "#9E9E9E"},
		{"a note is grey", note, "#546E7A"},
	} {
		if got := (renderer{colours: p}).message(tt.m, notifytest.Now()).Attachments[0].Color; got != tt.want {
			t.Errorf("%s: colour %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := (renderer{colours: palette{tocsin.Low: "#202020"}}).message(at(tocsin.High), notifytest.Now()).Attachments[0].Color; got != notify.Colour(tocsin.High) {
		t.Errorf("a level without a colour has %s, want that of tocsin", got)
	}
}

func TestAColourThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"red", "#F00", "C62828", "#C6282G", "#C62828 ", "good"} {
		_, err := open(Config{WebhookURL: secret.New("https://hooks.slack.com" + path), Colors: Colors{Critical: bad}}, notify.Env{})
		if err == nil || !strings.HasPrefix(err.Error(), "colors: critical: ") {
			t.Errorf("%q: %v, want an error that begins with the setting", bad, err)
		}
	}
}
