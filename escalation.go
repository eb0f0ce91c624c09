package tocsin

import "time"

// An Escalation is how far the telling of people has come for one alert. Package
// escalation judges it; it is kept with the alert.
type Escalation struct {
	// Policy and Version name the policy as it was when the alert opened: a live
	// alert keeps it until somebody applies a newer one.
	Policy  string `json:"policy"`
	Version string `json:"version"`
	// Pass and Step are what fires next, both from 0. Step is the number of steps
	// where the last delay of the last pass is running out, and after that.
	Pass int `json:"pass"`
	Step int `json:"step"`
	// At is when; zero when nothing is to fire.
	At time.Time `json:"at,omitzero"`
	// Ended says why nothing is to fire, in package escalation's words:
	// "acknowledged", "exhausted", "told once", "closed".
	Ended string `json:"ended,omitempty"`
	// Reached says that somebody was told in this pass.
	Reached bool `json:"reached,omitempty"`
	// Empty says that the whole pass reached nobody, and that it is tried again
	// until it does.
	Empty bool `json:"empty,omitempty"`
	// Exhausted says that nobody answered.
	Exhausted bool `json:"exhausted,omitempty"`
	// FallbackTold says that the fallback has it: it was told that the pass reached
	// nobody, or that nobody answered.
	FallbackTold bool `json:"fallback_told,omitempty"`
	// Acked are the people that acknowledged, where a policy wants several.
	Acked []string `json:"acked,omitempty"`
	// Highest is the furthest step that fired, from 1; 0 is none.
	Highest int `json:"highest,omitempty"`
}
