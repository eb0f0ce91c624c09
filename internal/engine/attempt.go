package engine

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// What follows judges attempts: values in, values out.

// backOff is how long to wait after the first, second, … attempt; the last one
// repeats.
var backOff = [...]time.Duration{
	1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	60 * time.Second, 120 * time.Second, 300 * time.Second,
}

// longestRetryAfter bounds what a receiver may ask for.
const longestRetryAfter = 15 * time.Minute

// judge says what an attempt that ended at now with err makes of the
// notification. jitter, 0.8 to 1.2, spreads the retries.
func judge(n tocsin.Notification, now time.Time, err error, jitter float64) store.Settlement {
	now = tocsin.Millis(now)
	s := store.Settlement{ID: n.ID, Attempts: n.Attempts, At: now}
	if err == nil {
		s.State = tocsin.Delivered
		return s
	}
	s.Error = cmp.Or(err.Error(), "unknown")
	if notify.IsPermanent(err) {
		s.State = tocsin.Failed
		return s
	}
	wait := backOff[min(max(n.Attempts, 1), len(backOff))-1]
	wait = time.Duration(float64(wait) * jitter)
	if asked, ok := notify.RetryAfter(err); ok {
		wait = max(wait, min(asked, longestRetryAfter))
	}
	s.Due = tocsin.Millis(now.Add(wait))
	if s.Due.After(n.Deadline) {
		return park(n, now, fmt.Sprintf("gave up after %d attempts: %s", n.Attempts, s.Error))
	}
	s.State = tocsin.Pending
	return s
}

// park ends a notification that is not to be tried any more.
func park(n tocsin.Notification, now time.Time, reason string) store.Settlement {
	return store.Settlement{ID: n.ID, Attempts: n.Attempts, State: tocsin.Parked, At: tocsin.Millis(now), Error: reason}
}

// needless says why a message that waited is not needed any more, or nothing.
// told says whether the place had any message of the alert.
func needless(n tocsin.Notification, a tocsin.Alert, told bool, now time.Time) string {
	switch {
	case n.Alert == 0:
		return ""
	case n.Kind.Calls() && a.Status == tocsin.StatusAcked && n.CreatedAt.After(a.AckedAt):
		return "" // it came to be owed in spite of the acknowledgement
	case n.Kind.Calls():
		return standing(a, now)
	case n.Kind == tocsin.TellClosed && !told:
		return "not needed: nobody there was told of the opening"
	case n.Kind == tocsin.TellClosed && a.Status != tocsin.StatusClosed:
		return "not needed any more: the alert is open again"
	case n.Kind != tocsin.TellClosed && a.Status == tocsin.StatusClosed:
		return standing(a, now)
	case n.Kind == tocsin.TellAcknowledged && a.Status != tocsin.StatusAcked:
		return "not needed any more: the alert is " + string(a.Status)
	}
	return ""
}

// inDoubt reports whether the receiver may have taken a notification that was
// cancelled: an attempt was begun of which nothing is known, since whoever made it
// was killed. failed is how many are known to have failed.
func inDoubt(n tocsin.Notification, failed int) bool {
	unknown := n.Attempts - failed
	if n.Due.After(n.SettledAt) {
		unknown-- // the claim by which it was found out that nobody needs it
	}
	return n.State == tocsin.Cancelled && unknown > 0
}

// cancel ends a notification that nobody needs any more.
func cancel(n tocsin.Notification, now time.Time, reason string) store.Settlement {
	s := park(n, now, reason)
	s.State = tocsin.Cancelled
	return s
}
