package collect

import "io"

// NewReaderOf is NewReader with a smaller bound for one value than MaxBody.
func NewReaderOf(r io.Reader, limit int) *Reader {
	reader := NewReader(r)
	reader.limit = limit
	return reader
}

// MaxWaiting is how many deliveries of a door may wait at once.
const MaxWaiting = maxWaiting
