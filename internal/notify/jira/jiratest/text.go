package jiratest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// textMax is the longest text of a field
// (https://confluence.atlassian.com/adminjiraserver/advanced-jira-application-configuration-938847644.html).
const textMax = 32767

func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// text is what a description or comment says without its markup, or what is wrong
// with it.
func (s *Server) text(raw json.RawMessage) (string, error) {
	if s.o.API == 3 {
		return ADF(raw)
	}
	var wiki string
	if err := json.Unmarshal(raw, &wiki); err != nil {
		return "", errors.New("operation value must be a string")
	}
	if utf8.RuneCountInString(wiki) > textMax {
		return "", errors.New("the entered text is too long: it exceeds the allowed limit of 32,767 characters")
	}
	return Wiki(wiki), nil
}

// A node is one of the Atlassian Document Format.
type node struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	Content []node `json:"content"`
	Text    string `json:"text"`
	Marks   []struct {
		Type  string         `json:"type"`
		Attrs map[string]any `json:"attrs"`
	} `json:"marks"`
	Attrs map[string]any `json:"attrs"`
}

// within are the nodes that may stand in each
// (https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/).
var within = map[string][]string{
	"doc":         {"paragraph", "bulletList", "orderedList", "codeBlock", "heading", "rule", "blockquote", "panel"},
	"paragraph":   {"text", "hardBreak", "emoji", "mention"},
	"heading":     {"text", "hardBreak"},
	"bulletList":  {"listItem"},
	"orderedList": {"listItem"},
	"listItem":    {"paragraph", "bulletList", "orderedList", "codeBlock"},
	"codeBlock":   {"text"},
	"blockquote":  {"paragraph"},
	"panel":       {"paragraph", "bulletList", "orderedList", "heading"},
}

var marks = []string{"strong", "em", "code", "link", "strike", "underline"}

// ADF is the text of a document in the Atlassian Document Format, a line for each
// paragraph, or what is wrong with it.
func ADF(raw []byte) (string, error) {
	var doc node
	if err := strict(raw, &doc); err != nil {
		return "", fmt.Errorf("operation value must be an Atlassian Document (see the Atlassian Document Format): %w", err)
	}
	if doc.Type != "doc" || doc.Version != 1 {
		return "", fmt.Errorf("the document is of type %q version %d, want doc 1", doc.Type, doc.Version)
	}
	var b strings.Builder
	if err := doc.write(&b, doc.Type); err != nil {
		return "", fmt.Errorf("INVALID_INPUT: %w", err)
	}
	if utf8.RuneCountInString(b.String()) > textMax {
		return "", errors.New("CONTENT_LIMIT_EXCEEDED: the text is longer than 32,767 characters")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (n node) write(b *strings.Builder, path string) error {
	if n.Type == "text" {
		return n.writeText(b, path)
	}
	if n.Text != "" || len(n.Marks) > 0 {
		return fmt.Errorf("%s: only a text has text and marks", path)
	}
	allowed, known := within[n.Type]
	if !known && n.Type != "hardBreak" && n.Type != "rule" {
		return fmt.Errorf("%s: type %q is unknown here", path, n.Type)
	}
	if len(n.Content) == 0 && (n.Type == "bulletList" || n.Type == "orderedList" || n.Type == "listItem") {
		return fmt.Errorf("%s is empty", path)
	}
	for i, c := range n.Content {
		at := fmt.Sprintf("%s/%s[%d]", path, c.Type, i)
		if !slices.Contains(allowed, c.Type) {
			return fmt.Errorf("%s cannot stand in %s", at, n.Type)
		}
		if n.Type == "codeBlock" && len(c.Marks) > 0 {
			return fmt.Errorf("%s: code has no marks", at)
		}
		if err := c.write(b, at); err != nil {
			return err
		}
	}
	if n.Type == "paragraph" || n.Type == "codeBlock" || n.Type == "heading" {
		b.WriteByte('\n')
	}
	return nil
}

func (n node) writeText(b *strings.Builder, path string) error {
	if n.Text == "" {
		return fmt.Errorf("%s is empty", path)
	}
	var href string
	for _, m := range n.Marks {
		if !slices.Contains(marks, m.Type) {
			return fmt.Errorf("%s: mark %q is unknown here", path, m.Type)
		}
		if m.Type != "link" {
			continue
		}
		href, _ = m.Attrs["href"].(string)
		if u, err := url.Parse(href); err != nil || u.Host == "" {
			return fmt.Errorf("%s: %q is no link", path, href)
		}
	}
	b.WriteString(n.Text)
	if href != "" {
		b.WriteString(" <" + href + ">")
	}
	return nil
}

var (
	wikiLink = regexp.MustCompile(`\[([^|\]\n]+)\|([^\]\n]+)\]`)
	wikiBold = regexp.MustCompile(`(^|\s)\*(\S[^*\n]*)\*`)
)

// Wiki is about what Jira shows of its wiki markup: links, bold and blocks of
// plain text, with references to characters replaced. It knows no other markup.
func Wiki(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "{noformat}") {
		if i%2 == 0 {
			part = wikiLink.ReplaceAllString(part, "$1 <$2>")
			part = wikiBold.ReplaceAllString(part, "$1$2")
			part = html.UnescapeString(strings.ReplaceAll(part, "\n* ", "\n"))
		}
		b.WriteString(part)
	}
	return b.String()
}
