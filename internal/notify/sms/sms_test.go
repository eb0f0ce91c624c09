package sms

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
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
	"github.com/tocsin-sec/tocsin/internal/notify/phone/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	ana      = "+4930123456"
	callback = "https://tocsin.example.com/act/sms"
)

// gsm7 is the alphabet, written down a second time: as ranges of ASCII, and the
// letters beyond it.
func gsm7(r rune) bool {
	return r == '\n' || r >= ' ' && r <= '~' && r != '`' || strings.ContainsRune("£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€", r)
}

// checkText is what holds for every text that is sent.
func checkText(t *testing.T, m notify.Message, body string) {
	t.Helper()
	size := 0
	for _, r := range body {
		if !gsm7(r) {
			t.Errorf("%q is not GSM 7-bit: %q", r, body)
		}
		if size++; strings.ContainsRune(`^{}\[~]|€`, r) {
			size++
		}
	}
	most := 160
	switch m.Kind {
	case tocsin.TellDigest:
		most = 918
	case tocsin.TellNote:
		most = 459
	}
	if size == 0 || size > most {
		t.Errorf("%d septets, want at most %d: %q", size, most, body)
	}
	if strings.Contains(body, "\n\n") || strings.TrimSpace(body) != body {
		t.Errorf("empty lines or spaces at the ends: %q", body)
	}
}

func TestPromisesOverTwilio(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		HTTP:    true,
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
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { checkText(t, m, form(t, got).Get("Body")) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return []string{form(t, got).Get("Body")} },
	})
}

func form(t *testing.T, got notifytest.Taken) url.Values {
	t.Helper()
	values, err := url.ParseQuery(string(got.Body))
	if err != nil {
		t.Fatal(err)
	}
	return values
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
		Secrets: []string{awstest.Secret},
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := awstest.New(t)
			s.Answers(awstest.Answer{Status: a.Status, Echo: a.Echo, Hang: a.Hang})
			aws := s.Settings()
			n := notifytest.Open(t, open, Config{To: []string{ana}, AWS: &aws})
			return n, func() []notifytest.Taken {
				var got []notifytest.Taken
				for _, sent := range s.Sent() {
					got = append(got, notifytest.Taken{Header: sent.Header, Body: sent.Body})
				}
				return got
			}
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) { checkText(t, m, body(t, got)) },
		Shown: func(t *testing.T, got notifytest.Taken) []string { return []string{body(t, got)} },
	})
}

// asked is a message to a person who may answer it.
func asked() notify.Message {
	m := notifytest.Messages()[0].Message
	m.To, m.Person = ana, "ana"
	m.Actions = []notify.Action{
		{Do: notify.DoAcknowledge, Label: "Acknowledge", Reply: "4821a"},
		{Do: notify.DoEscalate, Label: "Escalate", Reply: "4821e"},
		{Do: notify.DoExpected, Label: "Expected", Reply: "4821x"},
		{Do: notify.DoClose, Label: "Close", Reply: "4821c"},
	}
	return m
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, c := range append(notifytest.Cases(t), notifytest.Case{Name: "to a person who may reply", Message: asked()}) {
		body := text(c.Message, true)
		checkText(t, c.Message, body)
		n, _ := Parts(body)
		out.WriteString(strings.Repeat("=", 4) + " " + c.Name + "\n" + body + "\n")
		if n != 1 && c.Message.Kind != tocsin.TellDigest && c.Message.Kind != tocsin.TellNote {
			t.Errorf("%s takes %d parts", c.Name, n)
		}
	}
	notifytest.Golden(t, "texts.txt", out.Bytes())
}

