package wording

import "strings"

// maxArgument is the longest value that goes into a command, in bytes.
const maxArgument = 512

// A Command is one command for a shell. What comes from the event is quoted; a value
// that could be taken for something else makes the whole command unfit.
type Command struct {
	text  strings.Builder
	unfit bool
}

// NewCommand begins a command with words of ours: "aws s3api get-bucket-acl".
func NewCommand(words string) *Command {
	c := &Command{}
	c.text.WriteString(words)
	return c
}

// Option adds an option with its value. A value that looks like an option is tied to
// it by "=".
func (c *Command) Option(name, value string) *Command {
	c.text.WriteByte(' ')
	c.text.WriteString(name)
	if strings.HasPrefix(value, "-") {
		c.text.WriteByte('=')
	} else {
		c.text.WriteByte(' ')
	}
	// The AWS CLI would read a file or a page for a value with file:// or http://
	// before it.
	if value == "" || len(value) > maxArgument || strings.Contains(value, "://") || strings.Contains(value, "…") {
		c.unfit = true
	}
	c.text.WriteString(Quote(value))
	return c
}

// Words adds words of ours, which need no quotes.
func (c *Command) Words(words string) *Command {
	c.text.WriteByte(' ')
	c.text.WriteString(words)
	return c
}

// In adds the region, if it is one.
func (c *Command) In(region string) *Command {
	if !IsRegion(region) {
		return c
	}
	return c.Words("--region " + region)
}

// String is the command, or "" where it could not be made.
func (c *Command) String() string {
	if c.unfit {
		return ""
	}
	return c.text.String()
}

// Quote makes one word of s for a POSIX shell, whatever is in it.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// LookupEvents asks CloudTrail what else was done; attribute is "AccessKeyId",
// "Username" or "ResourceName". It is "" for a value that the short form of the
// option would take apart.
func LookupEvents(attribute, value, region string) string {
	if value == "" || !isPlainWord(value) {
		return ""
	}
	return NewCommand("aws cloudtrail lookup-events").
		Option("--lookup-attributes", "AttributeKey="+attribute+",AttributeValue="+value).Words("--max-results 50").In(region).String()
}

func isPlainWord(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("+.@_-/", c) < 0 {
			return false
		}
	}
	return true
}
