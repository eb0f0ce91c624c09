package notifytest

import (
	"context"
	"maps"
	"sync"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// Memory is a receiver's memory ([notify.State]) for a test; the zero Memory is empty
// and ready.
type Memory struct {
	mu     sync.Mutex // guards what follows
	values map[string][]byte
	err    error
}

var _ notify.State = (*Memory)(nil)

// Remembering has the values from the beginning.
func Remembering(values map[string]string) *Memory {
	m := &Memory{values: map[string][]byte{}}
	for key, value := range values {
		m.values[key] = []byte(value)
	}
	return m
}

// Fail has every call fail from now on, or with nil none.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// All are the values that are kept.
func (m *Memory) All() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

// Load gives what is kept, or nil.
func (m *Memory) Load(ctx context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx); err != nil {
		return nil, err
	}
	return m.values[key], nil
}

// Save keeps the value.
func (m *Memory) Save(ctx context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx); err != nil {
		return err
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = value
	return nil
}

// First keeps value if there is none yet, and gives what is kept.
func (m *Memory) First(ctx context.Context, key string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails(ctx); err != nil {
		return nil, err
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	if m.values[key] == nil {
		m.values[key] = value
	}
	return m.values[key], nil
}

func (m *Memory) fails(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.err
}
