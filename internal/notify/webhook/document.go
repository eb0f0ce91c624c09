package webhook

import "github.com/tocsin-sec/tocsin/internal/notify"

// Document is the body that is posted, for receivers that take it by other ways
// than HTTP. Where it would be longer than most bytes, its texts are cut to 500
// characters each and a digest lists fewer alerts; a finding that was made to be
// long may still be longer.
func Document(m notify.Message, most int) ([]byte, error) { return renderWithin(m, most) }

func render(m notify.Message) ([]byte, error) { return Document(m, bodyMax) }
