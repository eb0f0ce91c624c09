package api

import (
	"context"

	"github.com/tocsin-sec/tocsin/internal/setup"
)

// ReceiverDetails are a receiver as it is configured.
type ReceiverDetails struct {
	Entry
	Personal bool          `json:"personal,omitempty" doc:"Single people can be told by it."`
	Acts     bool          `json:"acts,omitempty" doc:"It does something rather than telling somebody."`
	History  []SetupChange `json:"history,omitempty" doc:"What was done with it, the newest first; not in lists."`
}

func receiverOf(i setup.ReceiverInfo) ReceiverDetails {
	return ReceiverDetails{Entry: entryOf(i.Entry), Personal: i.Personal, Acts: i.Acts, History: changesOf(i.History)}
}

// Receivers is the answer to a list.
type Receivers struct {
	Receivers []ReceiverDetails `json:"receivers" doc:"The receivers in the order of the files."`
}

func (a *api) listReceivers(ctx context.Context, _ none) (Receivers, error) {
	s, err := a.setUp()
	if err != nil {
		return Receivers{}, err
	}
	all, err := s.Receivers(ctx)
	out := Receivers{Receivers: []ReceiverDetails{}}
	for _, i := range all {
		out.Receivers = append(out.Receivers, receiverOf(i))
	}
	return out, err
}

func (a *api) showReceiver(ctx context.Context, in byName) (ReceiverDetails, error) {
	s, err := a.setUp()
	if err != nil {
		return ReceiverDetails{}, err
	}
	i, err := s.Receiver(ctx, in.Name)
	return receiverOf(i), err
}

func (a *api) saveReceiver(ctx context.Context, in save) (ReceiverDetails, error) {
	if err := a.save(ctx, setup.Receiver, in); err != nil {
		return ReceiverDetails{}, err
	}
	return a.showReceiver(ctx, in.byName)
}

// A DoneWith says with what something was done.
type DoneWith struct {
	Name string `json:"name" doc:"What was done with."`
}

func (a *api) changeReceiver(name string, f func(s *setup.Setup) error) (DoneWith, error) {
	s, err := a.setUp()
	if err == nil {
		err = refusedSetup(f(s))
	}
	return DoneWith{name}, err
}

func (a *api) deleteReceiver(ctx context.Context, in changeByName) (DoneWith, error) {
	return a.changeReceiver(in.Name, func(s *setup.Setup) error { return s.Delete(ctx, setup.Receiver, in.Name, in.By) })
}

func (a *api) disableReceiver(ctx context.Context, in changeByName) (DoneWith, error) {
	return a.changeReceiver(in.Name, func(s *setup.Setup) error { return s.Disable(ctx, setup.Receiver, in.Name, in.By) })
}

func (a *api) enableReceiver(ctx context.Context, in changeByName) (DoneWith, error) {
	return a.changeReceiver(in.Name, func(s *setup.Setup) error { return s.Enable(ctx, setup.Receiver, in.Name, in.By) })
}

func (a *api) testReceiver(ctx context.Context, in changeByName) (DoneWith, error) {
	return a.changeReceiver(in.Name, func(s *setup.Setup) error { return s.TestReceiver(ctx, in.Name, in.By) })
}
