package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// samples are patterns and events of the small corpus.
type samples struct {
	patterns, events []string
}

func readSamples(t testing.TB) samples {
	t.Helper()
	folder := filepath.Join("testdata", "corpus")
	var s samples
	for line := range lines(t, filepath.Join(folder, "events.jsonl.gz")) {
		s.events = append(s.events, string(line))
	}
	names, err := filepath.Glob(filepath.Join(folder, "*_100.jsonl.gz"))
	if err != nil || len(names) == 0 || len(s.events) == 0 {
		t.Fatalf("%s: %v, %d sets and %d events", folder, err, len(names), len(s.events))
	}
	for _, name := range names {
		for line := range lines(t, name) {
			var c struct{ Pattern json.RawMessage }
			if err := json.Unmarshal(line, &c); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			s.patterns = append(s.patterns, string(c.Pattern))
		}
	}
	return s
}

// Worlds are where patterns and events come from. Those of one world often meet.
const (
	smallWorld  = iota // small JSON of every kind
	arraysWorld        // small JSON with many arrays
	rulesWorld         // rules like those that people write
	corpusWorld
	worlds
)

// An inventor invents patterns and events that nearly meet, most of them in one
// world.
type inventor struct {
	*rand.Rand
	samples samples
	world   int
	lists   map[string][]string // used before, by path
}

func (v *inventor) choose() int {
	if v.IntN(8) == 0 {
		return v.IntN(worlds)
	}
	return v.world % worlds
}

func (v *inventor) pattern() string {
	switch v.choose() {
	case smallWorld:
		return generator{Rand: v.Rand, arrays: false}.pattern()
	case arraysWorld:
		g := generator{Rand: v.Rand, arrays: true}
		if v.IntN(4) == 0 { // a field, and one below it: they may be in one array
			key := g.key()
			return fmt.Sprintf(`{%q:%s,%q:{%q:%s}}`, key, g.list(), key, g.key(), g.list())
		}
		return g.pattern()
	case rulesWorld:
		return v.rule()
	}
	text := pickOf(v, v.samples.patterns)
	if v.IntN(2) == 0 {
		changed := v.typo(text)
		if _, err := Parse([]byte(changed)); err == nil {
			return changed
		}
	}
	return text
}

func (v *inventor) event() string {
	var text string
	switch v.choose() {
	case smallWorld:
		text = generator{Rand: v.Rand, arrays: false}.object(4)
	case arraysWorld:
		if g := (generator{Rand: v.Rand, arrays: true}); v.IntN(3) == 0 {
			text = fmt.Sprintf("{%q:%s,%q:%s}", g.key(), v.mixture(g), g.key(), v.mixture(g))
		} else {
			text = g.object(4)
		}
	case rulesWorld:
		text = v.finding()
	default:
		text = pickOf(v, v.samples.events)
		for range v.IntN(6) {
			if changed := v.typo(text); json.Valid([]byte(changed)) {
				text = changed
			}
		}
	}
	for range v.IntN(3) {
		if changed := v.escaped(text); json.Valid([]byte(changed)) {
			text = changed
		}
	}
	return text
}

// mixture invents an array of all kinds.
func (v *inventor) mixture(g generator) string {
	elements := make([]string, 1+v.IntN(4))
	for i := range elements {
		switch element := g.scalar(); v.IntN(4) {
		case 0:
			elements[i] = element
		case 1:
			elements[i] = "[" + element + "]"
		case 2:
			elements[i] = fmt.Sprintf("{%q:%s}", g.key(), element)
		default:
			elements[i] = fmt.Sprintf("{%q:%s,%q:[%s]}", g.key(), element, g.key(), g.scalar())
		}
	}
	return "[" + strings.Join(elements, ",") + "]"
}

func pickOf(v *inventor, from []string) string { return from[v.IntN(len(from))] }

// typo changes one letter or digit. The result may be no JSON.
func (v *inventor) typo(text string) string {
	b := []byte(text)
	i := v.IntN(len(b))
	n := bytes.IndexFunc(b[i:], func(r rune) bool { return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) })
	if n < 0 {
		return text
	}
	switch c := &b[i+n]; {
	case unicode.IsLetter(rune(*c)) && v.IntN(2) == 0:
		*c ^= ' ' // the other case
	default:
		*c = "0189azAZ"[v.IntN(8)]
	}
	return string(b)
}

