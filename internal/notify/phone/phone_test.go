package phone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/phone"
	"github.com/tocsin-sec/tocsin/internal/notify/phone/awstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want, err string }{
		{"as vendors want it", "+4930123456", "+4930123456", ""},
		{"with spaces", "+49 30 12 34", "+49301234", ""},
		{"with the national zero in brackets", "+49 (0)30/12-34.56", "+4930123456", ""},
		{"American", "+1 (415) 555-2671", "+14155552671", ""},
		{"a link", "tel:+4930123456", "+4930123456", ""},
		{"copied from an address book", "\u202a+49\u00a030\u00a0123456\u202c", "+4930123456", ""},
		{"15 digits", "+123456789012345", "+123456789012345", ""},
		{"16 digits", "+1234567890123456", "", `"+1234567890123456" has 16 digits; a phone number with its country code has 7 to 15`},
		{"too short", "+49110", "", `"+49110" has 5 digits; a phone number with its country code has 7 to 15`},
		{"without country code", "030 123456", "", `"030 123456" has no country code; want it as in +4930123456`},
		{"with a dialling prefix", "0049 30 123456", "", `"0049 30 123456" has no country code; want it as in +4930123456`},
		{"a country code of 0", "+0 30 123456", "", `"+0 30 123456": no country code begins with 0; want it as in +4930123456`},
		{"letters", "+1-800-FLOWERS", "", `"+1-800-FLOWERS" is not a phone number; want one such as +4930123456`},
		{"other digits", "+٤٩٣٠١٢٣٤٥٦", "", `"+٤٩٣٠١٢٣٤٥٦" is not a phone number; want one such as +4930123456`},
		{"an extension", "+49 30 123456 ext 7", "", `"+49 30 123456 ext 7" is not a phone number; want one such as +4930123456`},
		{"nothing", " ", "", `"" is not a phone number; want one such as +4930123456`},
		{"very long", strings.Repeat("x", 500), "", `"` + strings.Repeat("x", 39) + `…" is not a phone number; want one such as +4930123456`},
	} {
		got, err := phone.Number(tt.text)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != tt.want || said != tt.err {
			t.Errorf("%s: Number(%q) = %q, %q; want %q, %q", tt.name, tt.text, got, said, tt.want, tt.err)
		}
	}
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"+4930123456", "+49 (0)30 12", "tel:+1", "+(0)(0)", "\u202a+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := phone.Number(text)
		if err != nil {
			return
		}
		if again, err := phone.Number(got); again != got || err != nil || got[0] != '+' || len(got) > 16 || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("Number(%q) = %q, and of that %q, %v", text, got, again, err)
		}
	})
}

func TestPlain(t *testing.T) {
	t.Parallel()
	m := notify.Message{Kind: tocsin.TellOpened, Account: tocsin.Account{ID: "111122223333", Name: "prod"}}
	m.Alert.Level, m.Alert.Account, m.Alert.Region = tocsin.High, "111122223333", "eu-west-1"
	m.Alert.Headline = "EC2 i-0abc123def456789a (web-1) is calling a C2 server"
	if got, want := notify.FirstLine(phone.Plain(m)), "HIGH · prod eu-west-1 · EC2 web-1 is calling a C2 server"; got != want {
		t.Errorf("FirstLine(Plain) = %q, want %q", got, want)
	}
	m.Account.Name = ""
	m.Alert.Headline = "EC2 i-0abc123def456789a is calling a C2 server"
	if got, want := notify.FirstLine(phone.Plain(m)), "HIGH · 111122223333 eu-west-1 · EC2 i-0abc123def456789a is calling a C2 server"; got != want {
		t.Errorf("without names: FirstLine(Plain) = %q, want %q", got, want)
	}
}

