package demo

import (
	"fmt"
	"math/rand/v2"
)

// admin is the delegated administrator's account, on whose topic the findings of
// all members are published.
const admin = "999988887777"

// An account of the simulated organisation.
type account struct {
	id, name, environment, team string
	// minimum is the lowest level worth an alert, or "".
	minimum string
}

var names = []struct{ name, environment, team string }{
	{"payments-prod", "prod", "payments"},
	{"payments-staging", "staging", "payments"},
	{"web-prod", "prod", "web"},
	{"web-staging", "staging", "web"},
	{"data-lake", "prod", "data"},
	{"ml-research", "dev", "data"},
	{"identity", "prod", "platform"},
	{"network-hub", "prod", "platform"},
	{"ci-build", "prod", "platform"},
	{"mobile-prod", "prod", "mobile"},
	{"sandbox", "dev", "platform"},
	{"backup", "prod", "platform"},
}

// accounts makes n accounts; beyond those with names they are numbered.
func accounts(n int) []account {
	as := make([]account, n)
	for i := range as {
		as[i] = account{id: fmt.Sprintf("%012d", (11122223333+i*101010101)%1e12), name: fmt.Sprintf("member-%d", i+1), environment: "prod", team: "platform"}
		if i < len(names) {
			as[i].name, as[i].environment, as[i].team = names[i].name, names[i].environment, names[i].team
		}
		if as[i].environment == "dev" {
			as[i].minimum = "medium"
		}
	}
	return as
}

// regions are those that every account has by default.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
	"eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1",
	"ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2",
}

// A place is an account in a region.
type place struct {
	account account
	region  string
}

func (w *world) anywhere() place {
	return place{pick(w.rng, w.accounts), pick(w.rng, w.regions)}
}

func (w *world) at(name, region string) place {
	for _, a := range w.accounts {
		if a.name == name {
			return place{a, region}
		}
	}
	return place{w.accounts[0], region}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
