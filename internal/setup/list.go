package setup

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// Sources are all that are configured, in the order of the files, and then those
// that were. They have no history here.
func (s *Setup) Sources(ctx context.Context) ([]SourceInfo, error) {
	activity, err := s.activity(ctx)
	if err != nil {
		return nil, err
	}
	c, live := s.o.Config(), s.o.Live()
	var all []SourceInfo
	for _, source := range c.Sources {
		i, err := s.source(ctx, c, source, live[source.Name])
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	if gone := s.gone.Load(); gone != nil {
		for _, name := range slices.Sorted(maps.Keys(*gone)) {
			kind := (*gone)[name].Kind
			all = append(all, SourceInfo{Entry: Entry{What: Source, Name: name, Kind: kind, Title: s.title(Source, kind), Deleted: true}})
		}
	}
	for i := range all {
		a := activity[all[i].Name]
		all[i].LastEvent, all[i].Events = a.LastEvent, a.Events
	}
	return all, nil
}

// Source is one of those, with its history.
func (s *Setup) Source(ctx context.Context, name string) (SourceInfo, error) {
	all, err := s.Sources(ctx)
	if err != nil {
		return SourceInfo{}, err
	}
	i := slices.IndexFunc(all, func(i SourceInfo) bool { return i.Name == name })
	if i < 0 {
		return SourceInfo{}, fmt.Errorf("source %q %w", name, ErrNotFound)
	}
	all[i].History, err = s.History(ctx, Source, name)
	return all[i], err
}

func (s *Setup) activity(ctx context.Context) (map[string]store.SourceActivity, error) {
	all := map[string]store.SourceActivity{}
	err := s.o.Store.View(ctx, func(tx *store.Tx) error {
		list, err := tx.Sources()
		for _, a := range list {
			all[a.Source] = a
		}
		return err
	})
	return all, err
}

func (s *Setup) source(ctx context.Context, c *config.Config, source config.Source, live Live) (SourceInfo, error) {
	i := SourceInfo{Entry: s.entry(c, Source, source.Name, source.Kind, source.Disabled, source.Place)}
	if live.Status != nil {
		i.Status = live.Status(ctx)
	}
	if source.Disabled {
		i.Status.State = "disabled"
	}
	if live.Describe != nil {
		i.Connect = live.Describe(false)
	}
	if live.URL == nil {
		return i, nil
	}
	i.URL = live.URL(false)
	if !live.Made {
		i.TokenWhy = fmt.Sprintf("the configuration gives the token, in %s:%d", source.File, source.Line)
		return i, nil
	}
	var err error
	i.Tokens, err = s.o.Keys.Of(source.Name).list(ctx)
	return i, err
}

// entry is what the configuration says of one.
func (s *Setup) entry(c *config.Config, w What, name, kind string, disabled bool, p config.Place) Entry {
	e := Entry{
		What: w, Name: name, Kind: kind, Title: s.title(w, kind), File: p.File, Line: p.Line, Disabled: disabled,
		Managed: s.managed(c, p), Values: p.Values,
	}
	switch {
	case s.Fixed() != nil:
		e.Managed, e.Why = false, s.Fixed().Error()
	case !e.Managed:
		e.Why = handWritten(p)
	}
	return e
}

// managed reports whether it stands in the file that is written here.
func (s *Setup) managed(c *config.Config, p config.Place) bool {
	return filepath.Clean(p.File) == filepath.Clean(c.Managed)
}

func handWritten(p config.Place) string {
	if p.File == defaults {
		return "it is one of the built-in defaults: write a file to change it, to begin with 'tocsin config default > tocsin.yml'"
	}
	return fmt.Sprintf("it is written by hand in %s:%d: change it there", p.File, p.Line)
}

// Receivers are all that are configured, in the order of the files. They have no
// history here.
func (s *Setup) Receivers(context.Context) ([]ReceiverInfo, error) {
	c := s.o.Config()
	all := make([]ReceiverInfo, len(c.Receivers))
	for i, r := range c.Receivers {
		kind := s.notifier(r.Kind)
		all[i] = ReceiverInfo{
			Entry: s.entry(c, Receiver, r.Name, r.Kind, r.Disabled, r.Place), Personal: r.Address != nil,
			Abilities: kind.Abilities, Acts: kind.Acts,
		}
	}
	return all, nil
}

// Receiver is one of those, with its history.
func (s *Setup) Receiver(ctx context.Context, name string) (ReceiverInfo, error) {
	all, err := s.Receivers(ctx)
	if err != nil {
		return ReceiverInfo{}, err
	}
	i := slices.IndexFunc(all, func(i ReceiverInfo) bool { return i.Name == name })
	if i < 0 {
		return ReceiverInfo{}, fmt.Errorf("receiver %q %w", name, ErrNotFound)
	}
	all[i].History, err = s.History(ctx, Receiver, name)
	return all[i], err
}

// settings are the keys of fields in a few words: "topics, team".
func settings(kind string, keys []string) string {
	short := make([]string, len(keys))
	for i, key := range keys {
		short[i] = strings.TrimPrefix(key, kind+".")
	}
	slices.Sort(short)
	return strings.Join(short, ", ")
}
