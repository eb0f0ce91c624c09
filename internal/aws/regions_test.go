package aws_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
)

func TestTheRegionsOfAPartitionAreInIt(t *testing.T) {
	t.Parallel()
	for partition, want := range map[string]int{"aws": 34, "aws-us-gov": 2, "aws-cn": 2, "aws-eusc": 1, "aws-new": 0} {
		seen := map[string]bool{}
		for _, r := range aws.RegionsOf(partition) {
			if seen[r] || !aws.IsRegion(r) || aws.PartitionOf(r) != partition {
				t.Errorf("%s of %s is there twice, no region, or in %s", r, partition, aws.PartitionOf(r))
			}
			seen[r] = true
		}
		if len(seen) != want {
			t.Errorf("%s has %d regions, want %d", partition, len(seen), want)
		}
	}
}

func TestASessionInAnotherRegionHasTheSameCredentials(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	here := opened(t, s.Settings())
	there := here.In("cn-north-1")
	if there.Config.Region != "cn-north-1" || there.Partition != "aws-cn" || here.Config.Region != awstest.Region || here.Partition != "aws" {
		t.Errorf("there %s in %s, here %s in %s", there.Config.Region, there.Partition, here.Config.Region, here.Partition)
	}
	if err := deliver(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	if c := s.Calls()[0]; c.Region != "cn-north-1" || c.KeyID != awstest.KeyID {
		t.Errorf("asked in %s with %s", c.Region, c.KeyID)
	}
}

func TestASessionAssumesARoleAfterTheOneItHas(t *testing.T) {
	t.Parallel()
	s := awstest.New(t)
	second := s.Assuming(role+"-2", "x4711")
	session := opened(t, s.Assuming(role, "x1")).As(aws.Role{ARN: second.RoleARN, ExternalID: second.ExternalID, STSEndpointURL: second.STSEndpointURL})
	if err := deliver(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	calls := s.Calls()
	if len(calls) != 3 || calls[0].Resource != role || calls[1].Resource != role+"-2" || calls[1].KeyID == awstest.KeyID || calls[2].KeyID == calls[1].KeyID {
		t.Errorf("calls %+v", calls)
	}
}
