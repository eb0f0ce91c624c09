package sift

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"runtime"

	"github.com/tocsin-sec/tocsin/internal/collect"
)

const (
	// blockSize is how much is judged at once.
	blockSize = 256 << 10
	// maxLine is how long a line may be before its end is no longer waited for.
	maxLine = 2 << 20
	// maxWorkers bounds the memory; so many are faster than files are read.
	maxWorkers = 16
)

// A block is a part of a stream on its way: filled by who reads, judged by one of
// the workers, emptied by who asked. One of them has it at a time.
type block struct {
	data  []byte
	split bool   // texts says where the texts are; otherwise each line is one
	texts []text // sorted
	last  bool   // nothing follows
	err   error  // why nothing follows, other than io.EOF

	judged chan struct{} // gets a value when the rest is set
	finds  []Find
	keys   []int // what the finds' Matched are slices of
	passed int   // lines before the one at hand, then all that were judged
	stuck  int   // where the first line begins that is not an event, or -1
}

// A text is a place in a block.
type text struct {
	from, to, line int
	err            error
}

func (b *block) reset() {
	clear(b.finds)
	if cap(b.data) > 2*maxLine {
		b.data = nil
	}
	*b = block{data: b.data[:0], texts: b.texts[:0], judged: b.judged, finds: b.finds[:0], keys: b.keys[:0], stuck: -1}
}

// Sift gives what is wanted of the stream, and what is no event, in order. An error
// of r comes last, after what was read before it. Idle, unless it is nil, is called
// before there is a wait for more of the stream. Where the caller stops early, a
// Read of r that is under way goes on.
func (s *Sieve) Sift(r io.Reader, idle func()) iter.Seq2[Find, error] {
	if idle == nil {
		idle = func() {}
	}
	return func(yield func(Find, error) bool) {
		lines := s.start(idle)
		defer lines.stop()
		go lines.readLines(r)
		rest, before := lines.give(yield, 1)
		if rest == nil {
			return
		}
		rest.then = r
		pieces := s.start(idle)
		defer pieces.stop()
		go pieces.readPieces(rest, before)
		pieces.give(yield, 1)
	}
}

// A flow takes blocks from who reads through the workers to who asked, in order.
type flow struct {
	sieve *Sieve
	idle  func()
	free  chan *block   // blocks that nobody has
	jobs  chan *block   // to the workers
	queue chan *block   // to who asked, in order; closed after the last
	quit  chan struct{} // closed when nobody asks for more
	turn  chan struct{} // closed when what is read should no longer be cut into lines
}

func (s *Sieve) start(idle func()) *flow {
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	n := 2*workers + 2
	f := &flow{
		sieve: s, idle: idle, free: make(chan *block, n), jobs: make(chan *block, n), queue: make(chan *block, n),
		quit: make(chan struct{}), turn: make(chan struct{}),
	}
	for range n {
		f.free <- s.block()
	}
	for range workers {
		go f.work()
	}
	return f
}

func (s *Sieve) block() *block {
	if b, ok := s.blocks.Get().(*block); ok {
		return b
	}
	return &block{judged: make(chan struct{}, 1)}
}

// stop ends those who read and work. The blocks that nobody has are kept for the
// next stream.
func (f *flow) stop() {
	close(f.quit)
	for {
		select {
		case b := <-f.free:
			f.sieve.blocks.Put(b)
		default:
			return
		}
	}
}

