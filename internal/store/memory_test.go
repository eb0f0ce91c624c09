package store_test

import (
	"testing"

	"github.com/tocsin-sec/tocsin/internal/store"
)

// Each source remembers for itself, across restarts.
func TestMemoryIsOfOneSource(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), "sqlite:"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	one, two := store.Memory{Store: s, Prefix: "source/one/"}, store.Memory{Store: s, Prefix: "source/two/"}
	if v, err := one.Load(t.Context(), "subscriptions"); v != nil || err != nil {
		t.Errorf("Load of nothing = %q, %v, want nil, nil", v, err)
	}
	for _, v := range []string{"first", "second"} {
		if err := one.Save(t.Context(), "subscriptions", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := one.Load(t.Context(), "subscriptions"); string(v) != "second" || err != nil {
		t.Errorf("Load = %q, %v, want second", v, err)
	}
	if v, err := two.Load(t.Context(), "subscriptions"); v != nil || err != nil {
		t.Errorf("the other source's Load = %q, %v", v, err)
	}
	if v, err := two.First(t.Context(), "subscriptions", []byte("theirs")); string(v) != "theirs" || err != nil {
		t.Errorf("First where there is nothing = %q, %v, want what was given", v, err)
	}
	if v, err := one.First(t.Context(), "subscriptions", []byte("third")); string(v) != "second" || err != nil {
		t.Errorf("First = %q, %v, want what was there", v, err)
	}
}
