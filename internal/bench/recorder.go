package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// A recorder is the receiver of all webhooks. It is a bare reader of HTTP, so
// that it takes as little of the machine as can be, and notes when each finding
// was told first.
type recorder struct {
	url string
	// run is what is being recorded now; messages of an earlier one do not count.
	run atomic.Pointer[recording]
}

// A recording is of the findings first to first+len(at)-1.
type recording struct {
	first   int
	at      []atomic.Int64 // nanoseconds since begin; 0 is not yet
	begin   time.Time
	told    atomic.Int64 // different findings
	doubled atomic.Int64
	all     chan struct{} // closed when each was told
}

func newRecorder() (*recorder, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &recorder{url: "http://" + l.Addr().String() + "/"}
	r.run.Store(&recording{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r, nil
}

// expect begins a recording of n findings from first on.
func (r *recorder) expect(first, n int) *recording {
	run := &recording{first: first, at: make([]atomic.Int64, n), begin: time.Now(), all: make(chan struct{})}
	r.run.Store(run)
	return run
}

var (
	lengthHeader = []byte("content-length:")
	marker       = []byte(`"finding_id":"`)
	taken        = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
)

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 16<<10)
	var body []byte
	for {
		n, err := readHead(in)
		if err != nil {
			return
		}
		if cap(body) < n {
			body = make([]byte, n)
		}
		body = body[:n]
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		r.run.Load().note(body)
		if _, err := c.Write(taken); err != nil {
			return
		}
	}
}

// readHead reads the lines before a body and gives the body's length.
func readHead(in *bufio.Reader) (length int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		if len(line) > len(lengthHeader) && bytes.EqualFold(line[:len(lengthHeader)], lengthHeader) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return 0, err
			}
		}
	}
}

// note finds out which finding a message tells of.
func (run *recording) note(body []byte) {
	at := bytes.Index(body, marker)
	if at < 0 || len(body) < at+len(marker)+32 {
		return
	}
	id, err := strconv.ParseUint(string(body[at+len(marker):][:32]), 16, 64)
	n := int(id-1<<40) - run.first
	if err != nil || n < 0 || n >= len(run.at) {
		return
	}
	if !run.at[n].CompareAndSwap(0, max(1, int64(time.Since(run.begin)))) {
		run.doubled.Add(1)
		return
	}
	if run.told.Add(1) == int64(len(run.at)) {
		close(run.all)
	}
}

// wait waits until everything was told, and says whether it was.
func (run *recording) wait(within time.Duration) bool {
	select {
	case <-run.all:
		return true
	case <-time.After(within):
		return false
	}
}
