package chaos_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A receiver is a webhook that takes note of what it took, and can be made to
// behave badly.
type receiver struct {
	url string

	mu sync.Mutex
	// fault says how to treat an attempt at a message, the first being 1; nil is
	// well. Guarded by mu, as is the rest.
	fault func(attempt int) fault
	tries map[string]int    // attempts by Idempotency-Key
	took  map[told][]string // the keys of what was answered 200, each as often as it was
	at    map[told]time.Time
}

// told is what a message told.
type told struct {
	receiver string
	finding  string
	kind     string
}

// A fault is a way to fail.
type fault int

const (
	none    fault = iota
	broken        // 500
	tooMany       // 429
	hangUp        // the connection is closed without an answer
	hang          // no answer until the sender gives up
)

func newReceiver(t testing.TB) *receiver {
	r := &receiver{tries: map[string]int{}, took: map[told][]string{}, at: map[told]time.Time{}}
	server := httptest.NewServer(r)
	r.url = server.URL + "/"
	t.Cleanup(server.Close)
	return r
}

func (r *receiver) behave(f func(attempt int) fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Kind     string `json:"kind"`
		Receiver string `json:"receiver"`
		Alert    struct {
			FindingID string `json:"finding_id"`
		} `json:"alert"`
	}
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed
	}
	if err := json.Unmarshal(text, &body); err != nil || body.Alert.FindingID == "" {
		http.Error(w, "no such message", http.StatusBadRequest)
		return
	}
	key := req.Header.Get("Idempotency-Key")
	switch r.judge(key) {
	case broken:
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case tooMany:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many", http.StatusTooManyRequests)
		return
	case hangUp:
		panic(http.ErrAbortHandler)
	case hang:
		<-req.Context().Done()
		return
	case none:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	what := told{body.Receiver, body.Alert.FindingID, body.Kind}
	r.took[what] = append(r.took[what], key)
	if _, ok := r.at[what]; !ok {
		r.at[what] = time.Now()
	}
}

func (r *receiver) judge(key string) fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries[key]++
	if r.fault == nil {
		return none
	}
	return r.fault(r.tries[key])
}

// told gives what was taken, with the keys it was taken under.
func (r *receiver) told() map[told][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[told][]string, len(r.took))
	for what, keys := range r.took {
		all[what] = append([]string(nil), keys...)
	}
	return all
}

// count is how many different things were told.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.took)
}

// heardAt is when a thing was told first.
func (r *receiver) heardAt(what told) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[what]
	return at, ok
}
