package alertmanager

import (
	"fmt"
	"slices"

	"github.com/tocsin-sec/tocsin/internal/importer"
)

// inhibitions are the inhibit rules that have patterns of the same meaning. One
// that would hide more is left out.
func (i *importing) inhibitions() (importer.Items, error) {
	var all importer.Items
	names := map[string]bool{}
	for _, n := range i.root.At("inhibit_rules").List() {
		when, err := matchersOf(n, "source_")
		if err != nil {
			return nil, err
		}
		mute, err := matchersOf(n, "target_")
		if err != nil {
			return nil, err
		}
		var equal []string
		for _, label := range n.At("equal").List() {
			equal = append(equal, labelsAt+label.Scalar())
		}
		source, target := conditionOf(when), conditionOf(mute)
		switch {
		case source.never || target.never:
			i.draft.Remark(n, "inhibit rule: no alert can match it; it is left out")
			continue
		case !source.same() || !target.same():
			i.draft.Remark(n, "inhibit rule: %s has no event pattern that means the same, and one that hides more is left out", said(slices.Concat(unsaid(when, source), unsaid(mute, target))))
			continue
		}
		name := n.At("name").Scalar()
		if name == "" {
			name = fmt.Sprintf("%s mutes %s", said(when), said(mute))
		}
		for whole, k := name, 2; names[name]; k++ {
			name = fmt.Sprintf("%s (%d)", whole, k)
		}
		names[name] = true
		m := (&importer.Map{}).Set("name", name, "from "+n.Where()).
			Set("when", importer.Block(source.ofPrometheus())).Set("mute", importer.Block(target.ofPrometheus()))
		if len(equal) > 0 {
			m.Set("equal", equal)
		}
		all = append(all, m)
	}
	return all, nil
}

// unsaid are the matchers for which there is no pattern that means the same.
func unsaid(ms []matcher, c condition) []matcher {
	if len(c.loose) == 0 && !c.same() {
		return ms
	}
	return c.loose
}