func TestOneAlertInOnePart(t *testing.T) {
	t.Parallel()
	m := asked()
	long := m
	long.Alert.Headline = "Keys of role payments-settlement-batch-processor-production are used outside AWS by many"
	tight := long
	tight.AlertURL = "https://tocsin.security.payments.internal.example.com/alerts/4821"
	tighter := long
	tighter.AlertURL = "https://tocsin.security.payments.internal.example.com/teams/payments/alerts/4821?of=2026"
	far := long
	far.AlertURL = "https://tocsin.example.com/" + strings.Repeat("deep/", 20) + "4821"
	absurd := m
	absurd.AlertURL = "https://tocsin.example.com/" + strings.Repeat("deep/", 200) + "4821"
	raised := m
	raised.Kind = tocsin.TellRaised
	raised.Changes = []tocsin.Change{{What: "severity", From: "medium 5", To: "critical 9.2"}}
	for _, tt := range []struct {
		name    string
		m       notify.Message
		replies bool
		want    string
		parts   int
	}{
		{"all of it", m, true, "CRITICAL prod-payments eu-west-1: EC2 web-1 is calling a C2 server\nhttps://tocsin.example.com/alerts/4821\nReply 4821a ack, 4821e escalate, 4821c close", 1},
		{"where no reply can come back", m, false, "CRITICAL prod-payments eu-west-1: EC2 web-1 is calling a C2 server\nhttps://tocsin.example.com/alerts/4821", 1},
		{"a long headline is cut", long, true, "CRITICAL prod-payments eu-west-1: Keys of role...\nhttps://tocsin.example.com/alerts/4821\nReply 4821a ack, 4821e escalate, 4821c close", 1},
		{"a longer link leaves room to acknowledge alone", tight, true, "CRITICAL prod-payments eu-west-1: Keys of role...\nhttps://tocsin.security.payments.internal.example.com/alerts/4821\nReply 4821a ack", 1},
		{"or not even for that", tighter, true, "CRITICAL prod-payments eu-west-1: Keys of role...\nhttps://tocsin.security.payments.internal.example.com/teams/payments/alerts/4821?of=2026", 1},
		{"one that fits no part at all is sent in two", far, true, "CRITICAL prod-payments eu-west-1: Keys of role...\nhttps://tocsin.example.com/" + strings.Repeat("deep/", 20) + "4821", 2},
		{"and one that is absurd is left out", absurd, false, "CRITICAL prod-payments eu-west-1: EC2 web-1 is calling a C2 server", 1},
		{"news where there is room", raised, false, "RAISED medium>critical: prod-payments eu-west-1: EC2 web-1 is calling a C2 server\nseverity medium 5 > critical 9.2\nhttps://tocsin.example.com/alerts/4821", 1},
		{"and none where there is not", raised, true, "RAISED medium>critical: prod-payments eu-west-1: EC2 web-1 is calling a...\nhttps://tocsin.example.com/alerts/4821\nReply 4821a ack, 4821e escalate, 4821c close", 1},
	} {
		got := text(tt.m, tt.replies)
		parts, ucs2 := Parts(got)
		if got != tt.want || parts != tt.parts || ucs2 {
			t.Errorf("%s: %d parts (UCS-2: %v, %d septets)\n%s\nwant %d\n%s", tt.name, parts, ucs2, length(got), got, tt.parts, tt.want)
		}
	}
}

func TestADigestListsWhatFits(t *testing.T) {
	t.Parallel()
	m := notify.Message{Kind: tocsin.TellDigest}
	first := notifytest.Messages()[0].Message
	for range 40 {
		m.Digest = append(m.Digest, notify.Item{Alert: first.Alert, Account: first.Account, URL: first.AlertURL})
	}
	got := text(m, true)
	listed := strings.Count(got, "CRITICAL #4821 prod-payments eu-west-1: EC2 web-1 is calling a C2 server https://tocsin.example.com/alerts/4821\n")
	if !strings.HasPrefix(got, "40 alerts: 40 critical\n") || listed < 7 || !strings.HasSuffix(got, "\nand "+itoa(40-listed)+" more") {
		t.Errorf("%d are listed:\n%s", listed, got)
	}
	checkText(t, m, got)
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestParts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       int
		ucs2       bool
	}{
		{"nothing", "", 1, false},
		{"160 characters", strings.Repeat("a", 160), 1, false},
		{"161 characters", strings.Repeat("a", 161), 2, false},
		{"two full parts", strings.Repeat("a", 306), 2, false},
		{"one more", strings.Repeat("a", 307), 3, false},
		{"letters of the alphabet beyond ASCII", strings.Repeat("ä", 160), 1, false},
		{"the euro takes two", strings.Repeat("€", 80), 1, false},
		{"81 euros", strings.Repeat("€", 81), 2, false},
		{"no character is cut in two: 152 and a euro", strings.Repeat("a", 152) + strings.Repeat("€", 77), 3, false},
		{"1,600 characters", strings.Repeat("a", 1600), 11, false},
		{"one letter of another alphabet", strings.Repeat("a", 69) + "ё", 1, true},
		{"70 letters of another alphabet", strings.Repeat("ё", 70), 1, true},
		{"71", strings.Repeat("ё", 71), 2, true},
		{"two full parts of it", strings.Repeat("ё", 134), 2, true},
		{"one more of it", strings.Repeat("ё", 135), 3, true},
		{"35 fires, two units each", strings.Repeat("🔥", 35), 1, true},
		{"36 fires", strings.Repeat("🔥", 36), 2, true},
		{"no fire is cut in two", strings.Repeat("🔥", 67), 3, true},
		{"the backtick is not in the alphabet", "`", 1, true},
	} {
		if n, ucs2 := Parts(tt.text); n != tt.want || ucs2 != tt.ucs2 {
			t.Errorf("%s: Parts = %d, %v; want %d, %v", tt.name, n, ucs2, tt.want, tt.ucs2)
		}
	}
}

