package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/tocsin-sec/tocsin/internal/setup"
)

type receiversView struct {
	Receivers []receiverRow
	Fixed     string
}

// A receiverRow is one receiver with what it can.
type receiverRow struct {
	setup.ReceiverInfo
	Href string
	Can  []string
}

func (p *Pages) listReceivers(w http.ResponseWriter, r *http.Request) error {
	all, err := p.opts.Setup.Receivers(r.Context())
	if err != nil {
		return err
	}
	return show(p, w, r, http.StatusOK, p.receiversPage, head{Title: "Receivers", Here: "receivers"}, newReceivers(all, p.opts.Setup.Fixed()))
}

func newReceivers(all []setup.ReceiverInfo, fixed error) receiversView {
	v := receiversView{Fixed: said(fixed)}
	for _, rc := range all {
		v.Receivers = append(v.Receivers, newReceiverRow(rc))
	}
	return v
}

func newReceiverRow(rc setup.ReceiverInfo) receiverRow {
	return receiverRow{rc, hrefOf(setup.Receiver, rc.Name), can(rc.Abilities)}
}

type receiverView struct {
	receiverRow
	entryDetails
	Ledger  string // its part of the ledger
	Changes []changeRow
	Tested  bool
	Refused string // what the receiver said to a test message
	Me      actor
}

// A receiverInput is all that the page of one receiver is made of.
type receiverInput struct {
	Receiver setup.ReceiverInfo
	Details  entryDetails
	Now      time.Time
	By       string
	Tested   bool
	Refused  error // what came of the test message
}

func (p *Pages) receiverInput(r *http.Request) (in receiverInput, err error) {
	in = receiverInput{Now: p.opts.Now(), By: remembered(r)}
	if in.Receiver, err = p.opts.Setup.Receiver(r.Context(), r.PathValue("name")); err != nil {
		return in, err
	}
	in.Details = p.details(in.Receiver.Entry)
	return in, nil
}

func (p *Pages) showReceiver(w http.ResponseWriter, r *http.Request) error {
	in, err := p.receiverInput(r)
	if err != nil {
		return err
	}
	return p.answerReceiver(w, r, in)
}

func (p *Pages) answerReceiver(w http.ResponseWriter, r *http.Request, in receiverInput) error {
	return show(p, w, r, http.StatusOK, p.receiverPage, head{Title: in.Receiver.Name, Here: "receivers"}, in.view())
}

func (in receiverInput) view() receiverView {
	return receiverView{
		receiverRow: newReceiverRow(in.Receiver), entryDetails: in.Details, Changes: changeRows(in.Receiver.History, in.Now),
		Ledger: address("/notifications", param{"receiver", in.Receiver.Name, ""}),
		Tested: in.Tested, Refused: said(in.Refused), Me: newActor(in.By, nil),
	}
}

// testReceiver sends a message that says that it is a test, and shows what came of
// it: where it was not taken, the receiver's own words.
func (p *Pages) testReceiver(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	tested := p.opts.Setup.TestReceiver(r.Context(), r.PathValue("name"), by(w, r))
	if _, refused := errors.AsType[*setup.RefusedError](tested); tested != nil && !refused {
		return tested
	}
	in, err := p.receiverInput(r)
	if err != nil {
		return err
	}
	in.Tested, in.Refused = true, tested
	return p.answerReceiver(w, r, in)
}