func (f *flow) work() {
	for {
		select {
		case <-f.quit:
			return
		case b := <-f.jobs:
			switch {
			case isClosed(f.turn): // it is read again
			case b.split:
				b.pieces(f.sieve)
			default:
				b.lines(f.sieve)
			}
			b.judged <- struct{}{}
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// take is an empty block, or nil when nobody asks for more.
func (f *flow) take() *block {
	if isClosed(f.quit) {
		return nil
	}
	select {
	case <-f.quit:
		return nil
	case b := <-f.free:
		b.reset()
		return b
	}
}

// send passes a filled block on. The channels have room for all blocks there are.
func (f *flow) send(b *block) {
	if isClosed(f.quit) {
		return
	}
	f.queue <- b
	f.jobs <- b
}

// readLines cuts a stream into blocks of whole lines, until it ends or turns out
// not to be lines.
func (f *flow) readLines(r io.Reader) {
	defer close(f.queue)
	var rest []byte // of a line whose end was not read yet
	for {
		b := f.take()
		if b == nil {
			return
		}
		b.data = append(b.data, rest...)
		cut, lines, err := f.fill(b, r)
		rest = append(rest[:0], b.data[cut:]...)
		b.data = b.data[:cut]
		b.last = err != nil
		if !errors.Is(err, io.EOF) {
			b.err = err
		}
		f.send(b)
		if b.last || !lines {
			return
		}
	}
}

// fill reads until b has the end of a line, and says where the last one is. Lines is
// false, and all of b is taken, where the end of a line is not to be waited for.
func (f *flow) fill(b *block, r io.Reader) (cut int, lines bool, err error) {
	for {
		if len(b.data) == cap(b.data) {
			b.data = append(make([]byte, 0, max(blockSize, 2*cap(b.data))), b.data...)
		}
		n := 0
		before := len(b.data)
		n, err = r.Read(b.data[before:cap(b.data)])
		b.data = b.data[:before+n]
		if err != nil {
			return len(b.data), true, err
		}
		if isClosed(f.turn) {
			return len(b.data), false, nil
		}
		if i := bytes.LastIndexByte(b.data[before:], '\n'); i >= 0 {
			return before + i + 1, true, nil
		}
		if len(b.data) > maxLine {
			return len(b.data), false, nil
		}
	}
}

// readPieces finds the texts of a stream whose first line is not line 1 but one
// after so many. Before it asks for more of the stream it passes on what it has.
func (f *flow) readPieces(r io.Reader, after int) {
	defer close(f.queue)
	b := f.take()
	if b == nil {
		return
	}
	flush := func() {
		if len(b.texts) == 0 {
			return
		}
		f.send(b)
		if b = f.take(); b == nil { // nobody asks: what is read now is for nobody
			b = &block{}
		}
		b.split = true
	}
	b.split = true
	from := collect.NewReader(readerFunc(func(p []byte) (int, error) {
		flush()
		return r.Read(p)
	}))
	for !isClosed(f.quit) {
		p, err := from.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.err = err
			}
			f.send(b)
			return
		}
		start := len(b.data)
		b.data = append(b.data, p.Raw...)
		b.texts = append(b.texts, text{start, len(b.data), after + from.Line(), p.Err})
		if len(b.data) >= blockSize {
			flush()
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// give yields what is in the blocks, the first line of which has this number. Where
// the lines end to be events, rest is what follows from there on, and before is how
// many lines there are before it. Otherwise it is nil.
func (f *flow) give(yield func(Find, error) bool, line int) (rest *remainder, before int) {
	for {
		b := f.next()
		if b == nil {
			return nil, 0
		}
		<-b.judged
		for _, found := range b.finds {
			if !b.split {
				found.Line += line
			}
			if !yield(found, nil) {
				return nil, 0
			}
		}
		line += b.passed
		if b.stuck >= 0 {
			close(f.turn)
			return &remainder{flow: f, block: b, data: b.data[b.stuck:]}, line - 1
		}
		if b.err != nil {
			yield(Find{}, b.err)
			return nil, 0
		}
		f.free <- b
	}
}

// next is the next block, or nil after the last.
func (f *flow) next() *block {
	select {
	case b := <-f.queue:
		return b
	default:
		f.idle()
		return <-f.queue
	}
}

// A remainder reads once more what was read as lines already, and then the rest.
type remainder struct {
	flow  *flow
	block *block // whose data it is; nil after all of them
	data  []byte // what is left of it
	then  io.Reader
}

func (r *remainder) Read(p []byte) (int, error) {
	for r.block != nil && len(r.data) == 0 {
		if err := r.more(); err != nil {
			return 0, err
		}
	}
	if r.block == nil {
		return r.then.Read(p)
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// more goes on to the next block.
func (r *remainder) more() error {
	switch {
	case r.block.err != nil:
		return r.block.err
	case r.block.last:
		return io.EOF
	}
	r.flow.free <- r.block
	select {
	case <-r.flow.quit:
		return io.EOF
	case r.block = <-r.flow.queue:
	}
	if r.block == nil {
		return nil // the rest was not read yet
	}
	select {
	case <-r.flow.quit:
		return io.EOF
	case <-r.block.judged:
		r.data = r.block.data
	}
	return nil
}