func TestWhatTheAlphabetLacks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ASCII, {braces} and _":  "plain ASCII, {braces} and _",
		"Größe, Ærø, ñandú, à la":      "Größe, Ærø, ñandu, à la",
		"Łódź, Çelik, Şişli, háček":    "Lodz, Çelik, Sisli, hacek",
		"medium→high · 3 × “a” … – —":  `medium>high - 3 x "a" ... - -`,
		"`code` ■ 🔥":                   "'code' ? ?",
		"пример 例":                     "?????? ?",
		"façade œuvre ½ 20° ≥ 3 №7 ™":  "facade oeuvre 1/2 20 deg >= 3 No7 (TM)",
		"price 5€ £3 ¥2":               "price 5€ £3 ¥2",
		"\tnon\u00a0breaking\u202fone": " non breaking one",
	} {
		if got := gsm(in); got != want {
			t.Errorf("gsm(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzFit(f *testing.F) {
	for _, s := range []string{"plain", "Łódź → €€€", "🔥e\u0301", "`\x00\xff", "{}[]~|^\\"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, room int) {
		room = min(max(room, -5), 2000)
		got := fit(notify.Clean(s), room)
		n := 0
		for _, r := range got {
			if !gsm7(r) {
				t.Errorf("fit(%q) = %q holds %q", s, got, r)
			}
			n += septets[r]
		}
		if n > max(room, 0) {
			t.Errorf("fit(%q, %d) = %q takes %d", s, room, got, n)
		}
		if parts, ucs2 := Parts(got); ucs2 || parts > n/part+2 {
			t.Errorf("Parts(%q) = %d, %v", got, parts, ucs2)
		}
	})
}

func TestReplies(t *testing.T) {
	t.Parallel()
	ack := func(id int64) notify.Answer { return notify.Answer{Alert: id, Do: notify.DoAcknowledge} }
	for _, tt := range []struct {
		name, text string
		want       []notify.Answer
	}{
		{"as the message says", "4821a", []notify.Answer{ack(4821)}},
		{"as a phone corrects it", " “4821A.” ", []notify.Answer{ack(4821)}},
		{"with a space", "4821 a", []notify.Answer{ack(4821)}},
		{"with a hash", "#4821 Ack", []notify.Answer{ack(4821)}},
		{"in words", "ack 4821", []notify.Answer{ack(4821)}},
		{"in words, with a hash", "Acknowledge #4821!", []notify.Answer{ack(4821)}},
		{"letter first", "a4821", []notify.Answer{ack(4821)}},
		{"escalate", "4821e", []notify.Answer{{Alert: 4821, Do: notify.DoEscalate}}},
		{"close with a note", "4821c: It was the Backup", []notify.Answer{{Alert: 4821, Do: notify.DoClose, Note: "It was the Backup"}}},
		{"expected, in words, with a note", "expected 4821, pentest of July 3", []notify.Answer{{Alert: 4821, Do: notify.DoExpected, Note: "pentest of July 3"}}},
		{"a note on its own line", "4821c\nfalse alarm", []notify.Answer{{Alert: 4821, Do: notify.DoClose, Note: "false alarm"}}},
		{"two alerts", "4821a 4822a", []notify.Answer{ack(4821), ack(4822)}},
		{"two alerts and a note", "4821a, 4822c done", []notify.Answer{ack(4821), {Alert: 4822, Do: notify.DoClose, Note: "done"}}},
		{"more than anybody means", "1a 2a 3a 4a 5a 6a", nil},
		{"an unknown letter", "4821z", nil},
		{"a word that begins like one", "4821 about", nil},
		{"a number alone", "4821", nil},
		{"a verb alone", "ack", nil},
		{"alert 0", "0a", nil},
		{"a number that is none of ours", "99999999999999999999a", nil},
		{"talk", "I am driving, back at 5", nil},
		{"talk with a number first", "10 minutes", nil},
		{"nothing", "", nil},
	} {
		got := parse(tt.text)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: parse(%q) = %+v, want %+v", tt.name, tt.text, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"4821a", "ack 4821", "4821c it was me", "1a 2e 3c", "#", "99999999999999999999a", "a\x00b", "４８２１a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := parse(s)
		if len(got) > repliesMost {
			t.Errorf("parse(%q) = %d answers", s, len(got))
		}
		for i, a := range got {
			if a.Alert <= 0 || verbs["a"] == "" || !slices.Contains([]notify.Do{notify.DoAcknowledge, notify.DoEscalate, notify.DoClose, notify.DoExpected}, a.Do) {
				t.Errorf("parse(%q)[%d] = %+v", s, i, a)
			}
			if a.Note != notify.Clean(a.Note) || a.Note != "" && i < len(got)-1 {
				t.Errorf("parse(%q)[%d] has the note %q", s, i, a.Note)
			}
		}
	})
}

