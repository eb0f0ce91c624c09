package tocsin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

func critical(d *tocsin.Detection) { d.Level, d.Severity = tocsin.Critical, 9 }
func unknown(d *tocsin.Detection)  { d.Level, d.Severity = tocsin.Unknown, 0 }
func titled(s string) func(*tocsin.Detection) {
	return func(d *tocsin.Detection) { d.Title = s }
}

// own is what of an alert is said as a route has it, and what the finding has.
type own struct {
	Level, OwnLevel tocsin.Level
	OwnUnknown      bool
	Title, OwnTitle string
}

func ownOf(a tocsin.Alert) own {
	return own{a.Level, a.OwnLevel, a.OwnUnknown, a.Title, a.OwnTitle}
}

func TestTheFindingsOwnLevelAndTitleAreKept(t *testing.T) {
	t.Parallel()
	const u, l, m, h, c = tocsin.Unknown, tocsin.Low, tocsin.Medium, tocsin.High, tocsin.Critical
	found := titled("found")
	for _, tt := range []struct {
		name     string
		terms    tocsin.Terms
		versions []tocsin.Detection // after the first, a medium one that is called "found"
		want     own
		level    tocsin.Level // of Own
		title    string
	}{
		{"nothing is said otherwise", tocsin.Terms{}, []tocsin.Detection{version(1, high, found)}, own{Level: h, Title: "found"}, h, "found"},
		{"at most low", tocsin.Terms{AtMost: l}, []tocsin.Detection{version(1, critical, found)}, own{Level: l, OwnLevel: c, Title: "found"}, c, "found"},
		{"at least high", tocsin.Terms{AtLeast: h}, []tocsin.Detection{version(1, low, found)}, own{Level: h, OwnLevel: l, Title: "found"}, l, "found"},
		{"at least high, and nobody knows", tocsin.Terms{AtLeast: h}, []tocsin.Detection{version(1, unknown, found)}, own{Level: h, OwnUnknown: true, Title: "found"}, u, "found"},
		{"at most low, and nobody knows", tocsin.Terms{AtMost: l}, []tocsin.Detection{version(1, unknown, found)}, own{Level: u, Title: "found"}, u, "found"},
		{"another title", tocsin.Terms{Title: "said"}, []tocsin.Detection{version(1, found)}, own{Level: m, Title: "said", OwnTitle: "found"}, m, "found"},
		{"the finding's title changes", tocsin.Terms{Title: "said"}, []tocsin.Detection{version(1, found), version(2, titled("new"))}, own{Level: m, Title: "said", OwnTitle: "new"}, m, "new"},
		{"level and title", tocsin.Terms{AtMost: l, Title: "said"}, []tocsin.Detection{version(1, high, found)}, own{l, h, false, "said", "found"}, h, "found"},
		{"a later version is within the bound", tocsin.Terms{AtMost: m}, []tocsin.Detection{version(1, critical, found), version(2, low, found)}, own{Level: l, Title: "found"}, l, "found"},
		{"a later version is at the bound", tocsin.Terms{AtLeast: h}, []tocsin.Detection{version(1, unknown, found), version(2, high, found)}, own{Level: h, Title: "found"}, h, "found"},
		{"a later version is called that", tocsin.Terms{Title: "said"}, []tocsin.Detection{version(1, found), version(2, titled("said"))}, own{Level: m, Title: "said"}, m, "said"},
		{"a version that is not news changes nothing", tocsin.Terms{AtMost: l, Title: "said"}, []tocsin.Detection{version(2, high, found), version(1, critical, titled("old"))}, own{l, h, false, "said", "found"}, h, "found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := born(tt.terms, version(0, found)).alert
			for i, d := range tt.versions {
				a, _ = a.Fold(d, noon.Add(time.Duration(i+1)*time.Minute))
			}
			if diff := cmp.Diff(tt.want, ownOf(a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(own{Level: tt.level, Title: tt.title}, ownOf(a.Own())); diff != "" {
				t.Errorf("Own (-want +got):\n%s", diff)
			}
			kept, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			var again tocsin.Alert
			if err := json.Unmarshal(kept, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ownOf(a), ownOf(again)); diff != "" {
				t.Errorf("after it was kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheNextAlertOfAKeyIsAsTheFindingHasIt(t *testing.T) {
	t.Parallel()
	l := born(tocsin.Terms{AtMost: tocsin.Low, Title: "said"}, version(0, titled("found")))
	l.event(version(1, high, titled("found"))).at(1).close(t, tocsin.ReasonFixed).at(2).event(version(2, high, titled("found")))
	if l.alert.Terms != nil || l.alert.Events != 1 {
		t.Fatalf("no new alert opened: %+v", l.alert)
	}
	if diff := cmp.Diff(own{Level: tocsin.High, Title: "found"}, ownOf(l.alert)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnAlertAsARouteSays(t *testing.T) {
	t.Parallel()
	const u, l, m, h, c = tocsin.Unknown, tocsin.Low, tocsin.Medium, tocsin.High, tocsin.Critical
	type said struct {
		level tocsin.Level
		title string
	}
	for _, tt := range []struct {
		name  string
		found tocsin.Detection
		said  []said // one after the other
		want  own
		worst tocsin.Level
	}{
		{"nothing", version(0, high, titled("found")), []said{{u, ""}}, own{Level: h, Title: "found"}, h},
		{"what the finding says", version(0, high, titled("found")), []said{{h, "found"}}, own{Level: h, Title: "found"}, h},
		{"a lower level", version(0, critical, titled("found")), []said{{l, ""}}, own{Level: l, OwnLevel: c, Title: "found"}, l},
		{"a higher one", version(0, titled("found")), []said{{c, ""}}, own{Level: c, OwnLevel: m, Title: "found"}, c},
		{"one where nobody knew", version(0, unknown, titled("found")), []said{{m, ""}}, own{Level: m, OwnUnknown: true, Title: "found"}, m},
		{"a title", version(0, titled("found")), []said{{u, "said"}}, own{Level: m, Title: "said", OwnTitle: "found"}, m},
		{"the same once more", version(0, critical, titled("found")), []said{{l, "said"}, {l, "said"}}, own{l, c, false, "said", "found"}, l},
		{"another after it", version(0, critical, titled("found")), []said{{l, "said"}, {h, "other"}}, own{h, c, false, "other", "found"}, h},
		{"and then nothing any more", version(0, critical, titled("found")), []said{{l, "said"}, {c, ""}}, own{Level: c, Title: "found"}, c},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, _ := fold(tt.found)
			for _, s := range tt.said {
				a = a.As(s.level, s.title)
			}
			if diff := cmp.Diff(tt.want, ownOf(a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if a.Worst != tt.worst {
				t.Errorf("its worst is %s, want %s", a.Worst, tt.worst)
			}
			if got := a.Own(); got.Level != tt.found.Level || got.Title != tt.found.Title {
				t.Errorf("Own is %s, %q, want %s, %q", got.Level, got.Title, tt.found.Level, tt.found.Title)
			}
		})
	}
	t.Run("the worst is remembered where the level stays", func(t *testing.T) {
		t.Parallel()
		a, _ := fold(version(0, critical), version(1, low))
		if a = a.As(l, "said"); a.Level != l || a.Worst != c {
			t.Errorf("it is %s and was %s, want low and critical", a.Level, a.Worst)
		}
	})
}
