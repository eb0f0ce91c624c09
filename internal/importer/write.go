package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The files of [Draft.Write].
const (
	configFile   = "tocsin.yml"
	secretsDir   = "secrets"
	silencesFile = "silences.sh"
)

// Write writes the configuration into a folder, each secret into a file of its own
// within secrets/ that nobody else may read, and the commands of silences as a
// script. Nothing is written over unless force says so. It returns what it wrote.
func (d *Draft) Write(dir, command string, force bool) (written []string, err error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	type file struct {
		path string
		mode fs.FileMode
		text []byte
	}
	const private, public, script = 0o600, 0o644, 0o755
	var files []file
	for _, s := range d.Needed() {
		if !s.Value.IsZero() {
			files = append(files, file{filepath.Join(whole, secretsDir, s.File), private, []byte(s.Value.Reveal())})
		}
	}
	ref := func(s *Secret) string {
		if s.Value.IsZero() {
			return s.Named()
		}
		return "${file:" + filepath.Join(whole, secretsDir, s.File) + "}"
	}
	if len(d.Silences) > 0 {
		text := "#!/bin/sh\n# Made by '" + OneLine(command) + "'.\n" + strings.Join(d.Silences, "\n") + "\n"
		files = append(files, file{filepath.Join(whole, silencesFile), script, []byte(text)})
	}
	files = append(files, file{filepath.Join(whole, configFile), public, d.File(command, ref)})
	if strings.ContainsAny(whole, "}\n") {
		return nil, fmt.Errorf("%s: a folder of that name cannot be referred to", dir)
	}
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil && !force {
			return nil, fmt.Errorf("%s: is there already; nothing was written: choose another folder, or give --force", f.path)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	const privateDir, publicDir = 0o700, 0o755
	if err := os.MkdirAll(whole, publicDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(whole, secretsDir), privateDir); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := replace(f.path, f.mode, f.text); err != nil {
			return written, err
		}
		written = append(written, f.path)
	}
	return written, nil
}

// Named is how the new file names the secret where it is in no file of its own.
func (s *Secret) Named() string {
	if s.Reference != "" {
		return s.Reference
	}
	return "${env:" + s.Env + "}"
}

// replace writes a file anew, so that it has the mode whatever the old one had, and
// is whole or not there.
func replace(path string, mode fs.FileMode, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".import-*") // readable by nobody else
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
