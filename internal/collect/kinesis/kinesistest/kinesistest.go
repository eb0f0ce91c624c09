// Package kinesistest plays a stream of Amazon Kinesis Data Streams to who reads it:
// ListShards, GetShardIterator, GetRecords and DescribeStreamSummary in JSON 1.1, with
// shards that are split and merged, iterators that expire, records that are trimmed,
// and the limits of a shard where they are wanted. Records are put by hand.
//
// It bears tens of thousands of records a second: what a record looks like in an
// answer is written when it is put.
package kinesistest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Where the stream is.
const (
	Region = "eu-west-1"
	Name   = "findings"
	ARN    = "arn:aws:kinesis:eu-west-1:111122223333:stream/findings"
)

// Limits of the service
// (https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html).
const (
	maxRecords  = 10_000
	maxAnswer   = 10 << 20 // bytes of GetRecords
	readsASec   = 5        // of a shard
	iteratorFor = 5 * time.Minute
)

// A Stream is the service with one stream. It is safe for many goroutines.
type Stream struct {
	// URL is where it listens, or "" of one that was made by [New].
	URL string
	// Now is its clock. Set it before anything is asked.
	Now func() time.Time

	server  *httptest.Server
	release chan struct{}

	mu        sync.Mutex // guards what follows
	shards    []*shard
	sequence  uint64 // the last number that was given
	made      int    // streams of that name that there were before
	page      int    // shards in an answer of ListShards
	retention time.Duration
	limited   bool
	answers   []Answer
	calls     map[string]int
	expired   uint64 // iterators up to this one are
	issued    uint64
}

// A shard is one of the stream.
type shard struct {
	id       string
	parents  []string
	children []*shard
	from, to *big.Int // hash keys, both included
	begins   uint64   // sequence number
	ends     uint64   // or 0 while it is open
	records  []record // all that were ever put; those before trimmed are empty
	trimmed  int
	read     int // how far anybody has read
	reads    []time.Time
	passing  map[int]chan struct{} // by index of the record
}

type record struct {
	sequence uint64
	at       time.Time
	text     []byte // as it is in an answer
	size     int    // of its data
}

// An Answer is how a request is answered in place of what it asks for.
type Answer struct {
	// Operation is which request: "GetRecords". "" is any.
	Operation string
	Code      string // "ProvisionedThroughputExceededException"
	Message   string
	Status    int // 400 if it is not set
	// Body is answered with status 200, as it is, if there is one.
	Body string
	// Times is how many of them; 0 is all from now on.
	Times int
	// Hang has it never answer.
	Hang bool
}

var most = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))

// New makes a stream with so many shards, which listens nowhere: see [Stream.Client].
func New(shards int) *Stream {
	s := &Stream{Now: time.Now, page: 1000, retention: 24 * time.Hour, calls: map[string]int{}, release: make(chan struct{})}
	s.open(shards)
	return s
}

// Start is as New, and listens on loopback until Close.
func Start(shards int) *Stream {
	s := New(shards)
	s.server = httptest.NewServer(s)
	s.URL = s.server.URL
	return s
}

// Close lets go of requests that hang, and ends what Start began.
func (s *Stream) Close() {
	close(s.release)
	if s.server != nil {
		s.server.Close()
	}
}

// open makes the first shards. The lock is held, or nobody knows s yet.
func (s *Stream) open(shards int) {
	width := new(big.Int).Div(most, big.NewInt(int64(shards)))
	from := new(big.Int)
	for i := range shards {
		to := new(big.Int).Add(from, width)
		if i == shards-1 {
			to = most
		}
		s.add(from, to)
		from = new(big.Int).Add(to, big.NewInt(1))
	}
}

func (s *Stream) add(from, to *big.Int, parents ...string) *shard {
	s.sequence++
	sh := &shard{id: fmt.Sprintf("shardId-%012d", len(s.shards)), parents: parents, from: from, to: to, begins: s.sequence}
	s.shards = append(s.shards, sh)
	return sh
}

