package aws

import "encoding/json"

// A Statement of an IAM policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html).
type Statement struct {
	Sid      string `json:",omitempty"`
	Effect   string
	Action   []string
	Resource Resources
}

// Resources are ARNs; one alone is written as a text.
type Resources []string

// MarshalJSON writes them.
func (r Resources) MarshalJSON() ([]byte, error) {
	if len(r) == 1 {
		return json.Marshal(r[0])
	}
	return json.Marshal([]string(r))
}

// Allow is a statement that allows actions on resources.
func Allow(actions []string, resources ...string) Statement {
	return Statement{Effect: "Allow", Action: actions, Resource: resources}
}

// Policy is an IAM policy as JSON, to be read by people and pasted.
func Policy(statements ...Statement) string {
	text, err := json.Marshal(struct {
		Version   string
		Statement []Statement
	}{"2012-10-17", statements})
	if err != nil { // texts have a form in JSON
		return "{}"
	}
	return string(text)
}
