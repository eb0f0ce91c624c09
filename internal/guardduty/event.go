package guardduty

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Event is the finding as EventBridge sends it, for pattern matching: the very
// bytes that were read if they were that already, and otherwise an envelope made
// around the finding. Its id is made of the finding's identity and version, so
// that the same version read twice makes the same event. Names are in the case
// of the wire, and additionalInfo has its members, which the API gives as text.
func (f Finding) Event() []byte {
	if f.envelope.ok() {
		return f.raw
	}
	w := wireWriter{capitals: hasCapitals(f.detail)}
	w.WriteString(`{"version":"0","id":"`)
	w.WriteString(f.eventID())
	w.WriteString(`","detail-type":"` + DetailType + `","source":"` + Source + `","account":`)
	w.quoted(f.account)
	if t := f.Version(); !t.IsZero() {
		w.WriteString(`,"time":"` + t.Format(time.RFC3339) + `"`)
	}
	w.WriteString(`,"region":`)
	w.quoted(f.region)
	w.WriteString(`,"resources":[],"detail":`)
	if info := f.detail.at("service", "additionalInfo"); w.capitals || packed(info) {
		w.value(f.detail, 0)
	} else {
		w.Write(f.detail.raw())
	}
	w.WriteByte('}')
	return w.Bytes()
}

// Version is when this version of the finding was made, updatedAt; zero where it does
// not say.
func (f Finding) Version() time.Time {
	for _, v := range [...]value{
		f.detail.get("updatedAt"), f.detail.get("createdAt"), f.detail.at("service", "eventLastSeen"),
	} {
		if t := v.time(); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// eventID has the form of a UUID, version 8 (RFC 9562: made by a rule of one's
// own).
func (f Finding) eventID() string {
	count, _ := f.detail.at("service", "count").int()
	sum := sha256.Sum256([]byte(string(f.Key()) + "/" +
		strconv.FormatInt(f.Version().UnixMilli(), 10) + "/" + strconv.FormatInt(count, 10)))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// hasCapitals tells the capitalised form by the finding's own members. Deeper
// down the wire form has capitals too (LoginAttributes).
func hasCapitals(v value) bool {
	capitals := false
	v.each(func(m value) bool {
		n := m.name()
		capitals = n != "" && n[0] >= 'A' && n[0] <= 'Z'
		return !capitals
	})
	return capitals
}

// packed tells the API's additionalInfo, which has nothing but text and type.
func packed(info value) bool {
	if info.kind() != object || info.get("value").kind() != text {
		return false
	}
	only := true
	info.each(func(m value) bool {
		only = m.namedEither("value", "type")
		return only
	})
	return only
}

// namedEither reports whether the member has one of two names.
func (v value) namedEither(a, b string) bool {
	n := v.node()
	size := int(n.keyTo - n.keyFrom)
	return (!n.plainKey || size == len(a)) && v.named(a) || (!n.plainKey || size == len(b)) && v.named(b)
}

// unpack reads the text of additionalInfo.value.
func unpack(info value) value {
	v := info.get("value")
	if v.kind() != text {
		return value{}
	}
	n := v.node()
	inner := unescape(v.t.raw[n.from:n.to])
	if len(inner) <= len("{}") || !json.Valid(inner) {
		return value{}
	}
	root, ok := parse(inner)
	if !ok || root.kind() != object {
		return value{}
	}
	return root
}

// wireNames are the names that the wire writes otherwise than with a small first
// letter.
var wireNames = map[string]string{
	"LoginAttributes": "LoginAttributes",
	"SourceIps":       "sourceIPs",
}

// mapDepth says below which names the next names are data, and for how many
// levels: resource types, API names and the like, which keep their case.
var mapDepth = map[string]int{
	"affectedResources": 1,
	"profiles":          2,
	"behavior":          2,
}

// A wireWriter copies a finding in the wire's names.
type wireWriter struct {
	bytes.Buffer
	capitals bool // the names are the CLI's
}

func (w *wireWriter) quoted(s string) {
	b, _ := json.Marshal(s) // a string always marshals
	w.Write(b)
}

// value copies v. The names of the next data levels are data.
func (w *wireWriter) value(v value, data int) {
	switch v.kind() {
	case object:
		w.object(v, data)
	case array:
		w.WriteByte('[')
		comma := false
		v.each(func(e value) bool {
			w.comma(&comma)
			w.value(e, data)
			return true
		})
		w.WriteByte(']')
	default:
		w.Write(v.raw())
	}
}

func (w *wireWriter) object(v value, data int) {
	w.WriteByte('{')
	comma := false
	v.each(func(m value) bool {
		w.comma(&comma)
		n := m.node()
		if data > 0 || !n.plainKey {
			w.WriteByte('"')
			w.Write(v.t.raw[n.keyFrom:n.keyTo])
			w.WriteString(`":`)
			w.value(m, max(data-1, 0))
			return true
		}
		name := w.name(m.name())
		w.WriteString(`"` + name + `":`)
		if name == "additionalInfo" && packed(m) {
			w.unpacked(m)
			return true
		}
		w.value(m, mapDepth[name])
		return true
	})
	w.WriteByte('}')
}

// name is the wire's name. A plain name needs no escaping.
func (w *wireWriter) name(s string) string {
	if !w.capitals || s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	if wire, ok := wireNames[s]; ok {
		return wire
	}
	// IamInstanceProfile within a sequence's ec2Instance is capitalised on the
	// wire too, the same name in instanceDetails is not: patterns look at the latter.
	return string(s[0]|0x20) + s[1:]
}

// unpacked writes additionalInfo as EventBridge has it: the members of the text
// beside the text itself.
func (w *wireWriter) unpacked(info value) {
	w.WriteByte('{')
	comma := false
	unpack(info).each(func(m value) bool {
		if m.namedEither("value", "type") {
			return true
		}
		w.comma(&comma)
		n := m.node()
		w.WriteByte('"')
		w.Write(m.t.raw[n.keyFrom:n.keyTo])
		w.WriteString(`":`)
		w.Write(m.raw())
		return true
	})
	info.each(func(m value) bool {
		w.comma(&comma)
		w.WriteString(`"` + w.name(m.name()) + `":`)
		w.Write(m.raw())
		return true
	})
	w.WriteByte('}')
}

func (w *wireWriter) comma(comma *bool) {
	if *comma {
		w.WriteByte(',')
	}
	*comma = true
}

// unpackText reads an additionalInfo that is itself a text.
func unpackText(info value) value {
	n := info.node()
	inner := unescape(info.t.raw[n.from:n.to])
	if !json.Valid(inner) {
		return value{}
	}
	root, _ := parse(inner)
	return root
}
