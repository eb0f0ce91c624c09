package setup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/setup"
	"github.com/tocsin-sec/tocsin/internal/store"
)

func TestTwoSourcesShareNoToken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, err := h.keys.Of("one").Token()
	check(t, err)
	again, err := setup.NewKeys(h.store, h.time).Of("one").Token()
	check(t, err)
	two, err := h.keys.Of("two").Token()
	check(t, err)
	if one.Reveal() != again.Reveal() || one.Reveal() == two.Reveal() || h.keys.Of("two").Admits(one.Reveal()) || !h.keys.Made() {
		t.Errorf("the same again: %v, of another source: %v", one.Reveal() == again.Reveal(), one.Reveal() == two.Reveal())
	}
}

// What an older tocsin kept is good, and can be turned over.
func TestATokenThatIsThereAlreadyStaysGood(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check(t, h.store.Update(t.Context(), func(tx *store.Tx) error { return tx.Put("source/org/token", []byte("made-by-an-older-tocsin")) }))
	h.add("org")
	a, err := h.URL(t.Context(), "org")
	if err != nil || a.Token != "made-by-an-older-tocsin" {
		t.Errorf("URL = %+v, %v", a, err)
	}
	_, err = h.Rotate(t.Context(), "org", "ana", time.Hour)
	check(t, err)
	if !h.keys.Of("org").Admits("made-by-an-older-tocsin") {
		t.Error("it is not good any more")
	}
	// An older tocsin reads the newest under the name it knows.
	check(t, h.store.View(t.Context(), func(tx *store.Tx) error {
		kept, err := tx.Get("source/org/token")
		if now, _ := h.keys.Of("org").Token(); string(kept) != now.Reveal() {
			t.Errorf("it would read another one")
		}
		return err
	}))
}

func TestThereAreTwoTokensAtMost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	var tokens []string
	for range 3 {
		a, err := h.URL(t.Context(), "org")
		check(t, err)
		tokens = append(tokens, a.Token)
		_, err = h.Rotate(t.Context(), "org", "ana", 0)
		check(t, err)
	}
	got, err := h.Source(t.Context(), "org")
	check(t, err)
	ring := h.keys.Of("org")
	if len(got.Tokens) != 2 || ring.Admits(tokens[0]) || ring.Admits(tokens[1]) || !ring.Admits(tokens[2]) {
		t.Errorf("%d tokens; the first, second and third are good: %v, %v, %v", len(got.Tokens), ring.Admits(tokens[0]), ring.Admits(tokens[1]), ring.Admits(tokens[2]))
	}
	if got.Tokens[0].MadeBy != "ana" || !got.Tokens[0].Until.IsZero() || !got.Tokens[1].Until.Equal(h.now.Add(setup.Keep)) {
		t.Errorf("they are %+v", got.Tokens)
	}
	check(t, h.Retire(t.Context(), "org", "ana"))
	if ring.Admits(tokens[2]) {
		t.Error("the one that was retired is good")
	}
	if err := h.Retire(t.Context(), "org", "ana"); err == nil || !strings.Contains(err.Error(), "one token only") {
		t.Errorf("Retire of nothing = %v", err)
	}
	for _, keep := range []time.Duration{time.Second, 91 * 24 * time.Hour, -time.Hour} {
		_, err := h.Rotate(t.Context(), "org", "ana", keep)
		if ps, ok := errors.AsType[setup.Problems](err); !ok || ps.Of("keep") == "" {
			t.Errorf("Rotate to keep %v = %v", keep, err)
		}
	}
}

func TestARotationIsKnownToOtherReplicasAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	old, err := h.URL(t.Context(), "org")
	check(t, err)
	other := setup.NewKeys(h.store, h.time) // in another process
	if _, err := other.Of("org").Token(); err != nil || !other.Of("org").Admits(old.Token) {
		t.Fatalf("the other replica does not know the token: %v", err)
	}
	h.now = h.now.Add(time.Minute)
	_, err = h.Rotate(t.Context(), "org", "ana", time.Hour)
	check(t, err)
	now, err := h.URL(t.Context(), "org")
	check(t, err)
	if !other.Of("org").Admits(now.Token) {
		t.Error("a sender with the new token is turned away by the other replica")
	}
	// Strangers do not have the store read over and over.
	_, err = h.Rotate(t.Context(), "org", "ana", time.Hour)
	check(t, err)
	third, err := h.URL(t.Context(), "org")
	check(t, err)
	if other.Of("org").Admits("stranger") || other.Of("org").Admits(third.Token) {
		t.Error("within a second of the last reading it was read again")
	}
	h.now = h.now.Add(2 * time.Second)
	if !other.Of("org").Admits(third.Token) {
		t.Error("after a second it was not read again")
	}
	// What was retired is known after the next reading.
	check(t, h.Retire(t.Context(), "org", "ana"))
	check(t, other.Refresh(t.Context()))
	if other.Of("org").Admits(now.Token) {
		t.Error("the other replica lets in what was retired")
	}
}

func TestWhenATokenWasUsedLastIsWrittenOnceAMinuteAtMost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.add("org")
	a, err := h.URL(t.Context(), "org")
	check(t, err)
	written := func() string {
		t.Helper()
		var text []byte
		check(t, h.store.View(t.Context(), func(tx *store.Tx) (err error) {
			text, err = tx.Get("source/org/tokens-used")
			return err
		}))
		return string(text)
	}
	use := func(after time.Duration) string {
		t.Helper()
		h.now = h.now.Add(after)
		if !h.keys.Of("org").Admits(a.Token) {
			t.Fatal("it is not let in")
		}
		if strings.Contains(written(), h.now.Format("15:04:05")) {
			t.Error("it was written while somebody waited")
		}
		check(t, h.keys.Refresh(t.Context()))
		return written()
	}
	first := use(0)
	if second := use(30 * time.Second); first == "" || second != first {
		t.Errorf("after half a minute it is written again: %s, %s", first, second)
	}
	if third := use(31 * time.Second); third == first {
		t.Error("after a minute it is not written")
	}
	h.now = h.now.Add(time.Second)
	h.keys.Of("org").Admits(a.Token)
	got, err := h.Source(t.Context(), "org")
	if err != nil || !got.Tokens[0].UsedAt.Equal(h.now) {
		t.Errorf("it was used at %v, %v, want %v", got.Tokens[0].UsedAt, err, h.now)
	}
	check(t, h.keys.Flush(t.Context()))
	elsewhere := setup.NewKeys(h.store, h.time)
	_, err = elsewhere.Of("org").Token()
	check(t, err)
	if !strings.Contains(written(), h.now.Format("15:04:05")) {
		t.Errorf("at the end it is not written: %s", written())
	}
}
