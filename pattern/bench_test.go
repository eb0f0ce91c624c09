package pattern

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// benchmarkEvent is a GuardDuty finding of about 5 KB, all invented.
var benchmarkEvent = func() []byte {
	var tags, ports []string
	for i := range 12 {
		tags = append(tags, fmt.Sprintf(`{"key":"team-%d","value":"value of tag number %d, \"quoted\""}`, i, i))
		ports = append(ports, fmt.Sprintf(`{"localPortDetails":{"port":%d,"portName":"Unknown"},"remoteIpDetails":{"ipAddressV4":"198.51.100.%d",`+
			`"country":{"countryName":"Nowhere"},"city":{"cityName":"Somewhere"},"geoLocation":{"lat":%d.5,"lon":-7.25},`+
			`"organization":{"asn":"64496","asnOrg":"Example","isp":"Example ISP","org":"Example Org"}}}`, 1000+i, i, i))
	}
	return []byte(`{"version":"0","id":"cd2d702e-ab31-411b-9344-793ce56b1bc7","detail-type":"GuardDuty Finding","source":"aws.guardduty",` +
		`"account":"111122223333","time":"2024-05-01T12:00:00Z","region":"eu-central-1","resources":[],"detail":{"schemaVersion":"2.0",` +
		`"accountId":"111122223333","region":"eu-central-1","partition":"aws","id":"b0c0a1d2e3f405162738495a6b7c8d9e",` +
		`"type":"UnauthorizedAccess:EC2/SSHBruteForce","severity":8.0,"title":"198.51.100.7 is performing SSH brute force attacks.",` +
		`"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0123456789abcdef0","instanceType":"m5.large",` +
		`"availabilityZone":"eu-central-1a","tags":[` + strings.Join(tags, ",") + `],"networkInterfaces":[{"privateIpAddress":"10.0.0.1",` +
		`"subnetId":"subnet-1","vpcId":"vpc-1","securityGroups":[{"groupName":"default","groupId":"sg-1"}]}]}},` +
		`"service":{"serviceName":"guardduty","detectorId":"d1","archived":false,"count":3,"action":{"actionType":"PORT_PROBE",` +
		`"portProbeAction":{"blocked":false,"portProbeDetails":[` + strings.Join(ports, ",") + `]}}},` +
		`"createdAt":"2024-05-01T11:00:00.000Z","updatedAt":"2024-05-01T12:00:00.000Z","description":"An invented finding."}}`)
}()

// benchmarkPattern is one of the n-th rules a team might write.
func benchmarkPattern(n int) string {
	account := 111122223333 + n/10
	switch n % 10 {
	case 0:
		return fmt.Sprintf(`{"source":["aws.guardduty"],"account":["%d"],"detail":{"severity":[{"numeric":[">=",7]}]}}`, account)
	case 1:
		return fmt.Sprintf(`{"source":["aws.guardduty"],"detail":{"type":[{"prefix":"Recon:%d"},{"wildcard":"*:EC2/*%d"}]}}`, n, n)
	case 2:
		return fmt.Sprintf(`{"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventName":["Delete%d","Stop%d"]}}`, n, n)
	case 3:
		return fmt.Sprintf(`{"detail":{"resource":{"instanceDetails":{"tags":{"key":["team-%d"],"value":[{"suffix":"\"quoted\""}]}}}}}`, n)
	case 4:
		return fmt.Sprintf(`{"region":[{"anything-but":["eu-central-%d"]}],"detail":{"service":{"archived":[false]}}}`, n%20)
	case 5:
		return fmt.Sprintf(`{"source":["aws.securityhub"],"detail":{"findings":{"Severity":{"Label":["CRITICAL"]},"AwsAccountId":["%d"]}}}`, account)
	case 6:
		return fmt.Sprintf(`{"account":["%d"],"detail":{"userIdentity":{"type":["Root"]},"errorCode":[{"exists":false}]}}`, account)
	case 7:
		return fmt.Sprintf(`{"source":["aws.guardduty"],"detail":{"service":{"action":{"portProbeAction":{"portProbeDetails":`+
			`{"remoteIpDetails":{"ipAddressV4":[{"cidr":"203.0.%d.0/24"}]}}}}}}}`, n%256)
	case 8:
		return fmt.Sprintf(`{"source":["aws.ec2"],"detail":{"state":["stopped"],"instance-id":["i-%d"]}}`, n)
	}
	return fmt.Sprintf(`{"$or":[{"source":["aws.s3"]},{"source":["aws.health"],"detail":{"eventTypeCategory":["issue"]}}],"account":["%d"]}`, account)
}

func BenchmarkMatch(b *testing.B) {
	b.Run("one pattern", func(b *testing.B) {
		p := parse(b, benchmarkPattern(0))
		b.ReportAllocs()
		b.SetBytes(int64(len(benchmarkEvent)))
		for b.Loop() {
			if ok, err := p.Match(benchmarkEvent); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	for _, n := range []int{30, 1000} {
		b.Run(fmt.Sprintf("%d patterns", n), func(b *testing.B) {
			set := benchmarkSet(b, n)
			var matched []int
			b.ReportAllocs()
			b.SetBytes(int64(len(benchmarkEvent)))
			for b.Loop() {
				var err error
				if matched, err = set.Match(benchmarkEvent, matched[:0]); len(matched) == 0 || err != nil {
					b.Fatal(matched, err)
				}
			}
		})
	}
	b.Run("json.Valid for comparison", func(b *testing.B) {
		b.SetBytes(int64(len(benchmarkEvent)))
		for b.Loop() {
			json.Valid(benchmarkEvent)
		}
	})
}

func benchmarkSet(t testing.TB, n int) *Set[int] {
	set := NewSet[int]()
	for i := range n {
		set.Add(i, parse(t, benchmarkPattern(i)))
	}
	return set
}

func BenchmarkParse(b *testing.B) {
	text := []byte(benchmarkPattern(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
