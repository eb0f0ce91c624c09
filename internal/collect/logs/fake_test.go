package logs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	groupName = "/aws/events/guardduty"
	groupARN  = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/events/guardduty"
)

// A service plays CloudWatch Logs with one log group. Its clock is the test's, plus
// ahead.
type service struct {
	t testing.TB

	mu        sync.Mutex // guards what follows
	ahead     time.Duration
	events    []*logged // in the order in which they were written
	pageSize  int
	retention int // days; 0 is for ever
	answers   []answer
	calls     map[string]int
	asked     []asked
	tokens    map[string]int
}

type logged struct {
	id, stream string
	at         int64 // milliseconds
	message    string
	given      bool
	kept       chan struct{} // nil while nobody waits
}

type asked struct {
	start  int64
	filter string
	events int
}

// An answer is what is answered in place of what is asked for.
type answer struct {
	operation, code, message string
	times                    int // 0 is all from now on
	hang                     bool
	status                   int
}

func newService(t testing.TB) *service {
	return &service{t: t, pageSize: 10_000, calls: map[string]int{}, tokens: map[string]int{}}
}

func (s *service) client() *http.Client { return &http.Client{Transport: s} }

// write writes an event that is dated so long ago.
func (s *service) write(ago time.Duration, message string) (id string) {
	return s.writeTo("stream-1", ago, message)
}

func (s *service) writeTo(stream string, ago time.Duration, message string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("3195310660696698337880902507980421114328961542%010d", len(s.events))
	s.events = append(s.events, &logged{id: id, stream: stream, at: time.Now().Add(s.ahead - ago).UnixMilli(), message: message})
	return id
}

func (s *service) set(answers ...answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = answers
}

// reads is how often events were asked for.
func (s *service) reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls["FilterLogEvents"]
}

// RoundTrip answers a request.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	operation, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328.")
	w := httptest.NewRecorder()
	hang := s.serve(w, r, operation, body)
	if hang {
		<-r.Context().Done()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (s *service) serve(w *httptest.ResponseRecorder, r *http.Request, operation string, body []byte) (hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Date", time.Now().Add(s.ahead).UTC().Format(http.TimeFormat))
	s.calls[operation]++
	if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/logs/aws4_request") || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		s.t.Errorf("%s is signed for %q, as %q", operation, r.Header.Get("Authorization"), r.Header.Get("Content-Type"))
	}
	for i, a := range s.answers {
		if a.operation != "" && a.operation != operation {
			continue
		}
		if a.times > 0 {
			if s.answers[i].times--; s.answers[i].times == 0 {
				s.answers = slices.Delete(slices.Clone(s.answers), i, i+1)
			}
		}
		if !a.hang {
			refuse(w, cmp.Or(a.status, 400), a.code, a.message)
		}
		return a.hang
	}
	switch operation {
	case "FilterLogEvents":
		s.filter(w, body)
	case "DescribeLogGroups":
		var in struct{ LogGroupNamePrefix string }
		_ = json.Unmarshal(body, &in)
		if in.LogGroupNamePrefix != groupName {
			s.t.Errorf("DescribeLogGroups of %q", in.LogGroupNamePrefix)
		}
		group := map[string]any{"logGroupName": groupName}
		if s.retention > 0 {
			group["retentionInDays"] = s.retention
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"logGroups": []any{map[string]any{"logGroupName": groupName + "-2", "retentionInDays": 1}, group}})
	default:
		refuse(w, 400, "UnknownOperationException", operation)
	}
	return false
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	if code != "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
		return
	}
	_, _ = w.Write([]byte("{}"))
}

func (s *service) filter(w http.ResponseWriter, body []byte) {
	var in struct {
		LogGroupName, LogGroupIdentifier, LogStreamNamePrefix, FilterPattern, NextToken string

		StartTime *int64
		EndTime   *int64
	}
	if err := json.Unmarshal(body, &in); err != nil || in.StartTime == nil {
		s.t.Errorf("FilterLogEvents %s: %v", body, err)
		return
	}
	if (in.LogGroupName == "") == (in.LogGroupIdentifier == "") {
		refuse(w, 400, "InvalidParameterException", "either logGroupName or logGroupIdentifier")
		return
	}
	if in.LogGroupName != "" && in.LogGroupName != groupName || in.LogGroupIdentifier != "" && in.LogGroupIdentifier != groupARN {
		refuse(w, 400, "ResourceNotFoundException", "The specified log group does not exist.")
		return
	}
	var fit []*logged
	for _, e := range s.events {
		if e.given && e.kept != nil {
			close(e.kept)
			e.kept = nil
		}
		keeps := s.retention == 0 || time.Now().Add(s.ahead).UnixMilli()-e.at < int64(s.retention)*24*3600*1000
		if e.at >= *in.StartTime && strings.HasPrefix(e.stream, in.LogStreamNamePrefix) && keeps {
			fit = append(fit, e)
		}
	}
	slices.SortStableFunc(fit, func(a, b *logged) int { return cmp.Compare(a.at, b.at) })
	first := 0
	if in.NextToken != "" {
		// A token stands behind an event, whatever was written since.
		place, ok := s.tokens[in.NextToken]
		if !ok {
			_ = json.NewEncoder(w).Encode(map[string]any{"events": []any{}})
			return
		}
		first = min(place, len(fit))
	}
	last := min(first+s.pageSize, len(fit))
	events := []map[string]any{}
	for _, e := range fit[first:last] {
		e.given = true
		events = append(events, map[string]any{"eventId": e.id, "logStreamName": e.stream, "timestamp": e.at, "ingestionTime": e.at + 700, "message": e.message})
	}
	out := map[string]any{"events": events, "searchedLogStreams": []any{}}
	if last < len(fit) {
		token := "token-" + strconv.Itoa(len(s.tokens))
		s.tokens[token] = last
		out["nextToken"] = token
	}
	s.asked = append(s.asked, asked{*in.StartTime, in.FilterPattern, len(events)})
	_ = json.NewEncoder(w).Encode(out)
}

// kept is closed once an event was kept: nothing is asked for after it was given before
// that.
func (s *service) kept(id string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.events, func(e *logged) bool { return e.id == id })
	s.events[i].kept = make(chan struct{})
	return s.events[i].kept
}

// forget has all tokens end.
func (s *service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]int{"none": 0}
}
