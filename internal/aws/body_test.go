package aws_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// A late is a transport as net/http's is where the answer is there before the request
// was seen to be written to its end: it looks for that end afterwards, and would close
// the connection, with what it has of the answer, on an error.
type late struct{ end chan error }

func (l late) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.CopyN(io.Discard, r.Body, r.ContentLength)
	answer := closes{strings.NewReader(`{"Messages":[]}`), func() {
		rest, atEnd := io.Copy(io.Discard, r.Body)
		if rest > 0 {
			atEnd = errors.New("there was more")
		}
		l.end <- atEnd
	}}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: answer, Request: r}, err
}

// A closes is a body that does something when it is closed.
type closes struct {
	io.Reader
	do func()
}

func (c closes) Close() error {
	c.do()
	return nil
}

func TestAnAnswerThatIsEarlyIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	transport := late{make(chan error, 1)}
	s, err := aws.Settings{Region: "eu-west-1", AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret.New("x")}.
		Open("aws-test", "", "alerts", &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqs.NewFromConfig(s.Config).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: sdk.String("https://sqs.eu-west-1.amazonaws.com/111122223333/findings"),
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-transport.end; err != nil {
		t.Errorf("the end of a body that was sent whole is an error: %v", err)
	}
}
