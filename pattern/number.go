package pattern

import (
	"bytes"
	"math"
	"strconv"
)

// powersOfTen are those a float64 holds exactly.
var powersOfTen = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// A decimal is a JSON number taken apart: ±mantissa × 10^exponent.
type decimal struct {
	negative bool
	mantissa uint64 // at most 17 digits, neither leading nor trailing zeros
	exponent int
	digits   int // of the mantissa; more than 17 means it did not fit
}

// comparable returns the value of a JSON number, and whether it can be compared:
// whether the number, as written, is the shortest decimal that reads as that
// float64. 0.1 can; 9007199254740993, 1e400 and twenty digits of π cannot.
func comparableNumber(token []byte) (float64, bool) {
	d := parseDecimal(token)
	switch {
	case d.mantissa == 0:
		return 0, true
	case d.digits > 17:
		return 0, false
	case d.digits <= 15 && -22 <= d.exponent && d.exponent <= 22:
		// Both factors are exact, so the one rounding is the right one, and
		// no two decimals of up to 15 digits share a float64.
		return d.small(), true
	}
	f, err := strconv.ParseFloat(string(token), 64)
	if err != nil || f == 0 {
		return 0, false
	}
	var buf [32]byte
	shortest := parseDecimal(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	return f, shortest == d
}

func (d decimal) small() float64 {
	f := float64(d.mantissa)
	if d.exponent < 0 {
		f /= powersOfTen[-d.exponent]
	} else {
		f *= powersOfTen[d.exponent]
	}
	if d.negative {
		return -f
	}
	return f
}

// parseDecimal takes apart a valid JSON number.
func parseDecimal(token []byte) decimal {
	var d decimal
	if token[0] == '-' {
		d.negative = true
		token = token[1:]
	}
	point := false
	zeros := 0 // seen since the last digit that was kept
	for i, c := range token {
		switch c {
		case '.':
			point = true
			continue
		case 'e', 'E':
			d.exponent += parseExponent(token[i+1:]) + zeros
			return d
		}
		if point {
			d.exponent--
		}
		if c == '0' {
			if d.digits > 0 {
				zeros++
			}
			continue
		}
		d.keep(c, zeros)
		zeros = 0
	}
	d.exponent += zeros
	return d
}

// keep appends zeros and then the digit c to the mantissa.
func (d *decimal) keep(c byte, zeros int) {
	d.digits += zeros + 1
	if d.digits > 17 {
		return
	}
	for range zeros {
		d.mantissa *= 10
	}
	d.mantissa = d.mantissa*10 + uint64(c-'0')
}

// parseExponent saturates: what lies beyond is out of float64's range anyway.
func parseExponent(token []byte) int {
	sign := 1
	switch token[0] {
	case '-':
		sign, token = -1, token[1:]
	case '+':
		token = token[1:]
	}
	n := 0
	for _, c := range token {
		n = min(n*10+int(c-'0'), math.MaxInt32)
	}
	return sign * n
}

// An interval is a numeric range of a pattern, its bounds included.
type interval struct {
	low, high float64
}

func (r interval) contains(f float64) bool { return r.low <= f && f <= r.high }

// equalToken tells whether a number that cannot be compared is spelled like one
// in the pattern.
func equalToken(tokens [][]byte, token []byte) bool {
	for _, t := range tokens {
		if bytes.Equal(t, token) {
			return true
		}
	}
	return false
}
