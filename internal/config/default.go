package config

import (
	_ "embed"
	"slices"
)

//go:embed default.yml
var defaultText []byte

// Default is the configuration that is used when there is no file: one HTTPS
// source, every GuardDuty finding, the console, data in ./tocsin-data. It is
// written to be read.
func Default() []byte { return slices.Clone(defaultText) }
