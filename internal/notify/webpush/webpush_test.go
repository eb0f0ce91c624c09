package webpush

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/notify/webpush/webpushtest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const callback = "https://tocsin.example.com/act/phones"

// service is a push service at the time of the messages.
func service(t *testing.T) *webpushtest.Service {
	t.Helper()
	s := webpushtest.New(t)
	s.Now = notifytest.Now
	return s
}

func env(t *testing.T, s *webpushtest.Service) notify.Env {
	t.Helper()
	e := notifytest.Env(t, nil)
	e.Name, e.CallbackURL, e.State = "phones", callback, &notifytest.Memory{}
	if s != nil {
		e.HTTP = s.Client()
	}
	return e
}

func opened(t *testing.T, c Config, e notify.Env) *notifier {
	t.Helper()
	n, err := open(c, e)
	if err != nil {
		t.Fatal(err)
	}
	return n.(*notifier)
}

// to sends every message to one browser.
type to struct {
	notify.Notifier
	address string
}

func (n to) Notify(ctx context.Context, m notify.Message) (string, error) {
	m.To, m.Person = n.address, "ana"
	return n.Notifier.Notify(ctx, m)
}

func TestPromises(t *testing.T) {
	t.Parallel()
	var secrets [3]string // of the browser of the last Open; the suite reads them after
	h := notifytest.Harness{
		HTTP:    true,
		Secrets: secrets[:],
		Open: func(t *testing.T, a notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			s := service(t)
			s.Answers(webpushtest.Answer{Status: a.Status, RetryAfter: a.RetryAfter, Echo: a.Echo, Hang: a.Hang})
			b := s.Subscribe("")
			secrets = [3]string{b.Name, b.Auth(), "vapid t="}
			return to{opened(t, Config{AllowPrivate: true}, env(t, s)), b.Subscription()}, func() []notifytest.Taken {
				var got []notifytest.Taken
				for _, p := range s.Taken() {
					got = append(got, notifytest.Taken{Header: p.Header, Body: p.Text})
				}
				return got
			}
		},
		Check: func(t *testing.T, m notify.Message, got notifytest.Taken) {
			p := read(t, got.Body)
			if len(got.Body) > textMost {
				t.Errorf("%d bytes, want at most %d", len(got.Body), textMost)
			}
			if strings.TrimSpace(p.Title) == "" || notify.UTF16(p.Title) > titleMost || strings.Contains(p.Title, "\n") {
				t.Errorf("title is %q", p.Title)
			}
			if p.Tag == "" || p.Calls != (m.Kind.Calls() || m.Kind == tocsin.TellCode) {
				t.Errorf("%s: tag %q, calls %v", m.Kind, p.Tag, p.Calls)
			}
		},
		Shown: func(t *testing.T, got notifytest.Taken) []string {
			p := read(t, got.Body)
			shown := []string{p.Title, p.Body}
			for _, a := range p.Actions {
				shown = append(shown, a.Label)
			}
			return shown
		},
	}
	notifytest.Run(t, h)
}

func read(t *testing.T, text []byte) payload {
	t.Helper()
	var p payload
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if !utf8.Valid(text) {
		t.Errorf("not UTF-8: %q", text)
	}
	return p
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			text, err := render(c.Message, notifytest.Now())
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := json.Indent(&b, text, "", "  "); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "\n\nTTL: %.0f\nUrgency: %s\nTopic: %s\n", lifetime(c.Message).Seconds(), urgency(c.Message), topic(c.Message))
			notifytest.Golden(t, c.Name+".txt", b.Bytes())
		})
	}
}

