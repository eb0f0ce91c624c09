package api

import (
	"context"
	"errors"

	"github.com/tocsin-sec/tocsin/internal/coverage"
)

type showCoverage struct {
	Account string         `query:"account" doc:"Accounts of this id, or with this in their name."`
	Region  string         `query:"region" doc:"This region alone."`
	State   coverage.State `query:"state" doc:"Accounts that have a place that stands so."`
	Kind    coverage.Kind  `query:"kind" doc:"Accounts that have a gap or warning of this kind."`
	Gaps    bool           `query:"gaps" doc:"With true: accounts alone that have a gap, and gaps without warnings."`
}

// errNoCoverage is where the program that has the API cannot judge.
var errNoCoverage = errors.New("nothing judges coverage here")

func (a *api) showCoverage(ctx context.Context, in showCoverage) (coverage.Grid, error) {
	if a.coverage == nil {
		return coverage.Grid{}, errNoCoverage
	}
	grid, err := a.coverage(ctx)
	if err != nil {
		return coverage.Grid{}, err
	}
	return grid.Only(coverage.Query{Account: in.Account, Region: in.Region, State: in.State, Kind: in.Kind, Gaps: in.Gaps}), nil
}
