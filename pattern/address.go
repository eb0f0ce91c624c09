package pattern

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
)

// An address is an IP address as one 128-bit number. Families stay apart: the
// number of an IPv4 address is compared only with those of IPv4 addresses.
type address struct {
	v4     bool
	hi, lo uint64
}

// parseAddress reads an IP literal. Octets are decimal whatever zeros lead them;
// names, zones, dotted tails of IPv6 and short forms of IPv4 are not addresses.
func parseAddress(s []byte) (address, bool) {
	if len(s) < 2 {
		return address{}, false
	}
	for i, c := range s {
		switch {
		case c == '.':
			return parseIPv4(s)
		case c == ':':
			return parseIPv6(s)
		case hexDigit(c) < 0 || i == 15:
			return address{}, false
		}
	}
	return address{}, false
}

func parseIPv4(s []byte) (address, bool) {
	// Longer spellings than 255.255.255.255 are refused even if zeros make
	// them so, as the Java library behind event-ruler does.
	if len(s) > len("255.255.255.255") {
		return address{}, false
	}
	var ip, octet uint64
	dots, digits := 0, 0
	for _, c := range s {
		switch {
		case c == '.' && digits > 0 && dots < 3:
			ip, octet = ip<<8|octet, 0
			dots, digits = dots+1, 0
		case '0' <= c && c <= '9':
			octet = octet*10 + uint64(c-'0')
			digits++
			if octet > 255 {
				return address{}, false
			}
		default:
			return address{}, false
		}
	}
	return address{v4: true, lo: ip<<8 | octet}, dots == 3 && digits > 0
}

func parseIPv6(s []byte) (address, bool) {
	var groups [8]uint16
	n, gap := 0, -1 // groups read; how many of them stand before the "::"
	i := 0
	if s[0] == ':' {
		if s[1] != ':' {
			return address{}, false
		}
		gap, i = 0, 2
	}
	for i < len(s) {
		start, group := i, 0
		for ; i < len(s) && s[i] != ':'; i++ {
			h := hexDigit(s[i])
			if group = group<<4 | h; h < 0 || group > 0xffff {
				return address{}, false
			}
		}
		if i == start || n == len(groups) {
			return address{}, false
		}
		groups[n] = uint16(group)
		n++
		if i == len(s) {
			break
		}
		i++ // past the colon
		switch {
		case i == len(s):
			return address{}, false
		case s[i] == ':':
			if gap >= 0 {
				return address{}, false
			}
			gap = n
			i++
		}
	}
	if !expand(&groups, n, gap) {
		return address{}, false
	}
	return fromGroups(groups), true
}

// expand moves the groups after the "::" to the end.
func expand(groups *[8]uint16, n, gap int) bool {
	if gap < 0 {
		return n == len(groups)
	}
	if n == len(groups) {
		return false
	}
	tail := n - gap
	copy(groups[len(groups)-tail:], groups[gap:n])
	clear(groups[gap : len(groups)-tail])
	return true
}

func fromGroups(groups [8]uint16) address {
	var b [16]byte
	for i, g := range groups {
		binary.BigEndian.PutUint16(b[2*i:], g)
	}
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if hi == 0 && lo>>32 == 0xffff {
		return address{v4: true, lo: lo & 0xffffffff}
	}
	return address{hi: hi, lo: lo}
}

// A prefixRange is the addresses that share their first bits: those of base
// under the mask.
type prefixRange struct {
	base address
	mask address
}

func single(a address) prefixRange {
	return prefixRange{base: a, mask: address{hi: ^uint64(0), lo: ^uint64(0)}}
}

func (r prefixRange) contains(a address) bool {
	return a.v4 == r.base.v4 && (a.hi^r.base.hi)&r.mask.hi == 0 && (a.lo^r.base.lo)&r.mask.lo == 0
}

// parseCIDR reads "addr/bits". It returns a reason when it cannot.
func parseCIDR(s string) (prefixRange, string) {
	literal, size, ok := strings.Cut(s, "/")
	if !ok || size == "" || strings.Contains(size, "/") {
		return prefixRange{}, "Malformed CIDR, one '/' required"
	}
	bits, err := strconv.Atoi(size)
	if err != nil {
		return prefixRange{}, "Malformed CIDR, mask bits must be an integer"
	}
	if bits < 0 {
		return prefixRange{}, "Malformed CIDR, mask bits must not be negative"
	}
	a, ok := parseAddress([]byte(literal))
	switch {
	case !ok && looksLikeAddress(literal):
		return prefixRange{}, "Invalid IP address: " + literal
	case !ok:
		return prefixRange{}, "Nonstandard IP address: " + literal
	case a.v4 && bits > 31:
		return prefixRange{}, "IPv4 mask bits must be < 32"
	case bits > 127:
		return prefixRange{}, "IPv6 mask bits must be < 128"
	}
	if a.v4 {
		bits += 96
	}
	return prefixRange{base: a, mask: maskOf(bits)}, ""
}

func maskOf(bits int) address {
	if bits <= 64 {
		return address{hi: ^uint64(0) << (64 - bits)}
	}
	return address{hi: ^uint64(0), lo: ^uint64(0) << (128 - bits)}
}

// looksLikeAddress tells a wrong address from something that never was one.
func looksLikeAddress(s string) bool {
	if strings.Contains(s, ":") {
		return strings.Trim(s, "0123456789abcdefABCDEF:") == ""
	}
	octets := strings.Split(s, ".")
	for _, o := range octets {
		if o == "" || strings.Trim(o, "0123456789") != "" {
			return false
		}
	}
	return len(octets) == 4
}

// bits returns how many first bits the addresses share.
func (r prefixRange) bits() int {
	return bits.OnesCount64(r.mask.hi) + bits.OnesCount64(r.mask.lo)
}

// appendBits appends the first n bits of the 128, a byte each, and before them
// one that tells the families apart.
func (a address) appendBits(dst []byte, n int) []byte {
	if a.v4 {
		dst = append(dst, '4')
		for i := 31; i >= 128-n; i-- {
			dst = append(dst, '0'+byte(a.lo>>i&1))
		}
		return dst
	}
	dst = append(dst, '6')
	for i := range n {
		word := a.hi
		if i >= 64 {
			word = a.lo
		}
		dst = append(dst, '0'+byte(word>>(63-i%64)&1))
	}
	return dst
}
