// Package loopback finds addresses of this machine for programs that tests and
// measurements start, and start again.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// The ports that are given. Linux takes those from 32768 on for whoever asks for any
// port and for every connection that is made, others those from 49152 on: of these here
// none is taken by chance before the program listens, or while it is started again.
const (
	first = 20_000
	ports = 12_000
)

// Where this process began, and how many it has given: no port is given twice before
// all were.
var (
	begin = rand.Uint32N(ports)
	given atomic.Uint32
)

// Free is an address, 127.0.0.1 and a port, on which nobody listens.
func Free() (string, error) {
	var err error
	for range ports {
		port := first + (begin+given.Add(1))%ports
		address := net.JoinHostPort("127.0.0.1", strconv.FormatUint(uint64(port), 10))
		l, busy := net.Listen("tcp", address)
		if busy == nil {
			return address, l.Close()
		}
		err = busy
	}
	return "", fmt.Errorf("no port from %d to %d is free: %w", first, first+ports-1, err)
}
