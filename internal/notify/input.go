package notify

import (
	"errors"
	"fmt"

	"github.com/tocsin-sec/tocsin/transform"
)

// Input is an EventBridge input transformer among a receiver's settings, under the
// key "input": what is sent is made of the alert's newest event, as the target of
// a rule would get it.
//
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
type Input struct {
	Paths    map[string]string `json:"paths,omitempty" doc:"InputPathsMap: for each variable, the path of its value in the event, such as $.detail.severity."`
	Template string            `json:"template,omitempty" doc:"InputTemplate: what is sent, with <variable> where a value goes."`
}

// ErrNoEvent says that a message has no event to be transformed.
var ErrNoEvent = errors.New("there is no event to transform: the message is about no single alert, or its event is not kept any more")

// A Shaper is an [Input] that was checked. A nil Shaper shapes nothing.
type Shaper struct{ transformer *transform.Transformer }

// Shaper checks the input; it is nil if there is none. Values are escaped inside
// quotes: findings are untrusted.
func (in *Input) Shaper() (*Shaper, error) {
	if in == nil {
		return nil, nil
	}
	target := transform.Target{InputTransformer: &transform.InputTransformer{InputPathsMap: in.Paths, InputTemplate: in.Template}}
	t, err := target.Compile(transform.Strict)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return &Shaper{t}, nil
}

// Shape is what is sent of the message's event. The error is permanent.
func (s *Shaper) Shape(m Message) ([]byte, error) {
	if len(m.Event) == 0 {
		return nil, Permanent(ErrNoEvent)
	}
	result, err := s.transformer.Apply(m.Event, transform.Rule{Name: m.Alert.Rule})
	if err != nil {
		return nil, Permanent(fmt.Errorf("input: %w", err))
	}
	return result.Text, nil
}
