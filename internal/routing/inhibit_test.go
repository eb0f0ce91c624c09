package routing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/routing"
)

func TestWhichAlertsInhibitWhich(t *testing.T) {
	t.Parallel()
	in := func(level tocsin.Level, account string, change func(*tocsin.Alert)) tocsin.Alert {
		a := alert(account, level)
		a.Resource = tocsin.Resource{ID: "i-0abc", Tags: map[string]string{"cluster": "blue", "app.kubernetes.io/name": "cart"}}
		if change != nil {
			change(&a)
		}
		return a
	}
	critical, low, notLow := `{"level":["critical"]}`, `{"level":["low"]}`, `{"level":[{"anything-but":["low"]}]}`
	for _, tt := range []struct {
		name           string
		when, mute     string
		equal          []string
		source, target tocsin.Alert
		want           bool
	}{
		{"the same account", critical, low, []string{"account"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofPayments, nil), true},
		{"another account", critical, low, []string{"account"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, nil), false},
		{"no fields: any account", critical, low, nil, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, nil), true},
		{"a source that does not match", critical, low, nil, in(tocsin.High, ofPayments, nil), in(tocsin.Low, ofPayments, nil), false},
		{"a target that does not match", critical, low, nil, in(tocsin.Critical, ofPayments, nil), in(tocsin.High, ofPayments, nil), false},
		{"all fields have to be the same", critical, low, []string{"account", "resource.id"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofPayments, func(a *tocsin.Alert) { a.Resource.ID = "i-0def" }), false},
		{"a field within an object", critical, low, []string{"resource.id"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, nil), true},
		{"a tag", critical, low, []string{"resource.tags.cluster"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, nil), true},
		{"a tag with dots in its key", critical, low, []string{"resource.tags.app.kubernetes.io/name"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, func(a *tocsin.Alert) { a.Resource.Tags["app.kubernetes.io/name"] = "shop" }), false},
		{"a tag of the account", critical, low, []string{"account_tags.team"}, in(tocsin.Critical, ofProdOU, nil), in(tocsin.Low, ofTagged, nil), true},
		{"a field that both lack is the same in both", critical, low, []string{"actor.ip", "resource.tags.none"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofPayments, nil), true},
		{"a field that one lacks is not", critical, low, []string{"actor.ip"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofPayments, func(a *tocsin.Alert) { a.Actor.IP = "192.0.2.1" }), false},
		{"a field that one lacks and is empty in the other is", critical, low, []string{"resource.tags.cluster"}, in(tocsin.Critical, ofPayments, func(a *tocsin.Alert) { a.Resource.Tags = nil }), in(tocsin.Low, ofPayments, func(a *tocsin.Alert) { a.Resource.Tags = map[string]string{"cluster": ""} }), true},
		{"a number", critical, low, []string{"severity"}, in(tocsin.Critical, ofPayments, func(a *tocsin.Alert) { a.Severity = 8 }), in(tocsin.Low, ofPayments, func(a *tocsin.Alert) { a.Severity = 8.5 }), false},
		{"a whole object", critical, low, []string{"resource"}, in(tocsin.Critical, ofPayments, nil), in(tocsin.Low, ofNobody, nil), true},
		{"values do not run into each other", critical, low, []string{"region", "rule"}, in(tocsin.Critical, ofPayments, func(a *tocsin.Alert) { a.Region, a.Rule = "ab", "c" }), in(tocsin.Low, ofPayments, func(a *tocsin.Alert) { a.Region, a.Rule = "a", "bc" }), false},
		{"one that both patterns match does not inhibit itself", critical, notLow, nil, in(tocsin.Critical, ofPayments, nil), in(tocsin.Critical, ofPayments, nil), false},
		{"but one that only the second matches", critical, notLow, nil, in(tocsin.Critical, ofPayments, nil), in(tocsin.High, ofPayments, nil), true},
		{"one that both match is inhibited by one that only the first matches", `{"level":["critical","low"]}`, notLow, nil, in(tocsin.Low, ofPayments, nil), in(tocsin.Critical, ofPayments, nil), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rule := routing.Inhibition{Name: "x", When: parse(t, tt.when), Mute: parse(t, tt.mute), Equal: tt.equal}
			other := routing.Inhibition{Name: "never", When: parse(t, `{"region":["nowhere"]}`), Mute: parse(t, notLow)}
			all, err := routing.NewInhibitions([]routing.Inhibition{other, rule})
			if err != nil {
				t.Fatal(err)
			}
			sources := all.Sources(tt.source, organisation[tt.source.Account])
			targets := all.Targets(tt.target, organisation[tt.target.Account])
			got := slices.ContainsFunc(targets, func(f routing.Fingerprint) bool { return slices.Contains(sources, f) })
			if got != tt.want {
				t.Errorf("inhibited %v, want %v: sources %v, targets %v", got, tt.want, sources, targets)
			}
		})
	}
}

