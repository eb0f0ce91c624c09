package pattern_test

import (
	"fmt"

	"github.com/tocsin-sec/tocsin/pattern"
)

func ExamplePattern_Match() {
	p, err := pattern.Parse([]byte(`{
	  "source": ["aws.guardduty"],
	  "detail": {"severity": [{"numeric": [">=", 7]}]}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, event := range []string{
		`{"source": "aws.guardduty", "detail": {"severity": 8.0}}`,
		`{"source": "aws.guardduty", "detail": {"severity": 2}}`,
	} {
		ok, err := p.Match([]byte(event))
		fmt.Println(ok, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}

func ExamplePattern_Explain() {
	p, err := pattern.Parse([]byte(`{"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := p.Explain([]byte(`{"source": "aws.guardduty", "detail": {"severity": "8"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(e)
	// Output:
	// no match
	//   no   detail.severity  is "8", want [{"numeric": [">=", 7]}]
	//        hint: the event has the string "8" in quotes, and the pattern wants the number 8
	//   yes  source           is "aws.guardduty", want ["aws.guardduty"]
}

func ExampleSet() {
	rules := pattern.NewSet[string]()
	for name, text := range map[string]string{
		"root":     `{"detail": {"userIdentity": {"type": ["Root"]}}}`,
		"not eu":   `{"region": [{"anything-but": {"prefix": "eu-"}}]}`,
		"console":  `{"detail": {"eventName": ["ConsoleLogin"], "additionalEventData": {"MFAUsed": ["No"]}}}`,
		"internal": `{"detail": {"sourceIPAddress": [{"cidr": "10.0.0.0/8"}]}}`,
	} {
		p, err := pattern.Parse([]byte(text))
		if err != nil {
			fmt.Println(name, err)
			return
		}
		rules.Add(name, p)
	}
	matched, err := rules.Match([]byte(`{
	  "region": "eu-central-1",
	  "detail": {"eventName": "ConsoleLogin", "userIdentity": {"type": "Root"}, "sourceIPAddress": "192.0.2.1"}
	}`), nil)
	fmt.Println(matched, err)
	// Output: [root] <nil>
}

func ExampleParse_error() {
	_, err := pattern.Parse([]byte(`{"detail": {"severity": [{"numeric": [">=", "7"]}]}}`))
	fmt.Println(err)
	// Output: $.detail.severity[0].numeric[1] (offset 44): Value of >= must be numeric
}