// A scene is a receiver over Twilio, and who acts on what people send back.
type scene struct {
	twilio *twiliotest.Server
	sms    notify.Notifier
	log    *bytes.Buffer
	now    time.Time
	acted  []notify.Answer
	refuse error
}

func play(t *testing.T, change func(*Twilio)) *scene {
	t.Helper()
	s := &scene{twilio: twiliotest.New(t), log: &bytes.Buffer{}, now: notifytest.Now()}
	env := notifytest.Env(t, nil)
	env.Log = slog.New(slog.NewTextHandler(s.log, nil))
	env.Now = func() time.Time { return s.now }
	env.CallbackURL, env.Handle = callback, s.twilio.Handle
	env.Act = func(_ context.Context, a notify.Answer) (notify.Reply, error) {
		s.acted = append(s.acted, a)
		return notify.Reply{Text: "Alert 4821 was acknowledged by ana at 02:31 UTC."}, s.refuse
	}
	c := Twilio{Settings: s.twilio.Settings(), From: twiliotest.Number}
	if change != nil {
		change(&c)
	}
	var err error
	if s.sms, err = open(Config{Twilio: &c}, env); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAReplyAcknowledges(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	ref, err := s.sms.Notify(t.Context(), asked())
	if err != nil {
		t.Fatal(err)
	}
	sent := s.twilio.Messages()
	if len(sent) != 1 || sent[0].To != ana || sent[0].From != twiliotest.Number || sent[0].SID != ref || !strings.HasSuffix(sent[0].Body, "\nReply 4821a ack, 4821e escalate, 4821c close") {
		t.Fatalf("sent %+v, ref %s", sent, ref)
	}
	answer, status := s.twilio.ReplyAs(callback+"/reply", "SM77", ana, "4821a")
	if status != 200 || answer != "Alert 4821 was acknowledged by ana at 02:31 UTC." {
		t.Errorf("reply: %d %q", status, answer)
	}
	if want := []notify.Answer{{ID: "SM77", Alert: 4821, Do: notify.DoAcknowledge, From: ana}}; !slices.Equal(s.acted, want) {
		t.Errorf("acted %+v, want %+v", s.acted, want)
	}
}

func TestTwoRepliesInOneHaveTwoIDs(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	answer, _ := s.twilio.ReplyAs(callback+"/reply", "SM77", ana, "4821a 4822e")
	if len(s.acted) != 2 || s.acted[0].ID != "SM77" || s.acted[1].ID != "SM77-2" || strings.Count(answer, "\n") != 1 {
		t.Errorf("acted %+v, answer %q", s.acted, answer)
	}
}

func TestARefusalIsAnswered(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	s.refuse = errors.New("nobody here has the number +4930123456 & <no> contact method")
	if answer, status := s.twilio.Reply(callback+"/reply", ana, "4821a"); status != 200 || answer != s.refuse.Error() {
		t.Errorf("reply: %d %q, want 200 and the refusal", status, answer)
	}
}

func TestWhatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	for _, tt := range []struct {
		name, from, text string
		later            time.Duration
		want             string
	}{
		{"is told how to reply", ana, "what is this?", 0, help},
		{"once in ten minutes, so that two machines do not talk for ever", ana, "I am on holiday until 12 July", time.Minute, ""},
		{"somebody else is told too", "+4930999999", "what?", 0, help},
		{"and again later", ana, "what?", 10 * time.Minute, help},
		{"what carriers answer is left to them", "+4930888888", "STOP", 0, ""},
		{"in any spelling", "+4930888888", " Stop. ", 0, ""},
	} {
		s.now = s.now.Add(tt.later)
		if got, status := s.twilio.Reply(callback+"/reply", tt.from, tt.text); got != tt.want || status != 200 {
			t.Errorf("%s: %q is answered %d %q, want %q", tt.name, tt.text, status, got, tt.want)
		}
	}
	if len(s.acted) != 0 {
		t.Errorf("acted %+v", s.acted)
	}
}

