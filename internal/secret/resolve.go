package secret

import (
	"fmt"
	"os"
	"strings"
)

// Resolve replaces the references in s by what they name. It is an error if a
// variable is not set or a file cannot be read; the error names the reference,
// never a secret.
func (s *String) Resolve() error {
	if s.p == nil {
		return nil
	}
	text, err := Expand(*s.p)
	if err != nil {
		return err
	}
	*s = New(text)
	return nil
}

// IsReference reports whether the text names a secret rather than holding one.
func IsReference(text string) bool { return strings.Contains(text, "${") }

// Expand replaces ${env:NAME} and ${file:/path} in text, and $$ by a dollar
// sign. A file's trailing line break is not part of the secret.
func Expand(text string) (string, error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i+1 == len(text) {
			out.WriteString(text)
			return out.String(), nil
		}
		out.WriteString(text[:i])
		rest := text[i+1:]
		switch rest[0] {
		case '$':
			out.WriteByte('$')
			text = rest[1:]
		case '{':
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return "", fmt.Errorf("%q has no closing brace", text[i:])
			}
			value, err := lookUp(rest[1:end])
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			text = rest[end+1:]
		default:
			out.WriteByte('$')
			text = rest
		}
	}
}

func lookUp(reference string) (string, error) {
	scheme, name, ok := strings.Cut(reference, ":")
	if !ok {
		return "", fmt.Errorf("${%s}: want ${env:NAME} or ${file:/path}", reference)
	}
	switch scheme {
	case "env":
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("${%s}: the environment variable %s is not set", reference, name)
		}
		return value, nil
	case "file":
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("${%s}: %w", reference, err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	return "", fmt.Errorf("${%s}: unknown kind of reference %q; want env or file", reference, scheme)
}