// TestTheExampleOfTheStandard is the example of RFC 8291, section 5 and appendix A.
func TestTheExampleOfTheStandard(t *testing.T) {
	t.Parallel()
	const (
		plain  = "When I grow up, I want to be a watermelon"
		sealed = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	)
	s, err := parse(`{"endpoint": "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
		"keys": {"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}`)
	if err != nil {
		t.Fatal(err)
	}
	sender := privateKey(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
	salt, _ := decode("DGv6ra1nlYgDCS1FRnbzlw")
	body, err := sealWith(s, []byte(plain), 0, sender, salt)
	if got := coding.EncodeToString(body); err != nil || got != sealed {
		t.Errorf("sealed: %v\n%s, want\n%s", err, got, sealed)
	}
	raw, _ := decode(sealed)
	text, err := webpushtest.Decrypt(raw, privateKey(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), s.auth)
	if err != nil || string(text) != plain {
		t.Errorf("the browser of the tests reads %q, %v, want %q", text, err, plain)
	}
}

func privateKey(t *testing.T, text string) *ecdh.PrivateKey {
	t.Helper()
	raw, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAllMessagesAreOfOneLengthAndFit(t *testing.T) {
	t.Parallel()
	s := service(t)
	b := s.Subscribe("")
	n := to{opened(t, Config{AllowPrivate: true}, env(t, s)), b.Subscription()}
	for _, c := range append(notifytest.Messages(), notifytest.Corpus()...) {
		if _, err := n.Notify(t.Context(), c.Message); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	for _, p := range s.Taken() {
		if len(p.Body) != sealedLength {
			t.Errorf("a body of %d bytes, want %d", len(p.Body), sealedLength)
		}
	}
	sub, err := parse(b.Subscription())
	if err != nil {
		t.Fatal(err)
	}
	if body, err := seal(sub, make([]byte, textMost)); err != nil || len(body) != sealedLength {
		t.Errorf("the longest message: %d bytes, %v, want %d", len(body), err, sealedLength)
	}
	if _, err := seal(sub, make([]byte, textMost+1)); err == nil {
		t.Error("a message that is one byte too long was sealed")
	}
	if limit := fmt.Sprintf("%d,%03d bytes", textMost/1000, textMost%1000); Kind.Abilities.Limit != limit {
		t.Errorf("the kind says %s, and it is %s", Kind.Abilities.Limit, limit)
	}
}

func TestALongMessageIsCutWhereACharacterEndsAndKeepsWhatActs(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.Alert.Headline = strings.Repeat("🔥", 200)
	m.Changes = []tocsin.Change{{What: strings.Repeat("é", 90), To: strings.Repeat("𝔘", 90)}}
	m.Team, m.OnCall = strings.Repeat("ß", 60), slices.Repeat([]string{strings.Repeat("漢", 40)}, 5)
	for i := range 5 {
		m.Actions = append(m.Actions, notify.Action{Do: notify.Do(fmt.Sprint("do-", i)), Label: "Acknowledge", URL: "https://tocsin.example.com/act/link/" + strings.Repeat("x", 250)})
	}
	text, err := render(m, notifytest.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := read(t, text)
	if len(text) > textMost || !strings.HasSuffix(p.Body, "…") || strings.ContainsRune(p.Body, utf8.RuneError) {
		t.Errorf("%d bytes, body %q; want at most %d, cut with …", len(text), p.Body, textMost)
	}
	if len(p.Actions) < 2 || p.Actions[0].Do != "do-0" {
		t.Errorf("%d actions are left, want the first two at least", len(p.Actions))
	}
	m.Actions[0].URL = "https://tocsin.example.com/" + strings.Repeat("x", 1900)
	m.AlertURL = "https://tocsin.example.com/" + strings.Repeat("y", 1900)
	if text, err := render(m, notifytest.Now()); err != nil || len(text) > textMost {
		t.Errorf("with links that take all the room: %d bytes, %v", len(text), err)
	}
}

func TestTheSignature(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, subject, callback, want string
	}{
		{"names public_url", "", callback, "https://tocsin.example.com"},
		{"names the subject", "mailto:soc@example.com", callback, "mailto:soc@example.com"},
		{"names nobody where nothing is known", "", "http://localhost:8080/act/phones", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := service(t)
			e := env(t, s)
			e.CallbackURL = tt.callback
			n := to{opened(t, Config{AllowPrivate: true, Subject: tt.subject}, e), s.Subscribe("").Subscription()}
			for range 2 {
				if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); err != nil {
					t.Fatal(err)
				}
			}
			got := s.Taken()
			if c := got[0].Claims; c.Subject != tt.want || c.Audience != s.URL || c.Expires != notifytest.Now().Add(signedFor).Unix() {
				t.Errorf("claims are %+v", c)
			}
			if first, again := got[0].Header.Get("Authorization"), got[1].Header.Get("Authorization"); first != again {
				t.Error("two messages have two signatures, want one that is used again")
			}
		})
	}
}

func TestASignatureIsMadeAgainBeforeItExpires(t *testing.T) {
	t.Parallel()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := parseKey(string(key))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSigner(private, "")
	if err != nil {
		t.Fatal(err)
	}
	start := notifytest.Now()
	sign := func(after time.Duration) string {
		header, err := s.authorization("https://push.example", start.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := webpushtest.Verify(header, "https://push.example", start.Add(after)); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
		return header
	}
	first := sign(0)
	if sign(5*time.Hour) != first {
		t.Error("after 5 hours there is another signature, want the first")
	}
	if sign(7*time.Hour) == first {
		t.Error("after 7 hours there is still the first signature, want another")
	}
	if sign(-30*time.Hour) == first {
		t.Error("a clock that was put back uses a signature that is too far ahead")
	}
	for i := range 3 * originsMost {
		if _, err := s.authorization(fmt.Sprintf("https://%d.example", i), start); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.signed) > originsMost {
		t.Errorf("%d signatures are kept, want at most %d", len(s.signed), originsMost)
	}
}

func TestTheKeyIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	s := service(t)
	e := env(t, s)
	b := s.Subscribe("") // bound to the key of the first message
	m := notifytest.Messages()[0].Message
	for _, replica := range []string{"first", "after a restart"} {
		n := to{opened(t, Config{AllowPrivate: true}, e), b.Subscription()}
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Errorf("%s: %v", replica, err)
		}
	}
	e.State = &notifytest.Memory{}
	_, err := to{opened(t, Config{AllowPrivate: true}, e), b.Subscription()}.Notify(t.Context(), m)
	if !notify.IsPermanent(err) || notify.IsGone(err) || !strings.Contains(fmt.Sprint(err), "private_key") {
		t.Errorf("with another key: %v, want a permanent error that names private_key", err)
	}
	own := "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	n := to{opened(t, Config{AllowPrivate: true, PrivateKey: secret.New(own)}, e), s.Subscribe("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8").Subscription()}
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Errorf("with a configured key: %v", err)
	}
}

