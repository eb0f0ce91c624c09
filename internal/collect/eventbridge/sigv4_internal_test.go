package eventbridge

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The requests and signatures of AWS's own test suite for Signature Version 4, which
// is part of its SDKs. The key is AKIDEXAMPLE, the service "service", the time
// 2015-08-30T12:36:00Z. Its requests whose path has a blank are for services that do
// not encode it twice, and so not here.
const vectorSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

var vectorNow = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

var vectors = []struct{ name, request, signed, signature string }{
	{"get-vanilla", "GET / HTTP/1.1", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"post-vanilla", "POST / HTTP/1.1", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"get-vanilla-query-order-key-case", "GET /?Param2=value2&Param1=value1 HTTP/1.1", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{"get-vanilla-query-order-encoded", "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1 HTTP/1.1", "host;x-amz-date", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
	{"get-vanilla-utf8-query", "GET /?ሴ=bar HTTP/1.1", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
	{"get-header-key-duplicate", "GET / HTTP/1.1\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1", "host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
	{"get-header-value-trim", "GET / HTTP/1.1\nMy-Header1: value1\nMy-Header2: \"a   b   c\"", "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	{"get-slashes-normalized", "GET //example// HTTP/1.1", "host;x-amz-date", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
	{"get-relative-relative-normalized", "GET /example1/example2/../.. HTTP/1.1", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"get-slash-pointless-dot-normalized", "GET /./example HTTP/1.1", "host;x-amz-date", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
	{"post-header-value-case", "POST / HTTP/1.1\nMy-Header1:VALUE1", "host;my-header1;x-amz-date", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
	{
		"post-sts-header-before", "POST / HTTP/1.1\nX-Amz-Security-Token:AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
		"host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
	},
	{
		"post-x-www-form-urlencoded", "POST / HTTP/1.1\nContent-Type:application/x-www-form-urlencoded\nContent-Length:13\nx-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
		"content-length;content-type;host;x-amz-content-sha256;x-amz-date", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
	},
}

// vector is such a request as a server has it, with its body read.
func vector(t testing.TB, request, signed, signature string) (*http.Request, []byte) {
	t.Helper()
	head, body := request, ""
	if strings.Contains(request, "Content-Length:13") {
		body = "Param1=value1"
	}
	text := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost:example.amazonaws.com\r\nX-Amz-Date:20150830T123600Z\r\n" +
		"Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + signed + ", Signature=" + signature + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, sent
}

func TestAWSsOwnSignaturesAreBelieved(t *testing.T) {
	t.Parallel()
	for _, tt := range vectors {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, body := vector(t, tt.request, tt.signed, tt.signature)
			s, f := readSignature(r, "service", vectorNow)
			if f == nil {
				f = s.verify(r, body, vectorSecret)
			}
			if f != nil {
				t.Fatalf("%v\n%s", f, canonical(r, s.signed, hexHash(body)))
			}
			if f := s.verify(r, body, vectorSecret+"x"); f == nil || f.Code != "InvalidSignatureException" {
				t.Errorf("with another secret: %v", f)
			}
			if f := s.verify(r, append(body, ' '), vectorSecret); f == nil {
				t.Error("with another body it is believed too")
			}
			r.Method = http.MethodPut
			if f := s.verify(r, body, vectorSecret); f == nil {
				t.Error("with another method it is believed too")
			}
		})
	}
}

// sdkSecret is what the SDK signs with.
const sdkSecret = "secret"

// sdkSigned is a request that the AWS SDK for Go signed.
func sdkSigned(t testing.TB, url, body string, at time.Time, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	err := v4.NewSigner().SignHTTP(context.Background(), sdk.Credentials{AccessKeyID: "AKID", SecretAccessKey: sdkSecret}, r, hexHash([]byte(body)), serviceName, "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func believed(r *http.Request, body string) *fault {
	s, f := readSignature(r, serviceName, vectorNow)
	if f != nil {
		return f
	}
	return s.verify(r, []byte(body), sdkSecret)
}

func TestTheSDKsSignaturesAreBelieved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url, body string
		header          []string
	}{
		{"at the root", "http://127.0.0.1:18081/", "{}", nil},
		{"without a path", "http://127.0.0.1:18081", "{}", nil},
		{"below a path", "https://tocsin.example.com/in/bus", `{"Name":"Test"}`, nil},
		{"below a path with a slash", "https://tocsin.example.com/in/bus/", "", nil},
		{"a source with odd letters", "https://tocsin.example.com/in/a%20b%2Fc~d", "{}", nil},
		{"a query", "https://tocsin.example.com/?b=2&a=1&a=0&c=%2F%20+&d", "{}", nil},
		{"headers with blanks", "https://tocsin.example.com/", "{}", []string{"X-Amz-Target", "AWSEvents.PutEvents", "X-Odd", "  a   b  ", "X-Odd", "c"}},
		{"a hash of the body", "https://tocsin.example.com/", "{}", []string{"X-Amz-Content-Sha256", hexHash([]byte("{}"))}},
		{"names in other letters", "https://tocsin.example.com/é", "ü", []string{"X-Amz-Security-Token", "token"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := sdkSigned(t, tt.url, tt.body, vectorNow, tt.header...)
			if f := believed(r, tt.body); f != nil {
				t.Error(f)
			}
		})
	}
}

func TestSignaturesThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	const wrong = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	edit := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	for _, tt := range []struct {
		name          string
		change        func(*http.Request)
		code, message string
	}{
		{"none", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"two", func(r *http.Request) { r.Header.Add("Authorization", "x") }, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"a password", func(r *http.Request) { r.SetBasicAuth("a", "b") }, "IncompleteSignatureException", "Unsupported AWS 'algorithm': only AWS4-HMAC-SHA256 is taken here."},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header; only 'X-Amz-Date' is taken here."},
		{"another date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") }, "InvalidSignatureException", wrong},
		{"a date of another form", func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'. Got 'yesterday'."},
		{"a date of another day", edit("20150830", "20150831"), "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != '20150830'."},
		{"another service", edit("/events/", "/sqs/"), "InvalidSignatureException", "Credential should be scoped to correct service: 'events'."},
		{"another region", edit("eu-west-1", "eu-west-2"), "InvalidSignatureException", wrong},
		{"a region that is none", edit("eu-west-1", `eu"west`), "IncompleteSignatureException", "Signature or Credential scope is malformed."},
		{"another target", func(r *http.Request) { r.Header.Set("X-Amz-Target", "AWSEvents.DeleteRule") }, "InvalidSignatureException", wrong},
		{"another host", func(r *http.Request) { r.Host = "example.com" }, "InvalidSignatureException", wrong},
		{"another path", func(r *http.Request) { r.URL.Path = "/other" }, "InvalidSignatureException", wrong},
		{"another key id is another signature's", edit("Signature=", "Signature=00"), "IncompleteSignatureException", "Signature or Credential scope is malformed."},
		{"a target that is not signed", edit(";x-amz-target", ""), "InvalidSignatureException", "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."},
		{"a host that is not signed", edit("host;", ""), "InvalidSignatureException", "'host' must be a 'SignedHeader' in the AWS Authorization."},
		{"a header added that is signed for", edit("SignedHeaders=", "SignedHeaders=a;"), "InvalidSignatureException", wrong},
		{"headers not in order", edit("SignedHeaders=", "SignedHeaders=z;"), "IncompleteSignatureException", "SignedHeaders must be in lower case, sorted, and each of them there once."},
		{"a body that is not signed", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, "InvalidSignatureException", "'x-amz-content-sha256' must be a 'SignedHeader' in the AWS Authorization."},
		{"no credential", edit("Credential=", "Credentials="), "IncompleteSignatureException", "Authorization header requires 'Credential' parameter."},
		{"a credential without a scope", edit("/20150830/eu-west-1/events/aws4_request", ""), "IncompleteSignatureException", "Credential must have at least 5 slash-delimited elements, the last of them 'aws4_request'."},
		{"the same twice", edit("SignedHeaders", "Credential=x, SignedHeaders"), "IncompleteSignatureException", "' Credential=x' not a valid key=value pair (missing equal-sign) in Authorization header."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := sdkSigned(t, "http://127.0.0.1:18081/", "{}", vectorNow, "X-Amz-Target", "AWSEvents.PutEvents")
			if f := believed(r, "{}"); f != nil {
				t.Fatal(f)
			}
			tt.change(r)
			f := believed(r, "{}")
			if f == nil || f.Status != http.StatusForbidden || f.Code != tt.code || f.Message != tt.message {
				t.Errorf("%+v, want 403 %s: %s", f, tt.code, tt.message)
			}
		})
	}
}

func TestAnUnsignedBodyIsNotTaken(t *testing.T) {
	t.Parallel()
	r := sdkSigned(t, "http://127.0.0.1/", "UNSIGNED-PAYLOAD", vectorNow, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if f := believed(r, "UNSIGNED-PAYLOAD"); f == nil || !strings.Contains(f.Message, "UNSIGNED-PAYLOAD is not taken") {
		t.Error(f)
	}
}

func TestAnyAccessKeyIDWillDo(t *testing.T) {
	t.Parallel()
	r := sdkSigned(t, "http://127.0.0.1/", "{}", vectorNow)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "AKID/", "an/odd/one/", 1))
	if f := believed(r, "{}"); f != nil {
		t.Error(f)
	}
}

func TestClocksMayBeFiveMinutesApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   time.Duration
		want string
	}{
		{"five minutes late", -5 * time.Minute, ""},
		{"five minutes early", 5 * time.Minute, ""},
		{"later than that", -5*time.Minute - time.Second, "Signature expired: 20150830T123059Z is now earlier than 20150830T123100Z (20150830T123600Z - 5 min.)"},
		{"earlier than that", 5*time.Minute + time.Second, "Signature not yet current: 20150830T124101Z is still later than 20150830T124100Z (20150830T123600Z + 5 min.)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := sdkSigned(t, "http://127.0.0.1/", "{}", vectorNow.Add(tt.at))
			f := believed(r, "{}")
			if got := ""; f != nil {
				if got = f.Message; got != tt.want || f.Code != "InvalidSignatureException" {
					t.Errorf("%v, want %q", f, tt.want)
				}
			} else if tt.want != "" {
				t.Errorf("believed, want %q", tt.want)
			}
		})
	}
}

// Whatever is sent, nothing but the signature that the secret makes is believed.
func FuzzSignature(f *testing.F) {
	for _, tt := range vectors {
		f.Add("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+tt.signed+", Signature="+tt.signature, "20150830T123600Z", "/", "a=b", "x")
	}
	f.Add("AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=;, Signature=", "", "//../%", "%zz&=&", "")
	f.Fuzz(func(t *testing.T, authorization, stamp, path, query, value string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header["Authorization"], r.Header["X-Amz-Date"], r.Header["My-Header1"] = []string{authorization}, []string{stamp}, []string{value}
		s, fault := readSignature(r, "service", vectorNow)
		if fault != nil {
			if fault.Status != http.StatusForbidden || fault.Message == "" {
				t.Errorf("%+v", fault)
			}
			return
		}
		if len(s.mac) != 32 || s.date != stamp[:8] || !strings.Contains(strings.Join(s.signed, " "), "host") {
			t.Errorf("signature %+v of %q", s, authorization)
		}
		if s.verify(r, nil, "a secret that no seed was made with") == nil {
			t.Error("it is believed")
		}
		s.mac = s.make(canonical(r, s.signed, hexHash(nil)), "secret")
		if f := s.verify(r, nil, "secret"); f != nil {
			t.Errorf("its own signature: %v", f)
		}
	})
}