func TestFingerprintsStayTheSame(t *testing.T) {
	t.Parallel()
	all, err := routing.NewInhibitions([]routing.Inhibition{{Name: "x", When: parse(t, `{"level":["critical"]}`), Mute: parse(t, `{"level":["low"]}`), Equal: []string{"account"}}})
	if err != nil {
		t.Fatal(err)
	}
	// They are in the store, so that another version has to make the same.
	want := []routing.Fingerprint{{Inhibition: "x", Hash: "6d6336af8f2e306b747baba84ec45049"}, {Inhibition: "x", Hash: "a83d0192611915bef674fb20ad4c3bd9"}}
	if got := all.Sources(alert(ofPayments, tocsin.Critical), organisation[ofPayments]); !slices.Equal(got, want) {
		t.Errorf("Sources = %v, want %v", got, want)
	}
	if got := all.Targets(alert(ofPayments, tocsin.Low), organisation[ofPayments]); !slices.Equal(got, want[:1]) {
		t.Errorf("Targets = %v, want %v", got, want[:1])
	}
	var none *routing.Inhibitions
	if got := none.Targets(alert(ofPayments, tocsin.Low), tocsin.Account{}); got != nil {
		t.Errorf("the nil Inhibitions have targets %v", got)
	}
}

func TestInhibitionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	p := parse(t, `{"level":["low"]}`)
	for _, tt := range []struct {
		name, want string
		list       []routing.Inhibition
	}{
		{"no name", "inhibition 1 has no name", []routing.Inhibition{{When: p, Mute: p}}},
		{"a name twice", `inhibition "x" is there twice`, []routing.Inhibition{{Name: "x", When: p, Mute: p}, {Name: "x", When: p, Mute: p}}},
		{"one pattern", `inhibition "x": want two patterns, of the alerts that inhibit and of those that are inhibited`, []routing.Inhibition{{Name: "x", When: p}}},
		{"an unknown field", `inhibition "x": equal: an alert has no field "acount" (did you mean "account"?)`, []routing.Inhibition{{Name: "x", When: p, Mute: p, Equal: []string{"acount"}}}},
	} {
		if _, err := routing.NewInhibitions(tt.list); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Whatever the document has can be asked to be equal.
func TestEveryFieldOfTheDocumentCanBeCompared(t *testing.T) {
	t.Parallel()
	a := benchAlert()
	a.Team, a.Assignee, a.Actor.Principal, a.Sample, a.Tags = "web", "ana", "user ana", true, map[string]string{"stage": "prod"}
	account := tocsin.Account{Name: "shop", Environment: "prod", OU: "prod/web", Tags: map[string]string{"cost.centre": "4711"}}
	var doc map[string]any
	if err := json.Unmarshal(routing.Document(a, account), &doc); err != nil {
		t.Fatal(err)
	}
	compared := 0
	var compare func(path string, v any)
	compare = func(path string, v any) {
		compared++
		want := fmt.Sprint(v)
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				compare(path+"."+k, inner)
			}
		case []any:
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			want = string(text)
		}
		got := routing.ValueAt(a, account, path)
		if _, isObject := v.(map[string]any); isObject {
			var back any
			if err := json.Unmarshal([]byte(got), &back); err != nil || !cmp.Equal(v, back) {
				t.Errorf("%s is %s, want %v", path, got, v)
			}
			return
		}
		if got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for key, v := range doc {
		compare(key, v)
	}
	if len(doc) != len(routing.Fields()) || compared < 30 {
		t.Errorf("of %d fields %d are in the document, with those within %d", len(routing.Fields()), len(doc), compared)
	}
	for field := range routing.Fields() {
		if got := routing.ValueAt(tocsin.Alert{}, tocsin.Account{}, field); len(got) > len(`unknown`) {
			t.Errorf("%s of nothing is %q", field, got)
		}
	}
}