func TestAForgedReplyDoesNothing(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	other := play(t, func(c *Twilio) { c.AuthToken = secret.New("another token, for whom it is a forgery") })
	for range 3 {
		if answer, status := other.twilio.Reply(callback+"/reply", ana, "4821a"); status != 403 || answer != "" {
			t.Errorf("forged: %d %q, want 403", status, answer)
		}
	}
	if len(other.acted) != 0 || strings.Count(other.log.String(), "callback refused") != 1 || strings.Contains(other.log.String(), "forgery") {
		t.Errorf("acted %+v, log %q, want nothing done and one line", other.acted, other.log)
	}
	// An address that was signed for one alert is good for no other.
	if _, err := s.sms.Notify(t.Context(), asked()); err != nil {
		t.Fatal(err)
	}
	if got := s.twilio.MessageStatus(s.twilio.Messages()[0], "delivered", ""); got != 204 {
		t.Errorf("status: %d", got)
	}
}

func TestDeliveryStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ state, code, want string }{
		{"sent", "", ""},
		{"delivered", "", ""},
		{"undelivered", "30003", `level=WARN msg="message reached nobody" receiver=payments-oncall alert=4821 err="+4930123456: undelivered: 30003 the phone cannot be reached"`},
		{"failed", "30999", `err="+4930123456: failed: 30999"`},
		{"failed", "", `err="+4930123456: failed"`},
	} {
		s := play(t, nil)
		if _, err := s.sms.Notify(t.Context(), asked()); err != nil {
			t.Fatal(err)
		}
		if got := s.twilio.MessageStatus(s.twilio.Messages()[0], tt.state, tt.code); got != 204 {
			t.Errorf("%s: %d, want 204", tt.state, got)
		}
		if got := s.log.String(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: log %q, want %q", tt.state, tt.code, got, tt.want)
		}
	}
}

func TestRepliesAreAskedForWhereTheyComeBack(t *testing.T) {
	t.Parallel()
	no := false
	for _, tt := range []struct {
		name   string
		change func(*Twilio)
		want   bool
	}{
		{"a number", nil, true},
		{"a messaging service", func(c *Twilio) { c.From, c.MessagingServiceSID = "", twiliotest.Service }, true},
		{"a name, to which nobody can reply", func(c *Twilio) { c.From = "tocsin" }, false},
		{"no auth token to check them with", func(c *Twilio) {
			c.AuthToken, c.APIKey, c.APISecret = secret.New(""), twiliotest.Key, secret.New(twiliotest.Secret)
		}, false},
		{"not wanted", func(c *Twilio) { c.Replies = &no }, false},
	} {
		s := play(t, tt.change)
		if _, err := s.sms.Notify(t.Context(), asked()); err != nil {
			t.Fatal(err)
		}
		sent := s.twilio.Messages()[0]
		if got := strings.Contains(sent.Body, "Reply"); got != tt.want {
			t.Errorf("%s: %q asks for a reply: %v, want %v", tt.name, sent.Body, got, tt.want)
		}
	}
}

