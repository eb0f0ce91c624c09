package rig

import (
	"os"
	"time"

	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
)

// TopicARN is the topic that the sns source takes messages of.
const TopicARN = "arn:aws:sns:eu-west-1:111122223333:guardduty"

// NewSigner makes a signer and writes its certificate for [Config.Certificate].
func NewSigner(file string) (*snstest.Signer, error) {
	s, err := snstest.New(time.Now)
	if err != nil {
		return nil, err
	}
	text, err := s.CertificatePEM(TopicARN)
	if err != nil {
		return nil, err
	}
	return s, os.WriteFile(file, text, 0o600)
}
