package pattern

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The tests of this file are the language by example, chapter by chapter.

// An example is a verdict: a pattern, an event, and whether they match.
type example struct {
	name, pattern, event string
	want                 bool
}

// checkExamples judges each example three times: by its pattern alone, by a Set
// of all patterns of the chapter, and by the reference.
func checkExamples(t *testing.T, examples []example) {
	t.Helper()
	set := NewSet[int]()
	patterns := make([]*Pattern, len(examples))
	for i, x := range examples {
		patterns[i] = parse(t, x.pattern)
		set.Add(i, patterns[i])
	}
	names := map[string]bool{}
	for i, x := range examples {
		if names[x.name] {
			t.Errorf("two examples are called %q", x.name)
		}
		names[x.name] = true
		t.Run(x.name, func(t *testing.T) {
			got, err := patterns[i].Match([]byte(x.event))
			if err != nil || got != x.want {
				t.Errorf("match(%s, %s) = %v, %v, want %v", x.pattern, x.event, got, err, x.want)
			}
			keys, err := set.Match([]byte(x.event), nil)
			if together := slices.Contains(keys, i); err != nil || together != x.want {
				t.Errorf("match(%s, %s) = %v, %v with others in the Set, want %v", x.pattern, x.event, together, err, x.want)
			}
			if !utf8.ValidString(x.event) {
				return // the reference would mend it
			}
			if got := plainMatch(x.pattern, x.event); got != x.want {
				t.Errorf("match(%s, %s) = %v by the reference, want %v", x.pattern, x.event, got, x.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	checkExamples(t, []example{
		{"the value", `{"source":["aws.guardduty"]}`, `{"source":"aws.guardduty"}`, true},
		{"another value", `{"source":["aws.guardduty"]}`, `{"source":"aws.signin"}`, false},
		{"any of several", `{"source":["a","b"]}`, `{"source":"b"}`, true},
		{"none of several", `{"source":["a","b"]}`, `{"source":"c"}`, false},
		{"one value given twice", `{"a":["x","x",{"prefix":"x"}]}`, `{"a":"x"}`, true},
		{"any of several operators", `{"a":[{"prefix":"x"},{"suffix":"y"}]}`, `{"a":"zy"}`, true},
		{"values of several kinds, a number", `{"a":["q",{"numeric":[">",5]},null,{"exists":false}]}`, `{"a":9}`, true},
		{"values of several kinds, null", `{"a":["q",{"numeric":[">",5]},null,{"exists":false}]}`, `{"a":null}`, true},
		{"values of several kinds, none", `{"a":["q",{"numeric":[">",5]},null,{"exists":false}]}`, `{"a":4}`, false},
		{"all fields", `{"a":["x"],"b":["y"]}`, `{"b":"y","a":"x"}`, true},
		{"not all fields", `{"a":["x"],"b":["y"]}`, `{"a":"x"}`, false},
		{"a field that is not asked for", `{"a":["x"]}`, `{"a":"x","b":"y"}`, true},
		{"upper case is another string", `{"a":["X"]}`, `{"a":"x"}`, false},
		{"upper case is another key", `{"A":["x"]}`, `{"a":"x"}`, false},
		{"a part of the string is not the string", `{"a":["aws"]}`, `{"a":"aws.s3"}`, false},
		{"true", `{"a":[true]}`, `{"a":true}`, true},
		{"false is not null", `{"a":[false]}`, `{"a":null}`, false},
		{"a word is not a literal", `{"a":["true"]}`, `{"a":true}`, false},
		{"nor a literal a word", `{"a":[true]}`, `{"a":"true"}`, false},
		{"null is a value", `{"a":[null]}`, `{"a":null}`, true},
		{"null is not absence", `{"a":[null]}`, `{}`, false},
		{"null is not the word", `{"a":[null]}`, `{"a":"null"}`, false},
		{"null is not the empty string", `{"a":[null]}`, `{"a":""}`, false},
		{"nor the empty string null", `{"a":[""]}`, `{"a":null}`, false},

		{"one element of the event's array", `{"a":["x","y"]}`, `{"a":["z","y"]}`, true},
		{"no element of the event's array", `{"a":["x","y"]}`, `{"a":["z","q"]}`, false},
		{"an element of an array in an array", `{"a":["y"]}`, `{"a":["x",["z",["y"]]]}`, true},
		{"a field of an object in an array", `{"a":{"b":["y"]}}`, `{"a":[{"b":"x"},{"b":"y"}]}`, true},
		{"a field of an object in arrays of arrays", `{"a":{"b":["y"]}}`, `{"a":[[{"b":"x"}],[[{"b":"y"}]]]}`, true},
		{"an object is not its only field", `{"a":["x"]}`, `{"a":{"b":"x"}}`, false},
		{"nor the field what is below it", `{"a":{"b":["x"]}}`, `{"a":{"b":{"c":"x"}}}`, false},
	})
}

func TestStrings(t *testing.T) {
	checkExamples(t, []example{
		{"prefix", `{"a":[{"prefix":"eu-"}]}`, `{"a":"eu-west-1"}`, true},
		{"prefix in upper case", `{"a":[{"prefix":"EU-"}]}`, `{"a":"eu-west-1"}`, false},
		{"the whole is a prefix", `{"a":[{"prefix":"eu-west-1"}]}`, `{"a":"eu-west-1"}`, true},
		{"longer than the whole is not", `{"a":[{"prefix":"eu-west-12"}]}`, `{"a":"eu-west-1"}`, false},
		{"a prefix of some element", `{"a":[{"prefix":"ab"}]}`, `{"a":["zzz","abq"]}`, true},
		{"suffix", `{"a":[{"suffix":".png"}]}`, `{"a":"a.png"}`, true},
		{"suffix in the middle", `{"a":[{"suffix":".png"}]}`, `{"a":"a.png.gz"}`, false},
		{"longer than the whole is no suffix", `{"a":[{"suffix":"a.png"}]}`, `{"a":".png"}`, false},
		{"a quote is a prefix", `{"a":[{"prefix":"\""}]}`, `{"a":"\"x"}`, true},
		{"a quote is a suffix", `{"a":[{"suffix":"\""}]}`, `{"a":"x\""}`, true},
		{"exactly", `{"a":[{"exactly":"x"}]}`, `{"a":"x"}`, true},
		{"exactly in upper case", `{"a":[{"exactly":"X"}]}`, `{"a":"x"}`, false},

		{"the empty prefix, any string", `{"a":[{"prefix":""}]}`, `{"a":"x"}`, true},
		{"the empty prefix, the empty string", `{"a":[{"prefix":""}]}`, `{"a":""}`, true},
		{"the empty prefix, a number", `{"a":[{"prefix":""}]}`, `{"a":5}`, false},
		{"the empty suffix, any string", `{"a":[{"suffix":""}]}`, `{"a":"x"}`, true},
		{"the empty suffix, null", `{"a":[{"suffix":""}]}`, `{"a":null}`, false},
		{"the empty prefix without case", `{"a":[{"prefix":{"equals-ignore-case":""}}]}`, `{"a":"x"}`, true},
		{"the empty suffix without case, true", `{"a":[{"suffix":{"equals-ignore-case":""}}]}`, `{"a":true}`, false},
		{"exactly nothing", `{"a":[{"exactly":""}]}`, `{"a":""}`, true},
		{"nothing without case is nothing", `{"a":[{"equals-ignore-case":""}]}`, `{"a":"x"}`, false},

		{"a star, slashes and all", `{"a":[{"wildcard":"dir/*.png"}]}`, `{"a":"dir/sub/x.png"}`, true},
		{"a star for a line feed", `{"a":[{"wildcard":"a*b"}]}`, `{"a":"a\nb"}`, true},
		{"a star for nothing", `{"a":[{"wildcard":"a*b*c"}]}`, `{"a":"abc"}`, true},
		{"stars in order", `{"a":[{"wildcard":"a*b*c"}]}`, `{"a":"acb"}`, false},
		{"stars do not overlap", `{"a":[{"wildcard":"ab*ba"}]}`, `{"a":"aba"}`, false},
		{"as many as asked for", `{"a":[{"wildcard":"*a*a*a"}]}`, `{"a":"aaa"}`, true},
		{"not as many as asked for", `{"a":[{"wildcard":"*a*a*a"}]}`, `{"a":"aa"}`, false},
		{"the later of two places", `{"a":[{"wildcard":"*aba"}]}`, `{"a":"ababa"}`, true},
		{"the earlier part does not take what the end needs", `{"a":[{"wildcard":"aXbX*X"}]}`, `{"a":"aXbXX"}`, true},
		{"something after the end", `{"a":[{"wildcard":"*.jpg"}]}`, `{"a":"a.jpgx"}`, false},
		{"something before the beginning", `{"a":[{"wildcard":"a*"}]}`, `{"a":"ba"}`, false},
		{"a star alone, the empty string", `{"a":[{"wildcard":"*"}]}`, `{"a":""}`, true},
		{"a star alone, null", `{"a":[{"wildcard":"*"}]}`, `{"a":null}`, false},
		{"a star alone, an array without elements", `{"a":[{"wildcard":"*"}]}`, `{"a":[]}`, false},
		{"no star", `{"a":[{"wildcard":"ab"}]}`, `{"a":"abc"}`, false},
		{"no character, the empty string", `{"a":[{"wildcard":""}]}`, `{"a":""}`, true},
		{"no character, another string", `{"a":[{"wildcard":""}]}`, `{"a":"x"}`, false},
		{"a star before digits, a number", `{"a":[{"wildcard":"1*"}]}`, `{"a":12}`, false},
		{"a question mark is a question mark", `{"a":[{"wildcard":"a?b"}]}`, `{"a":"a?b"}`, true},
		{"and not any character", `{"a":[{"wildcard":"a?b"}]}`, `{"a":"axb"}`, false},
		{"a dot is a dot", `{"a":[{"wildcard":"a.b"}]}`, `{"a":"axb"}`, false},
		{"brackets are brackets", `{"a":[{"wildcard":"[ab]"}]}`, `{"a":"[ab]"}`, true},
	})
}

func TestNumbers(t *testing.T) {
	checkExamples(t, []example{
		{"another spelling", `{"a":[300]}`, `{"a":300.0}`, true},
		{"an exponent", `{"a":[300]}`, `{"a":3.0e2}`, true},
		{"a negative exponent", `{"a":[5]}`, `{"a":500e-2}`, true},
		{"an exponent in the pattern", `{"a":[5E+0]}`, `{"a":5}`, true},
		{"zeros at the end", `{"a":[0.1]}`, `{"a":0.1000}`, true},
		{"a number nearby", `{"a":[5]}`, `{"a":5.0000001}`, false},
		{"the nearest number", `{"a":[0.3]}`, `{"a":0.30000000000000004}`, false},
		{"a sign matters", `{"a":[5]}`, `{"a":-5}`, false},
		{"zero has no sign", `{"a":[0]}`, `{"a":-0}`, true},
		{"nor in the pattern", `{"a":[-0.0]}`, `{"a":0}`, true},
		{"severities as the console lists them", `{"detail":{"severity":[4,4.0,4.1,4.2,8.9]}}`, `{"detail":{"severity":4.10}}`, true},
		{"a severity between those listed", `{"detail":{"severity":[4,4.0,4.1,4.2,8.9]}}`, `{"detail":{"severity":4.15}}`, false},
		{"digits in a string", `{"a":[5]}`, `{"a":"5"}`, false},
		{"a string of digits", `{"a":["5"]}`, `{"a":5}`, false},
		{"one is not true", `{"a":[1]}`, `{"a":true}`, false},
		{"zero is not null", `{"a":[0]}`, `{"a":null}`, false},
		{"a large number written out", `{"a":[1e30]}`, `{"a":1000000000000000000000000000000}`, true},
		{"no power of ten is exact from here on", `{"a":[1e23]}`, `{"a":100000000000000000000000}`, true},
		{"the largest whole number that floats can tell", `{"a":[9007199254740992]}`, `{"a":9007199254740992.0}`, true},

		// A number that a float64 cannot hold is known by its spelling alone.
		{"too many digits, same spelling", `{"a":[9007199254740993]}`, `{"a":9007199254740993}`, true},
		{"too many digits, another spelling", `{"a":[9007199254740993]}`, `{"a":9007199254740993.0}`, false},
		{"too many digits, the float64 beside it", `{"a":[9007199254740993]}`, `{"a":9007199254740992}`, false},
		{"too many digits in the event alone", `{"a":[0.1]}`, `{"a":0.1000000000000000055511151231257827}`, false},
		{"too large, same spelling", `{"a":[1e400]}`, `{"a":1e400}`, true},
		{"too large, another spelling", `{"a":[1e400]}`, `{"a":1E400}`, false},
		{"too large to be greater", `{"a":[{"numeric":[">",0]}]}`, `{"a":1e400}`, false},
		{"too small is not zero", `{"a":[{"numeric":["=",0]}]}`, `{"a":1e-400}`, false},
		{"too many digits to be greater", `{"a":[{"numeric":[">",3]}]}`, `{"a":3.14159265358979323846}`, false},
		{"too many digits to be less", `{"a":[{"numeric":["<",4]}]}`, `{"a":3.14159265358979323846}`, false},
		{"but anything but five", `{"a":[{"anything-but":5}]}`, `{"a":3.14159265358979323846}`, true},
		{"and there", `{"a":[{"exists":true}]}`, `{"a":1e400}`, true},

		{"equal", `{"a":[{"numeric":["=",5]}]}`, `{"a":5.0}`, true},
		{"equal to zero", `{"a":[{"numeric":["=",0]}]}`, `{"a":-0.0}`, true},
		{"less", `{"a":[{"numeric":["<",5]}]}`, `{"a":4.9}`, true},
		{"less is not equal", `{"a":[{"numeric":["<",5]}]}`, `{"a":5}`, false},
		{"zero is not less than zero", `{"a":[{"numeric":["<",0]}]}`, `{"a":-0.0}`, false},
		{"less or equal", `{"a":[{"numeric":["<=",5]}]}`, `{"a":5}`, true},
		{"greater", `{"a":[{"numeric":[">",5]}]}`, `{"a":5.000000000000001}`, true},
		{"greater is not equal", `{"a":[{"numeric":[">",5]}]}`, `{"a":5}`, false},
		{"greater or equal", `{"a":[{"numeric":[">=",5]}]}`, `{"a":5}`, true},
		{"below zero", `{"a":[{"numeric":[">=",5]}]}`, `{"a":-5}`, false},
		{"the upper end of a range", `{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, true},
		{"the open lower end of a range", `{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":0}`, false},
		{"the lower end of a range", `{"a":[{"numeric":[">=",0,"<",5]}]}`, `{"a":0}`, true},
		{"the open upper end of a range", `{"a":[{"numeric":[">=",0,"<",5]}]}`, `{"a":5}`, false},
		{"a wide range", `{"a":[{"numeric":[">=",-1.5e2,"<",1e300]}]}`, `{"a":-150}`, true},
		{"either of two ranges", `{"a":[{"numeric":["<",0]},{"numeric":[">",9]}]}`, `{"a":10}`, true},
		{"between two ranges", `{"a":[{"numeric":["<",0]},{"numeric":[">",9]}]}`, `{"a":5}`, false},
		{"one element within the range", `{"a":[{"numeric":[">",1,"<",3]}]}`, `{"a":[0,2,9]}`, true},
		{"one element above, another below", `{"a":[{"numeric":[">",1,"<",3]}]}`, `{"a":[9,0]}`, false},
		{"digits in a string are not within", `{"a":[{"numeric":["<=",5]}]}`, `{"a":"5"}`, false},
		{"nor is null", `{"a":[{"numeric":["<=",5]}]}`, `{"a":null}`, false},
		{"nor is true", `{"a":[{"numeric":["<=",5]}]}`, `{"a":true}`, false},
		{"nor is what is below the field", `{"a":[{"numeric":["<=",5]}]}`, `{"a":{"b":5}}`, false},
	})
}

func TestUnicodeAndFolding(t *testing.T) {
	checkExamples(t, []example{
		{"the replacement character itself", "{\"a\":[\"\uFFFD\"]}", "{\"a\":\"\uFFFD\"}", true},
		{"upper and lower case", `{"a":[{"equals-ignore-case":"AbC-1_x"}]}`, `{"a":"aBc-1_X"}`, true},
		{"one letter more", `{"a":[{"equals-ignore-case":"abc"}]}`, `{"a":"abcd"}`, false},
		{"one letter less", `{"a":[{"equals-ignore-case":"abc"}]}`, `{"a":"ab"}`, false},
		{"only letters have case", `{"a":[{"equals-ignore-case":"a@[\\]"}]}`, `{"a":"A` + "`" + `{|}"}`, false},
		{"digits of a number", `{"a":[{"equals-ignore-case":"5"}]}`, `{"a":5}`, false},
		{"letters with marks", `{"a":[{"equals-ignore-case":"É"}]}`, `{"a":"é"}`, true},
		{"a letter whose other case is longer", `{"a":[{"equals-ignore-case":"xȺy"}]}`, `{"a":"XⱥY"}`, true},

		// One fold for all: Unicode's simple folding, from one letter to one.
		{"the Kelvin sign is a k", `{"a":[{"equals-ignore-case":"ok"}]}`, "{\"a\":\"O\u212a\"}", true},
		{"and a k the Kelvin sign", "{\"a\":[{\"equals-ignore-case\":\"O\u212a\"}]}", `{"a":"ok"}`, true},
		{"Kelvin but for the case", `{"a":["K"]}`, "{\"a\":\"\u212a\"}", false},
		{"the long s is an s", `{"a":[{"equals-ignore-case":"ſet"}]}`, `{"a":"SET"}`, true},
		{"the sign of the ångström is å", "{\"a\":[{\"equals-ignore-case\":\"\u212b\"}]}", `{"a":"å"}`, true},
		{"σ is Σ", `{"a":[{"equals-ignore-case":"σ"}]}`, `{"a":"Σ"}`, true},
		{"ς is Σ", `{"a":[{"equals-ignore-case":"ς"}]}`, `{"a":"Σ"}`, true},
		{"Σ is ς", `{"a":[{"equals-ignore-case":"Σ"}]}`, `{"a":"ς"}`, true},
		{"σ is ς", `{"a":[{"equals-ignore-case":"σ"}]}`, `{"a":"ς"}`, true},
		{"ß is not SS", `{"a":[{"equals-ignore-case":"straße"}]}`, `{"a":"STRASSE"}`, false},
		{"SS is not ß", `{"a":[{"equals-ignore-case":"STRASSE"}]}`, `{"a":"straße"}`, false},
		{"ß is ẞ", `{"a":[{"equals-ignore-case":"straße"}]}`, `{"a":"STRAẞE"}`, true},
		{"the dotless ı is no I", `{"a":[{"equals-ignore-case":"I"}]}`, `{"a":"ı"}`, false},
		{"the dotted İ is no i", `{"a":[{"equals-ignore-case":"İ"}]}`, `{"a":"i"}`, false},
		{"letters beyond the basic plane", `{"a":[{"equals-ignore-case":"𐐀"}]}`, `{"a":"𐐨"}`, true},

		{"a prefix without case", `{"a":[{"prefix":{"equals-ignore-case":"EU-"}}]}`, `{"a":"eu-west-1"}`, true},
		{"a prefix without case that is too long", `{"a":[{"prefix":{"equals-ignore-case":"EU-WEST-12"}}]}`, `{"a":"eu-west-1"}`, false},
		{"a prefix without case is not anywhere", `{"a":[{"prefix":{"equals-ignore-case":"WEST"}}]}`, `{"a":"eu-west-1"}`, false},
		{"a prefix with the Kelvin sign", "{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"\u212a\"}}]}", `{"a":"key"}`, true},
		{"a prefix that is longer in the event", `{"a":[{"prefix":{"equals-ignore-case":"Ⱥb"}}]}`, `{"a":"ⱥBc"}`, true},
		{"a prefix that is shorter in the event", `{"a":[{"prefix":{"equals-ignore-case":"ⱥb"}}]}`, `{"a":"ȺBc"}`, true},
		{"a prefix of Greek", `{"a":[{"prefix":{"equals-ignore-case":"ΟΣ"}}]}`, `{"a":"οςα"}`, true},
		{"a prefix with ß", `{"a":[{"prefix":{"equals-ignore-case":"ß"}}]}`, `{"a":"ssx"}`, false},
		{"a suffix without case", `{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}`, `{"a":"a.png"}`, true},
		{"a suffix without case that is too long", `{"a":[{"suffix":{"equals-ignore-case":"A.PNG"}}]}`, `{"a":".png"}`, false},
		{"a suffix with the Kelvin sign", `{"a":[{"suffix":{"equals-ignore-case":"ok"}}]}`, "{\"a\":\"xo\u212a\"}", true},
		{"a suffix that is longer in the event", `{"a":[{"suffix":{"equals-ignore-case":"bȺ"}}]}`, `{"a":"xBⱥ"}`, true},
		{"a suffix that is shorter in the event", `{"a":[{"suffix":{"equals-ignore-case":"bⱥ"}}]}`, `{"a":"xBȺ"}`, true},
		{"a suffix of Greek", `{"a":[{"suffix":{"equals-ignore-case":"ΟΣ"}}]}`, `{"a":"λόγος"}`, true},
		{"a prefix of Deseret", `{"a":[{"prefix":{"equals-ignore-case":"𐐨𐐨"}}]}`, `{"a":"𐐀𐐨x"}`, true},

		// No normalisation: what looks alike is not alike.
		{"composed is not decomposed", `{"a":["é"]}`, "{\"a\":\"e\u0301\"}", false},
		{"not even without case", `{"a":[{"equals-ignore-case":"é"}]}`, "{\"a\":\"e\u0301\"}", false},
		{"a prefix may end before a mark", `{"a":[{"prefix":"e"}]}`, "{\"a\":\"e\u0301\"}", true},
		{"the ångström is not the letter", "{\"a\":[\"\u212b\"]}", "{\"a\":\"\u00c5\"}", false},
		{"a soft hyphen is a character", `{"a":["ab"]}`, "{\"a\":\"a\u00adb\"}", false},
		{"a Cyrillic а is no a", `{"a":[{"equals-ignore-case":"а"}]}`, `{"a":"a"}`, false},
		{"composed and decomposed keys", `{"é":["x"]}`, "{\"e\u0301\":\"x\"}", false},

		{"a prefix does not split a letter", `{"a":[{"prefix":"雨"}]}`, `{"a":"雪"}`, false},
		{"nor does a suffix", `{"a":[{"suffix":"é"}]}`, `{"a":"Ã©"}`, false},
		{"a suffix of several bytes", `{"a":[{"suffix":"é雨"}]}`, `{"a":"xé雨"}`, true},
		{"a suffix beyond the basic plane", `{"a":[{"suffix":"😀"}]}`, `{"a":"hi😀"}`, true},
		{"stars around letters of several bytes", `{"a":[{"wildcard":"*雨*"}]}`, `{"a":"大雨x"}`, true},

		// Bytes that are not UTF-8 are bytes.
		{"what precedes a broken byte", `{"a":[{"prefix":"ab"}]}`, "{\"a\":\"ab\xffc\"}", true},
		{"what follows a broken byte", `{"a":[{"suffix":"c"}]}`, "{\"a\":\"ab\xffc\"}", true},
		{"a star for a broken byte", `{"a":[{"wildcard":"ab*c"}]}`, "{\"a\":\"ab\xffc\"}", true},
		{"a broken byte is not nothing", `{"a":["abc"]}`, "{\"a\":\"ab\xffc\"}", false},
		{"a broken byte is not the empty string", `{"a":[{"equals-ignore-case":""}]}`, "{\"a\":\"\xff\"}", false},
		{"half a letter is not the letter", `{"a":["é"]}`, "{\"a\":\"\xc3\"}", false},
		{"half a letter, then another letter", `{"a":[{"prefix":{"equals-ignore-case":"É"}}]}`, "{\"a\":\"\xc3x\"}", false},
		{"a string with a broken byte is there", `{"a":[{"exists":true}]}`, "{\"a\":\"\xff\"}", true},
		{"and anything but another", `{"a":[{"anything-but":"x"}]}`, "{\"a\":\"\xff\"}", true},
		{"a broken byte in a key is another key", `{"ab":[{"exists":true}]}`, "{\"a\xffb\":\"x\"}", false},
	})
}

func TestEscapes(t *testing.T) {
	examples := []example{
		{"in the event", `{"a":["é/"]}`, `{"a":"\u00e9\/"}`, true},
		{"in the pattern", `{"a":["\u00e9\/"]}`, `{"a":"é/"}`, true},
		{"upper and lower case digits", `{"a":["\u00E9"]}`, `{"a":"\u00e9"}`, true},
		{"a pair of surrogates in the event", `{"a":["😀"]}`, `{"a":"\ud83d\ude00"}`, true},
		{"a pair of surrogates in the pattern", `{"a":["\uD83D\uDE00"]}`, `{"a":"😀"}`, true},
		{"a pair of surrogates in a key", `{"😀":["x"]}`, `{"\ud83d\ude00":"x"}`, true},
		{"a pair of surrogates without case", `{"a":[{"equals-ignore-case":"\ud801\udc00"}]}`, `{"a":"𐐨"}`, true},
		{"half a pair is half a pair", `{"a":["\ud83d"]}`, `{"a":"\ud83d"}`, true},
		{"half a pair is not the whole", `{"a":["😀"]}`, `{"a":"\ud83d"}`, false},
		{"half a pair before a letter", `{"a":[{"suffix":"x"}]}`, `{"a":"\ud83dx"}`, true},
		{"half a pair before an escape", `{"a":[{"suffix":"\n"}]}`, `{"a":"\ud83d\n"}`, true},
		{"half a pair before a whole one", `{"a":[{"suffix":"😀"}]}`, `{"a":"\ud83d\ud83d\ude00"}`, true},
		{"an escaped backslash escapes nothing", `{"a":["A"]}`, `{"a":"\\u0041"}`, false},
		{"backslash, u, digits", `{"a":["\\u0041"]}`, `{"a":"\u005cu0041"}`, true},
		{"a backslash at the end", `{"a":["x\\"]}`, `{"a":"x\u005C"}`, true},
		{"a NUL", `{"a":["\u0000"]}`, `{"a":"\u0000"}`, true},
		{"a NUL is not nothing", `{"a":[""]}`, `{"a":"\u0000"}`, false},
		{"in part of a key", `{"detail":{"eventName":["x"]}}`, `{"detail":{"event\u004eame":"x"}}`, true},
		{"an escaped dot in a key is a dot", `{"a":{"b":["x"]}}`, `{"a\u002eb":"x"}`, true},
		{"in the name of an operator", `{"a":[{"\u0070refix":"x"}]}`, `{"a":"xy"}`, true},
		{"in $or", `{"\u0024or":[{"a":["1"]},{"b":["2"]}]}`, `{"b":"2"}`, true},
		{"in an address", `{"a":[{"cidr":"10\u002e0.0.0/8"}]}`, `{"a":"\u00310.1.2.3"}`, true},
		{
			"long strings with one escape", `{"a":["` + strings.Repeat("0123456789", 10) + `é"]}`,
			`{"a":"` + strings.Repeat("0123456789", 10) + `\u00e9"}`, true,
		},
		{"two escaped strings of one event", `{"a":["x\ty"],"b":["y\tx"]}`, `{"a":"x\u0009y","b":"y\u0009x"}`, true},
		{"escaped strings of one array", `{"a":["\u0062"]}`, `{"a":["\u0061","\u0062","\u0063"]}`, true},

		// In wildcards a backslash escapes a star or a backslash, and JSON wants
		// each backslash twice.
		{"an escaped star", `{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"a*b"}`, true},
		{"an escaped star is no wildcard", `{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"aXb"}`, false},
		{"an escaped backslash", `{"a":[{"wildcard":"a\\\\b"}]}`, `{"a":"a\\b"}`, true},
		{"one backslash, not two", `{"a":[{"wildcard":"a\\\\b"}]}`, `{"a":"a\\\\b"}`, false},
		{"an escaped backslash, then a star", `{"a":[{"wildcard":"a\\\\*"}]}`, `{"a":"a\\xyz"}`, true},
		{"an escaped backslash, then an escaped star", `{"a":[{"wildcard":"a\\\\\\*"}]}`, `{"a":"a\\*"}`, true},
		{"the same without the star", `{"a":[{"wildcard":"a\\\\\\*"}]}`, `{"a":"a\\x"}`, false},
		{"an escaped star between stars", `{"a":[{"wildcard":"*\\**"}]}`, `{"a":"x*y"}`, true},
		{"no star between stars", `{"a":[{"wildcard":"*\\**"}]}`, `{"a":"xy"}`, false},
		{"an escaped star, then a star", `{"a":[{"wildcard":"\\**"}]}`, `{"a":"*anything"}`, true},
		{"a star that JSON escapes is a star", `{"a":[{"wildcard":"a\u002ab"}]}`, `{"a":"aXb"}`, true},
		{"a backslash that JSON escapes is a backslash", `{"a":[{"wildcard":"a\u005c*b"}]}`, `{"a":"aXb"}`, false},
		{"a star in an event is a character", `{"a":["ab"]}`, `{"a":"a*"}`, false},
		{"anything but an escaped star", `{"a":[{"anything-but":{"wildcard":"a\\*b"}}]}`, `{"a":"aXb"}`, true},
		{"a prefix knows no escapes of its own", `{"a":[{"prefix":"a\\*"}]}`, `{"a":"a*b"}`, false},
	}
	for _, escape := range []struct{ name, short, long string }{
		{"quote", `\"`, `\u0022`},
		{"backslash", `\\`, `\u005c`},
		{"slash", `\/`, `\u002f`},
		{"backspace", `\b`, `\u0008`},
		{"form feed", `\f`, `\u000c`},
		{"line feed", `\n`, `\u000a`},
		{"carriage return", `\r`, `\u000d`},
		{"tab", `\t`, `\u0009`},
	} {
		here := func(text string) string {
			return strings.NewReplacer("SHORT", escape.short, "LONG", escape.long).Replace(text)
		}
		examples = append(
			examples,
			example{escape.name, here(`{"a":["xLONGy"]}`), here(`{"a":"xSHORTy"}`), true},
			example{escape.name + " in the pattern", here(`{"a":["xSHORTy"]}`), here(`{"a":"xLONGy"}`), true},
			example{escape.name + " in a key", here(`{"SHORT":{"xLONG":["y"]}}`), here(`{"LONG":{"xSHORT":"y"}}`), true},
			example{escape.name + " for a prefix", here(`{"a":[{"prefix":"LONG"}]}`), here(`{"a":"SHORTx"}`), true},
			example{escape.name + " without case", here(`{"a":[{"suffix":{"equals-ignore-case":"LONGX"}}]}`), here(`{"a":"SHORTx"}`), true},
		)
		if letter := escape.short[1:]; letter >= "a" {
			examples = append(examples, example{escape.name + " is not its letter", `{"a":["` + letter + `"]}`, here(`{"a":"SHORT"}`), false})
		}
	}
	checkExamples(t, examples)
}

func TestDuplicateKeys(t *testing.T) {
	checkExamples(t, []example{
		{"the first list of the pattern", `{"a":["x"],"a":["y"]}`, `{"a":"x"}`, false},
		{"the last list of the pattern counts", `{"a":["x"],"a":["y"]}`, `{"a":"y"}`, true},
		{"spelled in two ways", `{"a":["x"],"\u0061":["y"]}`, `{"a":"x"}`, false},
		{"once with a dot, the first", `{"a":{"b":["1"]},"a.b":["2"]}`, `{"a":{"b":"1"}}`, false},
		{"once with a dot, the last", `{"a":{"b":["1"]},"a.b":["2"]}`, `{"a":{"b":"2"}}`, true},
		{"objects are put together", `{"a":{"b":["1"]},"a":{"c":["2"]}}`, `{"a":{"b":"1","c":"2"}}`, true},
		{"objects are put together, and one field is missing", `{"a":{"b":["1"]},"a":{"c":["2"]}}`, `{"a":{"c":"2"}}`, false},
		{"lists in objects that are put together", `{"a":{"b":["1"]},"a":{"b":["2"],"c":["3"]}}`, `{"a":{"b":"1","c":"3"}}`, false},
		{"a list and an object want both", `{"a":["x"],"a":{"b":["y"]}}`, `{"a":{"b":"y"}}`, false},
		{"a list and an object get both", `{"a":["x"],"a":{"b":["y"]}}`, `{"a":"x","a":{"b":"y"}}`, true},
		{"within a branch", `{"$or":[{"a":["1"],"a":["2"]},{"b":["3"]}]}`, `{"a":"1"}`, false},
		{"three times", `{"a":["1"],"a":["2"],"a":["1"]}`, `{"a":"1"}`, true},
		{"AWS's own example", `{"location":[{"prefix":"EU-"}],"location":[{"anything-but":["EU-x"]}]}`, `{"location":"US-1"}`, true},

		{"the first value of the event", `{"a":["x"]}`, `{"a":"x","a":"y"}`, true},
		{"the last value of the event", `{"a":["y"]}`, `{"a":"x","a":"y"}`, true},
		{"far apart", `{"a":["x"]}`, `{"a":"x","b":[1,{"a":"z"}],"c":{},"a":"y"}`, true},
		{"in an object of the event", `{"a":{"b":["1"]}}`, `{"a":{"b":"1","b":"2"}}`, true},
		{"objects of the event are put together", `{"a":{"b":["1"],"c":["2"]}}`, `{"a":{"b":"1"},"a":{"c":"2"}}`, true},
		{"so are arrays: they are two", `{"a":{"b":["1"],"c":["2"]}}`, `{"a":[{"b":"1"},{}],"a":[{},{"c":"2"}]}`, true},
		{"the first element of the second array", `{"a":{"b":["1"],"c":["2"]}}`, `{"a":[{"b":"1"},{"c":"2"}],"a":[{"c":"2"}]}`, true},
		{"but not the elements of either", `{"a":{"b":["1"],"c":["2"]}}`, `{"a":[{"b":"1"},{"c":"2"}],"a":[]}`, false},
		{"anything but the one", `{"a":[{"anything-but":"x"}]}`, `{"a":"x","a":"y"}`, true},
		{"anything but both", `{"a":[{"anything-but":["x","y"]}]}`, `{"a":"x","a":"y"}`, false},
		{"one value is enough not to be absent", `{"a":[{"exists":false}]}`, `{"a":[],"a":"y"}`, false},
		{"one with a dot, one without", `{"a":{"b":["1"],"c":["2"]}}`, `{"a.b":"1","a":{"c":"2"}}`, true},
	})
}

func TestArrayConsistency(t *testing.T) {
	const (
		people = `{"people":[{"first":"Anna","last":"Smith"},{"first":"Peter","last":"Jones"}]}`
		tags   = `{"detail":{"resource":{"instanceDetails":{"tags":[{"key":"Name","value":"prod"},{"key":"env","value":"dev"}]}}}}`
		hub    = `{"source":"aws.securityhub","detail":{"findings":[` +
			`{"Severity":{"Label":"LOW"},"Workflow":{"Status":"NEW"},"Resources":[{"Type":"AwsS3Bucket","Region":"eu-west-1"},{"Type":"AwsIamRole","Region":"us-east-1"}]},` +
			`{"Severity":{"Label":"CRITICAL"},"Workflow":{"Status":"RESOLVED"},"Resources":[{"Type":"AwsEc2Instance","Region":"eu-west-1"}]}]}}`
		xyz = `{"a":{"x":["1"],"y":["2"],"z":["3"]}}`
	)
	checkExamples(t, []example{
		{"names of one person", `{"people":{"first":["Anna"],"last":["Smith"]}}`, people, true},
		{"names of two people", `{"people":{"first":["Anna"],"last":["Jones"]}}`, people, false},
		{"one name", `{"people":{"first":["Peter"]}}`, people, true},
		{"a tag", `{"detail":{"resource":{"instanceDetails":{"tags":{"key":["env"],"value":["dev"]}}}}}`, tags, true},
		{"the key of one tag and the value of another", `{"detail":{"resource":{"instanceDetails":{"tags":{"key":["env"],"value":["prod"]}}}}}`, tags, false},
		{"a new finding that is low", `{"source":["aws.securityhub"],"detail":{"findings":{"Severity":{"Label":["LOW"]},"Workflow":{"Status":["NEW"]}}}}`, hub, true},
		{"no new finding is critical", `{"source":["aws.securityhub"],"detail":{"findings":{"Severity":{"Label":["CRITICAL"]},"Workflow":{"Status":["NEW"]}}}}`, hub, false},
		{"a resource of the finding", `{"detail":{"findings":{"Severity":{"Label":["CRITICAL"]},"Resources":{"Type":["AwsEc2Instance"],"Region":["eu-west-1"]}}}}`, hub, true},
		{"a resource of the other finding", `{"detail":{"findings":{"Severity":{"Label":["CRITICAL"]},"Resources":{"Type":["AwsS3Bucket"]}}}}`, hub, false},
		{"two resources of one finding", `{"detail":{"findings":{"Severity":{"Label":["LOW"]},"Resources":{"Type":["AwsS3Bucket"],"Region":["us-east-1"]}}}}`, hub, false},

		{"a field outside the array goes with all", `{"p":["q"],"a":{"x":["1"]}}`, `{"p":"q","a":[{"x":"0"},{"x":"1"}]}`, true},
		{"nor does it bring elements together", `{"p":["q"],"a":{"x":["1"],"y":["2"]}}`, `{"p":"q","a":[{"x":"1"},{"y":"2"}]}`, false},
		{"an object, no array", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":{"x":"1","y":"2"}}`, true},
		{"the second of two that fit in part", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[{"x":"1","y":"0"},{"x":"1","y":"2"}]}`, true},
		{"the first of two that fit in part", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[{"x":"1","y":"2"},{"x":"0","y":"2"}]}`, true},
		{"one array, objects deep in its elements", `{"a":{"b":{"x":["1"]},"c":{"y":["2"]}}}`, `{"a":[{"b":{"x":"1"}},{"c":{"y":"2"}}]}`, false},

		{"three fields of one element", xyz, `{"a":[{"x":"1","y":"2"},{"x":"1","y":"2","z":"3"}]}`, true},
		{"three fields, two by two", xyz, `{"a":[{"x":"1","y":"2"},{"y":"2","z":"3"},{"x":"1","z":"3"}]}`, false},
		{"three fields, one of them outside", `{"a":{"x":["1"],"y":["2"]},"z":["3"]}`, `{"a":[{"x":"1"},{"x":"1","y":"2"}],"z":["0","3"]}`, true},
		{"three fields of two arrays", `{"a":{"x":["1"],"y":["2"]},"b":{"z":["3"]}}`, `{"a":[{},{"x":"1","y":"2"}],"b":[{"z":"3"}]}`, true},
		{"three fields of two arrays, one pair apart", `{"a":{"x":["1"],"y":["2"]},"b":{"z":["3"]}}`, `{"a":[{"x":"1"},{"y":"2"}],"b":[{"z":"3"}]}`, false},

		{"elements of two arrays", `{"a":{"x":["1"]},"b":{"y":["2"]}}`, `{"a":[{"x":"0"},{"x":"1"}],"b":[{"y":"2"},{"y":"3"}]}`, true},
		{"two arrays in one element", `{"a":{"b":{"x":["1"]},"c":{"y":["2"]}}}`, `{"a":[{"b":[{"x":"0"},{"x":"1"}],"c":[{"y":"2"}]}]}`, true},
		{"two arrays in two elements", `{"a":{"b":{"x":["1"]},"c":{"y":["2"]}}}`, `{"a":[{"b":[{"x":"1"}]},{"c":[{"y":"2"}]}]}`, false},
		{"an array in an array, two of its elements", `{"a":{"b":{"x":["1"],"y":["2"]}}}`, `{"a":[{"b":[{"x":"1"},{"y":"2"}]}]}`, false},
		{"an array in an array, one of its elements", `{"a":{"b":{"x":["1"],"y":["2"]}}}`, `{"a":[{"b":[{"x":"1"},{"x":"1","y":"2"}]}]}`, true},
		{"first elements of arrays in two elements", `{"a":{"b":{"x":["1"],"y":["2"]}}}`, `{"a":[{"b":[{"x":"1"}]},{"b":[{"y":"2"}]}]}`, false},
		{"an inner element with its outer one", `{"a":{"b":{"x":["1"]},"c":["q"]}}`, `{"a":[{"b":[{"x":"0"},{"x":"1"}],"c":"q"}]}`, true},
		{"an inner element with another outer one", `{"a":{"b":{"x":["1"]},"c":["q"]}}`, `{"a":[{"b":[{"x":"1"}],"c":"z"},{"b":[{"x":"2"}],"c":"q"}]}`, false},
		{"an outer element with the only inner one", `{"a":{"b":{"x":["1"]},"c":["q"]}}`, `{"a":[{"b":[{"x":"1"}],"c":"z"},{"b":[{"x":"1"}],"c":"q"}]}`, true},
		{"arrays of arrays, two elements of one", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[[{"x":"1"},{"y":"2"}]]}`, false},
		{"arrays of arrays, elements of two", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[[{"x":"1","y":"3"}],[{"x":"0","y":"2"}]]}`, false},
		{"arrays of arrays, one element", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[[{"x":"0"}],[{"x":"1","y":"2"}]]}`, true},
		{"three arrays deep", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[[[{"x":"1"}],[{"y":"2"}]],[[{"x":"1","y":"2"}]]]}`, true},

		{"strings of one array", `{"a":["x"],"b":["y"]}`, `{"a":["w","x"],"b":["y","z"]}`, true},
		{"strings in one element", `{"a":{"t":["x"],"u":["y"]}}`, `{"a":[{"t":["w","x"],"u":["z","y"]}]}`, true},
		{"strings in two elements", `{"a":{"t":["x"],"u":["y"]}}`, `{"a":[{"t":["x"]},{"u":["y"]}]}`, false},
		{"strings between objects", `{"a":{"b":["1"]}}`, `{"a":[{"b":"0"},"b",{"b":["1"]}]}`, true},
		{"a string goes with the object beside it", `{"a":["x"],"a":{"b":["1"]}}`, `{"a":["x",{"b":"1"}]}`, true},
		{"a string in an array does not", `{"a":["x"],"a":{"b":["1"]}}`, `{"a":[["x"],{"b":"1"}]}`, false},
		{"nor objects with a string between them", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[{"x":"1"},"s",{"y":"2"}]}`, false},
		{"a number of one element, a string of another", `{"a":{"n":[{"numeric":[">",5]}],"s":["x"]}}`, `{"a":[{"n":9,"s":"y"},{"n":1,"s":"x"}]}`, false},
		{"an empty element is one too", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[{},{"x":"1"},[],{"y":"2"}]}`, false},

		{"anything but, of one element", `{"a":{"b":[{"anything-but":"1"}],"c":["q"]}}`, `{"a":[{"b":"1","c":"q"},{"b":"2","c":"q"}]}`, true},
		{"anything but, of another element", `{"a":{"b":[{"anything-but":"1"}],"c":["q"]}}`, `{"a":[{"b":"1","c":"q"},{"b":"2","c":"r"}]}`, false},
		{"both there, but not together", `{"a":{"b":[{"exists":true}],"c":[{"exists":true}]}}`, `{"a":[{"b":1},{"c":1}]}`, false},
		{"dotted keys are in elements too", `{"a.x":["1"],"a.y":["2"]}`, `{"a":[{"x":"1"},{"y":"2"}]}`, false},
		{"a value in another element, and one in none", `{"a":{"x":["1"],"y":["2"]}}`, `{"a":[{"y":"2"},{"x":"1"}],"a.y":"2"}`, true},
		{"keys with dots in the event", `{"a":{"b":{"x":["1"],"y":["2"]}}}`, `{"a.b":[{"x":"1"},{"y":"2"}]}`, false},

		{"a branch in the element of what is outside", `{"a":{"$or":[{"b":["1"]},{"c":["2"]}],"d":["3"]}}`, `{"a":[{"b":"1","d":"9"},{"c":"2","d":"3"}]}`, true},
		{"a branch in another element", `{"a":{"$or":[{"b":["1"]},{"c":["2"]}],"d":["3"]}}`, `{"a":[{"b":"1","d":"9"},{"c":"9","d":"3"}]}`, false},
		{"two branches in two elements", `{"a":{"$or":[{"b":["1"]},{"c":["2"]}]}}`, `{"a":[{"b":"0"},{"c":"2"}]}`, true},
		{"fields of one branch", `{"$or":[{"a":{"b":["1"],"c":["2"]}},{"d":["3"]}]}`, `{"a":[{"b":"1"},{"c":"2"}],"d":"0"}`, false},
		{"two $or, each in an element of its own", `{"a":{"$or":[{"x":["1"]},{"x":["2"]}]},"a":{"$or":[{"y":["1"]},{"y":["2"]}]}}`, `{"a":[{"x":"1"},{"y":"2"}]}`, false},
	})
}

func TestExistsOnMissingParents(t *testing.T) {
	checkExamples(t, []example{
		{"there", `{"a":[{"exists":true}]}`, `{"a":1}`, true},
		{"not there", `{"a":[{"exists":true}]}`, `{"b":1}`, false},
		{"absent", `{"a":[{"exists":false}]}`, `{"b":1}`, true},
		{"not absent", `{"a":[{"exists":false}]}`, `{"a":1}`, false},
		{"absent from the empty event", `{"a":[{"exists":false}]}`, `{}`, true},
		{"null is there", `{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{"the empty string is there", `{"a":[{"exists":true}]}`, `{"a":""}`, true},
		{"false is there", `{"a":[{"exists":true}]}`, `{"a":false}`, true},
		{"a null in an array is there", `{"a":[{"exists":true}]}`, `{"a":[null]}`, true},
		{"a value in arrays of arrays is there", `{"a":[{"exists":true}]}`, `{"a":[[],[1]]}`, true},
		{"an object is not there", `{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},
		{"an object is absent", `{"a":[{"exists":false}]}`, `{"a":{"b":1}}`, true},
		{"the empty object is absent", `{"a":[{"exists":false}]}`, `{"a":{}}`, true},
		{"the empty array is absent", `{"a":[{"exists":false}]}`, `{"a":[]}`, true},
		{"arrays of nothing are absent", `{"a":[{"exists":false}]}`, `{"a":[[],{},[[]]]}`, true},
		{"an array of objects is absent", `{"a":[{"exists":false}]}`, `{"a":[{"b":1}]}`, true},
		{"a string among objects is there", `{"a":[{"exists":false}]}`, `{"a":[{"b":1},"x"]}`, false},

		{"the parent is missing", `{"a":{"b":[{"exists":false}]}}`, `{}`, true},
		{"the grandparent is missing", `{"a":{"b":{"c":[{"exists":false}]}}}`, `{"b":1}`, true},
		{"the parent is a string", `{"a":{"b":[{"exists":false}]}}`, `{"a":"b"}`, true},
		{"the parent is null", `{"a":{"b":[{"exists":false}]}}`, `{"a":null}`, true},
		{"the parent is empty", `{"a":{"b":[{"exists":false}]}}`, `{"a":{}}`, true},
		{"the parent is an empty array", `{"a":{"b":[{"exists":false}]}}`, `{"a":[]}`, true},
		{"the field is a parent", `{"a":{"b":[{"exists":false}]}}`, `{"a":{"b":{"c":1}}}`, true},
		{"the field has another parent", `{"a":{"b":[{"exists":false}]}}`, `{"c":{"b":1},"b":1}`, true},
		{"the parent is missing, so nothing is there", `{"a":{"b":[{"exists":true}]}}`, `{"a":"b"}`, false},
		{"no error code", `{"detail":{"errorCode":[{"exists":false}],"eventName":["ConsoleLogin"]}}`, `{"detail":{"eventName":"ConsoleLogin","errorMessage":"x"}}`, true},

		{"absent and another field", `{"a":[{"exists":false}],"b":["x"]}`, `{"b":"x"}`, true},
		{"two are absent", `{"a":[{"exists":false}],"c":[{"exists":false}]}`, `{"b":1}`, true},
		{"one of two is absent", `{"a":[{"exists":false}],"c":[{"exists":false}]}`, `{"c":1}`, false},
		{"there or absent", `{"a":[{"exists":true},{"exists":false}]}`, `{"b":1}`, true},
		{"a value or absent, the value", `{"a":["x",{"exists":false}]}`, `{"a":"x"}`, true},
		{"a value or absent, absent", `{"a":["x",{"exists":false}]}`, `{}`, true},
		{"a value or absent, neither", `{"a":["x",{"exists":false}]}`, `{"a":"y"}`, false},
		{"a branch of absence", `{"$or":[{"a":[{"exists":false}]},{"b":["2"]}]}`, `{"c":"1"}`, true},
		{"a branch of absence that fails", `{"$or":[{"a":[{"exists":false}]},{"b":["2"]}]}`, `{"a":"1"}`, false},
	})
}

// Absence is judged in the order of the sorted paths, against the array
// elements that the fields before it have settled on.
func TestAbsenceInArrays(t *testing.T) {
	checkExamples(t, []example{
		{"absent from every element", `{"a":{"d":[{"exists":false}]}}`, `{"a":[{"c":1},{"e":"y"}]}`, true},
		{"present in one element", `{"a":{"d":[{"exists":false}]}}`, `{"a":[{"d":1},{"c":"y"}]}`, false},
		{"absent from the element settled on", `{"a":{"c":["x"],"d":[{"exists":false}]}}`, `{"a":[{"d":1,"c":"y"},{"c":"x"}]}`, true},
		{"present in the element settled on", `{"a":{"c":["x"],"d":[{"exists":false}]}}`, `{"a":[{"d":1,"c":"x"},{"c":"y"}]}`, false},
		{"absent from the second that could be settled on", `{"a":{"c":["x"],"d":[{"exists":false}]}}`, `{"a":[{"d":1,"c":"x"},{"c":"x"}]}`, true},
		{"the order in the pattern does not matter", `{"a":{"d":[{"exists":false}],"c":["x"]}}`, `{"a":[{"d":1,"c":"y"},{"c":"x"}]}`, true},
		{"judged before what sorts after", `{"a":{"b":[{"exists":false}],"c":["x"]}}`, `{"a":[{"b":1,"c":"y"},{"c":"x"}]}`, false},
		{"there in one, absent in another", `{"detail":{"a":[{"exists":true}],"b":[{"exists":false}]}}`, `{"detail":[{"a":1},{"b":2}]}`, true},
		{"absent first", `{"detail":{"b":[{"exists":true}],"a":[{"exists":false}]}}`, `{"detail":[{"a":1},{"b":2}]}`, false},
		{"capitals sort first", `{"p":{"B":["x"],"a":[{"exists":false}]}}`, `{"p":[{"B":"x"},{"a":1}]}`, true},
		{"whole paths are sorted", `{"p":{"b":{"z":[{"exists":false}]},"c":["x"]}}`, `{"p":[{"c":"x"},{"b":{"z":1}}]}`, false},
		{"settled on in another array", `{"p":{"c":["x"]},"q":{"d":[{"exists":false}]}}`, `{"p":[{"c":"x"}],"q":[{"c":"x"},{"d":1}]}`, false},
		{"settled on in an outer array", `{"a":{"b":["x"],"c":{"d":[{"exists":false}]}}}`, `{"a":[{"b":"x","c":[{"e":1}]},{"b":"y","c":[{"d":1}]}]}`, true},
		{"present within the outer element", `{"a":{"b":["x"],"c":{"d":[{"exists":false}]}}}`, `{"a":[{"b":"x","c":[{"e":1},{"d":1}]}]}`, false},
		{"outside arrays it is everywhere", `{"a":{"c":["x"]},"d":[{"exists":false}]}`, `{"a":[{"c":"x"}],"d":1}`, false},
		{"absence itself settles on nothing", `{"a":{"b":[{"exists":false}],"c":["x"],"d":["y"]}}`, `{"a":[{"c":"x"},{"d":"y"}]}`, false},
		{"absence, then the rest of one element", `{"a":{"b":[{"exists":false}],"c":["x"],"d":["y"]}}`, `{"a":[{"c":"x"},{"c":"x","d":"y"}]}`, true},
		{"a value or absent, the value elsewhere", `{"a":{"c":["x"],"d":["1",{"exists":false}]}}`, `{"a":[{"c":"x"},{"d":"2"}]}`, true},
		{"a value or absent, another value here", `{"a":{"c":["x"],"d":["1",{"exists":false}]}}`, `{"a":[{"c":"x","d":"2"},{"d":"1"}]}`, false},
	})
}

func TestAnythingButOnMissingFields(t *testing.T) {
	forms := []struct {
		name, argument string
		x, y, five     bool // whether "x", "y" and 5 match
	}{
		{"a string", `"x"`, false, true, true},
		{"strings", `["x","z"]`, false, true, true},
		{"the empty string", `""`, true, true, true},
		{"a number", `5`, true, true, false},
		{"numbers", `[1,5.0,7]`, true, true, false},
		{"a prefix", `{"prefix":"x"}`, false, true, true},
		{"prefixes", `{"prefix":["z","x"]}`, false, true, true},
		{"a suffix", `{"suffix":"x"}`, false, true, true},
		{"suffixes", `{"suffix":["z","x"]}`, false, true, true},
		{"without case", `{"equals-ignore-case":"X"}`, false, true, true},
		{"several without case", `{"equals-ignore-case":["Z","X"]}`, false, true, true},
		{"a wildcard", `{"wildcard":"*x*"}`, false, true, true},
		{"wildcards", `{"wildcard":["z*","*x"]}`, false, true, true},
		{"the wildcard for every string", `{"wildcard":"*"}`, false, false, true},
	}
	var examples []example
	for _, f := range forms {
		at := func(name, event string, want bool) {
			examples = append(examples, example{f.name + ", " + name, `{"a":[{"anything-but":` + f.argument + `}]}`, event, want})
		}
		below := func(name, event string, want bool) {
			examples = append(examples, example{f.name + ", " + name, `{"p":{"a":[{"anything-but":` + f.argument + `}]}}`, event, want})
		}
		at("the field is missing", `{"b":"y"}`, false)
		at("the event is empty", `{}`, false)
		at("an empty array", `{"a":[]}`, false)
		at("an array of empty arrays", `{"a":[[],[[]]]}`, false)
		at("an empty object", `{"a":{}}`, false)
		at("an object", `{"a":{"b":"y"}}`, false)
		at("an array of objects", `{"a":[{"b":"y"},{}]}`, false)
		below("the parent is missing", `{"b":1}`, false)
		below("the parent is a string", `{"p":"y"}`, false)
		below("the parent is null", `{"p":null}`, false)
		below("some element has it", `{"p":[{},{"a":null}]}`, true)
		at("x", `{"a":"x"}`, f.x)
		at("y", `{"a":"y"}`, f.y)
		at("5", `{"a":5}`, f.five)
		at("another spelling of 5", `{"a":0.5e1}`, f.five)
		at("a string with a 5", `{"a":"5"}`, f.y)
		at("null", `{"a":null}`, true)
		at("true", `{"a":true}`, true)
		at("false", `{"a":false}`, true)
		at("an array of x", `{"a":["x","x"]}`, f.x)
		at("an array of x and y", `{"a":["x","y"]}`, f.x || f.y)
		at("an array of x and 5", `{"a":["x",5]}`, f.x || f.five)
		at("an array of x and null", `{"a":["x",null]}`, true)
		at("an array of x and an object", `{"a":["x",{"b":"y"}]}`, f.x)
		at("an array in an array", `{"a":["x",["x",true]]}`, true)
	}
	checkExamples(t, append(
		examples,
		example{"or absent", `{"a":[{"anything-but":"x"},{"exists":false}]}`, `{"b":"y"}`, true},
		example{"or the value itself", `{"a":["x",{"anything-but":["x","y"]}]}`, `{"a":"x"}`, true},
		example{"two of them let everything through", `{"a":[{"anything-but":"x"},{"anything-but":"y"}]}`, `{"a":"x"}`, true},
		example{"both elements are excluded", `{"a":[{"anything-but":["x","y"]}]}`, `{"a":["x","y"]}`, false},
		example{"a shorter string than the prefix", `{"a":[{"anything-but":{"prefix":"abc"}}]}`, `{"a":"ab"}`, true},
		example{"a dotted path", `{"p.a":[{"anything-but":"x"}]}`, `{"p":{"b":1}}`, false},
		example{"a number that floats cannot tell", `{"a":[{"anything-but":[9007199254740992]}]}`, `{"a":9007199254740993}`, true},
	))
}

func TestOrNesting(t *testing.T) {
	const (
		overridden = `{"a":["1"],"$or":[{"a":["2"]},{"b":["3"]}]}`
		overriding = `{"$or":[{"a":["2"]},{"b":["3"]}],"a":["1"]}`
		between    = `{"a":["1"],"$or":[{"a":["2"]},{"b":["3"]}],"b":["4"]}`
		nested     = `{"d":{"$or":[{"a":["1"]},{"b":["2"],"$or":[{"c":["3"]},{"e":["4"]}]}]}}`
		deep       = `{"a":["1"],"$or":[{"b":["2"],"$or":[{"a":["3"]},{"c":["4"]}]},{"d":["5"]}]}`
		several    = `{"$or":[{"a":["1"]},{"b":["2"]}],"d":{"$or":[{"x":["1"]},{"y":["2"]}]}}`
		twice      = `{"$or":[{"a":["1"]},{"b":["2"]}],"$or":[{"a":["3"]},{"c":["4"]}]}`
		under      = `{"d":{"a":["1"]},"$or":[{"d":{"a":["2"]}},{"b":["3"]}]}`
		dotted     = `{"d.a":["1"],"$or":[{"d":{"a":["2"]}},{"b":["3"]}]}`
	)
	checkExamples(t, []example{
		{"one branch", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"q","b":"2"}`, true},
		{"the other branch", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"q","a":"1","b":"0"}`, true},
		{"no branch", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"q","a":"2","b":"1"}`, false},
		{"a branch, but not what is outside", `{"s":["q"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"s":"z","a":"1"}`, false},
		{"what is outside may follow", `{"$or":[{"a":["1"]},{"b":["2"]}],"s":["q"]}`, `{"s":"z","a":"1"}`, false},
		{"all fields of a branch", `{"$or":[{"a":["1"],"b":["2"]},{"c":["3"]}]}`, `{"a":"1","b":"2"}`, true},
		{"one field of each of two branches", `{"$or":[{"a":["1"],"b":["2"]},{"a":["3"],"b":["4"]}]}`, `{"a":"1","b":"4"}`, false},
		{"branches about one field", `{"$or":[{"a":["1"]},{"a":[{"prefix":"2"}]},{"a":[{"numeric":["=",3]}]}]}`, `{"a":3}`, true},
		{"$or in the event is a key like any other", `{"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"$or":[{"a":"1"}]}`, false},

		{"overridden by a branch", overridden, `{"a":"2"}`, true},
		{"overridden by the other branch only", overridden, `{"a":"1"}`, false},
		{"not overridden by the branch that matches", overridden, `{"a":"1","b":"3"}`, true},
		{"not overridden, so it must match", overridden, `{"a":"0","b":"3"}`, false},
		{"overriding a branch", overriding, `{"a":"2"}`, false},
		{"overriding it, this is all that is left of it", overriding, `{"a":"1"}`, true},
		{"overridden and overriding, the first branch", between, `{"a":"2","b":"4"}`, true},
		{"overridden and overriding, the second branch", between, `{"a":"1","b":"3"}`, false},
		{"overridden and overriding, what is left of the second", between, `{"a":"1","b":"4"}`, true},

		{"the inner branch", nested, `{"d":{"b":"2","e":"4"}}`, true},
		{"not the inner branch", nested, `{"d":{"b":"2"}}`, false},
		{"the inner branch without what is around it", nested, `{"d":{"e":"4"}}`, false},
		{"the outer branch", nested, `{"d":{"a":"1"}}`, true},
		{"not under the key", nested, `{"a":"1"}`, false},
		{"overridden two levels down", deep, `{"a":"3","b":"2"}`, true},
		{"overridden there, and what is around is missing", deep, `{"a":"3"}`, false},
		{"not overridden beside it", deep, `{"a":"1","b":"2","c":"4"}`, true},
		{"not overridden beside it, so it must match", deep, `{"a":"3","d":"5"}`, false},
		{"not overridden above it", deep, `{"a":"1","d":"5"}`, true},

		{"one branch of each", several, `{"b":"2","d":{"x":"1"}}`, true},
		{"other branches of each", several, `{"a":"1","d":{"y":"2"}}`, true},
		{"a branch of one only", several, `{"b":"2","d":{"x":"9"}}`, false},
		{"a branch of the other only", several, `{"d":{"x":"1"}}`, false},
		{"two side by side, both", twice, `{"b":"2","c":"4"}`, true},
		{"two side by side, the second", twice, `{"c":"4"}`, false},
		{"two side by side, the first", twice, `{"a":"1"}`, false},
		{"two side by side, overridden by the second", twice, `{"a":"3"}`, true},
		{"two side by side, not overridden", twice, `{"a":"1","c":"4"}`, true},

		{"overridden under a key", under, `{"d":{"a":"2"}}`, true},
		{"not overridden under a key", under, `{"d":{"a":"1"}}`, false},
		{"the other branch with what is under the key", under, `{"d":{"a":"1"},"b":"3"}`, true},
		{"overridden by a dotted path", dotted, `{"d":{"a":"2"}}`, true},
		{"not overridden by a dotted path", dotted, `{"d.a":"1"}`, false},

		{"absence in a branch overrides presence", `{"a":[{"exists":true}],"$or":[{"a":[{"exists":false}]},{"b":["1"]}]}`, `{"c":1}`, true},
		{"numbers in branches", `{"detail":{"$or":[{"severity":[{"numeric":[">=",7]}]},{"type":[{"prefix":"Trojan:"}]}]}}`, `{"detail":{"severity":2,"type":"Trojan:EC2/DropPoint"}}`, true},
		{"a field called like an operator, outside", `{"prefix":["x"],"$or":[{"a":["1"]},{"b":["2"]}]}`, `{"prefix":"x","a":"1"}`, true},
	})
}

func TestAddresses(t *testing.T) {
	checkExamples(t, []example{
		{"in the network", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.0.255"}`, true},
		{"just outside of the network", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.1.0"}`, false},
		{"just below the network", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"9.255.255.255"}`, false},
		{"host bits do not count", `{"a":[{"cidr":"10.0.0.77/24"}]}`, `{"a":"10.0.0.1"}`, true},
		{"two addresses", `{"a":[{"cidr":"10.0.0.0/31"}]}`, `{"a":"10.0.0.1"}`, true},
		{"all of IPv4", `{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":"255.255.255.255"}`, true},
		{"in the network of IPv6", `{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:0DB8:0:0::1"}`, true},
		{"outside of the network of IPv6", `{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:db9::1"}`, false},
		{"two addresses of IPv6", `{"a":[{"cidr":"2001:db8::1/127"}]}`, `{"a":"2001:db8::"}`, true},
		{"half of the bits", `{"a":[{"cidr":"2001:db8:1:2::/64"}]}`, `{"a":"2001:db8:1:2:ffff::"}`, true},
		{"one bit more than half", `{"a":[{"cidr":"2001:db8:1:2::/65"}]}`, `{"a":"2001:db8:1:2:8000::"}`, false},
		{"one of many addresses", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":["1.1.1.1","10.0.0.9"]}`, true},
		{"one of many networks", `{"a":[{"cidr":"10.0.0.0/8"},{"cidr":"192.0.2.0/24"}]}`, `{"a":"192.0.2.1"}`, true},
		{"a network in a network", `{"a":[{"cidr":"10.1.0.0/16"}]}`, `{"a":"10.2.0.1"}`, false},

		{"an address", `{"a":["10.0.0.1"]}`, `{"a":"10.0.0.1"}`, true},
		{"the next address", `{"a":["10.0.0.9"]}`, `{"a":"10.0.0.10"}`, false},
		{"octets are decimal, whatever zeros lead", `{"a":["10.0.0.8"]}`, `{"a":"010.000.00.08"}`, true},
		{"zeros in the pattern", `{"a":["010.0.0.01"]}`, `{"a":"10.0.0.1"}`, true},
		{"zeros in a network", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"010.000.000.001"}`, true},
		{"written out", `{"a":["::1"]}`, `{"a":"0:0:0:0:0:0:0:1"}`, true},
		{"nothing but zeros", `{"a":["::"]}`, `{"a":"::0"}`, true},
		{"upper case and no gap", `{"a":["2001:db8::1"]}`, `{"a":"2001:DB8:0:0:0:0:0:1"}`, true},
		{"the next address of IPv6", `{"a":["2001:db8::1"]}`, `{"a":"2001:db8::2"}`, false},
		{"an address or a word", `{"a":["10.0.0.1","AWS Internal"]}`, `{"a":"AWS Internal"}`, true},
		{"an address or a prefix", `{"a":["10.0.0.1",{"prefix":"10."}]}`, `{"a":"10.9.9.9"}`, true},

		{"exactly this spelling", `{"a":[{"exactly":"::1"}]}`, `{"a":"0:0:0:0:0:0:0:1"}`, false},
		{"exactly, and so it is spelled", `{"a":[{"exactly":"::1"}]}`, `{"a":"::1"}`, true},
		{"anything but this spelling", `{"a":[{"anything-but":"::1"}]}`, `{"a":"0:0:0:0:0:0:0:1"}`, true},
		{"anything but this one, as spelled", `{"a":[{"anything-but":"10.0.0.1"}]}`, `{"a":"10.0.0.1"}`, false},
		{"anything but a spelling with zeros", `{"a":[{"anything-but":["010.0.0.1"]}]}`, `{"a":"10.0.0.1"}`, true},
		{"the spelling without case", `{"a":[{"equals-ignore-case":"2001:DB8::1"}]}`, `{"a":"2001:db8::1"}`, true},
		{"another spelling without case", `{"a":[{"equals-ignore-case":"2001:DB8::1"}]}`, `{"a":"2001:db8:0::1"}`, false},
		{"a prefix of the spelling", `{"a":[{"prefix":"10.0.0.1"}]}`, `{"a":"10.0.0.10"}`, true},
		{"a prefix of another spelling", `{"a":[{"prefix":"10."}]}`, `{"a":"010.0.0.1"}`, false},

		{"IPv6 has nothing to do with IPv4", `{"a":[{"cidr":"::/0"}]}`, `{"a":"10.0.0.1"}`, false},
		{"nor IPv4 with IPv6", `{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":"::1"}`, false},
		{"digits that begin alike, a network", `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":"a00::1"}`, false},
		{"digits that begin alike, an address", `{"a":["32.1.13.184"]}`, `{"a":"2001:db8::1"}`, false},
		{"digits that begin alike, the other way about", `{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"32.1.13.184"}`, false},
		{"an IPv4 address as IPv6 maps it", `{"a":["1.2.3.4"]}`, `{"a":"::ffff:102:304"}`, true},
		{"mapped in the pattern", `{"a":["::ffff:102:304"]}`, `{"a":"1.2.3.4"}`, true},
		{"a network with one that is mapped", `{"a":[{"cidr":"1.2.3.0/24"}]}`, `{"a":"::ffff:102:304"}`, true},
		{"what is mapped is no longer IPv6", `{"a":[{"cidr":"::/0"}]}`, `{"a":"::ffff:102:304"}`, false},
		{"mapped with dots is a string", `{"a":["::ffff:1.2.3.4"]}`, `{"a":"1.2.3.4"}`, false},
		{"the last 32 bits alone do not map", `{"a":["1.2.3.4"]}`, `{"a":"::102:304"}`, false},

		{"three octets are a string", `{"a":["1.2.3"]}`, `{"a":"1.2.3"}`, true},
		{"three octets are in no network", `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":"10.0.0"}`, false},
		{"nor is an octet too large", `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":"10.0.0.256"}`, false},
		{"an octet too large is a string", `{"a":["999.1.1.1"]}`, `{"a":"999.1.1.1"}`, true},
		{"hexadecimal octets", `{"a":[{"cidr":"10.0.0.0/8"}]}`, `{"a":"0x0a.1.1.1"}`, false},
		{"a network in the event", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.0.1/32"}`, false},
		{"a space before it", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":" 10.0.0.1"}`, false},
		{"an address with a zone", `{"a":[{"cidr":"fe80::/10"}]}`, `{"a":"fe80::1%eth0"}`, false},
		{"an address with a zone is a string", `{"a":["fe80::1%eth0"]}`, `{"a":"fe80::1%eth0"}`, true},
		{"the number of an address", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":167772161}`, false},
		{"the number of an address in a string", `{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"167772161"}`, false},
		{"a service for an address", `{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":"ec2.amazonaws.com"}`, false},
		{"null for an address", `{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":null}`, false},
		{"a time of day is a string", `{"a":["10:30"]}`, `{"a":"10:030"}`, false},
		{"a time of day is itself", `{"a":["12:34:56"]}`, `{"a":"12:34:56"}`, true},
		{"a colon", `{"a":[":"]}`, `{"a":":"}`, true},
	})
}

func TestDots(t *testing.T) {
	checkExamples(t, []example{
		{"in the pattern", `{"a.b":["x"]}`, `{"a":{"b":"x"}}`, true},
		{"in the event", `{"a":{"b":["x"]}}`, `{"a.b":"x"}`, true},
		{"in both", `{"a.b":["x"]}`, `{"a.b":"x"}`, true},
		{"in different places", `{"a.b":{"c":["x"]}}`, `{"a":{"b.c":"x"}}`, true},
		{"two at once", `{"a":{"b":{"c":["x"]}}}`, `{"a.b.c":"x"}`, true},
		{"one of two", `{"a":{"b":{"c":["x"]}}}`, `{"a.b":{"c":"x"}}`, true},
		{"one too many", `{"detail":{"state.status":{"status":["x"]}}}`, `{"detail":{"state":{"status":"x"}}}`, false},
		{"one too few", `{"a":{"b":["x"]}}`, `{"a.b.c":"x"}`, false},
		{"in the keys of array elements", `{"a":{"b":{"c":["x"]}}}`, `{"a":[{"b.c":"y"},{"b.c":"x"}]}`, true},
		{"before an array", `{"a":{"b":{"c":["x"]}}}`, `{"a.b":[{"c":"x"}]}`, true},
		{"absent under any spelling", `{"a":{"b":[{"exists":false}]}}`, `{"a.b":"x"}`, false},
		{"in a branch", `{"$or":[{"a.b":["x"]},{"c":["y"]}]}`, `{"a":{"b":"x"}}`, true},
		{"a slash does not join", `{"a/b":["x"]}`, `{"a":{"b":"x"}}`, false},
		{"a slash in a key", `{"ProductFields":{"aws/securityhub/ProductName":["x"]}}`, `{"ProductFields":{"aws/securityhub/ProductName":"x"}}`, true},
		{"a dot in a value is a character", `{"source":["aws.s3"]}`, `{"source":"aws/s3"}`, false},
		{"a dot at the end of a key", `{"a":{"":["x"]}}`, `{"a.":"x"}`, true},
		{"a dot at the beginning of a key", `{"":{"a":["x"]}}`, `{".a":"x"}`, true},
		{"a dot at the end is not nothing", `{"a":["x"]}`, `{"a.":"x"}`, false},
		{"two dots", `{"a..b":["x"]}`, `{"a":{"":{"b":"x"}}}`, true},
		{"a dot alone", `{".":["x"]}`, `{"":{"":"x"}}`, true},
	})
}

func TestEmptyAndOdd(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 500)
	closing := strings.Repeat("}", 500)
	var many, manyKeys strings.Builder
	for i := range 300 {
		many.WriteString(`{"` + strings.Repeat("k", i) + `":` + "1},")
		manyKeys.WriteString(`"` + strings.Repeat("k", i) + `":"x",`)
	}
	checkExamples(t, []example{
		{"the empty event", `{"a":["x"]}`, `{}`, false},
		{"the empty string", `{"a":[""]}`, `{"a":""}`, true},
		{"the empty string is not absence", `{"a":[""]}`, `{}`, false},
		{"nor the empty array", `{"a":["",null]}`, `{"a":[]}`, false},
		{"nor the empty object", `{"a":["",null]}`, `{"a":{}}`, false},
		{"nor an array of them", `{"a":["",null]}`, `{"a":[[],{},[[]]]}`, false},
		{"an empty string among them", `{"a":[""]}`, `{"a":[[],{},[[""]]]}`, true},
		{"the empty key", `{"":["x"]}`, `{"":"x"}`, true},
		{"the empty key is a key", `{"":["x"]}`, `{"a":"x"}`, false},
		{"the empty key below another", `{"a":{"":["x"]}}`, `{"a":{"":"x"}}`, true},
		{"the empty key is not skipped", `{"a":["x"]}`, `{"a":{"":"x"}}`, false},
		{"the empty key above another", `{"":{"a":["x"]}}`, `{"a":"x"}`, false},
		{"the empty key twice", `{"":{"":["x"]}}`, `{"":{"":"x"}}`, true},
		{"the empty key in an array", `{"a":{"":["x"],"b":["y"]}}`, `{"a":[{"":"x"},{"b":"y"}]}`, false},
		{"null for a parent", `{"a":{"b":[null]}}`, `{"a":null}`, false},
		{"JSON in a string is a string", `{"d":{"a":["x"]}}`, `{"d":"{\"a\":\"x\"}"}`, false},
		{"the string with JSON in it", `{"d":["{\"a\":[1]}"]}`, `{"d":"{\"a\":[1]}"}`, true},
		{"a field called like an operator", `{"prefix":["x"]}`, `{"prefix":"x"}`, true},
		{"below a field, too", `{"a":{"exists":[true]}}`, `{"a":{"exists":true}}`, true},
		{"fields called like literals", `{"true":[null],"null":[true]}`, `{"null":true,"true":null}`, true},
		{"a field called like a number", `{"0":["x"]}`, `{"0":"x"}`, true},
		{"an index is not a key", `{"a":{"0":["x"]}}`, `{"a":["x"]}`, false},
		{"a key that begins like another", `{"ab":["x"]}`, `{"a":"x","abc":"x"}`, false},
		{"a value and a parent in one array", `{"a":["x"]}`, `{"a":[{"a":"x"},{"b":"x"}]}`, false},
		{"space everywhere", " {\n\t\"a\" : [ \"x\" , { \"prefix\" : \"y\" } ] }\r\n", " {\r\n\t\"a\" : [ 1 , \"yz\" ] } ", true},
		{"no space anywhere", `{"a":{"b":["x"]},"c":[null]}`, `{"a":{"b":"x"},"c":null}`, true},
		{"deep", deep + `["x"]` + closing, deep + `"x"` + closing, true},
		{"one level too deep", deep + `["x"]` + closing, `{"a":` + deep + `"x"` + closing + `}`, false},
		{"keys of every length", `{"` + strings.Repeat("k", 200) + `":["x"]}`, "{" + manyKeys.String() + `"z":1}`, true},
		{"an array of many objects", `{"a":{"` + strings.Repeat("k", 299) + `":[1]}}`, `{"a":[` + many.String() + `{}]}`, true},
		{"a long string", `{"a":["` + strings.Repeat("x", 5000) + `"]}`, `{"a":"` + strings.Repeat("x", 5000) + `"}`, true},
		{"a long string but for the end", `{"a":["` + strings.Repeat("x", 5000) + `"]}`, `{"a":"` + strings.Repeat("x", 4999) + `y"}`, false},
	})
}