// Client reaches the stream without a network.
func (s *Stream) Client() *http.Client { return &http.Client{Transport: direct{s}} }

type direct struct{ s *Stream }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.s.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// Put puts a record, and says where it is: "shardId-000000000000", and its sequence
// number.
func (s *Stream) Put(key string, data []byte) (shardID, sequence string) {
	return s.PutAt(s.Now(), key, data)
}

// PutAt is Put at another time, for records that are old.
func (s *Stream) PutAt(at time.Time, key string, data []byte) (shardID, sequence string) {
	hash := md5.Sum([]byte(key))
	place := new(big.Int).SetBytes(hash[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sh := range s.shards {
		if sh.ends == 0 && sh.from.Cmp(place) <= 0 && place.Cmp(sh.to) <= 0 {
			return sh.id, s.put(sh, at, key, data)
		}
	}
	panic("the open shards have no place for a key") // they have all of them
}

// PutIn puts a record into a shard by its number, whatever the key.
func (s *Stream) PutIn(shard int, data []byte) (shardID, sequence string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[shard]
	return sh.id, s.put(sh, s.Now(), "key", data)
}

func (s *Stream) put(sh *shard, at time.Time, key string, data []byte) string {
	s.sequence++
	text := fmt.Appendf(nil, `{"SequenceNumber":"%s","ApproximateArrivalTimestamp":%.3f,"EncryptionType":"NONE","PartitionKey":%q,"Data":"`,
		s.number(s.sequence), float64(at.UnixMilli())/1000, key)
	text = append(base64.StdEncoding.AppendEncode(text, data), `"}`...)
	sh.records = append(sh.records, record{s.sequence, at, text, len(data)})
	return s.number(s.sequence)
}

// number is a sequence number as the service writes it: 56 digits, which say in which
// stream it is.
func (s *Stream) number(n uint64) string { return fmt.Sprintf("4959%012d%040d", s.made, n) }

// Split closes a shard and opens two in its place.
func (s *Stream) Split(number int) (left, right int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[number]
	s.end(sh)
	middle := new(big.Int).Add(sh.from, sh.to)
	middle.Rsh(middle, 1)
	a := s.add(sh.from, middle, sh.id)
	b := s.add(new(big.Int).Add(middle, big.NewInt(1)), sh.to, sh.id)
	sh.children = []*shard{a, b}
	return len(s.shards) - 2, len(s.shards) - 1
}

// Merge closes two shards that are neighbours and opens one in their place.
func (s *Stream) Merge(number, adjacent int) (merged int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, b := s.shards[number], s.shards[adjacent]
	if new(big.Int).Add(a.to, big.NewInt(1)).Cmp(b.from) != 0 {
		panic(a.id + " and " + b.id + " are no neighbours")
	}
	s.end(a)
	s.end(b)
	c := s.add(a.from, b.to, a.id, b.id)
	a.children, b.children = []*shard{c}, []*shard{c}
	return len(s.shards) - 1
}

func (s *Stream) end(sh *shard) {
	if sh.ends != 0 {
		panic(sh.id + " is closed already")
	}
	s.sequence++
	sh.ends = s.sequence
}

// Recreate deletes the stream and makes another of its name.
func (s *Stream) Recreate(shards int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards, s.expired = nil, s.issued
	s.made++
	s.open(shards)
}

// Trim forgets the first records of a shard, as many as are said, as after the time
// for which the stream keeps them. A closed shard that has none left is gone.
func (s *Stream) Trim(shard, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shards[shard]
	for sh.trimmed < len(sh.records) && records > 0 {
		sh.records[sh.trimmed] = record{sequence: sh.records[sh.trimmed].sequence}
		sh.trimmed++
		records--
	}
}

// Retention is for how long the stream says that it keeps records; what is older is
// trimmed by [Stream.Trim] alone.
func (s *Stream) Retention(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retention = d
}

// Page is how many shards are in an answer of ListShards.
func (s *Stream) Page(shards int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = shards
}

// Limit has each shard read five times a second at most, from now on.
func (s *Stream) Limit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = true
}

// Expire has all iterators that were given so far be too old.
func (s *Stream) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = s.issued
}

