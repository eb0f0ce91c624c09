package awstest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect/collecttest"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A Moto is a server of moto's, which others take for AWS in their tests
// (https://docs.getmoto.org).
type Moto struct {
	URL string
	// Config makes clients that reach it, to make a resource and to look at what is
	// there.
	Config sdk.Config
	// Settings reach it as a receiver does.
	Settings aws.Settings
}

// StartMoto starts moto_server; it ends with the test. With -short the test is skipped:
// there is one for each of the services, and each takes seconds to start.
func StartMoto(t *testing.T) *Moto {
	t.Helper()
	if testing.Short() {
		t.Skip("moto takes seconds to start")
	}
	m := &Moto{URL: collecttest.Moto(t)}
	m.Settings = aws.Settings{EndpointURL: m.URL, AccessKeyID: KeyID, SecretAccessKey: secret.New(Secret), Region: Region}
	m.Config = sdk.Config{Region: Region, BaseEndpoint: &m.URL, Credentials: credentials.NewStaticCredentialsProvider(KeyID, Secret, "")}
	return m
}

// Ask makes a request by hand, for services of which there is no client here, and
// for moto's own pages.
func (m *Moto) Ask(t *testing.T, service, method, path, contentType, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, m.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if service != "" {
		// By this moto knows which service is asked; it believes every signature.
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+KeyID+"/20260612/"+Region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("moto: %s %s: %s %v\n%.500s", method, path, resp.Status, err, answer)
	}
	return string(answer)
}

// Send sends the target's first message to moto and gives what it is called there,
// and the message.
func (p Target) Send(t *testing.T, m *Moto) (ref, id string) {
	t.Helper()
	env := notifytest.Env(t, nil)
	env.HTTP.Timeout = time.Minute // moto reads a service's code when it is first asked
	n, err := p.Open(m.Settings, env)
	if err != nil {
		t.Fatal(err)
	}
	first := p.First()
	ref, err = n.Notify(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	return ref, first.ID
}
