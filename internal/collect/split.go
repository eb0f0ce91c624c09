package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tidwall/gjson"
)

// A Piece is one event of a body: a sub-slice of it, byte for byte.
type Piece struct {
	Raw []byte
	// Err says why Raw is not JSON; nil if it is. It is a [*SyntaxError].
	Err error
}

// A SyntaxError says what is wrong with a piece of a body.
type SyntaxError struct {
	Offset  int    // of the byte at fault, from the beginning of the piece
	Problem string // "a comma or } is missing"
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: %s at byte %d", e.Problem, e.Offset)
}

// Split gives the events in a body, in order. A body is any of
//
//   - one JSON value
//   - JSON values one after the other, with or without line breaks between them:
//     NDJSON, and what Firehose writes to S3
//   - an array whose first element is an object; its elements are the events
//   - what GetFindings answers, {"findings": […]} or {"Findings": […]}; the
//     findings are the events. An EventBridge event with such a member stays whole.
//
// What cannot be read is a piece of its own, marked with Err, and what follows it
// is read on: from the next line that begins with a bracket and is indented no
// deeper, or from behind the bracket that closes the broken value. Values nested
// deeper than 1024 levels are not read. The time taken is linear in the length of
// the body, whatever is in it.
func Split(body []byte) []Piece {
	var pieces []Piece
	for p := range Pieces(body) {
		pieces = append(pieces, p)
	}
	return pieces
}

// Pieces gives what [Split] gives, one by one.
func Pieces(body []byte) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		s := splitter{data: body, final: true}
		for {
			p, result := s.next()
			if result != found || !yield(p) {
				return
			}
		}
	}
}

// Valid says what is wrong with raw as one JSON value, or nil. Space around the
// value is allowed. Unlike json.Valid it takes 1024 levels of nesting at most.
func Valid(raw []byte) error {
	var s scanner
	start := space(raw, 0)
	end, err := s.value(raw, start)
	if err != nil {
		return syntaxError(err, 0, len(raw))
	}
	if end = space(raw, end); end < len(raw) {
		return &SyntaxError{end, "more after the value"}
	}
	return nil
}

// EventID is the id of an EventBridge event, the same however often it is
// delivered, or empty if raw is no such event.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
func EventID(raw []byte) string {
	if gjson.GetBytes(raw, "detail-type").Type != gjson.String || gjson.GetBytes(raw, "source").Type != gjson.String {
		return ""
	}
	id := gjson.GetBytes(raw, "id")
	if id.Type != gjson.String {
		return ""
	}
	return id.Str
}

// A Reader reads the events of a stream as [Split] does those of a body, with no
// more than one event and a buffer in memory. A value longer than [MaxBody] is
// cut into unreadable pieces.
type Reader struct {
	from  io.Reader
	buf   []byte // s.data is its filled part
	s     splitter
	err   error // of the reader below; io.EOF at its end
	limit int   // of buf

	line     int // line of buf[counted]
	counted  int
	lastLine int
}

// NewReader reads events from r.
func NewReader(r io.Reader) *Reader { return &Reader{from: r, line: 1, limit: MaxBody} }

const firstBuffer = 64 << 10

// Next gives the next piece, whose Raw is good until Next is called again. At the
// end of the stream the error is io.EOF.
func (r *Reader) Next() (Piece, error) {
	r.s.final = r.err != nil
	for {
		p, result := r.s.next()
		switch {
		case result == found:
			r.lastLine = r.lineAt(r.s.start)
			return p, nil
		case r.s.final && errors.Is(r.err, io.EOF):
			return Piece{}, io.EOF
		case r.s.final && r.err != nil:
			return Piece{}, r.err
		}
		r.fill()
	}
}

// Line is the line, counted from 1, on which the last piece began.
func (r *Reader) Line() int { return r.lastLine }

func (r *Reader) lineAt(i int) int {
	r.line += bytes.Count(r.s.data[r.counted:i], []byte{'\n'})
	r.counted = i
	return r.line
}

// fill makes room and reads more, so that the splitter has at least twice of what
// was too short for it, and no more than that is waited for. Without room to grow
// it makes the splitter do with what it has.
func (r *Reader) fill() {
	r.lineAt(r.s.pos)
	r.s.indent = indentAt(r.s.data, r.s.pos, r.s.indent)
	pending := copy(r.buf, r.s.data[r.s.pos:])
	r.counted, r.s.pos, r.s.work = 0, 0, 0
	if want := max(firstBuffer, 2*pending); want > len(r.buf) {
		if pending >= r.limit {
			r.s.data, r.s.final = r.buf[:pending], true
			return
		}
		grown := make([]byte, min(want, r.limit))
		copy(grown, r.buf[:pending])
		r.buf = grown
	}
	n := pending
	for n < min(len(r.buf), 2*pending+1) && r.err == nil {
		var k int
		k, r.err = r.from.Read(r.buf[n:])
		n += k
	}
	r.s.data, r.s.final = r.buf[:n], r.err != nil
}

