package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
)

func TestMistakesInMapsAreToldWithTheirPlaces(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/maps.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse("maps.yml", text, kinds)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("Parse = %v, want problems", err)
	}
	golden(t, "maps.golden", problems.Error()+"\n")
}

func TestASourcesMapReadsItsEvents(t *testing.T) {
	t.Parallel()
	c := parse(t, strings.Replace(least, "sources: {events: {https: {}}}", `sources:
  events: {https: {}}
  tickets:
    https: {}
    filters:
      - {path: env, op: is not, values: [test, 0]}
    map: {key: "Message^id", status: [Message^state, state], subject: "{{host}} is {{state}}", severity: {from: n, then: [trim, {bands: {"<4": low, else: high}}]}}
    facts: {Run book: runbook}
    open: {status: [ALARM]}
    close: {status: [OK, 0]}`, 1))
	var got config.Source
	for _, s := range c.Sources {
		if s.Name == "tickets" {
			got = s
		} else if s.Dialect != nil {
			t.Errorf("source %s has no map and a dialect of its own", s.Name)
		}
	}
	nothing := func() (tocsin.Detection, bool) { return tocsin.Detection{}, false }
	r, err := got.Dialect.Read("tickets", []byte(`{"Message":"{\"id\":7,\"state\":\"ALARM\"}","host":"db-1","state":"down","n":5,"runbook":"wipe"}`), nothing)
	if err != nil || r.End != "" {
		t.Fatalf("Read = %+v, %v", r, err)
	}
	if d := r.Detection; d.Key != "source/tickets/7" || d.Title != "db-1 is down" || d.Level != tocsin.High || len(d.Facts) != 2 || d.Facts[1].Name != "Run book" {
		t.Errorf("detection %+v", d)
	}
	for event, want := range map[string]tocsin.Verdict{`{"Message":{"id":7,"state":0}}`: "", `{"Message":{"id":7,"state":"?"}}`: tocsin.Ignored, `{"env":"test"}`: tocsin.Filtered} {
		if r, err := got.Dialect.Read("tickets", []byte(event), nothing); err != nil || r.End != want {
			t.Errorf("%s ends as %q, %v; want %q", event, r.End, err, want)
		}
	}
}
