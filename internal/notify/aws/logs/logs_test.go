package logs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/aws/send"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

const groupARN = "arn:aws:logs:eu-west-1:111122223333:log-group:/tocsin/alerts"

func target(c Config) awstest.Target {
	return awstest.Target{
		Kind: Kind,
		Open: func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
			c := c
			c.Settings = set
			return open(c, env)
		},
		Content: func(input map[string]any) string { return input["message"].(string) },
		Check: func(t *testing.T, m notify.Message, input map[string]any) {
			t.Helper()
			if at := time.UnixMilli(int64(input["timestamp"].(float64))); !at.Equal(m.At.Truncate(time.Millisecond)) {
				t.Errorf("it stands at %v, want %v", at, m.At)
			}
		},
	}
}

func TestPromises(t *testing.T) {
	t.Parallel()
	target(Config{Group: groupARN}).Promises(t)
}

func server(t *testing.T) *awstest.Server {
	t.Helper()
	s := awstest.New(t)
	s.Now(notifytest.Now)
	return s
}

func TestWhatIsMissingIsMade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		groups []string
		create bool
		want   []string
		wrong  string
	}{
		{"the stream", []string{"/tocsin/alerts"}, false, []string{"PutLogEvents", "CreateLogStream", "PutLogEvents"}, ""},
		{"group and stream", nil, true, []string{"PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream", "PutLogEvents"}, ""},
		{"the group, which nobody wants made", nil, false, []string{"PutLogEvents", "CreateLogStream"}, "make " + groupARN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			s.Groups(tt.groups...)
			n := notifytest.Open(t, open, Config{Group: groupARN, CreateGroup: tt.create, Settings: s.Settings()})
			_, err := n.Notify(t.Context(), notifytest.Messages()[0].Message)
			if tt.wrong == "" && err != nil || tt.wrong != "" && (!notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("Notify = %v, want %q", err, tt.wrong)
			}
			var got []string
			for _, c := range s.Calls() {
				got = append(got, c.Operation)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("calls %v, want %v", got, tt.want)
			}
			if tt.wrong != "" {
				return
			}
			before := len(got)
			if _, err := n.Notify(t.Context(), notifytest.Messages()[1].Message); err != nil || len(s.Calls()) != before+1 {
				t.Errorf("the second message: %v, %d calls more, want one", err, len(s.Calls())-before)
			}
		})
	}
}

// Another replica may make stream and group first.
func TestWhatSomebodyElseMadeIsThere(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"CreateLogStream", "CreateLogGroup"} {
		s := server(t)
		s.Groups()
		if operation == "CreateLogStream" {
			s.Groups("/tocsin/alerts")
		}
		n := notifytest.Open(t, open, Config{Group: groupARN, CreateGroup: true, Settings: s.Settings()}).(*notifier)
		s.Answers(awstest.Answer{Operation: operation, Status: 400, Code: "ResourceAlreadyExistsException", Once: true})
		err := n.create(t.Context())
		if operation == "CreateLogGroup" { // which the server of the test does not have all the same
			if err == nil || !strings.Contains(err.Error(), "make "+groupARN) || len(s.Calls()) != 2 {
				t.Errorf("%s: %v after %d calls, want the stream tried again", operation, err, len(s.Calls()))
			}
		} else if err != nil {
			t.Errorf("%s: %v, want it to do", operation, err)
		}
	}
}

func TestWhichEventsWereRejected(t *testing.T) {
	t.Parallel()
	info := &types.RejectedLogEventsInfo{ExpiredLogEventEndIndex: sdk.Int32(1), TooOldLogEventEndIndex: sdk.Int32(2), TooNewLogEventStartIndex: sdk.Int32(4)}
	for place, want := range []string{"it is older than the group keeps events", "it is too old", "", "", "it is too far ahead: correct this machine's clock"} {
		if got := rejected(info, place); got != want {
			t.Errorf("event %d: %q, want %q", place, got, want)
		}
	}
}