// escaped writes one character in another way. The result may be no JSON, where
// that was not in a string.
func (v *inventor) escaped(text string) string {
	i := v.IntN(len(text))
	for !utf8.RuneStart(text[i]) {
		i--
	}
	r, size := utf8.DecodeRuneInString(text[i:])
	long := fmt.Sprintf(`\u%04x`, r)
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		long = fmt.Sprintf(`\u%04X\u%04x`, high, low)
	}
	return text[:i] + long + text[i+size:]
}

// A topic is a field that rules are about, and the values it may have.
type topic struct {
	path     string
	kind     kindOfTopic
	values   []string
	networks []string // or prefixes, or bounds
}

type kindOfTopic int

const (
	ofText kindOfTopic = iota
	ofNumbers
	ofAddresses
)

// topics have values that begin, end and compare alike.
var topics = []topic{
	{"source", ofText, []string{"aws.guardduty", "aws.guard", "aws.guardduty2", "aws.s3", "AWS.GuardDuty", "aws."}, []string{"aws.", "a", "aws.guard", ""}},
	{"account", ofText, []string{
		"111122223333", "111122223334", "111122223343", "211122223333", "11112222333", "1111222233333", "999988887777", "999988887778",
		"444455556666", "444455556667", "444455556676", "000000000000",
	}, []string{"1111", "11112222333", "9999"}},
	{"detail.type", ofText, []string{
		"UnauthorizedAccess:EC2/SSHBruteForce", "UnauthorizedAccess:EC2/SSHBruteForce!DNS", "UnauthorizedAccess:EC2/RDPBruteForce",
		"UnauthorizedAccess:IAMUser/TorIPCaller", "Recon:EC2/PortProbe", "Recon:EC2/PortProbeEMR", "Trojan:EC2/DNSDataExfiltration!DNS", "Recon:EC2",
	}, []string{"UnauthorizedAccess:", "UnauthorizedAccess:EC2/", "Unauth", "Recon:EC2/PortProbe", "Recon:", "!DNS", "BruteForce", "Force"}},
	{
		"detail.name", ofText,
		[]string{"KELVIN", "kelvin", "\u212aelvin", "Kelvinſ", "ΟΣΟΣ", "οσος", "οςος", "ȺbȺ", "ⱥBⱥ", "straße", "STRASSE", "", "é", "e\u0301", "😀"},
		[]string{"K", "\u212a", "ΟΣ", "ος", "Ⱥ", "ⱥb", "", "s", "é"},
	},
	{"detail.severity", ofNumbers, []string{
		"0", "1", "2", "2.0", "3.9", "4", "4.0", "40e-1", "4.1", "6.9", "7", "7.0", "8", "8.9", "9", "9.5", "10", "-1", "-0.0",
		"9007199254740993", "9007199254740992", "1e400", "0.1", "0.10",
	}, []string{"0", "2", "4", "4.0", "7", "8.9", "9", "-1"}},
	{"detail.count", ofNumbers, []string{"0", "1", "10", "100", "1e2", "101", "99", "99.5", "1000000"}, []string{"0", "1", "100", "1e2", "101"}},
	{"detail.ip", ofAddresses, []string{
		"10.0.0.1", "10.0.0.2", "010.0.0.1", "10.0.1.1", "10.1.0.1", "9.255.255.255", "11.0.0.0", "::a00:1", "::ffff:a00:1", "0:0:0:0:0:ffff:0a00:0001",
		"2001:db8::1", "2001:DB8:0::1", "2001:db8:1::", "2001:db7:ffff::", "a00::1", "::1", "10.0.0", "10.0.0.1/32", "host",
	}, []string{"10.0.0.0/31", "10.0.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "8.0.0.0/5", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::/48", "2001:db8::/33", "::/127"}},
	{"detail.tags.key", ofText, []string{"env", "Env", "team", "name", "environment"}, []string{"e", "env", "n"}},
	{"detail.tags.value", ofText, []string{"prod", "dev", "PROD", "production", "env", ""}, []string{"p", "prod", "d", "v"}},
	{"detail.tags.n", ofNumbers, []string{"1", "2", "3", "1.0"}, []string{"1", "2", "3"}},
}

