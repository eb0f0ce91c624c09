package chaos_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A posting is one event of the night, as it comes in.
type posting struct {
	Source   string `json:"source"`
	Envelope string `json:"envelope"`
	Raw      []byte `json:"raw"`
}

// A tale is what one finding does through the night.
type tale struct {
	id, account, kind string
	versions          []version
}

// A version is one state of a finding, as GuardDuty publishes it.
type version struct {
	minute   int // at which it comes in
	updated  time.Time
	severity float64
	count    int
	archived bool
	sample   bool
	remote   string
}

// What findings are of, and where.
var (
	kinds = []string{
		"UnauthorizedAccess:EC2/MaliciousIPCaller.Custom", "Backdoor:EC2/C&CActivity.B", "CryptoCurrency:EC2/BitcoinTool.B!DNS",
		"Recon:EC2/PortProbeUnprotectedPort", "UnauthorizedAccess:EC2/SSHBruteForce", "Policy:S3/BucketAnonymousAccessGranted",
		"Trojan:EC2/BlackholeTraffic", "Impact:EC2/PortSweep",
	}
	estate = []string{
		"100000000001", "100000000002", "100000000003", "200000000001", "200000000002", "200000000003",
		"300000000001", "300000000002", "300000000003",
	}
)

// teamOf is whose an account is.
func teamOf(account string) string {
	switch {
	case strings.HasPrefix(account, "1"):
		return "web"
	case strings.HasPrefix(account, "2"):
		return "pay"
	}
	return "core"
}

// stormShare is one event of how many that is of the storm: findings of one type in
// one account within one minute.
const stormShare = 80

// A program of the night is all that comes in, by minute.
type program struct {
	rnd     *rand.Rand
	minutes [][]posting
	tales   []*tale
	size    int
}

// newProgram tells tales until there are that many events.
func newProgram(rnd *rand.Rand, minutes, events int) *program {
	p := &program{rnd: rnd, minutes: make([][]posting, minutes)}
	for range events / stormShare {
		t := p.begin()
		t.account, t.kind = "100000000002", "Impact:EC2/PortSweep"
		t.versions = []version{{minute: minutes * 4 / 9, severity: 8, count: 1}}
		p.tell(t, events)
	}
	for p.size < events {
		p.tell(p.imagine(), events)
	}
	return p
}