// A party of three numbers; each attempt says what the vendor says of each.
func TestEverybodyIsToldOnce(t *testing.T) {
	t.Parallel()
	fixed := []string{"+491", "+492", "+493"}
	busy, gone := errors.New("busy"), notify.Permanent(errors.New("gone"))
	slow := notify.After(errors.New("slow"), time.Minute)
	for _, tt := range []struct {
		name     string
		attempts []map[string]error // by number; who is not in it is told
		told     []string
		want     []string // the error of each attempt, "" is none
		wait     time.Duration
		logged   bool
	}{
		{"all at once", []map[string]error{{}}, fixed, []string{""}, 0, false},
		{"one is busy first", []map[string]error{{"+492": busy}, {}}, []string{"+491", "+493", "+492"}, []string{"1 of 3 are to be told yet: busy", ""}, 0, false},
		{"one is gone", []map[string]error{{"+492": gone}}, []string{"+491", "+493"}, []string{""}, 0, true},
		{"one is gone, one busy", []map[string]error{{"+491": gone, "+492": busy}, {"+491": nil}}, []string{"+493", "+492"}, []string{"1 of 3 are to be told yet: busy", ""}, 0, true},
		{"all are gone", []map[string]error{{"+491": gone, "+492": gone, "+493": gone}}, nil, []string{"+491: gone; +492: gone; +493: gone"}, 0, true},
		{"the vendor wants a pause", []map[string]error{{"+493": slow}}, []string{"+491", "+492"}, []string{"1 of 3 are to be told yet: slow"}, time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var round phone.Round
			var told []string
			var logged bytes.Buffer
			for i, says := range tt.attempts {
				ref, err := round.Tell(t.Context(), notify.Message{ID: "m"}, fixed, slog.New(slog.NewTextHandler(&logged, nil)), "sms",
					func(_ context.Context, number string) (string, error) {
						if says[number] == nil {
							told = append(told, number)
						}
						return "ref of " + number, says[number]
					})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != tt.want[i] || (ref == "") != (err != nil) {
					t.Errorf("attempt %d: Tell = %q, %q; want the error %q", i+1, ref, got, tt.want[i])
				}
				if wait, _ := notify.RetryAfter(err); wait != tt.wait {
					t.Errorf("attempt %d: wait %v, want %v", i+1, wait, tt.wait)
				}
				if wantPermanent := err != nil && !strings.Contains(got, "yet"); notify.IsPermanent(err) != wantPermanent {
					t.Errorf("attempt %d: %v: permanent %v", i+1, err, !wantPermanent)
				}
			}
			if !slices.Equal(told, tt.told) || (logged.Len() > 0) != tt.logged {
				t.Errorf("told %q, want %q; log %q", told, tt.told, logged.String())
			}
		})
	}
}

func TestWhoIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		to    string
		fixed []string
		want  string
		err   string
	}{
		{"the person, not the fixed numbers", "+49 30 123456", []string{"+4930999999"}, "+4930123456", ""},
		{"the fixed number", "", []string{"+4930999999"}, "+4930999999", ""},
		{"nobody", "", nil, "", "the message is for nobody: it names no person, and to: is not set"},
		{"a person without a number", "U012AB3CD", nil, "", `"U012AB3CD" is not a phone number; want one such as +4930123456`},
	} {
		var round phone.Round
		got, err := round.Tell(t.Context(), notify.Message{ID: "m", To: tt.to}, tt.fixed, slog.New(slog.DiscardHandler), "sms",
			func(_ context.Context, number string) (string, error) { return number, nil })
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != tt.want || said != tt.err || notify.IsPermanent(err) != (err != nil) {
			t.Errorf("%s: Tell = %q, %q, permanent %v; want %q, %q", tt.name, got, said, notify.IsPermanent(err), tt.want, tt.err)
		}
	}
}

// What is remembered is bounded: the oldest is told again.
func TestTheOldestMessageIsForgotten(t *testing.T) {
	t.Parallel()
	var round phone.Round
	counts := map[string]int{}
	attempt := func(id string) {
		_, _ = round.Tell(t.Context(), notify.Message{ID: id}, []string{"+491", "+492"}, slog.New(slog.DiscardHandler), "sms",
			func(_ context.Context, number string) (string, error) {
				counts[id+number]++
				if number == "+492" {
					return "", errors.New("busy")
				}
				return "", nil
			})
	}
	for i := range 1025 {
		attempt(fmt.Sprint(i))
	}
	attempt("0")
	attempt("1024")
	if counts["0+491"] != 2 || counts["1024+491"] != 1 || counts["1024+492"] != 2 {
		t.Errorf("the oldest was told %d times, the newest %d, want 2 and 1", counts["0+491"], counts["1024+491"])
	}
}

func TestAWSSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*phone.AWS)
		want   string
	}{
		{"good", func(*phone.AWS) {}, ""},
		{"no region", func(a *phone.AWS) { a.Region = "" }, "region: is not set"},
		{"a host for a region", func(a *phone.AWS) { a.Region = "evil.example/#" }, `region: "evil.example/#" is not an AWS region`},
		{"nobody to be from", func(a *phone.AWS) { a.OriginationIdentity = "" }, "origination_identity: is not set"},
		{"half of the credentials", func(a *phone.AWS) { a.SecretAccessKey = secret.New("") }, "access_key_id and secret_access_key go together: set both or none"},
		{"an endpoint in clear", func(a *phone.AWS) { a.Endpoint = "http://vpce.example.com" }, "endpoint must begin with https:// (http:// only to localhost or a written-out IP address)"},
	} {
		a := awstest.New(t).Settings()
		tt.change(&a)
		got := ""
		if _, err := a.Open(nil); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: Open = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAWSRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		answer    awstest.Answer
		permanent bool
		want      string
	}{
		{"too fast", awstest.Answer{Status: 400, Type: "ThrottlingException"}, false, "aws: 400 ThrottlingException: as the test wants it"},
		{"the month's money is spent", awstest.Answer{Status: 402, Type: "ServiceQuotaExceededException"}, false, "aws: 402 ServiceQuotaExceededException: as the test wants it"},
		{"their fault", awstest.Answer{Status: 500, Type: "InternalServerException"}, false, "aws: 500 InternalServerException: as the test wants it"},
		{"old credentials", awstest.Answer{Status: 400, Type: "ExpiredTokenException"}, false, "aws: 400 ExpiredTokenException: as the test wants it"},
		{"not a number", awstest.Answer{Status: 400, Type: "ValidationException"}, true, "aws: 400 ValidationException: as the test wants it"},
		{"who wants no more messages", awstest.Answer{Status: 400, Type: "ConflictException"}, true, "aws: 400 ConflictException: as the test wants it"},
		{"not allowed", awstest.Answer{Status: 400, Type: "AccessDeniedException"}, false, "aws: 400 AccessDeniedException: as the test wants it"},
		{"no such pool", awstest.Answer{Status: 400, Type: "ResourceNotFoundException"}, false, "aws: 400 ResourceNotFoundException: as the test wants it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := awstest.New(t)
			s.Answers(tt.answer)
			c, err := s.Settings().Open(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Text(t.Context(), "+4930123456", "x", nil)
			if err == nil || err.Error() != tt.want || notify.IsPermanent(err) != tt.permanent {
				t.Errorf("Text = %v, permanent %v; want %s, %v", err, notify.IsPermanent(err), tt.want, tt.permanent)
			}
		})
	}
}

func TestAWSRequests(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	a := s.Settings()
	a.ConfigurationSet, a.ProtectConfig = "alerts", "protect-0a1b2c"
	c, err := a.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Text(t.Context(), "+4930123456", "hello", map[string]string{"alert": "4821"})
	if err != nil || id == "" {
		t.Errorf("Text = %q, %v", id, err)
	}
	if _, err := c.Call(t.Context(), "+4930123456", "hello", "AMY", nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Call(t.Context(), "+4930123456", "hello", "", nil); err != nil {
		t.Error(err)
	}
	sent := s.Sent()
	if len(sent) != 3 || sent[0].Operation != "SendTextMessage" || sent[1].Operation != "SendVoiceMessage" {
		t.Fatalf("sent %v", sent)
	}
	for name, want := range map[string]any{
		"DestinationPhoneNumber": "+4930123456", "MessageBody": "hello", "MessageType": "TRANSACTIONAL", "OriginationIdentity": "pool-0a1b2c3d4e5f",
		"ConfigurationSetName": "alerts", "ProtectConfigurationId": "protect-0a1b2c", "TimeToLive": 1800.0,
	} {
		if got := sent[0].Input[name]; got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if got := sent[1].Input["VoiceId"]; got != "AMY" {
		t.Errorf("VoiceId = %v, want AMY", got)
	}
}

// A secret that is wrong is refused by the fake as by the service.
func TestAWSSignature(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	a := s.Settings()
	a.SecretAccessKey = secret.New("another key, not the one")
	c, err := a.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Text(t.Context(), "+4930123456", "x", nil)
	if err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") || strings.Contains(err.Error(), "another key") {
		t.Errorf("Text = %v, want InvalidSignatureException", err)
	}
	if len(s.Sent()) != 0 {
		t.Error("the message was taken")
	}
}