// rule invents what a person might write.
func (v *inventor) rule() string {
	members := v.members(1 + v.IntN(1+v.IntN(4)))
	if v.IntN(4) == 0 {
		branches := []string{v.members(1 + v.IntN(2)), v.members(1)}
		if v.IntN(3) == 0 {
			branches = append(branches, v.members(2))
		}
		or := `"$or":[{` + strings.Join(branches, "},{") + "}]"
		if v.IntN(2) == 0 {
			return "{" + or + "," + members + "}"
		}
		return "{" + members + "," + or + "}"
	}
	return "{" + members + "}"
}

func (v *inventor) members(n int) string {
	members := make([]string, n)
	for i := range members {
		topic := topics[v.IntN(len(topics))]
		member := v.list(topic)
		keys := strings.Split(topic.path, ".")
		for j, key := range slices.Backward(keys) {
			if j > 0 && v.IntN(2) == 0 {
				keys[j-1] += "." + key // instead of an object
				continue
			}
			if member = strconv.Quote(key) + ":" + member; j > 0 {
				member = "{" + member + "}"
			}
		}
		members[i] = member
	}
	return strings.Join(members, ",")
}

// list invents a list, or takes one that was used before: people copy.
func (v *inventor) list(about topic) string {
	if used := v.lists[about.path]; len(used) > 0 && v.IntN(3) == 0 {
		return pickOf(v, used)
	}
	var alternatives []string
	switch n := v.IntN(8); {
	case n < 3: // values alone, perhaps many
		for range 1 + v.IntN(1+v.IntN(2*len(about.values))) {
			alternatives = append(alternatives, about.quote(pickOf(v, about.values)))
		}
	default:
		most := 3
		if n == 3 {
			most = 15
		}
		for range 1 + v.IntN(most) {
			alternatives = append(alternatives, v.alternative(about))
		}
	}
	list := "[" + strings.Join(alternatives, ",") + "]"
	if v.lists == nil {
		v.lists = map[string][]string{}
	}
	v.lists[about.path] = append(v.lists[about.path], list)
	return list
}

func (about topic) quote(value string) string {
	if about.kind == ofNumbers {
		return value
	}
	return strconv.Quote(value)
}

func (v *inventor) alternative(about topic) string {
	switch v.IntN(8) {
	case 0:
		return about.quote(pickOf(v, about.values))
	case 1:
		return pickOf(v, []string{`{"exists":true}`, `{"exists":false}`, `{"exists":false}`, "null", "true", `"5"`, "5"})
	}
	switch about.kind {
	case ofNumbers:
		return v.numeric(about)
	case ofAddresses:
		if v.IntN(2) == 0 {
			return `{"cidr":"` + pickOf(v, about.networks) + `"}`
		}
	}
	return v.ofText(about)
}

func (v *inventor) numeric(about topic) string {
	low, high := pickOf(v, about.networks), pickOf(v, about.networks)
	a, aErr := strconv.ParseFloat(low, 64)
	b, bErr := strconv.ParseFloat(high, 64)
	switch n := v.IntN(8); {
	case n < 2:
		all := []string{low, high}
		for range v.IntN(15) {
			all = append(all, pickOf(v, about.networks))
		}
		return `{"anything-but":[` + strings.Join(all, ",") + "]}"
	case n < 5 && aErr == nil && bErr == nil && a < b:
		return fmt.Sprintf(`{"numeric":["%s",%s,"%s",%s]}`, pickOf(v, []string{">", ">="}), low, pickOf(v, []string{"<", "<="}), high)
	}
	return fmt.Sprintf(`{"numeric":["%s",%s]}`, pickOf(v, []string{"<", "<=", "=", ">", ">="}), low)
}