func TestABrowserThatHasForgottenItsSubscriptionIsGone(t *testing.T) {
	t.Parallel()
	s := service(t)
	b := s.Subscribe("")
	n := to{opened(t, Config{AllowPrivate: true}, env(t, s)), b.Subscription()}
	b.Unsubscribe()
	_, err := n.Notify(t.Context(), notifytest.Messages()[0].Message)
	if !notify.IsGone(err) || !notify.IsPermanent(err) || !strings.Contains(fmt.Sprint(err), "has to be invited again") {
		t.Errorf("410: %v, want one that is gone and says what to do", err)
	}
	for status, gone := range map[int]bool{404: true, 400: false, 413: false, 429: false, 500: false} {
		s.Answers(webpushtest.Answer{Status: status})
		if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); notify.IsGone(err) != gone {
			t.Errorf("%d: %v, gone %v, want %v", status, err, !gone, gone)
		}
	}
	s.Answers(webpushtest.Answer{Status: http.StatusNotAcceptable})
	if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); err == nil || notify.IsPermanent(err) {
		t.Errorf("406, by which Windows's push service says that it has had enough: %v, want one to try again", err)
	}
}

func TestTopicsAndUrgency(t *testing.T) {
	t.Parallel()
	open := notifytest.Messages()[0].Message
	of := func(kind tocsin.Kind, level tocsin.Level) notify.Message {
		m := open
		m.Kind, m.Alert.Level = kind, level
		return m
	}
	for _, same := range []tocsin.Kind{tocsin.TellRaised, tocsin.TellAcknowledged, tocsin.TellChanged, tocsin.TellClosed} {
		if topic(of(same, tocsin.High)) != topic(open) {
			t.Errorf("%s does not take the place of the opening", same)
		}
	}
	if topic(of(tocsin.TellUpdated, tocsin.High)) == topic(open) {
		t.Error("news, which come quietly, would take the place of a call that the phone has not had yet")
	}
	other := open
	other.Alert.ID++
	if topic(other) == topic(open) || len(topic(open)) > 32 {
		t.Errorf("topics of two alerts are %q and %q", topic(other), topic(open))
	}
	for _, tt := range []struct {
		kind  tocsin.Kind
		level tocsin.Level
		want  string
	}{
		{tocsin.TellOpened, tocsin.Critical, "high"},
		{tocsin.TellRaised, tocsin.Medium, "high"},
		{tocsin.TellOpened, tocsin.Unknown, "high"},
		{tocsin.TellOpened, tocsin.Low, "normal"},
		{tocsin.TellUpdated, tocsin.Critical, "normal"},
		{tocsin.TellAcknowledged, tocsin.Critical, "normal"},
		{tocsin.TellClosed, tocsin.Critical, "normal"},
		{tocsin.TellNote, tocsin.Unknown, "normal"},
		{tocsin.TellCode, tocsin.Unknown, "high"},
	} {
		if got := urgency(of(tt.kind, tt.level)); got != tt.want {
			t.Errorf("urgency of %s, %s = %s, want %s", tt.kind, tt.level, got, tt.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	const (
		p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
		auth   = "BTBZMqHH6r4Tts7J_aSIgg"
		whole  = `{"endpoint":"https://push.example.net/p/1?x=y","keys":{"auth":"` + auth + `","p256dh":"` + p256dh + `"}}`
	)
	with := func(endpoint, p256dh, auth string) string {
		return fmt.Sprintf(`{"keys": {"p256dh": %q, "auth": %q}, "expirationTime": null, "endpoint": %q}`, p256dh, auth, endpoint)
	}
	standard := strings.NewReplacer("-", "+", "_", "/")
	for _, tt := range []struct{ name, text, want, err string }{
		{"as a browser writes it", with("https://push.example.net/p/1?x=y", p256dh, auth), whole, ""},
		{"as it is kept", whole, whole, ""},
		{"in the other base64, padded", with("https://PUSH.example.net/p/1?x=y", standard.Replace(p256dh)+"=", standard.Replace(auth)+"=="), whole, ""},
		{"a mail address", "ana@example.com", "", "that is not a browser's subscription"},
		{"without TLS", with("http://push.example.net/1", p256dh, auth), "", "https:// alone"},
		{"with a password", with("https://a:b@push.example.net/1", p256dh, auth), "", "not a browser's subscription"},
		{"with a line break", with("https://push.example.net/1\n", p256dh, auth), "", "not a browser's subscription"},
		{"without a host", with("https:///1", p256dh, auth), "", "not a browser's subscription"},
		{"with a very long endpoint", with("https://push.example.net/"+strings.Repeat("x", endpointMost), p256dh, auth), "", "longer than those"},
		{"with a key that is no point", with("https://push.example.net/1", strings.Replace(p256dh, "B", "C", 1), auth), "", "p256dh"},
		{"with half a secret", with("https://push.example.net/1", p256dh, auth[:10]), "", "auth"},
		{"too long", whole + strings.Repeat(" ", subscriptionMost), "", "not a browser's subscription"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Kind.Address(tt.text)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("Address = %v, want %q", err, tt.err)
			}
			if err == nil && got != tt.want {
				t.Errorf("Address = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAnEndpointThatLeadsInsideIsRefused(t *testing.T) {
	t.Parallel()
	s := service(t)
	b := s.Subscribe("")
	for _, endpoint := range []string{b.Endpoint(), strings.Replace(b.Endpoint(), "127.0.0.1", "localhost", 1), "https://169.254.169.254/latest/meta-data", "https://[::1]/x", "https://10.0.0.8/x"} {
		address := strings.Replace(b.Subscription(), b.Endpoint(), endpoint, 1)
		_, err := to{opened(t, Config{}, env(t, s)), address}.Notify(t.Context(), notifytest.Messages()[0].Message)
		if _, inside := errors.AsType[*notify.PrivateError](err); !inside || !notify.IsPermanent(err) {
			t.Errorf("%s: %v, want a permanent error that it is not public", endpoint, err)
		}
	}
	if len(s.Taken())+len(s.Refused()) != 0 {
		t.Error("the request was made all the same")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"nothing", Config{}, ""},
		{"a subject by mail", Config{Subject: "mailto:soc@example.com"}, ""},
		{"a page as subject", Config{Subject: "https://example.com/contact"}, ""},
		{"a subject with angle brackets, which Apple refuses", Config{Subject: "mailto:<soc@example.com>"}, "subject is no mail address; want mailto:soc@example.com"},
		{"a name as subject", Config{Subject: "the SOC"}, "subject must begin with mailto: or https://"},
		{"a key that is none", Config{PrivateKey: secret.New("swordfish")}, "private_key: it is no private key for Web Push: want 32 bytes in base64url, as 'npx web-push generate-vapid-keys' writes them"},
		{"references that are not resolved yet", Config{Subject: "${env:SUBJECT}", PrivateKey: secret.New("${env:KEY}")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			e := env(t, nil)
			e.State = nil // as in a check of settings
			if _, err := open(tt.c, e); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("open: %q, want %q", got, tt.want)
			}
			if strings.Contains(got, "swordfish") {
				t.Error("the error tells the secret")
			}
		})
	}
}

func TestItTellsPeopleAlone(t *testing.T) {
	t.Parallel()
	n := opened(t, Config{}, env(t, nil))
	if n.Placed() {
		t.Error("it has a place of its own")
	}
	if _, err := n.Notify(t.Context(), notifytest.Messages()[0].Message); !notify.IsPermanent(err) {
		t.Errorf("a message to nobody: %v, want a permanent error", err)
	}
}

func TestNoNameLeadsInside(t *testing.T) {
	t.Parallel()
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer server.Close()
	for allowed, want := range map[bool]int{false: 0, true: 1} {
		n, err := open(Config{AllowPrivate: allowed}, notifytest.Env(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		hits = 0
		_, err = notify.Request{URL: server.URL}.Send(t.Context(), n.(*notifier).client) // as if a name led there
		if _, blocked := errors.AsType[*notify.PrivateError](err); hits != want || blocked == allowed {
			t.Errorf("with allow_private %v: %v, %d requests", allowed, err, hits)
		}
	}
}
