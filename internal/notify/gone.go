package notify

import "errors"

// gone marks an error of an address that is no more.
type gone struct{ error }

func (g gone) Unwrap() error { return g.error }

// Gone says that nothing will ever reach the address again: a mailbox that is
// closed, a browser that has forgotten its subscription. It is [Permanent], and
// there is no use in trying the address with the next message.
func Gone(err error) error { return gone{Permanent(err)} }

// IsGone reports whether nothing will ever reach the address again.
func IsGone(err error) bool {
	_, ok := errors.AsType[gone](err)
	return ok
}