func (v *inventor) ofText(about topic) string {
	value := v.near(pickOf(v, about.values))
	part := pickOf(v, about.networks)
	if v.IntN(3) == 0 {
		part = v.near(part)
	}
	other := strconv.Quote(pickOf(v, about.networks))
	whole, some := strconv.Quote(value), strconv.Quote(part)
	switch v.IntN(15) {
	case 0:
		return `{"prefix":` + some + "}"
	case 1:
		return `{"suffix":` + some + "}"
	case 2:
		return `{"equals-ignore-case":` + whole + "}"
	case 3:
		return `{"prefix":{"equals-ignore-case":` + some + "}}"
	case 4:
		return `{"suffix":{"equals-ignore-case":` + some + "}}"
	case 5:
		return `{"exactly":` + whole + "}"
	case 6:
		if part != "" {
			return `{"wildcard":"*` + some[1:len(some)-1] + `*"}`
		}
	case 7:
		return `{"wildcard":"` + some[1:len(some)-1] + "*" + other[1:len(other)-1] + `"}`
	case 8:
		return `{"anything-but":` + whole + "}"
	case 9:
		all := []string{whole}
		for range v.IntN(15) {
			all = append(all, strconv.Quote(pickOf(v, about.values)))
		}
		return `{"anything-but":[` + strings.Join(all, ",") + "]}"
	case 10:
		return `{"anything-but":{"equals-ignore-case":[` + whole + "," + some + "]}}"
	case 11:
		return `{"anything-but":{"wildcard":"*` + some[1:len(some)-1] + `"}}`
	case 12:
		if part != "" {
			return `{"anything-but":{"prefix":[` + some + `,"q"]}}`
		}
	case 13:
		if part != "" && other != `""` {
			return `{"wildcard":"*` + some[1:len(some)-1] + "*" + other[1:len(other)-1] + `*"}`
		}
	}
	if part != "" {
		return `{"anything-but":{"suffix":` + some + "}}"
	}
	return whole
}

// near returns a string that is, or could be taken for, s.
func (v *inventor) near(s string) string {
	runes := []rune(s)
	if len(runes) == 0 {
		return pickOf(v, []string{"", "x"})
	}
	i := v.IntN(len(runes))
	switch v.IntN(12) {
	case 0:
		runes = runes[:len(runes)-1]
	case 1:
		runes = runes[1:]
	case 2:
		return s + "x"
	case 3:
		return "x" + s
	case 4:
		runes[i] = unicode.SimpleFold(runes[i])
	case 5:
		runes[i]++
	case 6:
		return strings.ToUpper(s)
	case 7:
		return s + s
	}
	if s = string(runes); json.Valid([]byte(strconv.Quote(s))) {
		return s
	}
	return "x"
}

// finding invents an event with a value, or several, for most topics.
func (v *inventor) finding() string {
	var outer, inner, tags []string
	for _, about := range topics {
		key := about.path[strings.LastIndexByte(about.path, '.')+1:]
		switch {
		case strings.HasPrefix(about.path, "detail.tags."):
			continue
		case v.IntN(6) == 0:
		case strings.HasPrefix(about.path, "detail."):
			inner = append(inner, strconv.Quote(key)+":"+v.values(about))
		default:
			outer = append(outer, strconv.Quote(key)+":"+v.values(about))
		}
	}
	for range v.IntN(4) {
		var tag []string
		for _, about := range topics {
			if key, ok := strings.CutPrefix(about.path, "detail.tags."); ok && v.IntN(4) > 0 {
				tag = append(tag, strconv.Quote(key)+":"+v.values(about))
			}
		}
		tags = append(tags, "{"+strings.Join(tag, ",")+"}")
	}
	switch v.IntN(6) {
	case 0:
	case 1:
		inner = append(inner, `"tags":[[`+strings.Join(tags, "],[")+"]]")
	default:
		inner = append(inner, `"tags":[`+strings.Join(tags, ",")+"]")
	}
	v.Shuffle(len(inner), func(i, j int) { inner[i], inner[j] = inner[j], inner[i] })
	outer = append(outer, `"detail":{`+strings.Join(inner, ",")+"}")
	v.Shuffle(len(outer), func(i, j int) { outer[i], outer[j] = outer[j], outer[i] })
	return "{" + strings.Join(outer, ",") + "}"
}

// values invents what stands at a topic's key.
func (v *inventor) values(about topic) string {
	switch v.IntN(16) {
	case 0:
		return pickOf(v, []string{"null", "true", "[]", "{}", `{"key":"env"}`, `"5"`, "5", `[["x"],null]`})
	case 1, 2:
		return "[" + v.oneValue(about) + "," + v.oneValue(about) + "]"
	}
	return v.oneValue(about)
}

func (v *inventor) oneValue(about topic) string {
	value := pickOf(v, about.values)
	if v.IntN(3) == 0 {
		value = pickOf(v, about.networks) // just at the edge
	}
	switch {
	case about.kind != ofNumbers && v.IntN(2) == 0:
		value = v.near(value)
	case about.kind == ofNumbers && v.IntN(8) == 0:
		return strconv.Quote(value)
	}
	return about.quote(value)
}
