package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

type eventView struct {
	eventRow
	Raw rawView
}

func (p *Pages) showEvent(w http.ResponseWriter, r *http.Request) error {
	ev, err := p.event(r)
	if err != nil {
		return err
	}
	v := eventView{newEventRow(ev, p.opts.Accounts(), p.opts.Now()), newRaw(ev)}
	return show(p, w, r, http.StatusOK, p.eventPage, head{Title: fmt.Sprintf("Event %d", ev.Seq), Here: "inbound"}, v)
}

// downloadEvent gives the event byte for byte, as a file that no browser opens
// as anything else.
func (p *Pages) downloadEvent(w http.ResponseWriter, r *http.Request) error {
	ev, err := p.event(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="event-%d%s"`, ev.Seq, newRaw(ev).extension()))
	h.Set("Content-Length", strconv.Itoa(len(ev.Raw)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(ev.Raw) // the browser may have gone
	return nil
}

// event is the one that the address names.
func (p *Pages) event(r *http.Request) (ev tocsin.Event, err error) {
	seq, err := pathID(r, "seq")
	if err != nil {
		return ev, err
	}
	err = p.opts.Store.View(r.Context(), func(tx *store.Tx) (err error) {
		ev, err = tx.Event(seq)
		return err
	})
	if err != nil {
		return ev, fmt.Errorf("event %d: %w", seq, err)
	}
	return ev, nil
}
