package collect

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/tidwall/gjson"
)

// A LogMessage is a log event that a subscription of CloudWatch Logs carried.
type LogMessage struct {
	// Text is what was logged, byte for byte.
	Text []byte
	// ID is the log event's own, the same however often it is delivered. It may be
	// empty.
	ID string
}

// Subscription reads what a subscription filter of CloudWatch Logs sends to Kinesis,
// Lambda or Firehose, as gzip or as plain JSON, one document or several one after
// the other
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html).
//
// ok is false for what is no such thing: an event, or gzip of one. control says that
// it is nothing but control messages, by which CloudWatch Logs sees whether it can
// deliver: there is nothing in them to keep. The error says that raw is broken, and
// nothing of it is given: gzip that cannot be unpacked or is longer than [MaxBody], or
// a document that is a subscription's by its beginning and cannot be read; ok is true
// for the latter.
func Subscription(raw []byte) (messages []LogMessage, control bool, ok bool, err error) {
	plain, err := Gunzip(raw)
	if err != nil {
		return nil, false, false, err
	}
	if !bytes.Contains(plain, []byte(`"messageType"`)) || !bytes.Contains(plain, []byte(`"logEvents"`)) {
		return nil, false, false, nil
	}
	if kind := gjson.GetBytes(plain, "messageType").Str; kind != logData && kind != logControl {
		return nil, false, false, nil
	}
	control = true
	for p := range Pieces(plain) {
		d, err := logDocumentOf(p)
		if err != nil {
			return nil, false, true, fmt.Errorf("subscription of CloudWatch Logs: %w", err)
		}
		if d.MessageType == logControl {
			continue
		}
		control = false
		for _, e := range d.LogEvents {
			messages = append(messages, LogMessage{[]byte(e.Message), e.ID})
		}
	}
	return messages, control, true, nil
}

// A logDocument is what a subscription sends.
type logDocument struct {
	MessageType string     `json:"messageType"`
	LogEvents   []logEvent `json:"logEvents"`
}

type logEvent struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

func logDocumentOf(p Piece) (d logDocument, err error) {
	if p.Err != nil {
		return d, p.Err
	}
	if err := json.Unmarshal(p.Raw, &d); err != nil {
		return d, err
	}
	if d.MessageType != logData && d.MessageType != logControl {
		return d, fmt.Errorf("messageType %q is neither %s nor %s", d.MessageType, logData, logControl)
	}
	return d, nil
}

// The types of a subscription's documents.
const (
	logData    = "DATA_MESSAGE"
	logControl = "CONTROL_MESSAGE"
)

// Gunzip unpacks raw if it is gzip, and gives raw itself if it is not. The error is
// [ErrTooLarge] for what is longer than [MaxBody] unpacked, or says how the gzip is
// broken.
func Gunzip(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, gzipMagic) {
		return raw, nil
	}
	from, ok := unzippers.Get().(*gzip.Reader)
	if !ok {
		from = new(gzip.Reader)
	}
	defer unzippers.Put(from)
	if err := from.Reset(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("not gzip in spite of its looks: %w", err)
	}
	var plain bytes.Buffer
	plain.Grow(min(4*len(raw), MaxBody) + bytes.MinRead)
	n, err := plain.ReadFrom(io.LimitReader(from, MaxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("broken gzip: %w", err)
	case n > MaxBody:
		return nil, ErrTooLarge
	}
	return plain.Bytes(), nil
}

// unzippers are gzip readers that are not in use: each has 40 KiB.
var unzippers sync.Pool
