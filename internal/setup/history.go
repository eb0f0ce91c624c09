package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/coverage"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// The names of what is kept in the store.
const (
	historyName = "setup/history"
	sourcesName = "setup/sources"
)

// longestHistory is how many changes are kept.
const longestHistory = 200

// did writes down what somebody did, in the log and in the history. What was done
// is done by then: that it cannot be written down is logged, and is no reason to
// tell anybody that it was not done.
func (s *Setup) did(ctx context.Context, c Change) {
	c.At = s.o.Now().UTC()
	s.o.Log.InfoContext(ctx, "set up", string(c.What), c.Name, "did", c.Did, "by", c.By, "text", c.Text)
	err := s.o.Store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		all, err := readHistory(tx)
		if err != nil {
			return err
		}
		all = append([]Change{c}, all...)
		text, err := json.Marshal(all[:min(len(all), longestHistory)])
		if err != nil {
			return err
		}
		return tx.Put(historyName, text)
	})
	if err != nil {
		s.o.Log.ErrorContext(ctx, "a change is not in the history", string(c.What), c.Name, "did", c.Did, "by", c.By, "err", err)
	}
}

func readHistory(tx *store.Tx) ([]Change, error) {
	var all []Change
	text, err := tx.Get(historyName)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("history of what was set up: %w", err)
	}
	return all, nil
}

// History are the changes of one source or receiver, or with no name of all, the
// newest first. The last 200 are kept.
func (s *Setup) History(ctx context.Context, w What, name string) (all []Change, err error) {
	err = s.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = readHistory(tx)
		return err
	})
	return slices.DeleteFunc(all, func(c Change) bool {
		return name != "" && c.Name != name || w != "" && c.What != w
	}), err
}

// known is a source that is or was there.
type known struct {
	Kind  string    `json:"kind"`
	Since time.Time `json:"since"`
	// LeftAt is when it was found to be there no more.
	LeftAt time.Time `json:"left_at,omitzero"`
}

// notSources are names under which events come that are no source's.
var notSources = []string{"replay", "explain", coverage.Source}

// Adopt takes note of the sources of a configuration that is in force, so that those
// that are no more are known.
func (s *Setup) Adopt(ctx context.Context, c *config.Config) error {
	gone := map[string]known{}
	err := s.o.Store.Update(ctx, func(tx *store.Tx) error {
		clear(gone)
		text, err := tx.Get(sourcesName)
		if err != nil {
			return err
		}
		all := map[string]known{}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &all); err != nil {
				return fmt.Errorf("sources that are known: %w", err)
			}
		}
		before := maps.Clone(all)
		if err := s.meet(tx, c, all); err != nil {
			return err
		}
		for name, k := range all {
			if !k.LeftAt.IsZero() {
				gone[name] = k
			}
		}
		if maps.Equal(before, all) {
			return nil
		}
		if text, err = json.Marshal(all); err != nil {
			return err
		}
		return tx.Put(sourcesName, text)
	})
	if err != nil {
		return err
	}
	s.gone.Store(&gone)
	return nil
}

// meet brings what is known up to date. Events of a source that is not configured
// say that it was, before this was written down.
func (s *Setup) meet(tx *store.Tx, c *config.Config, all map[string]known) error {
	now := s.o.Now().UTC()
	here := map[string]bool{}
	for _, source := range c.Sources {
		here[source.Name] = true
		k, ok := all[source.Name]
		if !ok {
			k.Since = now
		}
		k.Kind, k.LeftAt = source.Kind, time.Time{}
		all[source.Name] = k
	}
	heard, err := tx.Sources()
	if err != nil {
		return err
	}
	for _, a := range heard {
		if _, ok := all[a.Source]; !ok && !slices.Contains(notSources, a.Source) {
			all[a.Source] = known{Since: now}
		}
	}
	for name, k := range all {
		if !here[name] && k.LeftAt.IsZero() {
			k.LeftAt = now
			all[name] = k
		}
	}
	return nil
}

// Gone reports whether a source of that name was there once and is no more.
func (s *Setup) Gone(name string) bool {
	all := s.gone.Load()
	if all == nil {
		return false
	}
	_, ok := (*all)[name]
	return ok
}
