package guardduty

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sequenceOf is an attack sequence of those signals, a JSON object each.
func sequenceOf(signals ...string) []byte {
	return []byte(`{"source":"aws.guardduty","detail-type":"GuardDuty Finding","detail":{
		"accountId":"111122223333","region":"eu-west-1","partition":"aws","id":"5eq","type":"AttackSequence:S3/CompromisedData","severity":9,
		"resource":{"resourceType":"AttackSequence"},
		"service":{"detection":{"sequence":{"uid":"u","signals":[` + strings.Join(signals, ",") + `]}}}}}`)
}

func signalsOf(n int) (signals, ids []string) {
	for i := range n {
		id := fmt.Sprintf("f1nd1ng%03d", i)
		ids = append(ids, id)
		signals = append(signals, fmt.Sprintf(`{"type":"FINDING","uid":%q,"name":"s3:GetObject"}`, id))
	}
	return signals, ids
}

func TestASequenceIsLinkedToAllOfItsFindings(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("f", maxIdentity+1)
	twelve, twelveIDs := signalsOf(12)
	tooMany, tooManyIDs := signalsOf(maxSignals + 5)
	for _, tt := range []struct {
		name    string
		signals []string
		want    []string
	}{
		{"more than a message names", twelve, twelveIDs},
		{"more than AWS says there are", tooMany, tooManyIDs[:maxSignals]},
		{"by ARN", []string{`{"type":"FINDING","uid":"arn:aws:guardduty:eu-west-1:111122223333:detector/d/finding/60c2"}`}, []string{"60c2"}},
		{"each once", []string{twelve[1], twelve[0], twelve[1]}, []string{twelveIDs[1], twelveIDs[0]}},
		{"signals of other kinds are no findings", []string{`{"type":"CLOUD_TRAIL","uid":"c1"}`, twelve[0], `{"type":"S3_DATA_EVENTS","uid":"s1"}`}, twelveIDs[:1]},
		{"nor are those without an id", []string{`{"type":"FINDING","uid":""}`, `{"type":"FINDING"}`, `{"type":"FINDING","uid":{}}`}, nil},
		{"an id that is too long is cut as the finding's own is", []string{`{"type":"FINDING","uid":"` + long + `"}`}, []string{digest(long)}},
		{"without signals", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := read(t, sequenceOf(tt.signals...)).Detection()
			if diff := cmp.Diff(tt.want, d.Linked); diff != "" {
				t.Errorf("Linked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoSequenceIsLinkedToNothing(t *testing.T) {
	t.Parallel()
	for name, raw := range documents(t) {
		if d := read(t, raw).Detection(); d.Linked != nil && !strings.HasPrefix(d.Type, "AttackSequence:") {
			t.Errorf("%s: %s is linked to %q", name, d.Type, d.Linked)
		}
	}
}
