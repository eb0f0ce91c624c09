package s3

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

const (
	// Events go to the sink in batches of batchEvents, or fewer if they are large.
	batchEvents = 500
	batchBytes  = 4 << 20
	// stall is how long S3 may take for the next bytes.
	stall = time.Minute
)

// errGone says that an object is not there.
var errGone = errors.New("the object is not there: it was deleted, or its lifecycle ended, before it could be read")

// A sinkError says that the sink did not keep events.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

// A brokenError says that an object cannot be unpacked, which no retry mends.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// retries are the waits after which an object is tried again at once, where what is the
// matter may pass.
var retries = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second}

// read hands what is in an object to the sink. An object that is not there or cannot be
// unpacked is recorded, with notice as the bytes and under envelope, and that is no
// error. An error of the sink is a [sinkError].
func (s *source) read(ctx context.Context, sink collect.Sink, p place, notice []byte, envelope string) error {
	select {
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	for try := 0; ; try++ {
		err = s.readOnce(ctx, sink, p)
		if errors.Is(err, errGone) && p.decoded != "" {
			decoded := p
			decoded.key = p.decoded
			err = s.readOnce(ctx, sink, decoded)
		}
		_, kept := errors.AsType[sinkError](err)
		if err == nil || kept || ctx.Err() != nil || notify.IsPermanent(err) || final(err) || try == len(retries) {
			break
		}
		wait, _ := notify.RetryAfter(err)
		if !collect.Sleep(ctx, max(retries[try], min(wait, time.Minute))) {
			break
		}
	}
	if final(err) {
		err = s.record(ctx, sink, tocsin.Event{Raw: notice, Envelope: envelope, Unreadable: p.String() + ": " + err.Error()})
	}
	s.objects.settled(ctx, p, err)
	return err
}

// final reports whether an object will never be read.
func final(err error) bool {
	_, broken := errors.AsType[brokenError](err)
	return broken || errors.Is(err, errGone)
}

// record hands on what tells of an object and cannot be followed.
func (s *source) record(ctx context.Context, sink collect.Sink, ev tocsin.Event) error {
	ev.Source, ev.Via, ev.ReceivedAt = s.env.Name, via, s.env.Now()
	if _, err := sink(context.WithoutCancel(ctx), ev); err != nil {
		return sinkError{err}
	}
	s.pull.Worked(ctx, queue.Journal)
	return nil
}

// readOnce reads an object from where it was left, if it was.
func (s *source) readOnce(ctx context.Context, sink collect.Sink, p place) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(stall, cancel)
	out, err := s.bucket(p.region).get(ctx, &api.GetObjectInput{Bucket: &p.bucket, Key: &p.key})
	stalled := !silence.Stop()
	if err != nil {
		return s.refused(ctx, "s3:GetObject", p, err, stalled)
	}
	defer func() { _ = out.Body.Close() }() // it was only read
	id := p.String() + "@" + strings.Trim(sdk.ToString(out.ETag), `"`)
	body := &body{from: out.Body, cancel: cancel}
	err = s.take(ctx, sink, id, body)
	if body.err != nil {
		return s.refused(ctx, "s3:GetObject", p, body.err, body.stalled)
	}
	return err
}

// take hands the events of an object to the sink, but for those that were already.
func (s *source) take(ctx context.Context, sink collect.Sink, id string, from *body) error {
	plain, err := unpack(from)
	if err != nil {
		return brokenError{err}
	}
	r := collect.NewReader(plain)
	b := batch{source: s, sink: sink, id: id, done: s.progress.of(ctx, id)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := b.flush(ctx); err != nil {
				return err
			}
			s.progress.end(ctx, id)
			s.objects.read(s.env.Now(), b.pieces)
			return nil
		case err != nil:
			if from.err == nil {
				err = brokenError{fmt.Errorf("behind event %d: %w", b.pieces, err)}
			}
			if failed := b.flush(ctx); failed != nil {
				return failed
			}
			s.progress.mark(ctx, id, b.done)
			return err
		case from.err != nil && (p.Err != nil || p.Raw[0] != '{'):
			// It is short only because reading it was.
			if failed := b.flush(ctx); failed != nil {
				return failed
			}
			s.progress.mark(ctx, id, b.done)
			return from.err
		}
		b.add(p)
		if !b.full() {
			continue
		}
		if err := b.flush(ctx); err != nil {
			return err
		}
		s.progress.mark(ctx, id, b.done)
	}
}

