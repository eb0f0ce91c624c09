package sqstest

import (
	"fmt"
	"testing"
	"time"
)

// late is longer than whatever a queue's user may wait.
const late = 2 * time.Hour

// AwaitGone returns once messages are deleted. The test fails with what was logged
// where they are not after two hours: it is for tests with a time of their own.
func (q *Queue) AwaitGone(t testing.TB, logged fmt.Stringer, ids ...string) {
	t.Helper()
	end := time.After(late)
	for _, id := range ids {
		select {
		case <-q.Gone(id):
		case <-end:
			t.Errorf("message %s is not deleted after two hours\n%.2000s", id, logged)
			return
		}
	}
}

// WantEmpty fails the test if there is something in the queue, in flight or not.
func (q *Queue) WantEmpty(t testing.TB) {
	t.Helper()
	if d, i := q.Depth(), q.Invisible(); d != 0 || i != 0 {
		t.Errorf("in the queue are %d messages, and %d in flight, want none", d, i)
	}
}
