package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A client is one connection that is kept. Requests are whole, headers and all,
// and were made before the clock started.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(address string) (*client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 4<<10)}, nil
}

// do sends a request. An answer other than 2xx is an error.
func (c *client) do(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 {
		return fmt.Errorf("answer %q", line)
	}
	if line[9] != '2' {
		return fmt.Errorf("answered %s", line[9:12])
	}
	length, err := readHead(c.in)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, c.in, int64(length))
	return err
}

// post sends requests from some clients as fast as the answers come, and says
// which were accepted. It ends early when the server goes away.
func post(address string, requests [][]byte, clients int) (accepted []bool, err error) {
	accepted = make([]bool, len(requests))
	err = share(address, len(requests), clients, func(c *client, i int) error {
		if err := c.do(requests[i]); err != nil {
			return err
		}
		accepted[i] = true
		return nil
	})
	return accepted, err
}

// share has some clients do n things, each as soon as one is free for it.
func share(address string, n, clients int, do func(c *client, i int) error) error {
	var next atomic.Int64
	return parallel(clients, func(int) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer c.conn.Close()
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			if err := do(c, i); err != nil {
				return fmt.Errorf("request %d: %w", i, err)
			}
		}
	})
}

// offer sends requests at a steady rate whatever the answers, and gives when each
// was due and when it was answered, since begin.
func offer(address string, requests [][]byte, rate float64, clients int, begin time.Time) (due, answered []time.Duration, err error) {
	due, answered = make([]time.Duration, len(requests)), make([]time.Duration, len(requests))
	start := time.Since(begin) + 20*time.Millisecond
	err = share(address, len(requests), clients, func(c *client, i int) error {
		due[i] = start + time.Duration(float64(i)/rate*float64(time.Second))
		time.Sleep(due[i] - time.Since(begin))
		err := c.do(requests[i])
		answered[i] = time.Since(begin)
		return err
	})
	return due, answered, err
}

// parallel runs n of f and gives the first error.
func parallel(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for i := range n {
		wg.Go(func() {
			if err := f(i); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

// build makes the requests first to first+n-1, on all cores.
func build(one func(n int) ([]byte, error), first, n int) ([][]byte, error) {
	requests := make([][]byte, n)
	cores := runtime.GOMAXPROCS(0)
	err := parallel(cores, func(core int) error {
		for i := core; i < n; i += cores {
			var err error
			if requests[i], err = one(first + i); err != nil {
				return err
			}
		}
		return nil
	})
	return requests, err
}

// request is a body as an HTTP request.
func request(path, headers string, body []byte) []byte {
	r := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\n%sContent-Length: %d\r\n\r\n", path, headers, len(body))
	return append(r, body...)
}
