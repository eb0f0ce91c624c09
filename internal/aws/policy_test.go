package aws_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/aws"
)

func TestAPolicyIsWrittenAsIAMReadsIt(t *testing.T) {
	t.Parallel()
	named := aws.Allow([]string{"logs:FilterLogEvents"}, "arn:aws:logs:eu-west-1:111122223333:log-group:a", "arn:aws:logs:eu-west-1:111122223333:log-group:a:*")
	named.Sid = "Read"
	got := aws.Policy(aws.Allow([]string{"sts:AssumeRole"}, "*"), named)
	want := `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":["sts:AssumeRole"],"Resource":"*"},` +
		`{"Sid":"Read","Effect":"Allow","Action":["logs:FilterLogEvents"],"Resource":["arn:aws:logs:eu-west-1:111122223333:log-group:a","arn:aws:logs:eu-west-1:111122223333:log-group:a:*"]}]}`
	if got != want {
		t.Errorf("Policy = %s\nwant %s", got, want)
	}
}
