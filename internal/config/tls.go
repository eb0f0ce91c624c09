package config

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// TLS names a certificate chain and its key, as PEM files. The zero TLS is none.
type TLS struct {
	Certificate string `json:"certificate" required:"true" doc:"PEM file with the certificate and its chain."`
	Key         string `json:"key" required:"true" doc:"PEM file with the private key."`
}

// Config is for a server, or nil where there is no certificate. It reads the files
// again when the certificate's was written, so that a renewal needs no restart.
func (t TLS) Config() *tls.Config {
	if t.Certificate == "" {
		return nil
	}
	pair := &keyPair{files: t}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.current() },
	}
}

// check reports whether the files hold a certificate and its key.
func (t TLS) check() error {
	if t.Certificate == "" {
		return nil
	}
	_, err := (&keyPair{files: t}).current()
	return err
}

type keyPair struct {
	files TLS

	mu      sync.Mutex
	read    *tls.Certificate // guarded by mu, as is written
	written time.Time        // when the certificate's file was
}

// current is the pair in force. A new one that cannot be read, such as while only
// one of its files is there, leaves the old one in force.
func (k *keyPair) current() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.files.Certificate)
	if err == nil && k.read != nil && info.ModTime().Equal(k.written) {
		return k.read, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(k.files.Certificate, k.files.Key); err == nil {
			k.read, k.written = &pair, info.ModTime()
			return k.read, nil
		}
	}
	if k.read != nil {
		return k.read, nil
	}
	return nil, fmt.Errorf("certificate: %w", err)
}
