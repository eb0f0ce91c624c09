package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/tocsin-sec/tocsin/internal/collect/file"
)

// An input is a stream of events that was named on the command line.
type input struct {
	name string // as people know it
	io.Reader
}

const stdinName = "standard input"

// inputs are the streams that paths name, one after the other, gzip or plain: files,
// all files in folders, and standard input for - and where there are no paths. An
// error is about one of them and says which; others may follow.
func (s *shell) inputs(paths []string) iter.Seq2[input, error] {
	if len(paths) == 0 {
		paths = []string{"-"}
	}
	return func(yield func(input, error) bool) {
		for _, path := range paths {
			names := []string{path}
			if path != "-" {
				var err error
				if names, err = file.Expand(path); err != nil && !yield(input{}, ofFile(path, err)) {
					return
				}
			}
			for _, name := range names {
				if !s.openInput(name, yield) {
					return
				}
			}
		}
	}
}

// openInput yields one stream.
func (s *shell) openInput(name string, yield func(input, error) bool) bool {
	from := s.in
	if name == "-" {
		name = stdinName
	} else {
		f, err := os.Open(name)
		if err != nil {
			return yield(input{}, ofFile(name, err))
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	}
	plain, err := file.Unpack(from)
	if err != nil {
		return yield(input{}, ofFile(name, err))
	}
	return yield(input{name, plain}, nil)
}

// ofFile says once which file an error is about.
func ofFile(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}