// Answers has requests answered so, in place of what was said before.
func (s *Stream) Answers(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = slices.Clone(answers)
}

// Calls is how often an operation was asked for, refused or not.
func (s *Stream) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Behind is how many records nobody has read yet.
func (s *Stream) Behind() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sh := range s.shards {
		n += len(sh.records) - max(sh.read, sh.trimmed)
	}
	return n
}

// Passed is closed once somebody asks for what comes behind a record of a shard, which
// who keeps what it reads does when it has kept that.
func (s *Stream) Passed(shardID, sequence string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed := make(chan struct{})
	for _, sh := range s.shards {
		i := slices.IndexFunc(sh.records, func(rec record) bool { return sh.id == shardID && s.number(rec.sequence) == sequence })
		if i < 0 {
			continue
		}
		if sh.passing == nil {
			sh.passing = map[int]chan struct{}{}
		}
		sh.passing[i] = passed
	}
	return passed
}

// pass closes what waits for those before a record to be passed.
func (sh *shard) pass(next int) {
	for i, c := range sh.passing {
		if i < next {
			close(c)
			delete(sh.passing, i)
		}
	}
}

// A refusal is an error as the service answers it.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refused(code, format string, args ...any) error {
	return &refusal{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

// An input is that of any of the operations.
type input struct {
	StreamName, StreamARN, NextToken, ShardID, ShardIteratorType, StartingSequenceNumber, ShardIterator string

	Timestamp  float64
	Limit      *int
	MaxResults *int
}

// ServeHTTP answers one request.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	operation, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Kinesis_20131202.")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	answer, hang, err := s.answer(operation, known, r.Header, body)
	if hang {
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		return
	}
	if refusal, ok := err.(*refusal); ok { //nolint:errorlint // it is never wrapped
		w.WriteHeader(refusal.status)
		answer, err = json.Marshal(map[string]string{"__type": refusal.code, "message": refusal.message})
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(answer)
}

func (s *Stream) answer(operation string, known bool, h http.Header, body []byte) (answer []byte, hang bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[operation]++
	if a, ok := s.scripted(operation); ok {
		if a.Body != "" {
			return []byte(a.Body), false, nil
		}
		return nil, a.Hang, &refusal{a.Status, a.Code, a.Message}
	}
	var in input
	switch {
	case !known || h.Get("Content-Type") != "application/x-amz-json-1.1":
		return nil, false, refused("UnknownOperationException", "%s", operation)
	case !strings.Contains(h.Get("Authorization"), "/"+Region+"/kinesis/aws4_request"):
		return nil, false, refused("MissingAuthenticationTokenException", "it is not signed for kinesis in "+Region)
	case json.Unmarshal(body, &in) != nil:
		return nil, false, refused("SerializationException", "%.100s", body)
	}
	do, ok := map[string]func(*Stream, input) (any, error){
		"ListShards": (*Stream).listShards, "GetShardIterator": (*Stream).getShardIterator,
		"GetRecords": (*Stream).getRecords, "DescribeStreamSummary": (*Stream).describe,
	}[operation]
	if !ok {
		return nil, false, refused("UnknownOperationException", "%s", operation)
	}
	out, err := do(s, in)
	if err != nil {
		return nil, false, err
	}
	if text, ok := out.([]byte); ok {
		return text, false, nil
	}
	answer, err = json.Marshal(out)
	return answer, false, err
}

// scripted is what the test wants the request to be answered.
func (s *Stream) scripted(operation string) (Answer, bool) {
	for i, a := range s.answers {
		if a.Operation != "" && a.Operation != operation {
			continue
		}
		if a.Times > 0 {
			if s.answers[i].Times--; s.answers[i].Times == 0 {
				s.answers = slices.Delete(s.answers, i, i+1)
			}
		}
		if a.Status == 0 {
			a.Status = http.StatusBadRequest
		}
		return a, true
	}
	return Answer{}, false
}

func (s *Stream) named(in input) error {
	if in.StreamName == "" && in.StreamARN == "" {
		return refused("InvalidArgumentException", "either the name or the ARN of the stream is to be given")
	}
	if in.StreamName != "" && in.StreamName != Name || in.StreamARN != "" && in.StreamARN != ARN {
		return refused("ResourceNotFoundException", "Stream %s under account 111122223333 not found.", in.StreamName+in.StreamARN)
	}
	return nil
}

func (s *Stream) listShards(in input) (any, error) {
	first := 0
	if in.NextToken != "" {
		if in.StreamName != "" {
			return nil, refused("InvalidArgumentException", "NextToken and StreamName cannot be provided together.")
		}
		var err error
		if first, err = strconv.Atoi(in.NextToken); err != nil {
			return nil, refused("ExpiredNextTokenException", "%s", in.NextToken)
		}
	} else if err := s.named(in); err != nil {
		return nil, err
	}
	var there []map[string]any
	for _, sh := range s.shards {
		if sh.ends == 0 || sh.trimmed < len(sh.records) || len(sh.records) == 0 {
			there = append(there, s.described(sh))
		}
	}
	page := s.page
	if in.MaxResults != nil {
		page = min(page, *in.MaxResults)
	}
	last := min(first+page, len(there))
	out := map[string]any{"Shards": there[min(first, last):last]}
	if last < len(there) {
		out["NextToken"] = strconv.Itoa(last)
	}
	return out, nil
}

func (s *Stream) described(sh *shard) map[string]any {
	numbers := map[string]string{"StartingSequenceNumber": s.number(sh.begins)}
	if sh.ends != 0 {
		numbers["EndingSequenceNumber"] = s.number(sh.ends)
	}
	d := map[string]any{"ShardId": sh.id, "HashKeyRange": hashKeys(sh), "SequenceNumberRange": numbers}
	for i, key := range []string{"ParentShardId", "AdjacentParentShardId"} {
		if i < len(sh.parents) {
			d[key] = sh.parents[i]
		}
	}
	return d
}

func hashKeys(sh *shard) map[string]string {
	return map[string]string{"StartingHashKey": sh.from.String(), "EndingHashKey": sh.to.String()}
}

func (s *Stream) getShardIterator(in input) (any, error) {
	if err := s.named(in); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.shards, func(sh *shard) bool { return sh.id == in.ShardID })
	if i < 0 {
		return nil, refused("ResourceNotFoundException", "Shard %s in stream %s under account 111122223333 does not exist", in.ShardID, Name)
	}
	sh := s.shards[i]
	at := sh.trimmed
	switch in.ShardIteratorType {
	case "TRIM_HORIZON":
	case "LATEST":
		at = len(sh.records)
	case "AT_TIMESTAMP":
		from := int64(math.Round(in.Timestamp * 1000))
		if from > s.Now().UnixMilli() {
			return nil, refused("InvalidArgumentException", "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.")
		}
		for at < len(sh.records) && sh.records[at].at.UnixMilli() < from {
			at++
		}
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		n, err := s.parse(sh, in.StartingSequenceNumber)
		if err != nil {
			return nil, err
		}
		for at < len(sh.records) && (sh.records[at].sequence < n || sh.records[at].sequence == n && in.ShardIteratorType[1] == 'F') {
			at++
		}
	default:
		return nil, refused("ValidationException", "shardIteratorType %q", in.ShardIteratorType)
	}
	return map[string]string{"ShardIterator": s.iterator(i, at)}, nil
}

