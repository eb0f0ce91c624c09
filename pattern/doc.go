// Package pattern decides whether an event matches an Amazon EventBridge event
// pattern.
//
// A pattern is a JSON object shaped like the events it is looking for. Each of
// its leaves is a list of alternatives; a leaf matches when the event holds one
// of them at that path, and the pattern matches when all of its leaves do:
//
//	{
//	  "source": ["aws.guardduty"],
//	  "detail": {
//	    "severity": [{"numeric": [">=", 7]}],
//	    "type": [{"prefix": "UnauthorizedAccess:"}, {"wildcard": "*Exfiltration*"}]
//	  }
//	}
//
// The whole language is understood: exactly, prefix, suffix,
// equals-ignore-case, wildcard, numeric, cidr, exists, every form of
// anything-but, and $or. The source of truth is the AWS page "Amazon
// EventBridge event patterns"; where it is silent, the verdicts are those of
// AWS's own library, event-ruler, for that one pattern alone.
//
// To match one pattern use [Pattern.Match], to match many a [Set]: it reads an
// event once, whatever the number of patterns, and takes a fraction of the time
// that encoding/json takes to validate it, or a small multiple with ten thousand
// of them. Each pattern has the verdict it has alone, whatever else is in the Set.
//
// # What is compared
//
// An event is read as a bag of leaves: strings, numbers, true, false and null,
// each under the dotted path of the keys above it. Arrays do not appear in
// paths, so a list in a pattern matches when any element of the event's array
// does. A key with a dot in it is the same as two keys. Objects, [] and {} are
// not leaves.
//
// Leaves taken from different elements of one array are never combined: a
// pattern that asks for a first name and a last name wants them in the same
// person. Absence ({"exists": false}) is judged in the order of the sorted
// paths, against the elements that the paths before it settled on.
//
// Numbers are equal when they are the same number, however they are spelled: 300
// is 300.0 and 3e2. A number that a float64 cannot hold equals only the same
// spelling of it, and no numeric comparison.
//
// A string in a pattern that spells an IP address matches every spelling of that
// address.
//
// # Where this differs from event-ruler
//
// An IPv4 address never matches an IPv6 range, nor the other way about; an
// IPv4-mapped IPv6 address (::ffff:102:304) is the IPv4 address it maps.
// Ignoring case means Unicode simple folding, as [strings.EqualFold] does it.
// An empty key is a key like any other. Text after the closing brace is refused,
// in patterns and in events. Events are validated to their last byte.
//
// # Hostile input
//
// Patterns and events may come from anybody. Neither makes the package panic, nest
// without end, or take time or memory out of proportion: an event that would, as
// thousands of array elements and as many patterns about them can, is refused with
// an error.
//
// # Stability
//
// The package imports the standard library only, and nothing else of tocsin. What
// is exported keeps its meaning; an incompatible change would be a new major
// version of the module. What may change in a minor version: the wording of errors
// (not their Path and Offset), and the verdict on a pattern where AWS turns out to
// decide otherwise.
package pattern
