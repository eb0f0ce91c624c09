package aws_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// endpoint_url is one service's; that others are asked there too is for emulators.
func TestWhereOtherServicesAre(t *testing.T) {
	const (
		ofGuardDuty = "https://vpce-0a1b-2c3d.guardduty.eu-west-1.vpce.amazonaws.com"
		emulator    = "https://emulator.example.com"
		ofSTS       = "https://sts.example.com"
		everything  = "https://everything.example.com"
		sts1        = "https://sts.eu-west-1.amazonaws.com"
		orgs        = "https://organizations.us-east-1.amazonaws.com"
	)
	for _, tt := range []struct {
		name, region, endpoint string
		env                    map[string]string
		sts, organizations     string
	}{
		{"nothing said", "eu-west-1", "", nil, sts1, orgs},
		{"a VPC endpoint", "eu-west-1", ofGuardDuty, nil, sts1, orgs},
		{"a VPC endpoint in capitals", "eu-west-1", "https://VPCE-1.GuardDuty.eu-west-1.VPCE.amazonaws.com", nil, sts1, orgs},
		{"an endpoint for IPv6", "eu-west-1", "https://guardduty.eu-west-1.api.aws", nil, sts1, orgs},
		{"a VPC endpoint in China", "cn-north-1", "https://vpce-1.guardduty.cn-north-1.vpce.amazonaws.com.cn", nil, "https://sts.cn-north-1.amazonaws.com.cn", "https://organizations.cn-northwest-1.amazonaws.com.cn"},
		{"an emulator", "eu-west-1", emulator, nil, emulator, emulator},
		{"a name that only looks like AWS's", "eu-west-1", "https://notamazonaws.com", nil, "https://notamazonaws.com", "https://notamazonaws.com"},
		{"a VPC endpoint, and one for STS", "eu-west-1", ofGuardDuty, map[string]string{"AWS_ENDPOINT_URL_STS": ofSTS}, ofSTS, orgs},
		{"an emulator, and another for STS", "eu-west-1", emulator, map[string]string{"AWS_ENDPOINT_URL_STS": ofSTS}, ofSTS, emulator},
		{"a VPC endpoint, and another address for all that is left", "eu-west-1", ofGuardDuty, map[string]string{"AWS_ENDPOINT_URL": everything}, everything, everything},
	} {
		for _, ownKey := range []bool{true, false} {
			if ownKey && tt.env["AWS_ENDPOINT_URL"] != "" {
				continue // with a key of the settings nothing else of the machine is looked at
			}
			t.Run(tt.name+map[bool]string{true: ", with a key of the settings"}[ownKey], func(t *testing.T) {
				for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_ORGANIZATIONS"} {
					t.Setenv(name, "")
					_ = os.Unsetenv(name) // t puts it back; the SDK takes what is empty for set
				}
				t.Setenv("AWS_CONFIG_FILE", os.DevNull)
				t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
				for name, value := range tt.env {
					t.Setenv(name, value)
				}
				set := aws.Settings{EndpointURL: tt.endpoint}
				if ownKey {
					set.AccessKeyID, set.SecretAccessKey = awstest.KeyID, secret.New(awstest.Secret)
				} else {
					t.Setenv("AWS_ACCESS_KEY_ID", awstest.KeyID)
					t.Setenv("AWS_SECRET_ACCESS_KEY", awstest.Secret)
				}
				asked := &hosts{}
				session, err := set.Open("aws-test", tt.region, "test", &http.Client{Transport: asked})
				if err != nil {
					t.Fatal(err)
				}
				_, _ = sts.NewFromConfig(session.Beside()).GetCallerIdentity(t.Context(), nil)
				_, _ = organizations.NewFromConfig(session.Beside()).DescribeOrganization(t.Context(), nil)
				if len(asked.asked) != 2 || asked.asked[0] != tt.sts || asked.asked[1] != tt.organizations {
					t.Errorf("asked %v, want %s and %s", asked.asked, tt.sts, tt.organizations)
				}
			})
		}
	}
}