func (s *Stream) parse(sh *shard, number string) (uint64, error) {
	if len(number) == 56 {
		n, err := strconv.ParseUint(number[16:], 10, 64)
		if err == nil && s.number(n) == number && n >= sh.begins {
			return n, nil
		}
	}
	return 0, refused("InvalidArgumentException", "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account 111122223333 is invalid because it did not come from this stream.", number, sh.id, Name)
}

// iterator stands before a record of a shard, and remembers when it was given.
func (s *Stream) iterator(shard, at int) string {
	s.issued++
	var b [32]byte
	for i, n := range []uint64{uint64(shard), uint64(at), uint64(s.Now().UnixMilli()), s.issued} { //nolint:gosec // none is negative
		binary.BigEndian.PutUint64(b[8*i:], n)
	}
	return base64.StdEncoding.EncodeToString(b[:])
}

func (s *Stream) getRecords(in input) (any, error) {
	b, err := base64.StdEncoding.DecodeString(in.ShardIterator)
	if err != nil || len(b) != 32 {
		return nil, refused("InvalidArgumentException", "Invalid ShardIterator.")
	}
	number := func(i int) int { return int(binary.BigEndian.Uint64(b[8*i:])) } //nolint:gosec // it was written above
	now := s.Now()
	if uint64(number(3)) <= s.expired || now.Sub(time.UnixMilli(int64(number(2)))) > iteratorFor { //nolint:gosec // it was written above
		return nil, refused("ExpiredIteratorException", "Iterator expired. It was created at time %v.", time.UnixMilli(int64(number(2))).UTC())
	}
	limit := maxRecords
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > maxRecords {
		return nil, refused("InvalidArgumentException", "Limit %d", limit)
	}
	sh := s.shards[number(0)]
	if s.limited && !sh.may(now) {
		return nil, refused("ProvisionedThroughputExceededException", "Rate exceeded for shard %s in stream %s under account 111122223333.", sh.id, Name)
	}
	sh.pass(number(1))
	first := max(number(1), sh.trimmed)
	next, size, length := first, 0, 0
	for next < len(sh.records) && next-first < limit && (next == first || size+sh.records[next].size <= maxAnswer) {
		size += sh.records[next].size
		length += len(sh.records[next].text) + 1
		next++
	}
	sh.read = max(sh.read, next)
	out := make([]byte, 0, length+512)
	out = append(out, `{"Records":[`...)
	for i, rec := range sh.records[first:next] {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, rec.text...)
	}
	behind := int64(0)
	if next < len(sh.records) {
		behind = max(1, now.Sub(sh.records[next].at).Milliseconds())
	}
	out = fmt.Appendf(out, `],"MillisBehindLatest":%d`, behind)
	if next < len(sh.records) || sh.ends == 0 {
		return fmt.Appendf(out, `,"NextShardIterator":%q}`, s.iterator(number(0), next)), nil
	}
	children, err := json.Marshal(s.childrenOf(sh))
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(out, `,"ChildShards":%s}`, children), nil
}

func (s *Stream) childrenOf(sh *shard) []map[string]any {
	children := []map[string]any{}
	for _, c := range sh.children {
		children = append(children, map[string]any{"ShardId": c.id, "ParentShards": c.parents, "HashKeyRange": hashKeys(c)})
	}
	return children
}

// may reports whether the shard may be read once more within this second.
func (sh *shard) may(now time.Time) bool {
	sh.reads = slices.DeleteFunc(sh.reads, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if len(sh.reads) == readsASec {
		return false
	}
	sh.reads = append(sh.reads, now)
	return true
}

func (s *Stream) describe(in input) (any, error) {
	if err := s.named(in); err != nil {
		return nil, err
	}
	open := 0
	for _, sh := range s.shards {
		if sh.ends == 0 {
			open++
		}
	}
	summary := map[string]any{
		"StreamName": Name, "StreamARN": ARN, "StreamStatus": "ACTIVE", "RetentionPeriodHours": int(s.retention.Hours()),
		"StreamCreationTimestamp": 1_700_000_000 + s.made, "EnhancedMonitoring": []any{}, "OpenShardCount": open,
	}
	return map[string]any{"StreamDescriptionSummary": summary}, nil
}
