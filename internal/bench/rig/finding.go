package rig

import (
	_ "embed" // the finding
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Finding is one version of a GuardDuty finding.
type Finding struct {
	Number   int // of the finding; see ID
	Version  int // 1 is the first; later ones have a higher count
	Severity float64
	Envelope string // the EventBridge event's id
	// Padding is how many IPv6 addresses the instance has, of 42 bytes each.
	Padding int
}

//go:embed finding.json
var findingText string

// Account and Region are where every finding is.
const (
	Account = "111122223333"
	Region  = "eu-west-1"
)

// ID is the id of the n-th finding, 32 hexadecimal digits as GuardDuty's.
func ID(n int) string { return fmt.Sprintf("%032x", uint64(n)+1<<40) }

// Count is how often it happened, as the finding says in this version.
func (f Finding) Count() int64 { return int64(10 * max(1, f.Version)) }

// Event is the finding as EventBridge delivers it, 3.1 KB and its padding.
func (f Finding) Event() []byte {
	updated := time.Date(2026, 6, 12, 2, 29, 40, 0, time.UTC).Add(time.Duration(f.Version) * time.Minute)
	id := ID(f.Number)
	var addresses strings.Builder
	for i := range f.Padding {
		if i > 0 {
			addresses.WriteByte(',')
		}
		fmt.Fprintf(&addresses, `"2001:0db8:0000:0000:%04x:%04x:%04x:%04x"`, f.Number>>16&0xffff, f.Number&0xffff, i*7, i)
	}
	return []byte(strings.NewReplacer(
		"{{envelope}}", f.Envelope, "{{finding}}", id, "{{tail}}", id[16:], "{{addresses}}", addresses.String(),
		"{{updated}}", updated.Format("2006-01-02T15:04:05.000Z"),
		"{{count}}", strconv.FormatInt(f.Count(), 10), "{{severity}}", strconv.FormatFloat(f.Severity, 'g', -1, 64),
	).Replace(findingText))
}

// Envelope is a UUID as senders give to what they send, made of two numbers.
func Envelope(kind, n int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(kind), n)
}
