package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"
)

// An invitationView is a link by which somebody enrols what nobody knows the
// address of: a phone or browser. Whoever has it can, so that it is shown once and
// kept nowhere.
type invitationView struct {
	Name, Receiver string
	URL            string
	Code           qrCode
}

// Href is the page of whom it is for.
func (v invitationView) Href() string { return personHref(v.Name) }

// invite makes an invitation of a person.
func (p *Pages) invite(w http.ResponseWriter, r *http.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	v := invitationView{Name: pathName(r, "name"), Receiver: line(r.PostFormValue("receiver"), 200)}
	link, err := p.opts.Act.Invite(r.Context(), v.Name, v.Receiver, by(w, r))
	if err != nil {
		return fmt.Errorf("invite %s: %w", v.Name, err)
	}
	if v, err = v.with(link); err != nil {
		return err
	}
	return show(p, w, r, http.StatusOK, p.invitationPage, head{Title: "Invitation of " + v.Name, Here: "people"}, v)
}

func (v invitationView) with(link string) (invitationView, error) {
	u, err := url.Parse(link)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return v, fmt.Errorf("the invitation of %s is no link", v.Name)
	}
	v.URL = link
	if v.Code, err = drawCode(link); err != nil {
		return v, fmt.Errorf("draw the invitation of %s: %w", v.Name, err)
	}
	return v, nil
}

// A qrCode is a QR code as the path of an SVG, in units of its squares.
type qrCode struct {
	Size int // with the quiet zone around it
	Path string
}

// quiet is the zone around a code that readers need to find it (ISO/IEC 18004).
const quiet = 4

func drawCode(text string) (qrCode, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrCode{}, err
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return qrCode{code.Size + 2*quiet, path.String()}, nil
}