// A splitter finds the pieces in data. Where data is not final, what reaches its
// end may go on behind it.
type splitter struct {
	data   []byte
	final  bool
	pos    int    // all before it is done with
	start  int    // of the last piece
	indent indent // of the line that data begins in, as far as it is not in data

	inArray   bool // between the brackets of an array whose elements are pieces
	inWrapper bool // between the braces around that array

	scan scanner
	// work counts the bytes looked at in vain, so that a body made to be looked at
	// again and again is given up on.
	work int
}

// result is what a search for the next piece came to.
type result int

const (
	found result = iota
	none         // nothing but space was left
	short        // data ends too early
)

func (s *splitter) next() (Piece, result) {
	for {
		s.skip()
		if s.pos == len(s.data) {
			return Piece{}, none
		}
		if s.inWrapper && !s.inArray {
			if !s.leaveWrapper() {
				return Piece{}, short
			}
			continue
		}
		if s.inArray && s.data[s.pos] == ']' {
			s.inArray = false
			s.pos++
			continue
		}
		if !s.inArray {
			switch s.enter() {
			case found:
				continue
			case short:
				return Piece{}, short
			}
		}
		p, r := s.piece()
		if r == none {
			continue
		}
		return p, r
	}
}

// skip passes what may be between pieces.
func (s *splitter) skip() {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case isSpace(c), c == ',' && s.inArray:
			s.pos++
		case c == 0xEF && bytes.HasPrefix(s.data[s.pos:], bom):
			s.pos += len(bom)
		default:
			return
		}
	}
}

var bom = []byte("\uFEFF")

// enter goes into an array of events that begins here, alone or as the first
// member of a wrapper: found if it did, none if there is nothing to enter.
func (s *splitter) enter() result {
	i := s.pos
	if s.data[i] == '{' {
		i = space(s.data, i+1)
		const key = `"findings"`
		have := s.data[i:min(i+len(key), len(s.data))]
		if len(have) < len(key) && !s.final && bytes.EqualFold(have, []byte(key[:len(have)])) {
			return short
		}
		if !bytes.EqualFold(have, []byte(key)) {
			return none
		}
		if i = space(s.data, i+len(key)); i < len(s.data) && s.data[i] != ':' {
			return none
		}
		i = space(s.data, i+1)
	}
	return s.enterArray(i)
}

// enterArray goes into the array at i if it is one of objects.
func (s *splitter) enterArray(i int) result {
	if i < len(s.data) && s.data[i] != '[' {
		return none
	}
	first := space(s.data, i+1)
	switch {
	case first >= len(s.data) && s.final:
		return none
	case first >= len(s.data):
		return short
	case s.data[first] != '{' && s.data[first] != ']':
		return none
	}
	s.inWrapper = s.data[s.pos] == '{'
	s.inArray = true
	s.pos = i + 1
	return found
}

// leaveWrapper passes what follows the array in its wrapper. It is false if the
// wrapper's end is not there yet.
func (s *splitter) leaveWrapper() bool {
	end, err := s.scan.rest(s.data, s.pos)
	if errors.Is(err, errEnds) && !s.final {
		return false
	}
	s.inWrapper = false
	if err == nil {
		s.pos = end
	}
	return true
}

// piece reads the value at pos. none says that it turned out to be a wrapper,
// which was entered.
func (s *splitter) piece() (Piece, result) {
	s.start = s.pos
	end, err := s.scan.value(s.data, s.pos)
	bracket := s.data[s.pos] == '{' || s.data[s.pos] == '['
	if err == nil && !bracket && end < len(s.data) && !s.mayFollowScalar(s.data[end]) {
		err = &SyntaxError{end, "something hangs on to the value"}
	}
	if !s.final && (errors.Is(err, errEnds) || end == len(s.data) && !bracket) {
		return Piece{}, short
	}
	if !s.inArray && s.scan.findings > 0 && !s.scan.event && s.enterArray(s.scan.findings) == found {
		return Piece{}, none
	}
	if err == nil {
		s.pos = end
		return Piece{Raw: s.data[s.start:end:end]}, found
	}
	failed := len(s.data)
	if e, ok := errors.AsType[*SyntaxError](err); ok {
		failed = e.Offset
	}
	end, ok := s.resume(failed)
	if !ok {
		return Piece{}, short
	}
	s.pos = end
	raw := bytes.TrimRight(s.data[s.start:end:end], " \t\r\n")
	return Piece{Raw: raw, Err: syntaxError(err, s.start, s.start+len(raw))}, found
}

