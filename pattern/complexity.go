package pattern

import (
	"bytes"
	"slices"
)

const (
	maxComplexity = 10
	tooComplex    = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"
)

// complexity is AWS's measure of the wildcards of one field: the largest number
// of their prefixes that one string can match, over all strings. A prefix here
// ends after any character or star, and prefixes of different wildcards count
// apart even when they look alike. The quotes around a string are characters.
//
// A string that is still a prefix of what precedes the first star in some
// wildcard can be tried out, there are few of them. Any other has, at best, got
// past some of these heads; then nothing stops it from having satisfied every
// star of those wildcards, and what remains to choose is its ending.
//
// Counting stops at the first number beyond limit.
func complexity(wildcards []wildcard, limit int) int {
	most := 0
	quoted := make([]wildcard, len(wildcards))
	for i, w := range wildcards {
		quoted[i] = w.quoted()
	}
	for _, w := range quoted {
		if most = max(most, duringHead(quoted, w[0])); most > limit {
			break
		}
		if most = max(most, pastHead(quoted, w[0], limit)); most > limit {
			break
		}
	}
	return most
}

func (w wildcard) quoted() wildcard {
	q := make(wildcard, len(w))
	copy(q, w)
	q[0] = append([]byte{'"'}, q[0]...)
	last := len(q) - 1
	q[last] = append(bytes.Clone(q[last]), '"')
	return q
}

// duringHead counts the prefixes that match the first bytes of head, however
// many of them are taken.
func duringHead(wildcards []wildcard, head []byte) int {
	alive := make([]int, len(head)+1)
	for _, w := range wildcards {
		w.countAlive(head, alive)
	}
	return slices.Max(alive)
}

// countAlive adds to alive[n] the number of prefixes of w that s[:n] matches.
func (w wildcard) countAlive(s []byte, alive []int) {
	head := w[0]
	shared := 0
	for shared < min(len(head), len(s)) && head[shared] == s[shared] {
		shared++
		alive[shared]++
	}
	if shared < len(head) {
		return
	}
	from := shared // the earliest place where the next part may begin
	for _, part := range w[1:] {
		for end := from; end <= len(s); end++ {
			alive[end]++ // the star
		}
		countBeginnings(part, s[from:], alive[from:])
		at := bytes.Index(s[from:], part)
		if at < 0 {
			return
		}
		from += at + len(part)
	}
}

// countBeginnings adds to alive[n] the number of ways in which s[:n] ends with
// the beginning of part.
func countBeginnings(part, s []byte, alive []int) {
	root := &suffixNode{}
	root.add(part)
	root.mostEndingTogether()
	at := root
	for i, c := range s {
		next := at.next[c]
		if next == nil {
			next = at.fallFor(c, root)
		}
		at = next
		alive[i+1] += at.count
	}
}

// pastHead counts the prefixes a string can match once it has passed head, and
// with it the head of every wildcard that head begins with.
func pastHead(wildcards []wildcard, head []byte, limit int) int {
	stars := 0
	root := &suffixNode{}
	for _, w := range wildcards {
		if len(w) == 1 || !bytes.HasPrefix(head, w[0]) {
			continue
		}
		if stars += len(w) - 1; stars > limit {
			return stars
		}
		for _, part := range w[1:] {
			root.add(part)
		}
	}
	return stars + root.mostEndingTogether()
}

// A suffixNode is a state of an Aho-Corasick automaton: one string that begins
// some part, and, through fall, the longest other such string it ends with.
type suffixNode struct {
	next  map[byte]*suffixNode
	fall  *suffixNode
	count int // parts that begin with this string; later, with any it ends with
}

func (n *suffixNode) add(part []byte) {
	for _, c := range part {
		if n.next == nil {
			n.next = map[byte]*suffixNode{}
		}
		if n.next[c] == nil {
			n.next[c] = &suffixNode{}
		}
		n = n.next[c]
		n.count++
	}
}

// mostEndingTogether returns the largest number of beginnings of parts that one
// string can end with.
func (n *suffixNode) mostEndingTogether() int {
	most := 0
	queue := []*suffixNode{n}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c, child := range at.next {
			child.fall = at.fallFor(c, n)
			child.count += child.fall.count
			most = max(most, child.count)
			queue = append(queue, child)
		}
	}
	return most
}

func (n *suffixNode) fallFor(c byte, root *suffixNode) *suffixNode {
	for at := n.fall; at != nil; at = at.fall {
		if to := at.next[c]; to != nil {
			return to
		}
	}
	return root
}
