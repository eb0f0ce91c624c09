package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
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

// do sends a request and gives the status of the answer.
func (c *client) do(request []byte) (status int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("answer %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, err := readHead(c.in)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, c.in, int64(length))
	return status, err
}

// post sends requests from some clients as fast as the answers come, and says
// which were accepted. It ends early when the server goes away.
func post(address string, requests [][]byte, clients int) (accepted []bool, err error) {
	accepted = make([]bool, len(requests))
	var next atomic.Int64
	err = parallel(clients, func(int) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer c.conn.Close()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(requests) {
				return nil
			}
			status, err := c.do(requests[i])
			if err != nil {
				return err
			}
			if accepted[i] = status >= 200 && status < 300; !accepted[i] {
				return fmt.Errorf("request %d was answered %d", i, status)
			}
		}
	})
	return accepted, err
}

// offer sends requests at a steady rate whatever the answers, and gives when each
// was due and when it was answered, since begin.
func offer(address string, requests [][]byte, rate float64, clients int, begin time.Time) (due, answered []time.Duration, err error) {
	due, answered = make([]time.Duration, len(requests)), make([]time.Duration, len(requests))
	start := time.Since(begin) + 20*time.Millisecond
	var next atomic.Int64
	err = parallel(clients, func(int) error {
		c, err := dial(address)
		if err != nil {
			return err
		}
		defer c.conn.Close()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(requests) {
				return nil
			}
			due[i] = start + time.Duration(float64(i)/rate*float64(time.Second))
			time.Sleep(due[i] - time.Since(begin))
			status, err := c.do(requests[i])
			if err == nil && (status < 200 || status > 299) {
				err = fmt.Errorf("request %d was answered %d", i, status)
			}
			if err != nil {
				return err
			}
			answered[i] = time.Since(begin)
		}
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
