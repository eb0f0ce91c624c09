// Package secret has a string that will not print, and the references by which
// a configuration names secrets instead of holding them.
//
// A reference is ${env:NAME} or ${file:/path}, alone or within a longer text; $$
// is a plain dollar sign.
package secret

import (
	"encoding/json"
	"log/slog"
)

// A String holds a secret. fmt, slog and encoding/json show "***". It holds a
// pointer, since fmt prints an unexported string field without asking String.
type String struct{ p *string }

// New wraps a secret that is at hand.
func New(s string) String { return String{&s} }

// Reveal is the secret itself: for the one place that needs it.
func (s String) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether there is none, or an empty one.
func (s String) IsZero() bool { return s.p == nil || *s.p == "" }

const hidden = "***"

// String is "***", or empty where there is no secret.
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString is what %#v prints.
func (s String) GoString() string { return s.String() }

// LogValue is what slog prints.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes "***".
func (s String) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText writes "***".
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it stands; references in it are resolved by
// [String.Resolve], once the whole configuration was read.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
