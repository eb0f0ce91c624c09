package collecttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
)

// Pulled gives the Start of a harness for a collector that fetches its events. open
// opens it, and put puts an event where it fetches them from; gone is closed once the
// collector has said there that it is done with it: deleted a message, moved on.
//
// A sender is told to try again when the sink failed, or when the collector has ended
// and what was put is still there; trying again is to wait for that to be fetched once
// more.
func Pulled(open func(t *testing.T) (c collect.Collector, put func(body []byte) (gone <-chan struct{}))) func(*testing.T, collect.Sink) *Running {
	return func(t *testing.T, sink collect.Sink) *Running {
		t.Helper()
		c, put := open(t)
		p := &pulled{failed: make(chan struct{}), ended: make(chan struct{}), there: map[string]<-chan struct{}{}}
		stop := Begin(t, c, func(ctx context.Context, events ...tocsin.Event) ([]tocsin.Receipt, error) {
			receipts, err := sink(ctx, events...)
			if err != nil {
				p.fail()
			}
			return receipts, err
		})
		return &Running{
			Stop: func() error {
				err := stop()
				p.end.Do(func() { close(p.ended) })
				return err
			},
			Send: func(body []byte) Answer {
				answer, err := p.send(body, put)
				if err != nil {
					t.Error(err)
				}
				return answer
			},
		}
	}
}

// A pulled is what events are fetched from, as its senders see it.
type pulled struct {
	ended chan struct{}
	end   sync.Once

	mu     sync.Mutex // guards what follows
	failed chan struct{}
	there  map[string]<-chan struct{} // what was put and is not gone
}

// fail tells all who wait that the sink failed.
func (p *pulled) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.failed)
	p.failed = make(chan struct{})
}

var errStuck = errors.New("it is neither fetched nor given back")

func (p *pulled) send(body []byte, put func([]byte) <-chan struct{}) (Answer, error) {
	p.mu.Lock()
	failed := p.failed
	gone, ok := p.there[string(body)]
	if !ok {
		gone = put(body)
		p.there[string(body)] = gone
	}
	p.mu.Unlock()
	select {
	case <-gone:
	case <-failed:
		return TryAgain, nil
	case <-p.ended:
		select {
		case <-gone:
		default:
			return TryAgain, nil
		}
	case <-time.After(deadline):
		return Refused, errStuck
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.there, string(body))
	return Received, nil
}
