// Package connect writes what is to be pasted to have an AWS account or
// organisation send its GuardDuty findings to a source: commands of the AWS CLI, a
// CloudFormation template or a Terraform configuration, for exactly that source.
// It is text made of values and touches nothing.
//
// There is no placeholder in what it writes. What opens the source, its URL or its
// key, is in the commands alone: templates and configurations can be kept where
// others read them.
package connect

// A Format is in which form it is wanted.
type Format string

// The formats.
const (
	CLI            Format = "cli"
	CloudFormation Format = "cloudformation"
	Terraform      Format = "terraform"
)

// Formats are all of them.
func Formats() []Format { return []Format{CLI, CloudFormation, Terraform} }

// A Way is by what findings come.
type Way string

// The ways.
const (
	SQS            Way = "sqs"             // a rule and a queue, and rules of other regions that forward to it
	SNS            Way = "sns"             // a rule, a topic and an HTTPS subscription
	APIDestination Way = "api-destination" // a rule, a connection and an API destination
)

// A Source is what findings are to be sent to.
type Source struct {
	Name string
	Way  Way
	// URL is where it is reached. Of SNS it has the token in it, and of an API
	// destination it has not.
	URL string
	// Header and Key are what an API destination proves itself with.
	Header, Key string
	// Topics are the ARNs that the source allows, with * in them; of SNS only.
	Topics []string
	// Queue is the ARN of the queue that the source reads; of SQS only.
	Queue string
}

// Options are how it is to be set up.
type Options struct {
	Format Format
	// Regions are those to be set up; "all" alone is every region that is enabled in
	// the account. Empty is the one that the AWS CLI is configured for.
	Regions []string
	// OUs are organizational units in whose accounts a StackSet is to put it; none is
	// the account itself. Findings of members come to GuardDuty's delegated
	// administrator, so that the account itself is mostly all that is needed.
	OUs []string
	// Tags are put on every resource.
	Tags map[string]string
	// RoleARN is the role that CloudFormation acts as; empty is the caller's own.
	RoleARN string
	// StackName is that of the stack or StackSet, and what resources are called by;
	// empty is made of the source's name.
	StackName string
}

// A Text is what is to be pasted.
type Text struct {
	// Commands are for a shell, in order. The source's token or key is in them.
	Commands string `json:"commands"`
	// Files are what the commands want to be there.
	Files []File `json:"files,omitempty"`
	// Notes say what is good to know before: which capability is asked for and why.
	Notes []string `json:"notes,omitempty"`
}

// A File is a text with its name.
type File struct {
	Name string `json:"name"` // "tocsin-org.yaml"
	Text string `json:"text"`
}
