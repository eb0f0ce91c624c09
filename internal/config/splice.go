package config

import (
	"fmt"
	"slices"
	"strings"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Splice puts an entry under one of the top-level keys of a file, in the place of
// the one of that name or at the end, or takes it out where the block is nil. block is YAML,
// "name:" and what stands below it. All other lines stay as they are, comments
// too; only where the file is written in braces is all of it written anew.
func Splice(file string, text []byte, key, name string, block []byte) ([]byte, error) {
	doc, problem := readYAML(file, text)
	if problem != nil {
		return nil, Problems{*problem}
	}
	s := splice{decoder: newDecoder(file, doc, Kinds{}), lines: doc.lines, made: block}
	for len(s.lines) > 0 && strings.TrimSpace(s.lines[len(s.lines)-1]) == "" {
		s.lines = s.lines[:len(s.lines)-1]
	}
	if doc.root == nil {
		s.section(key)
		return s.text(), nil
	}
	top, ok := doc.root.(*ast.MappingNode)
	if !ok || top.IsFlowStyle || slices.ContainsFunc(s.lines, isMarker) {
		return s.anew(doc.root, key, name)
	}
	all := s.entries(doc.root, "")
	i := slices.IndexFunc(all, func(e entry) bool { return e.key == key })
	if i < 0 {
		s.section(key)
		return s.text(), nil
	}
	end := len(s.lines) + 1
	for _, e := range all {
		if e.at.line > all[i].at.line {
			end = min(end, e.at.line)
		}
	}
	node := all[i].node
	if kindOf(node) == "nothing" {
		if block != nil {
			s.lines = slices.Insert(s.lines, all[i].at.line, s.block("  ")...)
		}
		return s.text(), nil
	}
	section, ok := node.(*ast.MappingNode)
	if !ok || section.IsFlowStyle {
		return s.anew(doc.root, key, name)
	}
	return s.within(all[i], s.entries(section, key), name, end)
}

type splice struct {
	*decoder
	lines []string
	made  []byte
}

// isMarker knows a line that begins or ends a document.
func isMarker(line string) bool {
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")
}

func (s *splice) text() []byte {
	if len(s.lines) == 0 {
		return []byte{}
	}
	return []byte(strings.Join(s.lines, "\n") + "\n")
}

// block is the entry, indented.
func (s *splice) block(indent string) []string {
	lines := strings.Split(strings.TrimRight(string(s.made), "\n"), "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = indent + line
		}
	}
	return lines
}

// section adds the top-level key.
func (s *splice) section(key string) {
	if s.made == nil {
		return
	}
	if len(s.lines) > 0 {
		s.lines = append(s.lines, "")
	}
	s.lines = append(append(s.lines, key+":"), s.block("  ")...)
}

// within splices among entries that stand below each other. end is the line after
// the last of them.
func (s *splice) within(section entry, all []entry, name string, end int) ([]byte, error) {
	indent := strings.Repeat(" ", max(1, all[0].at.column-1))
	i := slices.IndexFunc(all, func(e entry) bool { return e.key == name })
	if i >= 0 && all[i].merged {
		return nil, fmt.Errorf("%q stands there by a merge key; change it by hand", name)
	}
	start := s.trimmed(end, len(indent)) // at the end of the section
	if i >= 0 {
		next := end
		for _, e := range all {
			if e.at.line > all[i].at.line {
				next = min(next, e.at.line)
			}
		}
		start = all[i].at.line - 1
		s.lines = slices.Delete(s.lines, start, max(start+1, s.trimmed(next, len(indent))))
		if s.made == nil && len(all) == 1 && start == section.at.line { // nothing is left below the key
			s.lines = slices.Delete(s.lines, start-1, start)
			for start-1 < len(s.lines) && strings.TrimSpace(s.lines[start-1]) == "" {
				s.lines = slices.Delete(s.lines, start-1, start)
			}
		}
	}
	if s.made != nil {
		s.lines = slices.Insert(s.lines, start, s.block(indent)...)
	}
	return s.text(), nil
}

// trimmed is how many lines there are before that one, without blank lines and
// comments that belong to what comes next.
func (s *splice) trimmed(line, indent int) int {
	n := min(line-1, len(s.lines))
	for n > 0 {
		plain := strings.TrimLeft(s.lines[n-1], " ")
		if plain != "" && (plain[0] != '#' || len(s.lines[n-1])-len(plain) > indent) {
			break
		}
		n--
	}
	return n
}

// anew writes the whole file.
func (s *splice) anew(root ast.Node, key, name string) ([]byte, error) {
	tree, ok := s.tree(root, nil, "").(yaml.MapSlice)
	if len(s.problems) > 0 {
		return nil, s.problems
	}
	if !ok {
		return nil, fmt.Errorf("%s: want a mapping", s.file)
	}
	i := slices.IndexFunc(tree, func(item yaml.MapItem) bool { return item.Key == key })
	if i < 0 {
		i, tree = len(tree), append(tree, yaml.MapItem{Key: key, Value: yaml.MapSlice{}})
	}
	section, _ := tree[i].Value.(yaml.MapSlice)
	j := slices.IndexFunc(section, func(item yaml.MapItem) bool { return item.Key == name })
	var made yaml.MapSlice
	if s.made != nil {
		doc, problem := readYAML("entry", s.made)
		if problem != nil {
			return nil, *problem
		}
		made, _ = newDecoder("entry", doc, Kinds{}).tree(doc.root, nil, "").(yaml.MapSlice)
	}
	switch {
	case j >= 0:
		section = slices.Replace(section, j, j+1, made...)
	default:
		section = append(section, made...)
	}
	tree[i].Value = section
	return toYAML(tree), nil
}
