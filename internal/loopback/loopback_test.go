package loopback_test

import (
	"net"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/loopback"
)

func TestWhatIsFreeIsGivenOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		address, err := loopback.Free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[address] {
			t.Errorf("%s is given twice", address)
		}
		seen[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() }) // all of them are listened on at once
	}
}
