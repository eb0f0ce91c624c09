package notify

import (
	"net/http"
	"time"
)

// Wait is for how long a reply's Retry-After asks to be left alone (seconds or a
// date, RFC 9110 section 10.2.3), at most 15 minutes; false where it does not say.
// [Request.Send] heeds it by itself: this is for requests that a vendor's library
// makes.
func Wait(h http.Header) (time.Duration, bool) { return retryAfter(h, time.Now()) }

// Seconds is a wait that a vendor gives as a number of them, at most 15 minutes.
func Seconds(n float64) time.Duration {
	if !(n > 0) { // not a number, either
		return 0
	}
	return time.Duration(min(n, waitMax.Seconds()) * float64(time.Second))
}
