package routing

import (
	"cmp"
	"encoding/json"

	"github.com/tocsin-sec/tocsin"
)

// Slowly is [Document] as encoding/json writes it.
func Slowly(a tocsin.Alert, account tocsin.Account) ([]byte, error) {
	team := cmp.Or(a.Team, account.Team)
	return json.Marshal(fields{
		Type: a.Type, Title: a.Title, Level: a.Level, Severity: a.Severity, Account: a.Account, AccountName: account.Name,
		Environment: account.Environment, Team: team, OU: account.OU, AccountTags: account.Tags, Region: a.Region, Partition: a.Partition,
		Resource: a.Resource, Actor: a.Actor, Sample: a.Sample, Rule: a.Rule, Count: a.Occurrences, Status: a.Status,
		Assignee: a.Assignee, Tags: a.Tags, Paths: a.Paths,
	})
}

// ValueAt is what an [Inhibition] compares.
func ValueAt(a tocsin.Alert, account tocsin.Account, path string) string {
	return valueAt(&a, &account, path)
}