func (s *splitter) mayFollowScalar(c byte) bool {
	return isSpace(c) || c == '{' || c == '[' || c == '"' || s.inArray && (c == ',' || c == ']')
}

// resume says where to read on after the value at start, which is broken at
// failed. It is false if that cannot be told before more is read.
func (s *splitter) resume(failed int) (int, bool) {
	s.work += failed - s.start
	if s.work > 8*len(s.data)+firstBuffer {
		return len(s.data), true
	}
	if c := s.data[s.start]; c == ',' || c == ']' || c == '}' {
		return s.start + 1, true
	}
	line := s.nextLine()
	stop := len(s.data)
	if line > 0 {
		stop = line
	}
	if end := s.balanced(stop); end > 0 {
		return end, true
	}
	return stop, line > 0 || s.final
}

// nextLine is the beginning of the next line that begins with a bracket and is
// indented no deeper than the line of start, or 0.
func (s *splitter) nextLine() int {
	begin := bytes.LastIndexByte(s.data[:s.start], '\n') + 1
	indent := indentAt(s.data, s.start, s.indent).width
	s.work += s.start - begin
	for i := s.start; ; {
		n := bytes.IndexByte(s.data[i:], '\n')
		if n < 0 {
			s.work += len(s.data) - i
			return 0
		}
		s.work += n + 1
		i += n + 1
		first := space(s.data, i)
		if first < len(s.data) && first-i <= indent && (s.data[first] == '{' || s.data[first] == '[') {
			return i
		}
	}
}

// An indent is the space that a line begins with.
type indent struct {
	width int
	ended bool // something else followed already
}

// indentAt is the indent of the line that i is in, as far as it is before i. Before
// is that of the part of the line that is no longer in b.
func indentAt(b []byte, i int, before indent) indent {
	begin := bytes.LastIndexByte(b[:i], '\n') + 1
	if begin > 0 {
		before = indent{}
	}
	if before.ended {
		return before
	}
	end := space(b[:i], begin)
	return indent{before.width + end - begin, end < i}
}

// balanced is the place behind the bracket that closes the one at start, counted
// without regard to grammar, or 0 if there is none before stop or it is not
// followed by what may follow a value.
func (s *splitter) balanced(stop int) int {
	if c := s.data[s.start]; c != '{' && c != '[' {
		return 0
	}
	depth := 0
	for i := s.start; i < stop; i++ {
		switch s.data[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			for i++; i < stop && s.data[i] != '"'; i++ {
				if s.data[i] == '\\' {
					i++
				}
			}
		}
		if depth > 0 {
			continue
		}
		s.work += i - s.start
		next := space(s.data, i+1)
		if next >= len(s.data) && s.final || next < len(s.data) && bytes.IndexByte([]byte(`,]{[`), s.data[next]) >= 0 {
			return i + 1
		}
		return 0
	}
	s.work += stop - s.start
	return 0
}

// maxDepth is how deep values may be nested. A GuardDuty finding has about 20
// levels; readers that call themselves for each level can bear this many.
const maxDepth = 1024

// A scanner reads one JSON value as RFC 8259 has it, without calling itself.
// Like encoding/json it does not mind what bytes a string holds.
type scanner struct {
	open  [maxDepth/64 + 1]uint64 // a bit for each level: it is an object
	depth int

	findings int  // where the array of the top-level member "findings" begins, or 0
	event    bool // there is a top-level member "detail-type"
}

// errEnds says that the data ended before the value did.
var errEnds = errors.New("it ends too early")

// syntaxError tells of err, whose offsets count from the beginning of the data,
// with offsets that count from start.
func syntaxError(err error, start, end int) error {
	if e, ok := errors.AsType[*SyntaxError](err); ok {
		return &SyntaxError{e.Offset - start, e.Problem}
	}
	return &SyntaxError{end - start, err.Error()}
}

// value reads the value at b[i] and says where it ends.
func (s *scanner) value(b []byte, i int) (end int, err error) {
	s.depth, s.findings, s.event = 0, 0, false
	return s.run(b, i, atValue)
}

// rest reads what follows a member of an object, to the end of the object.
func (s *scanner) rest(b []byte, i int) (end int, err error) {
	s.depth, s.findings, s.event = 1, 0, false
	s.open[0] |= 1 << 1 // the object's own level, see push
	return s.run(b, i, behindValue)
}

