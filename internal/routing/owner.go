package routing

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin"
)

// An Owner gives a team the accounts that it names: one by its ID, or all that
// stand in an organizational unit, or all that have a tag. What is said of the
// account itself comes first, then the longest OU, then the first tag.
type Owner struct {
	Account string // 12 digits
	// OU is "prod" or "prod/payments": all accounts in it and below.
	OU string
	// Tag is the tag's key and Value its value; both are compared exactly.
	Tag, Value string
	Team       string
}

func (o Owner) check(teams map[string]tocsin.Team) error {
	said := 0
	for _, s := range []string{o.Account, strings.Trim(o.OU, "/"), o.Tag} {
		if s != "" {
			said++
		}
	}
	if said != 1 {
		return errors.New("want one of account, OU and tag")
	}
	if o.Team == "" {
		return errors.New("no team")
	}
	if _, ok := teams[o.Team]; !ok {
		return fmt.Errorf("no team %q", o.Team)
	}
	return nil
}

// A home is an account and whose it is.
type home struct {
	account tocsin.Account // with the team that owns it
	by      string         // what made it the team's: "account …", "OU prod", "tag team=payments"; empty if nobody owns it
	claim   claim          // who is told where no route says so
}

// A claim is who is told of an alert, and why.
type claim struct {
	team, policy string
	receivers    []string
	why          string
	fallback     bool
}

func (c claim) nobody() bool { return c.policy == "" && len(c.receivers) == 0 }

// settleOwners finds out once for each account whose it is.
func (rs *Routes) settleOwners(t Table, last claim) error {
	for i, o := range t.Owners {
		if err := o.check(t.Teams); err != nil {
			return fmt.Errorf("owner %d: %w", i+1, err)
		}
	}
	rs.stranger = home{claim: last}
	rs.homes = make(map[string]*home, len(t.Accounts))
	settle := func(a tocsin.Account) {
		h := &home{account: a}
		h.account.Team, h.by = ownerOf(a, t.Owners)
		h.claim = rs.owned(h, last)
		rs.homes[a.ID] = h
	}
	for id, a := range t.Accounts {
		a.ID = id
		settle(a)
	}
	for _, o := range t.Owners {
		if o.Account != "" && rs.homes[o.Account] == nil {
			settle(tocsin.Account{ID: o.Account})
		}
	}
	return nil
}

// ownerOf is the team that owns the account, and what made it so.
func ownerOf(a tocsin.Account, owners []Owner) (team, by string) {
	if a.Team != "" {
		return a.Team, "account " + a.Label()
	}
	depth, tagged, key := 0, "", ""
	for _, o := range owners {
		switch {
		case o.Account != "":
			if o.Account == a.ID {
				return o.Team, "account " + a.Label()
			}
		case o.OU != "":
			ou := strings.Trim(o.OU, "/")
			if within(a.OU, ou) && len(ou) > depth {
				depth, team, by = len(ou), o.Team, "OU "+ou
			}
		case tagged == "":
			if value, ok := a.Tags[o.Tag]; ok && value == o.Value {
				tagged, key = o.Team, "accounts tagged "+o.Tag+"="+o.Value
			}
		}
	}
	if team == "" {
		return tagged, key
	}
	return team, by
}

// within reports whether path is ou or below it, by whole names.
func within(path, ou string) bool {
	rest, ok := strings.CutPrefix(strings.Trim(path, "/"), ou)
	return ok && (rest == "" || rest[0] == '/')
}

// owned is who is told of an account's alerts where no route says so: its own
// receivers before those of its team.
func (rs *Routes) owned(h *home, last claim) claim {
	team := rs.teams[h.account.Team]
	c := claim{team: h.account.Team, policy: team.Policy, receivers: h.account.Receivers, why: "account " + h.account.Label()}
	if len(c.receivers) == 0 {
		c.receivers, c.why = team.Receivers, "team "+c.team+", owner of "+h.by
	}
	if !c.nobody() {
		return c
	}
	if h.account.Team != "" {
		last.team = h.account.Team // it stays theirs, though they cannot be told
	}
	return last
}

// claimed is whose a route says the alert is, where that does not depend on the
// account.
func (rs *Routes) claimed(n *node) claim {
	c := claim{team: n.Team, policy: n.Policy, receivers: n.Receivers, why: n.Name}
	if n.Team == OwnTeam || n.Team == "" {
		return c
	}
	return c.orTeam(rs.teams[n.Team])
}

// orTeam has the team told where the claim does not say who.
func (c claim) orTeam(t tocsin.Team) claim {
	if c.policy == "" {
		c.policy = t.Policy
	}
	if len(c.receivers) == 0 {
		c.receivers = t.Receivers
	}
	return c
}

// claimOf is whose the route says the alert is, of an account of that home. It is
// nobody's where the route only adds to what others say.
func (rs *Routes) claimOf(n *node, h *home) claim {
	if n.Drop != "" {
		return claim{}
	}
	c := n.claim
	switch {
	case n.Team == "" && c.nobody():
		if n.Continue {
			return claim{}
		}
	case n.Team != OwnTeam:
		return c
	case !c.nobody(): // the route says who is told, the account whose it is
		c.team = h.account.Team
		return c.orTeam(rs.teams[c.team])
	}
	why := c.why
	c = h.claim
	if !c.fallback {
		c.why = why
	}
	return c
}
