package voice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/phone/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	ana      = "+4930123456"
	callback = "https://tocsin.example.com/act/phone"
)

func quiet(k tocsin.Kind) bool { return !calls(k) }

func TestPromisesOverTwilio(t *testing.T) {
	t.Parallel()
	twiml := func(t *testing.T, got notifytest.Taken) string {
		t.Helper()
		form, err := url.ParseQuery(string(got.Body))
		if err != nil {
			t.Fatal(err)
		}
		return form.Get("Twiml")
	}
	notifytest.Run(t, notifytest.Harness{
		HTTP:    true,
		Refuses: quiet,
		Secrets: []string{twiliotest.Token, twiliotest.Login()},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := twiliotest.New(t)
			s.Answers(twiliotest.Answer{Status: a.Status, RetryAfter: a.RetryAfter, Echo: a.Echo, Hang: a.Hang})
			n := notifytest.Open(t, open, Config{To: []string{ana}, Twilio: &Twilio{Settings: s.Settings(), From: twiliotest.Number}})
			return n, func() []notifytest.Taken {
				var got []notifytest.Taken
				for _, taken := range s.Taken() {
					got = append(got, notifytest.Taken(taken))
				}
				return got
			}
		},
		Check: func(t *testing.T, _ notify.Message, got notifytest.Taken) {
			if n := notify.Runes(twiml(t, got)); n > 4000 {
				t.Errorf("the TwiML has %d characters", n)
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return []string{twiml(t, got)} },
	})
}

func TestPromisesOverAWS(t *testing.T) {
	t.Parallel()
	body := func(t *testing.T, got notifytest.Taken) string {
		t.Helper()
		var input struct{ MessageBody string }
		if err := json.Unmarshal(got.Body, &input); err != nil {
			t.Fatal(err)
		}
		return input.MessageBody
	}
	notifytest.Run(t, notifytest.Harness{
		Refuses: quiet,
		Secrets: []string{awstest.Secret},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := awstest.New(t)
			s.Answers(awstest.Answer{Status: a.Status, Echo: a.Echo, Hang: a.Hang})
			n := notifytest.Open(t, open, Config{To: []string{ana}, AWS: &AWS{AWS: s.Settings(), Voice: "AMY"}})
			return n, func() []notifytest.Taken {
				var got []notifytest.Taken
				for _, sent := range s.Sent() {
					got = append(got, notifytest.Taken{Header: sent.Header, Body: sent.Body})
				}
				return got
			}
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			if text := body(t, got); text != said(m)+" Again: "+said(m) {
				t.Errorf("spoken: %q", text)
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string { return []string{body(t, got)} },
	})
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, c := range notifytest.Cases(t) {
		if calls(c.Message.Kind) {
			out.WriteString(strings.Repeat("=", 4) + " " + c.Name + "\n" + said(c.Message) + "\n")
		}
	}
	out.WriteString("==== the call of a person who may answer\n" + call("This is tocsin. Critical.", prompt(asked().Actions), callback+"/key?alert=4821") + "\n")
	notifytest.Golden(t, "said.txt", out.Bytes())
}

func TestPlainWords(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"EC2 i-0abc123def456789a is calling":         "EC2 ending in 7, 8, 9, a is calling",
		"111122223333 eu-west-1":                     "account ending in 3, 3, 3, 3 eu-west-1",
		"looked up evil[.]example":                   "looked up evil dot example",
		"RAISED medium→critical":                     "RAISED medium to critical",
		"bucket invoices_archive_2026 & others":      "bucket invoices archive 2026 and others",
		`<Say>"x"</Say><Dial>+1900</Dial>`:           "Say x /Say Dial +1900 /Dial",
		"🔥 `code` {} $HOME | 100%":                   "code HOME 100 percent",
		"see hxxps://evil[.]example/x":               "see evil dot example/x",
		"acknowledged by bo at 2026-06-12T02:31:00Z": "acknowledged by bo at 02:31 UTC",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := said(notify.Message{Kind: tocsin.TellCode, Code: "428317"}), "This is tocsin. Your code is: 4, 2, 8, 3, 1, 7"; got != want {
		t.Errorf("said(code) = %q, want %q", got, want)
	}
}

func FuzzTwiml(f *testing.F) {
	for _, s := range []string{"</Say><Dial>+1900</Dial>", "]]>", "\x00\xff", "&amp;&&&&&&", strings.Repeat("é", 700)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := notify.Message{Kind: tocsin.TellOpened}
		m.Alert.Headline, m.Alert.Region, m.Account.Name = s, s, s
		got := call(said(m), prompt(asked().Actions), callback+"/key?alert=4821")
		if n := notify.Runes(got); n > 4000 || strings.Count(got, "<Say>") != 5 || strings.Count(got, "<") != 15 {
			t.Errorf("%d characters: %s", n, got)
		}
	})
}

// asked is a message to a person who may answer it.
func asked() notify.Message {
	m := notifytest.Messages()[0].Message
	m.To, m.Person = ana, "ana"
	m.Actions = []notify.Action{{Do: notify.DoAcknowledge}, {Do: notify.DoEscalate}, {Do: notify.DoExpected}, {Do: notify.DoClose}}
	return m
}

// A scene is a receiver over Twilio, and who acts on the keys.
type scene struct {
	twilio *twiliotest.Server
	voice  notify.Notifier
	log    bytes.Buffer
	acted  []notify.Answer
	refuse error
}