func TestCodesGoToTheirAddressAlone(t *testing.T) {
	t.Parallel()
	s := play(t, nil)
	m := notify.Message{ID: "c", Kind: tocsin.TellCode, To: "+49 30 999 999", Code: "428317", Text: "It holds for 15 minutes."}
	if _, err := s.sms.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	sent := s.twilio.Messages()
	if len(sent) != 1 || sent[0].To != "+4930999999" || sent[0].Body != "428317 is your code for tocsin. It holds for 15 minutes." {
		t.Errorf("sent %+v", sent)
	}
}

func TestErrorsOfTwilio(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		answer    twiliotest.Answer
		permanent bool
		want      string
	}{
		{"who wants no more messages", twiliotest.Answer{Status: 400, Code: 21610}, true, ": 400 Bad Request: 21610 as the test wants it"},
		{"a queue that is full", twiliotest.Answer{Status: 400, Code: 21611}, false, ": 400 Bad Request: 21611 as the test wants it"},
		{"a wrong token, which is not the fault of who is to be told", twiliotest.Answer{Status: 401, Code: 20003}, false, ": 401 Unauthorized: 20003 as the test wants it"},
		{"a number that is none", twiliotest.Answer{Status: 400, Code: 21211}, true, ": 400 Bad Request: 21211 as the test wants it"},
		{"too many at once", twiliotest.Answer{Status: 429, Code: 20429}, false, ": 429 Too Many Requests: 20429 as the test wants it"},
	} {
		s := play(t, nil)
		s.twilio.Answers(tt.answer)
		_, err := s.sms.Notify(t.Context(), asked())
		if err == nil || !strings.HasPrefix(err.Error(), "sms: twilio: 127.0.0.1") || !strings.HasSuffix(err.Error(), tt.want) || notify.IsPermanent(err) != tt.permanent {
			t.Errorf("%s: Notify = %v, permanent %v; want …%s, %v", tt.name, err, notify.IsPermanent(err), tt.want, tt.permanent)
		}
	}
	s := play(t, nil)
	s.twilio.Down()
	if _, err := s.sms.Notify(t.Context(), asked()); err == nil || notify.IsPermanent(err) {
		t.Errorf("a server that is down: Notify = %v, want an error that may be tried again", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	number := func(c Twilio) *Twilio { return &c }
	server := twiliotest.New(t)
	good := Twilio{Settings: server.Settings(), From: twiliotest.Number}
	aws := awstest.New(t).Settings()
	badAWS := aws
	badAWS.Region = ""
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"Twilio", Config{Twilio: &good}, ""},
		{"AWS", Config{AWS: &aws}, ""},
		{"neither", Config{}, "set exactly one of twilio and aws"},
		{"both", Config{Twilio: &good, AWS: &aws}, "set exactly one of twilio and aws"},
		{"a number without its country", Config{To: []string{"030 123456"}, Twilio: &good}, `to: "030 123456" has no country code; want it as in +4930123456`},
		{"a short code", Config{Twilio: number(Twilio{Settings: good.Settings, From: "72975"})}, ""},
		{"no sender", Config{Twilio: number(Twilio{Settings: good.Settings})}, "twilio: set exactly one of from and messaging_service_sid"},
		{"two senders", Config{Twilio: number(Twilio{Settings: good.Settings, From: "tocsin", MessagingServiceSID: twiliotest.Service})}, "twilio: set exactly one of from and messaging_service_sid"},
		{"a sender that is too long", Config{Twilio: number(Twilio{Settings: good.Settings, From: "tocsin alerts"})}, `twilio: from: "tocsin alerts" is no number with its country code, no short code and no sender of up to 11 letters and digits`},
		{"a service that is none", Config{Twilio: number(Twilio{Settings: good.Settings, MessagingServiceSID: "alerts"})}, "twilio: messaging_service_sid: want MG and 32 hexadecimal digits"},
		{"AWS without region", Config{AWS: &badAWS}, "aws: region: is not set"},
	} {
		got := ""
		if _, err := open(tt.c, notifytest.Env(t, nil)); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: open = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	if Kind.Burst != 5 || Kind.Patience != phone.Patience || Kind.Follows || Kind.Address == nil {
		t.Errorf("Kind = %+v", Kind)
	}
	if got, err := Kind.Address("+49 30 12 34"); got != "+49301234" || err != nil {
		t.Errorf("Address = %q, %v", got, err)
	}
}
