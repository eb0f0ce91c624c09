package alertmanager

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

// A found is one alert of a body.
type found struct {
	raw   []byte
	wrong string // why it is none
	alert alert
	// told says that the sender has told whether it is over.
	told bool
}

// An alert is what a body says of one.
type alert struct {
	labels, annotations map[string]string
	starts, ends        time.Time // zero if not said
	generator           string
	resolved            bool
}

// read finds the alerts in a body: a webhook receiver's, an array as the API takes
// it, or alerts one after the other. cut is how many a webhook's sender has left out.
func read(body []byte, now time.Time) (all []found, cut int64) {
	for p := range collect.Pieces(body) {
		if p.Err != nil {
			all = append(all, found{raw: p.Raw, wrong: p.Err.Error()})
			continue
		}
		root := gjson.ParseBytes(p.Raw)
		inner := root.Get("alerts")
		if !root.IsObject() || !inner.IsArray() {
			all = append(all, readOne(p.Raw, now))
			continue
		}
		cut += root.Get("truncatedAlerts").Int()
		inner.ForEach(func(_, v gjson.Result) bool {
			all = append(all, readOne([]byte(v.Raw), now))
			return true
		})
	}
	return all, cut
}

// readOne reads one alert, and says of one that does not how it stands.
func readOne(raw []byte, now time.Time) found {
	f := found{raw: raw}
	var err error
	if f.alert, f.told, err = parse(raw); err != nil {
		f.wrong = err.Error()
		return f
	}
	if f.told {
		return f
	}
	status := "firing"
	if f.alert.resolved = !f.alert.ends.IsZero() && !f.alert.ends.After(now); f.alert.resolved {
		status = "resolved"
	}
	closing := bytes.LastIndexByte(raw, '}') // it has labels, so that a comma is right
	f.raw = slices.Concat(raw[:closing], []byte(`,"status":"`+status+`"`), raw[closing:])
	return f
}

// parse reads an alert. told says that it says itself whether it is over.
func parse(raw []byte) (a alert, told bool, err error) {
	root := gjson.ParseBytes(raw)
	if !root.IsObject() {
		return a, false, fmt.Errorf("an alert is an object, and this is %.20s", raw)
	}
	members := map[string]gjson.Result{}
	root.ForEach(func(k, v gjson.Result) bool {
		members[k.Str] = v
		return true
	})
	if a.labels, err = texts("labels", members["labels"]); err != nil {
		return a, false, err
	}
	if len(a.labels) == 0 {
		return a, false, errors.New("labels: at least one is wanted")
	}
	if a.annotations, err = texts("annotations", members["annotations"]); err != nil {
		return a, false, err
	}
	if a.starts, err = at("startsAt", members["startsAt"]); err != nil {
		return a, false, err
	}
	if a.ends, err = at("endsAt", members["endsAt"]); err != nil {
		return a, false, err
	}
	if !a.starts.IsZero() && !a.ends.IsZero() && a.ends.Before(a.starts) {
		return a, false, errors.New("endsAt: is before startsAt")
	}
	a.generator = members["generatorURL"].Str
	switch members["status"].Str {
	case "firing":
		return a, true, nil
	case "resolved":
		a.resolved = true
		return a, true, nil
	}
	return a, false, nil
}

// texts are labels or annotations; of a name that is there twice the last counts,
// and an empty value is as none.
func texts(what string, v gjson.Result) (map[string]string, error) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	if !v.IsObject() {
		return nil, fmt.Errorf("%s: not an object", what)
	}
	all := map[string]string{}
	var err error
	v.ForEach(func(k, inner gjson.Result) bool {
		switch {
		case inner.Type != gjson.String:
			err = fmt.Errorf("%s.%s: not a text", what, k.Str)
		case k.Str == "" || !utf8.ValidString(k.Str) || !utf8.ValidString(inner.Str):
			err = fmt.Errorf("%s: a name is empty, or no UTF-8", what)
		default:
			all[k.Str] = inner.Str
		}
		return err == nil
	})
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all, err
}

// at is a time. That of year 1 is what Go's clients send for none.
func at(what string, v gjson.Result) (time.Time, error) {
	if v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v.Str)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %.40q is no time", what, v.String())
	}
	if t.Year() <= 1 {
		return time.Time{}, nil
	}
	return t.UTC(), nil
}

// fingerprint is that of Prometheus's model.LabelSet: FNV-1a over names and values
// in the order of the names, each followed by a byte that no UTF-8 has.
// https://pkg.go.dev/github.com/prometheus/common/model#LabelSet.Fingerprint
func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		_, _ = h.Write([]byte(name + "\xff" + labels[name] + "\xff")) // a hash takes everything
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
