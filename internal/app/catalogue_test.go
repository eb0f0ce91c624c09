package app_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/setup"
)

// Whoever looks for a kind in the catalogue finds it under what it is for.
func TestEveryKindHasAPlaceInTheCatalogue(t *testing.T) {
	t.Parallel()
	s := setup.New(setup.Options{Kinds: app.Kinds()})
	for _, w := range []setup.What{setup.Source, setup.Receiver} {
		for _, c := range s.Catalogue(w) {
			if c.Title == "" || c.Doc == "" || c.Group == "Other tools" && c.Kind != "alertmanager" && c.Kind != "shadow" {
				t.Errorf("%s %s (%q) stands under %q", w, c.Name, c.Title, c.Group)
			}
			if c.Kind == "chime" {
				t.Error("Amazon Chime has ended, and is offered")
			}
		}
	}
}
