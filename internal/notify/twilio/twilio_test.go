package twilio

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/secret"
)

// The examples that Twilio's own libraries are tested with.
func TestSignature(t *testing.T) {
	t.Parallel()
	pressed := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"}}
	for _, tt := range []struct {
		name, address string
		form          url.Values
		want          string
	}{
		{"the example of the documentation", "https://mycompany.com/myapp.php?foo=1&bar=2", pressed, "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
		{"a name with several values", "https://mycompany.com/myapp.php?foo=1&bar=2", url.Values{"Sid": {"CA123"}, "SidAccount": {"AC123"}, "Digits": {"5678", "1234", "1234"}}, "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
		{"a host in capitals", "https://MyCompany.com/myapp.php?foo=1&bar=2", pressed, "g9IN/x4Cft2g517EjYvEvM/W7LU="},
		{"a port", "https://MyCompany.com:1234/myapp.php?foo=1&bar=2", pressed, "PCqOZm8cnu/L6+u5i5fuEd+Iac4="},
	} {
		if got := Sign("12345", tt.address, tt.form); got != tt.want {
			t.Errorf("%s: Sign = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func client(t *testing.T, s Settings) *Client {
	t.Helper()
	c, err := s.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func settings() Settings {
	return Settings{AccountSID: "AC" + strings.Repeat("0", 32), AuthToken: secret.New("12345")}
}

func TestGenuine(t *testing.T) {
	t.Parallel()
	form := url.Values{"From": {"+4930123456"}, "Body": {"4821a"}}
	const address = "https://tocsin.example.com/act/sms/reply"
	signed := Sign("12345", address, form)
	for _, tt := range []struct {
		name, token, signature, address string
		form                            url.Values
		want                            bool
	}{
		{"as it was signed", "12345", signed, address, form, true},
		{"signed with the port that we leave out", "12345", Sign("12345", "https://tocsin.example.com:443/act/sms/reply", form), address, form, true},
		{"signed without the port that we have", "12345", signed, "https://tocsin.example.com:443/act/sms/reply", form, true},
		{"an address in numbers", "12345", Sign("12345", "http://[::1]:80/reply", form), "http://[::1]/reply", form, true},
		{"another text", "12345", signed, address, url.Values{"From": {"+4930123456"}, "Body": {"4822a"}}, false},
		{"another sender", "12345", signed, address, url.Values{"From": {"+4930123457"}, "Body": {"4821a"}}, false},
		{"a field more", "12345", signed, address, url.Values{"From": {"+4930123456"}, "Body": {"4821a"}, "X": {"1"}}, false},
		{"another address", "12345", signed, address + "?alert=1", form, false},
		{"another token", "54321", signed, address, form, false},
		{"no signature", "12345", "", address, form, false},
		{"no token, which signs nothing", "", Sign("", address, form), address, form, false},
	} {
		s := settings()
		s.APIKey, s.APISecret = "SK"+strings.Repeat("0", 32), secret.New("hush-hush")
		s.AuthToken = secret.New(tt.token)
		if got := client(t, s).genuine(tt.signature, tt.address, tt.form); got != tt.want {
			t.Errorf("%s: genuine = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	key := "SK" + strings.Repeat("0", 32)
	for _, tt := range []struct {
		name   string
		change func(*Settings)
		want   string
	}{
		{"the auth token", func(*Settings) {}, ""},
		{"an API key", func(s *Settings) { s.AuthToken, s.APIKey, s.APISecret = secret.New(""), key, secret.New("x") }, ""},
		{"a reference", func(s *Settings) { s.AccountSID = "${env:TWILIO_ACCOUNT_SID}" }, ""},
		{"no account", func(s *Settings) { s.AccountSID = "" }, "account_sid: want AC and 32 hexadecimal digits"},
		{"a key for an account", func(s *Settings) { s.AccountSID = key }, "account_sid: want AC and 32 hexadecimal digits"},
		{"no way to log in", func(s *Settings) { s.AuthToken = secret.New("") }, "auth_token: is not set; set it, or api_key and api_secret"},
		{"half a key", func(s *Settings) { s.APIKey = key }, "api_secret: is not set, but api_key is"},
		{"the other half", func(s *Settings) { s.APISecret = secret.New("x") }, "api_key: is not set, but api_secret is"},
		{"an API key that is none", func(s *Settings) { s.APIKey, s.APISecret = "key", secret.New("x") }, "api_key: want SK and 32 hexadecimal digits"},
		{"in clear", func(s *Settings) { s.URL = "http://api.example.com" }, "url must begin with https:// (http:// only to localhost or a written-out IP address)"},
	} {
		s := settings()
		tt.change(&s)
		got := ""
		if _, err := s.Open(nil); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: Open = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEscape(t *testing.T) {
	t.Parallel()
	got := Escape("</Say><Dial>+1900</Dial>\x00 & \"'\xff")
	if want := "&lt;/Say&gt;&lt;Dial&gt;+1900&lt;/Dial&gt;\uFFFD &amp; &#34;&#39;\uFFFD"; got != want {
		t.Errorf("Escape = %q, want %q", got, want)
	}
}

func TestWhatIsNoCallbackIsRefused(t *testing.T) {
	t.Parallel()
	c := client(t, settings())
	form := url.Values{"Body": {"x"}}
	const base = "https://tocsin.example.com/act/sms"
	called := 0
	h := c.Callbacks(base, slog.New(slog.DiscardHandler), "sms", map[string]Callback{"reply": func(_ context.Context, query, _ url.Values) string {
		called++
		if query.Get("alert") != "7" {
			t.Errorf("query %v", query)
		}
		return "<Response/>"
	}})
	post := func(method, address, signature, body string) int {
		req := httptest.NewRequest(method, address, strings.NewReader(body))
		req.Header.Set("X-Twilio-Signature", signature)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w.Code
	}
	address := base + "/reply?alert=7"
	good := Sign("12345", address, form)
	for _, tt := range []struct {
		name, method, address, signature, body string
		want                                   int
	}{
		{"good", "POST", address, good, form.Encode(), 200},
		{"good, where a proxy or a mount changed host and path", "POST", "http://10.0.0.7:8080/reply?alert=7", good, form.Encode(), 200},
		{"another callback", "POST", base + "/nothing", good, form.Encode(), 404},
		{"none", "POST", base + "/", good, form.Encode(), 404},
		{"GET", "GET", address, good, "", 405},
		{"another query", "POST", base + "/reply?alert=8", good, form.Encode(), 403},
		{"no signature", "POST", address, "", form.Encode(), 403},
		{"not a form", "POST", address, good, "%zz", 400},
		{"a very long body", "POST", address, good, "Body=" + strings.Repeat("x", 64<<10), 413},
	} {
		if got := post(tt.method, tt.address, tt.signature, tt.body); got != tt.want {
			t.Errorf("%s: %s %s = %d, want %d", tt.name, tt.method, tt.address, got, tt.want)
		}
	}
	if called != 2 {
		t.Errorf("the callback was called %d times, want 2", called)
	}
}
