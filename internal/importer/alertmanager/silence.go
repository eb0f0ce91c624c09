package alertmanager

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// What a silence may last here.
const (
	longestSilence     = 30 * 24 * time.Hour
	longestMaintenance = 365 * 24 * time.Hour
)

// silences makes commands of the silences that are not over.
func (i *importing) silences() error {
	if i.o.Silences == nil {
		return nil
	}
	root, err := importer.ReadJSON(i.o.SilencesName, i.o.Silences)
	if err != nil {
		return err
	}
	if !root.Is(importer.List) {
		return importer.Failure(root, "got %s, want the list that 'amtool silence query -o json' prints", root.Kind)
	}
	over := 0
	for _, n := range root.Items {
		gone, err := i.silence(n)
		if err != nil {
			return err
		}
		if gone {
			over++
		}
	}
	if over > 0 {
		i.draft.Remark(root, "silences that are over: %d, which are not taken", over)
	}
	return nil
}

// silence makes a command of one. over says that there is no need.
func (i *importing) silence(n *importer.Node) (over bool, err error) {
	state := n.At("status").At("state").Scalar()
	from, err := instant(n, "startsAt")
	if err != nil {
		return false, err
	}
	until, err := instant(n, "endsAt")
	if err != nil {
		return false, err
	}
	if state == "expired" || !until.After(i.o.Now) {
		return true, nil
	}
	ms, err := silenceMatchers(n)
	if err != nil {
		return false, err
	}
	c := conditionOf(ms)
	id := n.At("id").Scalar()
	switch {
	case c.never || len(ms) == 0:
		i.draft.Remark(n, "silence %s: no alert can match it; it is left out", id)
		return false, nil
	case !c.same():
		i.draft.Remark(n, "silence %s: %s has no event pattern that means the same, and one that hides more is left out", id, said(unsaid(ms, c)))
		return false, nil
	}
	if from.Before(i.o.Now) {
		from = time.Time{} // from now on
	}
	kind := "silence"
	begins := from
	if begins.IsZero() {
		begins = i.o.Now
	}
	if until.Sub(begins) > longestSilence {
		kind = "maintenance"
	}
	if until.Sub(begins) > longestMaintenance {
		until = begins.Add(longestMaintenance)
		i.draft.Remark(n, "silence %s: would last longer than 365 days; it ends %s", id, until.UTC().Format(time.RFC3339))
	}
	by, reason := n.At("createdBy").Scalar(), strings.TrimSpace(importer.OneLine(n.At("comment").Scalar()))
	if reason == "" {
		reason = "imported from Alertmanager, where no reason was given"
	}
	command := []string{"tocsin", "silence", "create", "--kind", kind, "--pattern", shellQuoted(c.ofPrometheus())}
	if !from.IsZero() {
		command = append(command, "--from", from.UTC().Format(time.RFC3339))
	}
	command = append(command, "--until", until.UTC().Format(time.RFC3339), "--reason", shellQuoted(reason))
	if by = strings.TrimSpace(importer.OneLine(by)); by != "" {
		command = append(command, "--by", shellQuoted(by))
	}
	i.draft.Silences = append(i.draft.Silences, importer.OneLine(fmt.Sprintf("# silence %s, from %s", id, n.Where())), strings.Join(append(command, "--yes"), " "))
	return false, nil
}

func instant(n *importer.Node, key string) (time.Time, error) {
	v := n.At(key)
	t, err := time.Parse(time.RFC3339Nano, v.Scalar())
	if v == nil {
		return t, importer.Failure(n, "a silence without %s", key)
	}
	if err != nil {
		return t, importer.Failure(v, "%s: %q is no time", key, v.Scalar())
	}
	return t.Truncate(time.Second), nil
}

// silenceMatchers are those of a silence: isEqual is true where an old version
// does not say it.
func silenceMatchers(n *importer.Node) ([]matcher, error) {
	var all []matcher
	for _, item := range n.At("matchers").List() {
		raw, err := item.JSON()
		if err != nil {
			return nil, err
		}
		var m struct {
			Name, Value string
			IsRegex     bool
			IsEqual     *bool
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, importer.Failure(item, "matcher: %s", err)
		}
		made, err := newMatcher(item, m.Name, m.Value, m.IsEqual != nil && !*m.IsEqual, m.IsRegex)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

// shellQuoted is text as one word of a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