// The messages of one request are in the order of their times, and what is from
// other days goes with another.
func TestRequestsAreInOrderAndWithinADay(t *testing.T) {
	t.Parallel()
	s := server(t)
	n := notifytest.Open(t, open, Config{Group: groupARN, Settings: s.Settings()})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			m := notifytest.Messages()[0].Message
			m.At = notifytest.Now().Add(-time.Duration(i*7%60) * 2 * time.Hour) // over five days
			if _, err := n.Notify(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := len(s.Taken()); got != 60 {
		t.Errorf("%d were taken, want 60", got)
	}
}

func TestTheWindowOfTimes(t *testing.T) {
	t.Parallel()
	now := notifytest.Now()
	for _, tt := range []struct {
		name     string
		at, want time.Time
	}{
		{"now", now, now},
		{"13 days old", now.Add(-13 * 24 * time.Hour), now.Add(-13 * 24 * time.Hour)},
		{"14 days old", now.Add(-14 * 24 * time.Hour), now},
		{"a year old", now.Add(-365 * 24 * time.Hour), now},
		{"an hour ahead", now.Add(time.Hour), now.Add(time.Hour)},
		{"two hours ahead", now.Add(2 * time.Hour), now},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			m := notifytest.Messages()[0].Message
			m.At = tt.at
			if _, err := notifytest.Open(t, open, Config{Group: groupARN, Settings: s.Settings()}).Notify(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if got := time.UnixMilli(int64(s.Inputs(t)[0]["timestamp"].(float64))); !got.Equal(tt.want) {
				t.Errorf("it stands at %v, want %v", got.UTC(), tt.want)
			}
		})
	}
}

// CloudWatch Logs takes a request and drops some of its events: these alone fail.
func TestWhatIsRejectedFails(t *testing.T) {
	t.Parallel()
	s := server(t)
	theirs := notifytest.Now().Add(13 * 24 * time.Hour) // this machine's clock is far behind
	s.Now(func() time.Time { return theirs })
	n := notifytest.Open(t, open, Config{Group: groupARN, Settings: s.Settings()}).(*notifier)
	for i, tt := range []struct {
		age  time.Duration
		want string
	}{
		{0, ""},
		{2 * 24 * time.Hour, "too old"},
		{-13*24*time.Hour - 3*time.Hour, "too far ahead"},
	} {
		_, err := n.batcher.Do(t.Context(), event{notifytest.Now().Add(-tt.age), fmt.Sprint("event ", i)})
		if tt.want == "" && err != nil || tt.want != "" && (!notify.IsPermanent(err) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("an event %v old: %v, want %q", tt.age, err, tt.want)
		}
	}
	if got := len(s.Taken()); got != 1 {
		t.Errorf("%d were taken, want 1", got)
	}
}

func TestTheEventByteForByteUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := server(t)
	n := notifytest.Open(t, open, Config{Group: groupARN, Content: send.Content{Raw: true}, Settings: s.Settings()})
	m := notifytest.Messages()[0].Message
	m.Event = []byte(strings.Repeat("x", eventMost-overhead))
	if _, err := n.Notify(t.Context(), m); err != nil {
		t.Fatalf("an event of %d bytes: %v", len(m.Event), err)
	}
	if s.Inputs(t)[0]["message"] != string(m.Event) {
		t.Error("the event is not what was sent")
	}
	m.Event = append(m.Event, ' ')
	if _, err := n.Notify(t.Context(), m); !notify.IsPermanent(err) || len(s.Taken()) != 1 {
		t.Errorf("an event of %d bytes: %v, want a permanent error and no request", len(m.Event), err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		c     Config
		wrong string
	}{
		{"an ARN", Config{Group: groupARN}, ""},
		{"an ARN as the console shows it", Config{Group: groupARN + ":*"}, ""},
		{"a name", Config{Group: "/tocsin/alerts", Settings: aws.Settings{Region: "eu-west-1"}}, ""},
		{"a stream with a colon", Config{Group: groupARN, Stream: "a:b"}, "log_stream"},
		{"an ARN of a stream", Config{Group: groupARN + ":log-stream:x"}, "is not such a name"},
		{"nothing", Config{}, "log_group: is not set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := open(tt.c, notifytest.Env(t, nil))
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("open = %v, want %q", err, tt.wrong)
			}
		})
	}
}

// Group and stream are made by the receiver at moto, told and read.
func TestMoto(t *testing.T) {
	t.Parallel()
	m := awstest.StartMoto(t)
	p := target(Config{Group: "/tocsin/alerts", CreateGroup: true})
	made := p.Open
	p.Open = func(set aws.Settings, env notify.Env) (notify.Notifier, error) {
		env.Now = time.Now // moto's
		return made(set, env)
	}
	_, id := p.Send(t, m)
	client := api.NewFromConfig(m.Config)
	got, err := client.GetLogEvents(t.Context(), &api.GetLogEventsInput{LogGroupName: sdk.String("/tocsin/alerts"), LogStreamName: sdk.String("tocsin")})
	if err != nil || len(got.Events) != 1 {
		t.Fatalf("read %v, %v; want one event", got, err)
	}
	var document struct{ ID string }
	if err := json.Unmarshal([]byte(*got.Events[0].Message), &document); err != nil || document.ID != id {
		t.Errorf("read %v %s, want %s", err, *got.Events[0].Message, id)
	}
	t.Logf("moto: group and stream were made, read back %d bytes at %v", len(*got.Events[0].Message), time.UnixMilli(*got.Events[0].Timestamp).UTC())
}
