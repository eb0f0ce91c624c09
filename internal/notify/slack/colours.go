package slack

import (
	"fmt"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Colors are colours of levels, as #RRGGBB. A level without one has that of
// tocsin.
type Colors struct {
	Informational string `json:"informational,omitempty" doc:"Colour of informational alerts, and of those whose level nobody knows: #546E7A."`
	Low           string `json:"low,omitempty" doc:"Colour of low alerts."`
	Medium        string `json:"medium,omitempty" doc:"Colour of medium alerts."`
	High          string `json:"high,omitempty" doc:"Colour of high alerts."`
	Critical      string `json:"critical,omitempty" doc:"Colour of critical alerts."`
}

// palette has the colours by level.
type palette map[tocsin.Level]string

var hexColour = lazyregexp.New(`^#[0-9A-Fa-f]{6}$`)

func (c Colors) palette() (palette, error) {
	p := palette{}
	for _, s := range []struct {
		key, colour string
		level       tocsin.Level
	}{
		{"informational", c.Informational, tocsin.Informational},
		{"low", c.Low, tocsin.Low},
		{"medium", c.Medium, tocsin.Medium},
		{"high", c.High, tocsin.High},
		{"critical", c.Critical, tocsin.Critical},
	} {
		switch {
		case s.colour == "":
		case !hexColour.MatchString(s.colour):
			return nil, fmt.Errorf("colors: %s: %q is no colour; want one such as #C62828", s.key, notify.Truncate(notify.Clean(s.colour), 40, notify.Runes))
		default:
			p[s.level] = s.colour
		}
	}
	if c := p[tocsin.Informational]; c != "" {
		p[tocsin.Unknown] = c
	}
	return p, nil
}

// of is the colour of a message: that of its alert's own level, or of the worst in
// a digest. What is over, a sample, or about no alert is grey all the same.
func (p palette) of(m notify.Message) string {
	colour, level := m.Look().Colour, m.Alert.Level
	switch m.Kind {
	case tocsin.TellDigest:
		level = notify.Worst(m)
	case tocsin.TellClosed, tocsin.TellNote, tocsin.TellCode:
		return colour
	default:
		if m.Alert.Sample {
			return colour
		}
	}
	if own := p[level]; own != "" {
		return own
	}
	return colour
}