// A batch is what goes to the sink in one call.
type batch struct {
	*source
	sink   collect.Sink
	id     string
	pieces int // of the object, read so far
	done   int // of them, kept
	events []tocsin.Event
	memory []byte // that the events' bytes are in
}

func (b *batch) full() bool { return len(b.events) >= batchEvents || len(b.memory) >= batchBytes }

// add takes a copy of a piece. Its envelope says which of the object it is: in what
// GuardDuty exports, the line.
func (b *batch) add(p collect.Piece) {
	if b.pieces++; b.pieces <= b.done {
		return
	}
	// Where append moves the memory, events before keep the old one.
	from := len(b.memory)
	b.memory = append(b.memory, p.Raw...)
	ev := tocsin.Event{
		Source: b.env.Name, Via: via, ReceivedAt: b.env.Now(), Envelope: b.id + "#" + strconv.Itoa(b.pieces),
		Raw: b.memory[from:len(b.memory):len(b.memory)],
	}
	if p.Err != nil {
		ev.Unreadable = p.Err.Error()
	}
	b.events = append(b.events, ev)
}

func (b *batch) flush(ctx context.Context) error {
	if len(b.events) == 0 {
		return nil
	}
	// What the sink has begun is waited for though ctx ends.
	if _, err := b.sink(context.WithoutCancel(ctx), b.events...); err != nil {
		return sinkError{err}
	}
	b.pull.Worked(ctx, queue.Journal)
	b.done = b.pieces
	clear(b.events)
	b.events, b.memory = b.events[:0], b.memory[:0]
	return nil
}

// A body is an object's, of which is known whether it was cut off.
type body struct {
	from    io.Reader
	cancel  context.CancelFunc
	err     error // of reading, if any but its end
	stalled bool
}

// Read reads on, and gives up if nothing comes for a while.
func (b *body) Read(p []byte) (int, error) {
	silence := time.AfterFunc(stall, b.cancel)
	n, err := b.from.Read(p)
	stalled := !silence.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		b.err, b.stalled = err, stalled
	}
	return n, err
}

// unpack reads through gzip if that is what from begins with.
func unpack(from io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(from, 64<<10)
	if head, _ := buffered.Peek(2); string(head) != "\x1f\x8b" { // too short is not gzip; an error comes again
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

var keyForm = lazyregexp.New(`arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+`)

// refused says what went wrong with a request about an object, and what to do.
func (s *source) refused(ctx context.Context, action string, p place, err error, stalled bool) error {
	if _, missing := errors.AsType[*types.NoSuchKey](err); missing {
		return errGone
	}
	if stalled {
		return fmt.Errorf("%s: %s: nothing came for %v", via, p, stall)
	}
	call := aws.Call{Action: action, Resource: s.arn(p.bucket)}
	if action == "s3:GetObject" {
		call.Resource += "/*"
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		switch code := answer.ErrorCode(); {
		case strings.Contains(answer.ErrorMessage(), "kms:Decrypt"):
			call = aws.Call{Action: "kms:Decrypt", Resource: keyForm.FindString(answer.ErrorMessage())}
			if call.Resource == "" {
				call.Resource = "the KMS key that " + p.bucket + " is encrypted with"
			}
		case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed":
			return notify.Permanent(fmt.Errorf("%s: the bucket %s is not in %s; set region to that of the bucket", via, p.bucket, s.session.Config.Region))
		case code == "NoSuchBucket":
			return notify.Permanent(fmt.Errorf("%s: there is no bucket %s; name the right one", via, p.bucket))
		}
	}
	refused := s.session.Refused(ctx, call, err)
	return fmt.Errorf("%s: %w", p, refused)
}

// said is what tells of an object that no message told of.
func said(p place) []byte {
	text, err := json.Marshal(map[string]string{"bucket": p.bucket, "key": p.key})
	if err != nil { // texts have a form in JSON
		return []byte("{}")
	}
	return text
}
