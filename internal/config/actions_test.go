package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/rules"
)

// acting are the kinds with one that acts, and one that sends the event itself.
func acting() config.Kinds {
	k := notify.Define("lambda", "Runs a function.", func(c struct{}, _ notify.Env) (notify.Notifier, error) { return receiver{c}, nil })
	k.Acts = true
	queue := notify.Define("queue", "Sends events.", func(c struct{}, _ notify.Env) (notify.Notifier, error) { return wholeEvents{receiver{c}}, nil })
	all := kinds
	all.Notifiers = append(slices.Clone(kinds.Notifiers), k, queue)
	return all
}

type wholeEvents struct{ receiver }

func (wholeEvents) ReadsEvent() bool { return true }

const withActions = `sources: {events: {https: {}}}
receivers:
  console: {console: {}, hide: [actor.ip, details]}
  isolate: {lambda: {}}
  snapshot: {lambda: {}}
  events: {queue: {}}
fallback: console
routes:
  - {name: outside, hide: [actor, resource.tags], receivers: console, routes: [{name: inside, pattern: {level: [high]}, hide: [command]}]}
rules:
  - {name: c2, pattern: {source: [aws.guardduty]}, actions: [{run: isolate, approve: true}, {run: snapshot}]}
  - {use: guardduty, actions: [{run: snapshot}]}
`

func TestActionsAndWhatIsHidden(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("tocsin.yml", []byte(withActions), acting())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]rules.Action{{Run: "isolate", Approve: true}, {Run: "snapshot"}}, c.Rules.Actions("c2")); diff != "" {
		t.Errorf("actions of c2 (-want +got):\n%s", diff)
	}
	if got := c.Rules.Actions("guardduty"); !slices.Equal(got, []rules.Action{{Run: "snapshot"}}) {
		t.Errorf("actions of the shipped rule: %v", got)
	}
	if r := c.Receivers[1]; !r.Acts || c.Receivers[0].Acts || !slices.Equal(c.Receivers[0].Hide, []string{"actor.ip", "details"}) {
		t.Errorf("receivers %+v", c.Receivers)
	}
}

func TestWhatIsWrongWithActionsAndHiding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, new, want string }{
		{"an action that nobody configured", "{run: snapshot}]}\n  - {use", "{run: reboot}]}\n  - {use", `no receiver "reboot"`},
		{"a receiver that tells people", "actions: [{run: snapshot}]", "actions: [{run: console}]", `receiver "console" tells people and does nothing else`},
		{"an action twice", "{run: snapshot}]}\n  - {use", "{run: isolate}]}\n  - {use", `receiver "isolate" is there twice`},
		{"an action without a receiver", "actions: [{run: snapshot}]}", "actions: [{approve: true}]}", `"run" is missing`},
		{"an action of what is dropped", "pattern: {source: [aws.guardduty]}, actions", "pattern: {source: [aws.guardduty]}, drop: ours, actions", `"drop" and "actions"`},
		{"a route that tells what acts", "receivers: console, routes", "receivers: isolate, routes", `receiver "isolate" does something rather than telling somebody`},
		{"a fallback that acts", "fallback: console", "fallback: isolate", `receiver "isolate" does something rather than telling somebody`},
		{"a field that there is not", "hide: [command]", "hide: [commands]", `"commands" is no field that can be hidden (did you mean "command"?)`},
		{"a field of a receiver that there is not", "hide: [actor.ip, details]", "hide: [ip]", `"ip" is no field that can be hidden; want one of account,`},
		{"hiding where the event itself is sent", "events: {queue: {}}", "events: {queue: {}, hide: [actor]}", "its settings send the event itself, which has everything"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(withActions, tt.old, tt.new, 1)
			if text == withActions {
				t.Fatal("nothing was replaced")
			}
			_, err := config.Parse("tocsin.yml", []byte(text), acting())
			problems, ok := errors.AsType[config.Problems](err)
			if !ok || !strings.Contains(problems.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