func play(t *testing.T, change func(*Twilio, *notify.Env)) *scene {
	t.Helper()
	s := &scene{twilio: twiliotest.New(t)}
	env := notifytest.Env(t, nil)
	env.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	env.CallbackURL, env.Handle = callback, s.twilio.Handle
	env.Act = func(_ context.Context, a notify.Answer) (notify.Reply, error) {
		s.acted = append(s.acted, a)
		return notify.Reply{Text: "Alert 4821 was acknowledged by ana at 02:31 UTC."}, s.refuse
	}
	c := Twilio{Settings: s.twilio.Settings(), From: "+1 500 555 0006"}
	if change != nil {
		change(&c, &env)
	}
	var err error
	if s.voice, err = open(Config{Twilio: &c}, env); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) ring(t *testing.T) twiliotest.Call {
	t.Helper()
	ref, err := s.voice.Notify(t.Context(), asked())
	if err != nil {
		t.Fatal(err)
	}
	rung := s.twilio.Calls()
	if len(rung) != 1 || rung[0].SID != ref || rung[0].To != ana || rung[0].From != twiliotest.Number {
		t.Fatalf("calls %+v, ref %s", rung, ref)
	}
	return rung[0]
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		digit string
		do    notify.Do
	}{{"4", notify.DoAcknowledge}, {"6", notify.DoEscalate}, {"8", notify.DoClose}} {
		s := play(t, nil)
		c := s.ring(t)
		spoken, status := s.twilio.Press(c, tt.digit)
		if status != 200 || !slices.Equal(spoken, []string{"Alert 4821 was acknowledged by ana at 02:31 UTC.", "Goodbye."}) {
			t.Errorf("key %s: %d %q", tt.digit, status, spoken)
		}
		if want := []notify.Answer{{ID: c.SID + "-" + tt.digit, Alert: 4821, Do: tt.do, From: ana}}; !slices.Equal(s.acted, want) {
			t.Errorf("key %s: acted %+v, want %+v", tt.digit, s.acted, want)
		}
	}
}

func TestWhatACallSays(t *testing.T) {
	t.Parallel()
	c := play(t, nil).ring(t)
	first := "This is tocsin. Critical: prod-payments eu-west-1: EC2 web-1 is calling a C2 server."
	press := "Press 4 to acknowledge, 6 to escalate, 8 to close."
	if want := []string{first, press, "Again: " + first, press, "No key was pressed. Goodbye."}; !slices.Equal(c.Said, want) {
		t.Errorf("said %q\nwant %q", c.Said, want)
	}
	if c.Action != callback+"/key?alert=4821" {
		t.Errorf("keys go to %q", c.Action)
	}
}

func TestNoKeysWhereNobodyWouldTakeThem(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Twilio, *notify.Env){
		"no public URL":  func(_ *Twilio, env *notify.Env) { env.CallbackURL = "" },
		"nothing to act": func(_ *Twilio, env *notify.Env) { env.Act = nil },
		"no auth token": func(c *Twilio, _ *notify.Env) {
			c.AuthToken, c.APIKey, c.APISecret = secret.New(""), twiliotest.Key, secret.New(twiliotest.Secret)
		},
	} {
		c := play(t, change).ring(t)
		if len(c.Said) != 2 || c.Action != "" || strings.Contains(c.Twiml, "Press") {
			t.Errorf("%s: %s", name, c.Twiml)
		}
	}
}

func TestAnotherKey(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	spoken, status := s.twilio.Press(s.ring(t), "5")
	if status != 200 || len(s.acted) != 0 || !slices.Equal(spoken, []string{"That key does nothing. Press 4 to acknowledge, 6 to escalate, 8 to close."}) {
		t.Errorf("key 5: %d %q, acted %+v", status, spoken, s.acted)
	}
}

func TestARefusalIsSpoken(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	s.refuse = errors.New("alert 4821: already acknowledged by bo at 2026-06-12T02:31:00Z")
	spoken, _ := s.twilio.Press(s.ring(t), "4")
	if want := "alert 4821: already acknowledged by bo at 02:31 UTC."; len(spoken) != 1 || spoken[0] != want {
		t.Errorf("said %q, want %q", spoken, want)
	}
}

// The address says which alert; who changes it has no signature for that.
func TestAForgedKeyDoesNothing(t *testing.T) {
	t.Parallel()
	s := play(t, func(c *Twilio, _ *notify.Env) {
		c.AuthToken, c.APIKey, c.APISecret = secret.New("another token, for whom it is a forgery"), twiliotest.Key, secret.New(twiliotest.Secret)
	})
	c := s.ring(t)
	if _, status := s.twilio.Press(c, "4"); status != 403 || len(s.acted) != 0 {
		t.Errorf("forged: %d, acted %+v", status, s.acted)
	}
}

func TestCallStatus(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]string{
		"completed": "", "no-answer": "+4930123456: no-answer", "busy": "+4930123456: busy", "failed": "+4930123456: failed",
	} {
		s := play(t, nil)
		if got := s.twilio.CallStatus(s.ring(t), state); got != 204 {
			t.Errorf("%s: %d, want 204", state, got)
		}
		if got := s.log.String(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: log %q, want %q", state, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := Twilio{Settings: twiliotest.New(t).Settings(), From: twiliotest.Number}
	nameless := good
	nameless.From = "tocsin"
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"Twilio", Config{Twilio: &good}, ""},
		{"neither", Config{}, "set exactly one of twilio and aws"},
		{"a name that calls", Config{Twilio: &nameless}, `twilio: from: "tocsin" is not a phone number; want one such as +4930123456`},
		{"AWS without anything", Config{AWS: &AWS{}}, "aws: region: is not set"},
		{"a number without its country", Config{To: []string{"110"}, Twilio: &good}, `to: "110" has no country code; want it as in +4930123456`},
	} {
		got := ""
		if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: open = %q, want %q", tt.name, got, tt.want)
		}
	}
	if Kind.Burst != 3 || Kind.Follows || Kind.Patience.Minutes() != 30 || Kind.Address == nil {
		t.Errorf("Kind = %+v", Kind)
	}
}
