package guardduty

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documents are the findings in testdata, by name.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no findings in testdata: %v", err)
	}
	all := make(map[string][]byte, len(paths))
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(p), ".json")] = raw
	}
	return all
}

func document(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func read(t testing.TB, raw []byte) Finding {
	t.Helper()
	f, ok, err := Read(raw)
	if !ok || err != nil {
		t.Fatalf("Read(%.200s) = %v, %v; want a finding", raw, ok, err)
	}
	return f
}

// indented is v as the golden files have it.
func indented(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDetectionsReadAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/findings/*.json")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d findings, %v; want at least 30", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f := read(t, raw)
			d := f.Detection()
			if fault := faultOf(d); fault != "" {
				t.Error(fault)
			}
			brief := f.Brief()
			if diff := cmp.Diff(brief, tocsin.Detection{
				Key: d.Key, Dialect: d.Dialect, Type: d.Type, ID: d.ID, Level: d.Level, Severity: d.Severity,
				Account: d.Account, Region: d.Region, Partition: d.Partition, ReportedBy: d.ReportedBy,
			}); diff != "" {
				t.Errorf("in brief it is another finding (-brief +whole):\n%s", diff)
			}
			golden := strings.TrimSuffix(path, ".json") + ".golden"
			got := indented(t, d)
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("detection differs from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestTheThreeSpellingsAreOneFinding(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ec2", "s3", "rds", "eks"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := document(t, "spellings/"+name+".event.json")
			want := read(t, event).Detection()
			if want.EventAt.IsZero() {
				t.Error("the event does not say when it was one")
			}
			want.EventAt = time.Time{} // which only an event has
			for _, spelling := range []string{"wire", "cli"} {
				f := read(t, document(t, "spellings/"+name+"."+spelling+".json"))
				if diff := cmp.Diff(want, f.Detection()); diff != "" {
					t.Errorf("%s (-event +%s):\n%s", name, spelling, diff)
				}
				if diff := cmp.Diff(withoutID(t, event), withoutID(t, f.Event())); diff != "" {
					t.Errorf("Event of %s (-event +%s):\n%s", name, spelling, diff)
				}
			}
		})
	}
}

// withoutID decodes an event without the id, which is the sender's own.
func withoutID(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	delete(v, "id")
	return v
}

func TestEvent(t *testing.T) {
	t.Parallel()
	envelope := document(t, "findings/ec2-c2.json")
	if got := read(t, envelope).Event(); !bytes.Equal(got, envelope) {
		t.Errorf("Event of an envelope is not its own bytes: %s", got)
	}
	cli := document(t, "spellings/rds.cli.json")
	f := read(t, cli)
	if a, b := f.Event(), read(t, cli).Event(); !bytes.Equal(a, b) {
		t.Errorf("Event differs from one reading to the next:\n%s\n%s", a, b)
	}
	newer := bytes.Replace(cli, []byte(`"Count": 3`), []byte(`"Count": 4`), 1)
	if bytes.Equal(newer, cli) {
		t.Fatal("the test document has no count of 3")
	}
	id := func(raw []byte) string { v, _ := parse(raw); return v.get("id").text() }
	if a, b := id(f.Event()), id(read(t, newer).Event()); a == b {
		t.Errorf("two versions have the same event id %s", a)
	}
	if got := read(t, f.Event()).Key(); got != f.Key() {
		t.Errorf("Key of the event is %s, of the finding %s", got, f.Key())
	}
	if !bytes.Contains(f.Event(), []byte(`"LoginAttributes":[{"user":`)) {
		t.Errorf("LoginAttributes is capitalised on the wire, its members are not: %s", f.Event())
	}
	if s3 := read(t, document(t, "spellings/s3.cli.json")).Event(); !bytes.Contains(s3, []byte(`"affectedResources":{"AWS::S3::Bucket":`)) {
		t.Errorf("names that are data keep their case: %s", s3)
	}
}

func TestReadTellsWhatIsGuardDutys(t *testing.T) {
	t.Parallel()
	const bare = `{"id":"f","type":"Recon:EC2/Portscan","accountId":"111122223333","severity":5,"service":{"count":1}}`
	for _, tt := range []struct {
		name, raw string
		want      bool
		err       string
	}{
		{"a bare finding", bare, true, ""},
		{"an envelope", `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":` + bare + `}`, true, ""},
		{"an envelope without a source", `{"detail-type":"GuardDuty Finding","detail":` + bare + `}`, true, ""},
		{"an envelope with a detail alone", `{"detail":` + bare + `}`, true, ""},
		{"only an arn", `{"arn":"arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/f"}`, true, ""},
		{"somebody else's event of that name", `{"source":"my.app","detail-type":"GuardDuty Finding","detail":` + bare + `}`, false, ""},
		{"a scan result of GuardDuty's", `{"source":"aws.guardduty","detail-type":"GuardDuty Malware Protection Object Scan Result","detail":{"id":"x"}}`, false, ""},
		{"an API call", `{"source":"aws.guardduty","detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"CreateFilter"}}`, false, ""},
		{"a Macie finding", `{"id":"m","type":"Policy:IAMUser/S3BucketPublic","accountId":"111122223333","severity":{"score":3},"resourcesAffected":{}}`, false, ""},
		{"a Security Hub finding", `{"SchemaVersion":"2018-10-08","Id":"arn:aws:guardduty:…","Types":["TTPs/x"],"AwsAccountId":"111122223333","Severity":{"Label":"HIGH"}}`, false, ""},
		{"CloudTrail", `{"eventVersion":"1.08","eventName":"ConsoleLogin"}`, false, ""},
		{"not JSON", `hello`, false, ""},
		{"half of JSON", bare[:40], false, ""},
		{"nothing", ``, false, ""},
		{"an array", `[` + bare + `]`, false, ""},
		{"no identity in an envelope", `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{"type":"Recon:EC2/Portscan"}}`, true, "detail.id"},
		{"no identity in a bare finding", `{"type":"Recon:EC2/Portscan","resource":{}}`, true, "id:"},
		{"an id that is an object", `{"id":{},"type":"Recon:EC2/Portscan","resource":{}}`, true, "id:"},
		{"a detail that is text", `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":"x"}`, true, "detail:"},
		{"no detail", `{"source":"aws.guardduty","detail-type":"GuardDuty Finding"}`, true, "detail:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := Read([]byte(tt.raw))
			if got != tt.want {
				t.Errorf("Read(%s) says %v, want %v", tt.raw, got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Read(%s): error %v, want one with %q", tt.raw, err, tt.err)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	const arn = `"arn":"arn:aws-cn:guardduty:cn-north-1:111122223333:detector/d/finding/f"`
	for _, tt := range []struct {
		name, detail string
		want         tocsin.Key
		reportedBy   string
	}{
		{"from the member's own bus", `"id":"f","accountId":"999988887777","region":"eu-west-1","partition":"aws"`, "aws/999988887777/eu-west-1/f", ""},
		{"by the delegated administrator", `"id":"f","accountId":"111122223333","region":"eu-west-1","partition":"aws"`, "aws/111122223333/eu-west-1/f", "999988887777"},
		{"all from the ARN", arn, "aws-cn/111122223333/cn-north-1/f", "999988887777"},
		{"partition from the region", `"id":"f","accountId":"111122223333","region":"us-gov-west-1"`, "aws-us-gov/111122223333/us-gov-west-1/f", "999988887777"},
		{"account and region from the envelope at last", `"id":"f"`, "aws/999988887777/eu-central-1/f", ""},
		{"a number for account", `"id":"f","accountId":11122223333,"region":"eu-west-1"`, "aws/011122223333/eu-west-1/f", "999988887777"},
		{"a number for id", `"id":42,"accountId":"111122223333","region":"eu-west-1"`, "aws/111122223333/eu-west-1/42", "999988887777"},
		{"wrong types fall through", arn + `,"id":null,"accountId":[],"region":{},"partition":false`, "false/111122223333/cn-north-1/f", "999988887777"},
		{"a slash in the id", `"id":"a/b","accountId":"111122223333","region":"eu-west-1"`, "aws/111122223333/eu-west-1/a~1b", "999988887777"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := `{"source":"aws.guardduty","detail-type":"GuardDuty Finding","account":"999988887777","region":"eu-central-1","detail":{` + tt.detail + `}}`
			f := read(t, []byte(raw))
			if d := f.Detection(); d.Key != tt.want || d.ReportedBy != tt.reportedBy {
				t.Errorf("Key %s, reported by %q; want %s, %q", d.Key, d.ReportedBy, tt.want, tt.reportedBy)
			}
		})
	}
}

func TestLongIdentitiesStayDifferentAndShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	key := func(id string) tocsin.Key {
		return read(t, []byte(`{"id":"`+id+`","type":"A:B/C","resource":{}}`)).Key()
	}
	a, b := key(long+"a"), key(long+"b")
	if a == b || len(a) > 1000 {
		t.Errorf("keys %.80s… and %.80s… of %d bytes", a, b, len(a))
	}
}

func TestTypesOfEverySortAreRead(t *testing.T) {
	t.Parallel()
	detection := func(service string, rest string) tocsin.Detection {
		return read(t, []byte(`{"id":"f","type":"Recon:EC2/Portscan","service":{`+service+`}`+rest+`}`)).Detection()
	}
	for _, severity := range []string{`8`, `8.0`, `"8"`, `"8.0"`, `8e0`} {
		if d := detection(``, `,"severity":`+severity); d.Severity != 8 || d.Level != tocsin.High {
			t.Errorf("severity %s: %v, %v", severity, d.Severity, d.Level)
		}
	}
	for severity, want := range map[string]tocsin.Level{`"HIGH"`: tocsin.High, `null`: tocsin.Unknown, `{}`: tocsin.Unknown, `"x"`: tocsin.Unknown, `"NaN"`: tocsin.Unknown, `0`: tocsin.Informational} {
		if d := detection(``, `,"severity":`+severity); d.Level != want {
			t.Errorf("severity %s: level %v, want %v", severity, d.Level, want)
		}
	}
	if d := detection(``, ``); d.Level != tocsin.Unknown || d.Severity != 0 {
		t.Errorf("no severity: %v, %v", d.Severity, d.Level)
	}
	for archived, want := range map[string]bool{`true`: true, `"true"`: true, `"True"`: true, `1`: true, `false`: false, `"false"`: false, `0`: false, `null`: false, `{}`: false} {
		d := detection(`"archived":`+archived, ``)
		if d.Over != want || (d.OverReason == "archived") != want {
			t.Errorf("archived %s: over %v, %q", archived, d.Over, d.OverReason)
		}
	}
	for count, want := range map[string]int64{`7`: 7, `"7"`: 7, `7.0`: 7, `-1`: 0, `null`: 0, `[]`: 0, `1e300`: 1<<63 - 1} {
		if d := detection(`"count":`+count, ``); d.Count != want {
			t.Errorf("count %s: %d, want %d", count, d.Count, want)
		}
	}
	for _, at := range []string{
		`"2021-11-11T13:35:55.218Z"`, `"2021-11-11T14:35:55.218+01:00"`, `"2021-11-11T13:35:55.218+0000"`,
		`"2021-11-11 13:35:55.218000"`, `1636637755.218`, `1636637755218`, `"1636637755218"`, `"1636637755.218"`,
	} {
		if got := detection(``, `,"updatedAt":`+at).UpdatedAt.Format("2006-01-02T15:04:05.000Z07:00"); got != "2021-11-11T13:35:55.218Z" {
			t.Errorf("updatedAt %s reads as %s", at, got)
		}
	}
	for _, at := range []string{`null`, `"yesterday"`, `-5`, `0`, `1e300`, `true`, `{}`, `"99999-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`} {
		if got := detection(``, `,"updatedAt":`+at).UpdatedAt; !got.IsZero() {
			t.Errorf("updatedAt %s reads as %s, want none", at, got)
		}
	}
}

func TestSampleIsTheFlagAndNotTheTitle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, info string
		want       bool
	}{
		{"expanded", `{"sample":true,"value":"{\"sample\":true}","type":"default"}`, true},
		{"the API's text", `{"value":"{\"sample\":true}","type":"default"}`, true},
		{"the CLI's text", `{"Value":"{\"sample\":true}","Type":"default"}`, true},
		{"as text", `{"sample":"true"}`, true},
		{"the whole object as text", `"{\"sample\":true}"`, true},
		{"said to be none", `{"sample":false,"value":"{\"sample\":false}"}`, false},
		{"nothing", `{"value":"{}","type":"default"}`, false},
		{"broken text", `{"value":"{\"sample\":true","type":"default"}`, false},
		{"null", `null`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := `{"id":"f","type":"A:B/C","title":"[SAMPLE] x","service":{"additionalInfo":` + tt.info + `}}`
			if got := read(t, []byte(raw)).Detection().Sample; got != tt.want {
				t.Errorf("sample %v, want %v, of %s", got, tt.want, raw)
			}
		})
	}
}

// faultOf says what of a detection breaks a promise, or "".
func faultOf(d tocsin.Detection) string {
	switch {
	case d.Key == "" || strings.HasSuffix(string(d.Key), "/"):
		return "no key"
	case d.Headline == "":
		return "no headline"
	case utf8.RuneCountInString(d.Headline) > maxHeadline:
		return "a long headline: " + d.Headline
	case strings.HasPrefix(d.Headline, "GuardDuty Finding"):
		return "the headline starts with GuardDuty Finding"
	case len(d.Facts) > maxFacts:
		return "too many facts"
	case utf8.RuneCountInString(d.Description) > maxDescription:
		return "a long description"
	case d.Command == "":
		return "no command"
	case d.Documentation == "":
		return "no documentation"
	}
	for _, f := range d.Facts {
		if f.Name == "" || f.Value == "" || utf8.RuneCountInString(f.Value) > maxFact {
			return "fact " + f.Name + ": " + f.Value
		}
	}
	if _, err := json.Marshal(d); err != nil {
		return err.Error()
	}
	return faultOfTexts(reflect.ValueOf(d))
}

// faultOfTexts looks for control characters and broken UTF-8 in all texts.
func faultOfTexts(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if !utf8.ValidString(s) {
			return "not UTF-8: " + s
		}
		if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
			return "control character in: " + s
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return ""
		}
		for _, f := range v.Fields() {
			if fault := faultOfTexts(f); fault != "" {
				return fault
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if fault := faultOfTexts(v.Index(i)); fault != "" {
				return fault
			}
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			if fault := faultOfTexts(k) + faultOfTexts(e); fault != "" {
				return fault
			}
		}
	}
	return ""
}

// Whatever field is dropped or of another type, the rest is read.
func TestAnyFieldMayBeMissingOrOfAnotherType(t *testing.T) {
	t.Parallel()
	replacements := []string{
		`null`, `-1.5e9`, `"text\u0000 \ud800 of \u202e another"`, `true`, `[{"id":"x"},["y"],null]`, `{"name":{"key":1},"id":[]}`,
	}
	for _, name := range []string{
		"findings/ec2-malware", "findings/ec2-port-probe", "findings/iam-prompt-injection", "findings/eks-anonymous",
		"findings/ecs-reverse-shell", "findings/lambda-tor", "findings/s3-object-malware",
		"findings/sequence-eks", "findings/unknown-everything", "spellings/s3.wire", "spellings/rds.cli",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := document(t, name+".json")
			root, ok := parse(raw)
			if !ok {
				t.Fatal("not JSON")
			}
			root.descend(func(v value) {
				n := v.node()
				if n.keyTo > n.keyFrom {
					dropped := bytes.Clone(raw)
					copy(dropped[n.keyFrom:n.keyTo], bytes.Repeat([]byte{'~'}, int(n.keyTo-n.keyFrom)))
					checkMutant(t, dropped)
				}
				at := bytes.Index(raw[n.from:n.to], v.raw()) + int(n.from)
				if n.kind == text {
					at = int(n.from) - 1
				}
				for _, r := range replacements {
					checkMutant(t, append(append(bytes.Clone(raw[:at]), r...), raw[at+len(v.raw()):]...))
				}
			})
		})
	}
}

// descend calls do for every value below v.
func (v value) descend(do func(value)) {
	v.each(func(c value) bool {
		do(c)
		c.descend(do)
		return true
	})
}

func checkMutant(t *testing.T, raw []byte) {
	t.Helper()
	f, ok, err := Read(raw)
	if !ok || err != nil {
		// That may be only where the identity or the envelope itself was hit.
		root, _ := parse(raw)
		detail := root.get("detail")
		if !root.get("source").ok() && !root.get("detail").ok() {
			detail = root
		}
		source, detailType := root.get("source"), root.get("detail-type")
		claims := (source.kind() != text || source.is(Source)) && (detailType.kind() != text || detailType.is(DetailType))
		if detail.get("id").text() != "" && detail.get("arn").text() != "" && claims {
			t.Errorf("Read = %v, %v of a finding with an id and an arn: %s", ok, err, raw)
		}
		return
	}
	if fault := faultOf(f.Detection()); fault != "" {
		t.Errorf("%s, in the detection of %s", fault, raw)
	}
	if e := f.Event(); !json.Valid(e) {
		t.Errorf("Event is not JSON: %s", e)
	}
}

func FuzzRead(f *testing.F) {
	for _, raw := range documents(f) {
		f.Add(raw)
	}
	f.Add([]byte(`{"id":"\ud83d\ude00","type":":/","resource":[[]]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		finding, ok, err := Read(raw)
		if !ok || err != nil {
			return
		}
		if fault := faultOf(finding.Detection()); fault != "" {
			t.Error(fault)
		}
		event := finding.Event()
		if !json.Valid(raw) {
			return
		}
		if !json.Valid(event) {
			t.Fatalf("Event is not JSON: %s", event)
		}
		again, ok, err := Read(event)
		if !ok || err != nil || again.Key() != finding.Key() {
			t.Errorf("Read(Event) = %q, %v, %v; want the key %q", again.Key(), ok, err, finding.Key())
		}
	})
}

// What encoding/json takes for a document the reader takes too, and finds the
// same texts in it.
func TestTheReaderAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for name, raw := range documents(t) {
		var want map[string]any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(name, err)
		}
		root, ok := parse(raw)
		if !ok {
			t.Fatalf("%s is not read", name)
		}
		if got := decoded(t, root); !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%s is read differently: %s", name, cmp.Diff(any(want), got))
		}
	}
	for _, raw := range []string{`{"a":1,}`, `{"a" 1}`, `{"a":}`, `[1,]`, `[,1]`, `{"a":"b}`, `{}{}`, `tru`, `{"a":nul}`, `"\`, `{"a":1`, `[1 2]`, `{a:1}`} {
		if _, ok := parse([]byte(raw)); ok {
			t.Errorf("parse(%s) takes what is not JSON", raw)
		}
	}
}

// decoded is the value as encoding/json would give it, by way of the tree.
func decoded(t *testing.T, v value) any {
	switch v.kind() {
	case object:
		m := map[string]any{}
		v.each(func(c value) bool { m[c.name()] = decoded(t, c); return true })
		return m
	case array:
		l := []any{}
		v.each(func(c value) bool { l = append(l, decoded(t, c)); return true })
		return l
	}
	var out any
	if err := json.Unmarshal(v.raw(), &out); err != nil {
		t.Error(err)
	}
	return out
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"ec2-c2", "eks-runtime-dns", "iam-stolen-credentials"} {
		raw := document(b, "findings/"+name+".json")
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				json.Valid(raw)
			}
		})
		b.Run(name+"/Read", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Read(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/Read+Detection", func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				f, _, _ := Read(raw)
				f.Detection()
			}
		})
	}
}
