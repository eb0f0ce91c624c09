package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// A message is sealed for one browser (RFC 8291, by the aes128gcm coding of RFC
// 8188). Every body is of one length, so that a push service cannot tell by it
// what it carries.
const (
	// sealedLength is that length. Push services take 4,096 bytes (RFC 8030, section
	// 7.2), but Firefox on Android gets its messages through a bridge that takes no
	// more than about 2,800.
	sealedLength = 2700
	recordSize   = 4096
	saltLength   = 16
	keyLength    = 65 // of an uncompressed point
	headLength   = saltLength + 4 + 1 + keyLength
	tagLength    = 16
	// textMost is what fits, in bytes: one more ends the text.
	textMost = sealedLength - headLength - tagLength - 1
)

// seal encrypts the text for the browser.
func seal(s subscription, text []byte) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // it never fails: crypto/rand ends the program instead
	if len(text) > textMost {
		return nil, fmt.Errorf("the message has %d bytes, and a push takes no more than %d", len(text), textMost)
	}
	padding := textMost - len(text)
	return sealWith(s, text, padding, own, salt)
}

// sealWith is seal with what is random.
func sealWith(s subscription, text []byte, padding int, own *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := own.ECDH(s.key)
	if err != nil {
		return nil, fmt.Errorf("agree on a key: %w", err)
	}
	mine := own.PublicKey().Bytes()
	secret, err := hkdf.Key(sha256.New, shared, s.auth, "WebPush: info\x00"+string(s.key.Bytes())+string(mine), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, headLength+len(text)+1+padding+tagLength)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, keyLength)
	body = append(body, mine...)
	plain := make([]byte, len(text)+1+padding)
	plain[copy(plain, text)] = 2 // ends the last record
	return gcm.Seal(body, nonce, plain, nil), nil
}
