package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/config"
)

// writePair writes a self-signed certificate with its key.
func writePair(t *testing.T, certificate, key string, serial int64, at time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(certificate, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestARenewedCertificateNeedsNoRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	start := time.Now().Add(-time.Hour)
	writePair(t, certificate, key, 1, start)
	c := parse(t, least+"intake: 127.0.0.1:8443\ntls: {certificate: '"+certificate+"', key: '"+key+"'}\n")
	if c.Intake != "127.0.0.1:8443" {
		t.Errorf("Intake = %q", c.Intake)
	}
	server := c.TLS.Config()
	serial := func() int64 {
		t.Helper()
		pair, err := server.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial = %d, want 1", got)
	}
	writePair(t, certificate, key, 2, start.Add(time.Minute))
	if got := serial(); got != 2 {
		t.Errorf("serial after the renewal = %d, want 2", got)
	}
	if err := os.WriteFile(certificate, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("serial after a broken renewal = %d, want 2", got)
	}
	if (config.TLS{}).Config() != nil {
		t.Error("without files there is a configuration")
	}
}
