package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// admin is the delegated administrator's account, on whose topic the findings of
// all members are published.
const admin = "999988887777"

// security is that account.
var security = account{id: admin, name: "security", environment: "prod", ou: "infrastructure"}

// An account of the simulated organisation.
type account struct {
	id, name, environment string
	ou                    string // where it stands, which says whose it is
	// minimum is the lowest level worth an alert, or "".
	minimum string
}

var names = []struct{ name, environment, ou string }{
	{"payments-prod", "prod", "payments/prod"},
	{"payments-staging", "staging", "payments/staging"},
	{"web-prod", "prod", "web/prod"},
	{"web-staging", "staging", "web/staging"},
	{"data-lake", "prod", "data/prod"},
	{"ml-research", "dev", "data/research"},
	{"identity", "prod", "infrastructure"},
	{"network-hub", "prod", "infrastructure"},
	{"ci-build", "prod", "infrastructure"},
	{"mobile-prod", "prod", "mobile"},
	{"sandbox", "dev", "infrastructure/sandbox"},
	{"backup", "prod", "infrastructure"},
}

// accounts makes n accounts; beyond those with names they are numbered.
func accounts(n int) []account {
	as := make([]account, n)
	for i := range as {
		as[i] = account{id: fmt.Sprintf("%012d", (11122223333+i*101010101)%1e12), name: fmt.Sprintf("member-%d", i+1), environment: "prod", ou: "infrastructure"}
		if i < len(names) {
			as[i].name, as[i].environment, as[i].ou = names[i].name, names[i].environment, names[i].ou
		}
		if as[i].environment == "dev" {
			as[i].minimum = "medium"
		}
	}
	return as
}

// owner is the tag that resources have by it: the first part of where it stands.
func (a account) owner() string {
	owner, _, _ := strings.Cut(a.ou, "/")
	return owner
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
	// instead says that it stands for an account that the organisation is too small
	// to have. People do what the story says only where it says so.
	instead bool
}

// anywhere is where something may be found.
func (w *world) anywhere() place {
	for {
		if p := (place{account: pick(w.rng, w.accounts), region: pick(w.rng, w.regions)}); !p.dark() {
			return p
		}
	}
}

func (w *world) at(name, region string) place {
	for _, a := range w.accounts {
		if a.name == name {
			return place{account: a, region: region}
		}
	}
	return place{account: w.accounts[0], region: region, instead: true}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
