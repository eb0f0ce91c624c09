package setup

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// secretsFolder is where secrets that are typed in are kept, beside the managed file.
const secretsFolder = "secrets"

// folder is the absolute path of the secrets' folder: a reference is read from
// wherever tocsin was started.
func (x *edit) folder() (string, error) {
	path, err := filepath.Abs(x.path)
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(path), secretsFolder)
	if strings.ContainsAny(path, "}\n") {
		return "", fmt.Errorf("secrets cannot be kept in %q: a reference cannot name it; write ${env:NAME} instead", path)
	}
	return path, nil
}

var unsafe = lazyregexp.New(`[^A-Za-z0-9_-]+`)

// keepSecret writes a secret into a file of its own and gives the reference to it.
// The file is removed again if nothing comes of the edit.
func (x *edit) keepSecret(w What, name, key, text string) (string, error) {
	folder, err := x.folder()
	if err != nil {
		return "", err
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", errors.New("is empty")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("cannot be kept: %w", err)
	}
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	called := fmt.Sprintf("%s-%s-%s-%s", w, unsafe.ReplaceAllString(name, "-"), unsafe.ReplaceAllString(key, "-"), hex.EncodeToString(random[:]))
	path := filepath.Join(folder, called[max(0, len(called)-200):])
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("cannot be kept: %w", err)
	}
	x.made = append(x.made, path)
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("cannot be kept: %w", err)
	}
	return "${file:" + path + "}", nil
}

var fileReference = lazyregexp.New(`\$\{file:([^}]+)\}`)

// sweep removes the files of secrets that an entry had and has no more. Those that
// others refer to stay.
func (x *edit) sweep(was map[string]string) {
	folder, err := x.folder()
	if err != nil {
		return
	}
	elsewhere := slices.Clone(x.after)
	for _, file := range x.config.Files {
		if text, err := os.ReadFile(file); err == nil && file != x.path {
			elsewhere = append(elsewhere, text...)
		}
	}
	for _, value := range was {
		for _, m := range fileReference.FindAllStringSubmatch(value, -1) {
			path := m[1]
			if filepath.Dir(path) != folder || bytes.Contains(elsewhere, []byte(m[0])) {
				continue
			}
			if err := os.Remove(path); err != nil {
				x.o.Log.Warn("the file of a secret that is not used any more is still there", "file", path, "err", err)
			}
		}
	}
}
