package api

import (
	"context"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/engine"
	"github.com/tocsin-sec/tocsin/internal/escalation"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

// Policies is the answer to a list.
type Policies struct {
	Policies []escalation.Policy `json:"policies" doc:"The policies, by name."`
}

func (a *api) listPolicies(context.Context, none) (Policies, error) {
	found := list(a.act.Policies())
	for i := range found {
		found[i].Steps, found[i].Fallback = list(found[i].Steps), list(found[i].Fallback)
	}
	return Policies{found}, nil
}

type previewPolicy struct {
	byName
	Level tocsin.Level `query:"level" jsonschema:"default=high" doc:"The level of the alert."`
	At    time.Time    `query:"at" doc:"When it opens; now if left out."`
}

// PolicyPreview is what would happen to an alert that nobody acknowledges.
type PolicyPreview struct {
	Policy   string                `json:"policy" doc:"The policy."`
	Level    tocsin.Level          `json:"level" doc:"The level of the alert."`
	At       time.Time             `json:"at" doc:"When it opens."`
	Expected []escalation.Expected `json:"expected" doc:"What would happen, in its order."`
}

func (a *api) previewPolicy(_ context.Context, in previewPolicy) (PolicyPreview, error) {
	at := a.orNow(in.At)
	expected, err := a.act.PreviewPolicy(in.Name, in.Level, at)
	return PolicyPreview{in.Name, in.Level, at, list(expected)}, err
}

// Teams is the answer to a list.
type Teams struct {
	Teams []tocsin.Team `json:"teams" doc:"The teams, by name."`
}

func (a *api) listTeams(context.Context, none) (Teams, error) { return Teams{list(a.act.Teams())}, nil }

type deadRoutes struct {
	Days int `query:"days" jsonschema:"minimum=1,maximum=400,default=90" doc:"For how many days."`
}

// DeadRoutes is the answer to a list.
type DeadRoutes struct {
	Days int            `json:"days" doc:"For how many days they took nothing."`
	Dead []routing.Dead `json:"dead" doc:"The routes in their order, then the receivers by name."`
}

func (a *api) deadRoutes(ctx context.Context, in deadRoutes) (DeadRoutes, error) {
	dead, err := a.act.DeadRoutes(ctx, in.Days)
	return DeadRoutes{in.Days, list(dead)}, err
}

type explain struct {
	Raw []byte `body:"raw" doc:"The event just as a source would send it, 1 MiB at most."`
}

func (a *api) explain(ctx context.Context, in explain) (engine.Explanation, error) {
	x, err := a.act.Explain(ctx, in.Raw)
	x.Steps = list(x.Steps)
	if x.Routes != nil {
		x.Routes.Steps = list(x.Routes.Steps)
	}
	return x, err
}
