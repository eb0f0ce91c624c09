package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/coverage"
)

func TestCoverageIsWatchedUnlessSomebodySaysNo(t *testing.T) {
	t.Parallel()
	usual := coverage.Alerting{Level: tocsin.High, After: 15 * time.Minute}
	for _, tt := range []struct {
		name, text string
		want       config.Coverage
	}{
		{"nothing is said", "", config.Coverage{Alert: usual}},
		{"an empty block", "coverage: {}\n", config.Coverage{Alert: usual}},
		{"regions", "coverage: {regions: [eu-west-1, us-gov-east-1]}\n", config.Coverage{Alert: usual, Expect: coverage.Expectation{Regions: []string{"eu-west-1", "us-gov-east-1"}}}},
		{"one region", "coverage: {regions: eu-west-1}\n", config.Coverage{Alert: usual, Expect: coverage.Expectation{Regions: []string{"eu-west-1"}}}},
		{"a region of tomorrow", "coverage: {regions: eu-south-9}\n", config.Coverage{Alert: usual, Expect: coverage.Expectation{Regions: []string{"eu-south-9"}}}},
		{"all regions", "coverage: {regions: all}\n", config.Coverage{Alert: usual, Expect: coverage.Expectation{All: true}}},
		{"plans and silence", "coverage: {expect: {features: [S3_DATA_EVENTS]}, silence: 7d}\n", config.Coverage{Alert: usual, Expect: coverage.Expectation{Features: []string{"S3_DATA_EVENTS"}, Silence: 7 * 24 * time.Hour}}},
		{"who is told", "coverage: {alert: {level: critical, after: 1h}}\n", config.Coverage{Alert: coverage.Alerting{Level: tocsin.Critical, After: time.Hour}}},
		{"some of it", "coverage: {alert: {after: 1h}}\n", config.Coverage{Alert: coverage.Alerting{Level: tocsin.High, After: time.Hour}}},
		{"nobody is told", "coverage: {alert: {disabled: true}}\n", config.Coverage{Alert: coverage.Alerting{Level: tocsin.High, After: 15 * time.Minute, Disabled: true}}},
		{"nobody watches", "coverage: {disabled: true}\n", config.Coverage{Alert: usual, Disabled: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := parse(t, least+tt.text)
			if diff := cmp.Diff(tt.want, c.Coverage); diff != "" {
				t.Errorf("coverage (-want +got):\n%s", diff)
			}
			if len(c.Warnings) != 0 {
				t.Errorf("warnings: %v", c.Warnings)
			}
		})
	}
}

func TestAnAccountMaySayWhichRegionsItUses(t *testing.T) {
	t.Parallel()
	c := parse(t, least+`
accounts:
  "000000000001": {name: says nothing}
  "000000000002": {regions: [eu-west-1, eu-west-3]}
  "000000000003": {regions: us-east-1}
  "000000000004": {regions: []}
  "000000000005": {regions: }
`)
	want := map[string][]string{
		"000000000001": nil, "000000000002": {"eu-west-1", "eu-west-3"}, "000000000003": {"us-east-1"}, "000000000004": {}, "000000000005": nil,
	}
	for id, regions := range want {
		if diff := cmp.Diff(regions, c.Accounts[id].Regions); diff != "" {
			t.Errorf("regions of %s (-want +got):\n%s", id, diff)
		}
	}
}

func TestMistakesInCoverage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a region that is none", "coverage: {regions: [eu-west-1, Ireland]}\n", `t.yml:6:33: coverage.regions[1]: "Ireland" is not a region such as eu-west-1`},
		{"a region twice", "coverage: {regions: [eu-west-1, eu-west-1]}\n", `t.yml:6:33: coverage.regions[1]: region "eu-west-1" is there twice`},
		{"all and more", "coverage: {regions: [all, eu-west-1]}\n", `t.yml:6:21: coverage.regions: has "all" beside others: all alone is every region`},
		{"all regions of an account", `accounts: {"000000000001": {regions: all}}`, `t.yml:6:38: accounts.000000000001.regions: "all" is not a region such as eu-west-1`},
		{"a level that is none", "coverage: {alert: {level: worst}}\n", `t.yml:6:27: coverage.alert.level: `},
		{"an unknown key", "coverage: {region: all}\n", `t.yml:6:12: coverage: unknown key "region" (did you mean "regions"?)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("t.yml", []byte(least+tt.text), kinds)
			problems, _ := errors.AsType[config.Problems](err)
			if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
	text := strings.Replace(least, "{events: {https: {}}}", "{coverage: {https: {}}}", 1)
	_, err := config.Parse("t.yml", []byte(text), kinds)
	if err == nil || !strings.Contains(err.Error(), "sources.coverage: is the name by which tocsin itself tells of gaps") {
		t.Errorf("a source called coverage: %v", err)
	}
	c := parse(t, least+"coverage: {expect: {features: [S3_DATA_EVENT]}}\n")
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), `(did you mean "S3_DATA_EVENTS"?)`) {
		t.Errorf("a plan that is misspelt: %v", c.Warnings)
	}
}
