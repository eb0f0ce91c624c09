package store

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/tocsin-sec/tocsin"
)

// chunkSize bounds a chunk before it is compressed, so that reading one event
// stays cheap. An event that is larger has a chunk of its own.
const chunkSize = 1 << 20

// A place is where an event's bytes are.
type place struct {
	chunk int64 // its row
	start int64 // within the chunk, decompressed
}

// A run is the events from first up to end.
type run struct{ first, end int }

// keep writes the bytes of n events and says where each is.
func (tx *Tx) keep(n int, raw func(i int) []byte) ([]place, error) {
	places, runs := layOut(n, raw)
	plain := tx.buffers.get()
	defer tx.buffers.put(plain)
	packed := make([]*[]byte, 0, len(runs)) // a session may bind all before it sends any
	defer func() {
		for _, p := range packed {
			tx.buffers.put(p)
		}
	}()
	err := tx.db.inserts(`
		INSERT INTO chunk (bytes)
		VALUES ($1)`,
		"id", len(runs), func(i int, args []any) []any {
			*plain = (*plain)[:0]
			for j := runs[i].first; j < runs[i].end; j++ {
				*plain = append(*plain, raw(j)...)
			}
			to := tx.buffers.get()
			packed = append(packed, to)
			*to = s2.Encode((*to)[:cap(*to)], *plain)
			return append(args, *to)
		}, func(i int, id int64) {
			for j := runs[i].first; j < runs[i].end; j++ {
				places[j].chunk = id
			}
		})
	return places, err
}

// layOut cuts the events into chunks and says where each of them starts in its own.
func layOut(n int, raw func(i int) []byte) ([]place, []run) {
	places := make([]place, n)
	var runs []run
	first, size := 0, 0
	for i := range n {
		length := len(raw(i))
		if size > 0 && size+length > chunkSize {
			runs = append(runs, run{first, i})
			first, size = i, 0
		}
		places[i].start = int64(size)
		size += length
	}
	if n > 0 {
		runs = append(runs, run{first, n})
	}
	return places, runs
}

// loadRaw fills in the raw bytes. A chunk is read once for all events that are
// in it, and each event has a copy of its own.
func (tx *Tx) loadRaw(events []tocsin.Event, places []place) error {
	var chunks []int64
	within := map[int64][]int{} // by chunk, the events
	for i, at := range places {
		if within[at.chunk] == nil {
			chunks = append(chunks, at.chunk)
		}
		within[at.chunk] = append(within[at.chunk], i)
	}
	plain := tx.buffers.get()
	defer tx.buffers.put(plain)
	err := tx.db.queries(`
		SELECT bytes
		FROM chunk
		WHERE id = $1`,
		len(chunks), func(i int, args []any) []any {
			return append(args, chunks[i])
		}, func(i int, r row) error {
			var packed []byte
			err := r.Scan(&packed)
			if err == nil {
				*plain, err = s2.Decode((*plain)[:cap(*plain)], packed)
			}
			if err != nil {
				return fmt.Errorf("chunk %d: %w", chunks[i], err)
			}
			for _, j := range within[chunks[i]] {
				if err := cut(&events[j], *plain, places[j]); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	for i := range events {
		if events[i].Raw == nil {
			return fmt.Errorf("event %d: chunk %d is missing", events[i].Seq, places[i].chunk)
		}
	}
	return nil
}

// cut gives an event its bytes out of its chunk.
func cut(ev *tocsin.Event, chunk []byte, at place) error {
	end := at.start + int64(ev.Size)
	if at.start < 0 || end < at.start || end > int64(len(chunk)) {
		return fmt.Errorf("event %d: its bytes %d to %d are not in chunk %d of %d", ev.Seq, at.start, end, at.chunk, len(chunk))
	}
	ev.Raw = nonNil(bytes.Clone(chunk[at.start:end]))
	return nil
}

// buffers are used again, since a commit needs a large one for a moment.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	return new([]byte)
}

// put takes a buffer back. Very large ones are rare and not kept.
func (b *buffers) put(p *[]byte) {
	if cap(*p) <= 2*chunkSize {
		b.pool.Put(p)
	}
}
