package pattern

import "slices"

// A builder makes a machine of rules. Where a posting or a check has its number
// from, the catalogue's tables, is as it was when the machine is made: building
// takes as long as the rules are many, not as long as the catalogue.
type builder struct {
	*catalogue
	m      *machine
	groups []group
	posted []int32 // the term of each posting
}

func (c *catalogue) build(rules []rule) *machine {
	b := builder{catalogue: c, m: &machine{tests: c.allTests}}
	b.arrange(rules)
	b.number()
	b.place()
	b.index()
	b.file()
	b.forget()
	return b.m
}

// arrange puts rules of one shape next to one another, and gives them their words.
func (b *builder) arrange(rules []rule) {
	m := b.m
	sizes := make([]int32, len(b.fields))
	for i := range rules {
		sizes[rules[i].shape]++
	}
	next := make([]int32, len(sizes))
	first, words := int32(0), 0
	for shape, size := range sizes {
		if size == 0 {
			continue
		}
		fields := b.fields[shape]
		b.groups = append(b.groups, group{fields: fields, first: int32(words), rule: first, rules: size})
		next[shape] = first
		first += size
		words += (int(size) + 63) / 64 * len(fields)
	}
	m.late = make([]uint64, words)
	m.owners, m.rules = make([]int32, len(rules)), make([][]int32, len(rules))
	for i := range rules {
		r := &rules[i]
		at := next[r.shape]
		m.owners[at], m.rules[at] = r.owner, r.tests
		next[r.shape]++
	}
}

// each calls do for every test of every rule, with the bit that stands for it.
func (b *builder) each(do func(g *group, test, word int32, bit uint64)) {
	for i := range b.groups {
		g := &b.groups[i]
		for at, tests := range b.m.rules[g.rule : g.rule+g.rules] {
			word := g.first + int32(at)/64*int32(len(g.fields))
			for n, test := range tests {
				do(g, test, word+int32(n), 1<<(at%64))
			}
		}
	}
}

// number gives numbers to the postings and to the checks there have to be.
func (b *builder) number() {
	m := b.m
	bits := []int32{0} // of the postings, one later
	b.each(func(g *group, test, _ int32, _ uint64) {
		t := &b.allTests[test]
		g.absent = g.absent || t.list.absent
		for _, terms := range [...][]int32{t.terms, t.late} {
			for _, term := range terms {
				if b.postings[term] == none {
					b.postings[term] = int32(len(b.posted))
					b.posted = append(b.posted, term)
					bits = append(bits, 0)
				}
				bits[b.postings[term]+1]++
			}
		}
		g.late = g.late || len(t.late) > 0
		if t.list.more != nil && b.checks[test] == none {
			b.checks[test] = int32(len(m.checks))
			m.checks = append(m.checks, newCheck(t))
		}
	})
	for i := range bits[1:] {
		bits[i+1] += bits[i]
	}
	m.postings = bits
	for _, tests := range m.rules {
		m.trials = append(m.trials, b.trial(tests))
	}
}

// trial returns what stands for the checks of a rule in machine.trials.
func (b *builder) trial(tests []int32) int32 {
	m := b.m
	start := len(m.tried)
	m.tried = append(m.tried, 0)
	for _, test := range tests {
		if id := b.checks[test]; id != none {
			m.tried = append(m.tried, id)
		}
	}
	switch n := len(m.tried) - start - 1; n {
	case 0:
		m.tried = m.tried[:start]
		return none
	case 1:
		id := m.tried[start+1]
		m.tried = m.tried[:start]
		return id
	default:
		m.tried[start] = int32(n)
		return int32(-start - 2)
	}
}

// place writes the postings, the bits of a word together.
func (b *builder) place() {
	m := b.m
	marks := make([]mark, m.postings[len(m.postings)-1])
	end := slices.Clone(m.postings)
	b.each(func(_ *group, test, word int32, bit uint64) {
		t := &b.allTests[test]
		if len(t.late) > 0 {
			m.late[word] |= bit
		}
		for _, terms := range [...][]int32{t.terms, t.late} {
			for _, term := range terms {
				p := b.postings[term]
				if at := end[p]; at > m.postings[p] && marks[at-1].word == word {
					marks[at-1].bits |= bit
				} else {
					marks[at] = mark{word, bit}
					end[p]++
				}
			}
		}
	})
	for p := range len(m.postings) - 1 {
		from, to := m.postings[p], end[p]
		m.postings[p] = int32(len(m.marks))
		m.marks = append(m.marks, marks[from:to]...)
	}
	m.postings[len(m.postings)-1] = int32(len(m.marks))
	m.marks = slices.Clip(m.marks)
}

// index makes the postings known by what they are about.
func (b *builder) index() {
	m := b.m
	m.indexes = make([]index, len(b.tree.fields))
	for i := range m.indexes {
		m.indexes[i] = noIndex
	}
	for p, id := range b.posted {
		t := b.allTerms[id]
		m.indexes[t.field].add(t, int32(p))
		if t.about == aboutAbsent {
			m.absent = append(m.absent, t.field)
		}
	}
	for _, x := range m.indexes {
		if x.lookup != nil {
			x.lookup.finish()
		}
	}
}

// file puts every group where the fewest events will find it: under the field
// that the fewest rules ask about, of those that have to be there.
func (b *builder) file() {
	m := b.m
	m.filed = make([][]group, len(m.indexes))
	uses := make([]int32, len(m.indexes))
	for _, g := range b.groups {
		for _, f := range g.fields {
			uses[f] += g.rules
		}
	}
	for _, g := range b.groups {
		rarest := none
		for i, f := range g.fields {
			if (rarest == none || uses[f] < uses[rarest]) && !b.mayLack(g, i) {
				rarest = f
			}
		}
		if rarest == none {
			m.always = append(m.always, g)
		} else {
			m.filed[rarest] = append(m.filed[rarest], g)
		}
	}
}

// mayLack tells whether some rule of a group can do without a field.
func (b *builder) mayLack(g group, field int) bool {
	return g.absent && slices.ContainsFunc(b.m.rules[g.rule:g.rule+g.rules], func(tests []int32) bool {
		return b.allTests[tests[field]].list.absent
	})
}

// forget leaves the catalogue's tables as they were.
func (b *builder) forget() {
	for _, term := range b.posted {
		b.postings[term] = none
	}
	for _, tests := range b.m.rules {
		for _, test := range tests {
			b.checks[test] = none
		}
	}
}
