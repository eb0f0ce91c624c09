package guarddutytest

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
)

// The credentials of whoever tocsin runs as.
const (
	KeyID  = sigv4test.KeyID
	Secret = sigv4test.Secret
)

// A credential is a key that the fake knows, and whose.
type credential struct {
	sigv4test.Credential
	account, role string
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