// push opens a level and says if there is one more to open.
func (s *scanner) push(object bool) bool {
	s.depth++
	if s.depth > maxDepth {
		return false
	}
	bit := uint64(1) << (s.depth % 64)
	s.open[s.depth/64] &^= bit
	if object {
		s.open[s.depth/64] |= bit
	}
	return true
}

func (s *scanner) inObject() bool { return s.open[s.depth/64]>>(s.depth%64)&1 == 1 }

// place is where in the grammar a scanner stands.
type place int

const (
	atValue place = iota
	atKey
	behindValue
)

func (s *scanner) run(b []byte, i int, at place) (int, error) {
	var err error
	for {
		i = space(b, i)
		if i >= len(b) {
			return i, errEnds
		}
		c := b[i]
		switch at {
		case atValue:
			switch {
			case c == '"':
				i, err = text(b, i+1)
			case c == '{' || c == '[':
				if !s.push(c == '{') {
					return i, &SyntaxError{i, "more than 1024 levels"}
				}
				if i = space(b, i+1); i >= len(b) {
					return i, errEnds
				}
				if b[i] == c+2 { // '}' or ']': it is empty
					s.depth--
					i++
					break
				}
				if c == '{' {
					at = atKey
				}
				continue
			case c == '-' || isDigit(c):
				i, err = number(b, i)
			default:
				i, err = literal(b, i)
			}
			if err != nil {
				return i, err
			}
			if s.depth == 0 {
				return i, nil
			}
			at = behindValue
		case atKey:
			if c != '"' {
				return i, &SyntaxError{i, "a name in quotes is missing"}
			}
			key := i
			if i, err = text(b, i+1); err != nil {
				return i, err
			}
			end := i
			if i = space(b, i); i >= len(b) {
				return i, errEnds
			}
			if b[i] != ':' {
				return i, &SyntaxError{i, "a colon is missing"}
			}
			i++
			if s.depth == 1 {
				s.member(b, key, end, i)
			}
			at = atValue
		case behindValue:
			switch {
			case c == ',' && s.inObject():
				at = atKey
			case c == ',':
				at = atValue
			case c == '}' && s.inObject(), c == ']' && !s.inObject():
				s.depth--
				if s.depth == 0 {
					return i + 1, nil
				}
			default:
				return i, &SyntaxError{i, "a comma or closing bracket is missing"}
			}
			i++
		}
	}
}

// member remembers the top-level members that tell a wrapper from an event.
func (s *scanner) member(b []byte, key, end, after int) {
	switch end - key {
	case len(`"findings"`):
		if bytes.EqualFold(b[key:end], []byte(`"findings"`)) {
			if v := space(b, after); v < len(b) && b[v] == '[' {
				s.findings = v
			}
		}
	case len(`"detail-type"`):
		s.event = s.event || string(b[key:end]) == `"detail-type"`
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// space is the first place from i on that is not space.
func space(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// special are the bytes that a string cannot hold as they are.
var special = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// text reads a string from behind its opening quote to behind its closing one.
func text(b []byte, i int) (int, error) {
	for {
		for i < len(b) && !special[b[i]] {
			i++
		}
		if i >= len(b) {
			return i, errEnds
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if i+1 >= len(b) {
				return i, errEnds
			}
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				for k := i + 2; k < i+6; k++ {
					if k >= len(b) {
						return k, errEnds
					}
					if !isHex(b[k]) {
						return k, &SyntaxError{k, "a hexadecimal digit is missing"}
					}
				}
				i += 6
			default:
				return i, &SyntaxError{i, "an unknown escape"}
			}
		default:
			return i, &SyntaxError{i, "a control character in a string"}
		}
	}
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// number reads a number. It cannot tell a number that goes on behind the data.
func number(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b):
		return i, errEnds
	case b[i] == '0':
		i++
	case isDigit(b[i]):
		i = digits(b, i)
	default:
		return i, &SyntaxError{i, "a digit is missing"}
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = digits(b, from); i == from {
			return noDigit(b, i)
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = digits(b, from); i == from {
			return noDigit(b, i)
		}
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func noDigit(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, errEnds
	}
	return i, &SyntaxError{i, "a digit is missing"}
}

func literal(b []byte, i int) (int, error) {
	for _, word := range [...]string{"true", "false", "null"} {
		if b[i] != word[0] {
			continue
		}
		have := b[i:min(i+len(word), len(b))]
		switch {
		case string(have) == word:
			return i + len(word), nil
		case string(have) == word[:len(have)]:
			return i, errEnds
		}
	}
	return i, &SyntaxError{i, "a value is missing"}
}
