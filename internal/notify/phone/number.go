// Package phone is what text messages and calls have in common: numbers, telling
// several of them one message, plain words, and AWS End User Messaging.
package phone

import (
	"fmt"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// The least and most digits of an international number, its country code among
// them (ITU-T E.164, section 6; the shortest in use have seven).
const (
	digitsLeast = 7
	digitsMost  = 15
)

// Number reads a phone number as people write it and gives it as vendors want it
// (ITU-T E.164): "+49 30 123456", "+49 (0)30/12 34-56" and "tel:+4930123456" are
// "+4930123456". It wants the country code: nobody can tell whose 030 123456 is.
func Number(text string) (string, error) {
	said := notify.Clean(text) // address books hide marks that turn text around
	rest := strings.TrimPrefix(said, "tel:")
	rest = strings.NewReplacer("(0)", "", " ", "", "-", "", ".", "", "/", "", "(", "", ")", "").Replace(rest)
	digits, international := strings.CutPrefix(rest, "+")
	switch {
	case !onlyDigits(digits):
		return "", fmt.Errorf("%q is not a phone number; want one such as +4930123456", shown(said))
	case !international:
		return "", fmt.Errorf("%q has no country code; want it as in +4930123456", shown(said))
	case digits[0] == '0':
		return "", fmt.Errorf("%q: no country code begins with 0; want it as in +4930123456", shown(said))
	case len(digits) < digitsLeast || len(digits) > digitsMost:
		return "", fmt.Errorf("%q has %d digits; a phone number with its country code has %d to %d", shown(said), len(digits), digitsLeast, digitsMost)
	}
	return "+" + digits, nil
}

// Numbers reads a list of them, those of a receiver's settings.
func Numbers(texts []string) ([]string, error) {
	numbers := make([]string, 0, len(texts))
	for _, text := range texts {
		n, err := Number(text)
		if err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func onlyDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

func shown(s string) string { return notify.Truncate(s, 40, notify.Runes) }
