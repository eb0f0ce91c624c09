package collect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin"
)

// lingering is how long is waited at the end for what is being kept.
const lingering = 5 * time.Second

// Linger is a context for what is to be ended well after ctx ended: it ends five
// seconds later, or when end is called.
func Linger(ctx context.Context) (on context.Context, end context.CancelFunc) {
	on, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(lingering, cancel)
		context.AfterFunc(on, func() { timer.Stop() })
	})
	return on, func() {
		stop()
		cancel()
	}
}

// Hand has sink keep events, and goes on until they are kept. It is false if ctx ended
// before; what is being kept then is waited for, see [Linger]. That the sink fails is
// noted as a failing part.
func (p *Pull) Hand(ctx context.Context, sink Sink, events []tocsin.Event) bool {
	const part = "keeping events"
	for len(events) > 0 {
		on, end := Linger(ctx)
		_, err := sink(on, events...)
		end()
		if err == nil {
			p.Worked(ctx, part)
			return true
		}
		if !p.Again(ctx, part, err, 0) {
			return false
		}
	}
	return true
}

// maxNamed is how many events one text may hold. It is a text of nobody's who sends
// findings that has more.
const maxNamed = 10_000

// Named gives the pieces of a text that came under an id, each with its own: id where
// there is one piece, id#0, id#1 and so on where there are several. Of a text in which
// nothing can be read, or which has more than ten thousand pieces, the one piece is the
// text, with Err. The same text has the same pieces and ids at all times.
func Named(text []byte, id string) iter.Seq2[string, Piece] {
	return func(yield func(string, Piece) bool) {
		all, err := good(text)
		if err != nil {
			yield(id, Piece{text, err})
			return
		}
		for i, p := range all {
			own := id
			if len(all) > 1 {
				own += "#" + strconv.Itoa(i)
			}
			if !yield(own, p) {
				return
			}
		}
	}
}

// good are the pieces of a text, one of which at least can be read. The error says why
// it is none of that.
func good(text []byte) (all []Piece, err error) {
	some := false
	for p := range Pieces(text) {
		if all = append(all, p); len(all) > maxNamed {
			return nil, fmt.Errorf("more than %d events in one text", maxNamed)
		}
		if some = some || p.Err == nil; err == nil {
			err = p.Err
		}
	}
	switch {
	case some:
		return all, nil
	case len(all) == 0:
		return nil, errors.New("there is no event in it")
	}
	return nil, err
}