func (p *program) begin() *tale {
	var id [16]byte
	for i := range id {
		id[i] = byte(p.rnd.Uint32())
	}
	t := &tale{id: hex.EncodeToString(id[:]), account: pick(p.rnd, estate), kind: pick(p.rnd, kinds)}
	p.tales = append(p.tales, t)
	return t
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

// imagine is one finding: it opens, happens again, gets worse, is archived, and
// comes back.
func (p *program) imagine() *tale {
	t := p.begin()
	chance := func(percent int) bool { return p.rnd.IntN(100) < percent }
	severities := []float64{2, 2, 2, 5, 5, 5, 5, 8, 8, 9.5}
	v := version{minute: p.rnd.IntN(len(p.minutes)), severity: pick(p.rnd, severities), count: 1 + p.rnd.IntN(3), sample: chance(3), remote: "198.51.100.23"}
	add := func() { t.versions = append(t.versions, v) }
	add()
	for range 2 + p.rnd.IntN(9) {
		v.minute += 1 + p.rnd.IntN(45)
		v.count += 1 + p.rnd.IntN(5)
		switch d := p.rnd.IntN(100); {
		case d < 10:
			v.count *= 12
		case d < 19:
			v.remote = "203.0.113." + strconv.Itoa(p.rnd.IntN(200))
		case d < 25 && v.severity < 9:
			v.severity = min(9.5, v.severity+3)
		case d > 90 && v.severity > 3:
			v.severity -= 3
		}
		add()
	}
	if chance(40) {
		v.minute += 1 + p.rnd.IntN(60)
		v.archived = true
		add()
	}
	if v.archived && chance(40) {
		v.minute += 1 + p.rnd.IntN(20) // within ten minutes it is the same alert
		v.archived, v.count = false, v.count+1
		add()
	}
	return t
}

// tell puts the tale's versions into the night, some of them twice, by two ways, or
// in the wrong order. It stops at that many events.
func (p *program) tell(t *tale, events int) {
	begun := dusk.Add(time.Duration(t.versions[0].minute) * time.Minute)
	for i := range t.versions {
		v := &t.versions[i]
		v.updated = dusk.Add(time.Duration(v.minute)*time.Minute - 20*time.Second)
		if i > 0 && !v.updated.After(t.versions[i-1].updated) {
			v.updated = t.versions[i-1].updated.Add(time.Second)
		}
	}
	if n := len(t.versions); n > 2 && p.rnd.IntN(20) == 0 {
		t.versions[n-1].minute, t.versions[n-2].minute = t.versions[n-2].minute, t.versions[n-1].minute
	}
	for i := range t.versions {
		v := &t.versions[i]
		if v.minute >= len(p.minutes) || p.size >= events {
			t.versions = t.versions[:i]
			break
		}
		source := pick(p.rnd, []string{"gd", "bus"})
		one := p.post(t, *v, begun, source, v.minute)
		switch p.rnd.IntN(12) {
		case 0: // delivered once more
			p.add(min(v.minute+p.rnd.IntN(3), len(p.minutes)-1), one)
		case 1, 2: // by the other way, too
			other := map[string]string{"gd": "bus", "bus": "gd"}[source]
			p.post(t, *v, begun, other, min(v.minute+p.rnd.IntN(3), len(p.minutes)-1))
		}
	}
	if len(t.versions) == 0 {
		p.tales = slices.DeleteFunc(p.tales, func(o *tale) bool { return o == t })
	}
}

// post adds a version as an event of its own.
func (p *program) post(t *tale, v version, begun time.Time, source string, minute int) posting {
	envelope := fmt.Sprintf("%08x-0000-4000-8000-%012x", p.size, p.rnd.Uint64()>>16)
	one := posting{Source: source, Envelope: envelope, Raw: v.event(t, begun, envelope)}
	p.add(minute, one)
	return one
}

func (p *program) add(minute int, one posting) {
	p.minutes[minute] = append(p.minutes[minute], one)
	p.size++
}

// last is the newest version that came in.
func (t *tale) last() version {
	return slices.MaxFunc(t.versions, func(a, b version) int { return cmp.Compare(a.updated.UnixMilli(), b.updated.UnixMilli()) })
}

// event is the version as EventBridge delivers it.
func (v version) event(t *tale, begun time.Time, envelope string) []byte {
	const form = "2006-01-02T15:04:05.000Z"
	info := `{"type":"default","value":"{}"}`
	if v.sample {
		info = `{"sample":true}`
	}
	updated := v.updated.Format(form)
	return fmt.Appendf(nil, `{"version":"0","id":%q,"detail-type":"GuardDuty Finding","source":"aws.guardduty","account":%q,"time":%q,"region":"eu-west-1","resources":[],`+
		`"detail":{"schemaVersion":"2.0","accountId":%q,"region":"eu-west-1","partition":"aws","id":%q,"type":%q,"severity":%v,`+
		`"createdAt":%q,"updatedAt":%q,"title":"Something is wrong with instance i-0%s.","description":"It talks to somebody.",`+
		`"resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0%s","instanceType":"m7g.large","tags":[{"key":"Name","value":"web-1"}]}},`+
		`"service":{"serviceName":"guardduty","detectorId":"12abc34d567e8fa901bc2d34e56789f0","resourceRole":"ACTOR","archived":%t,"count":%d,`+
		`"eventFirstSeen":%q,"eventLastSeen":%q,"additionalInfo":%s,"action":{"actionType":"NETWORK_CONNECTION","networkConnectionAction":{"connectionDirection":"OUTBOUND",`+
		`"remoteIpDetails":{"ipAddressV4":%q,"country":{"countryName":"Brazil"}},"remotePortDetails":{"port":443,"portName":"HTTPS"},"protocol":"TCP","blocked":false}}}}}`,
		envelope, t.account, v.updated.Format(time.RFC3339), t.account, t.id, t.kind, v.severity,
		begun.Format(form), updated, t.id[:16], t.id[:16], v.archived, v.count, begun.Format(form), updated, info, cmp.Or(v.remote, "198.51.100.23"))
}
