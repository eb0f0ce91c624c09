// Package breakglass holds templates for the way by which Critical findings reach
// people without tocsin: an EventBridge rule that sends each by e-mail through SNS.
package breakglass

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed cloudformation.yaml
var cloudFormation string

//go:embed main.tf
var terraform string

// Formats are the tools that there are templates for.
func Formats() []string { return []string{"cloudformation", "terraform"} }

// example is the address that stands in the templates.
const example = "soc@example.com"

// An address goes into YAML and HCL, and into nothing that has a meaning there.
// AWS itself takes any; whoever has an odd one gives it as a parameter.
var address = regexp.MustCompile(`^[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// Template is the template for the tool, with the address as the default of its
// parameter. It is for one region.
func Template(format, email string) (string, error) {
	var text string
	switch format {
	case "cloudformation":
		text = cloudFormation
	case "terraform":
		text = terraform
	default:
		return "", fmt.Errorf("format %q is none of %s", format, strings.Join(Formats(), ", "))
	}
	if !address.MatchString(email) {
		return "", fmt.Errorf("%q is not an address such as %s", email, example)
	}
	before, after, _ := strings.Cut(text, `default     = "`+example)
	if format == "cloudformation" {
		before, after, _ = strings.Cut(text, "Default: "+example)
		return before + `Default: "` + email + `"` + after, nil
	}
	return before + `default     = "` + email + after, nil
}
