package queue

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// An address is where a queue is: its URL, and its ARN as far as that is known.
type address struct {
	url string
	arn aws.ARN
	// endpoint is where the service is asked, if it is not where the region has it: a
	// VPC endpoint, a server of one's own.
	endpoint string
}

var (
	nameForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,75}(\.fifo|[A-Za-z0-9_-]{0,5})$`)
	// hostForm finds the region in sqs.eu-west-1.amazonaws.com and the names of VPC
	// endpoints, and in the old eu-west-1.queue.amazonaws.com.
	hostForm = lazyregexp.New(`(?:^|\.)sqs(?:-fips)?\.([a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2})\.|^([a-z0-9-]+)\.queue\.`)
)

// parse reads the ARN or the URL of a queue.
func parse(text string) (address, error) {
	switch {
	case text == "":
		return address{}, fmt.Errorf("name the queue: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME, or its ARN")
	case strings.HasPrefix(text, "arn:"):
		arn, err := aws.ParseARN(text, "sqs")
		if err == nil && !nameForm.MatchString(arn.Resource) {
			err = fmt.Errorf("%q is not the name of a queue", arn.Resource)
		}
		return address{url: "https://" + hostOf(arn.Region) + "/" + arn.Account + "/" + arn.Resource, arn: arn}, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		if secret.IsReference(text) {
			return address{url: text, arn: aws.ARN{Partition: "*", Service: "sqs", Region: "*", Account: "*", Resource: "*"}}, nil
		}
		return address{}, fmt.Errorf("%q is neither the ARN nor the URL of a queue", text)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 2 || !nameForm.MatchString(parts[1]) {
		return address{}, fmt.Errorf("%q is not the URL of a queue: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", text)
	}
	a := address{url: text, arn: aws.ARN{Partition: "*", Service: "sqs", Region: "*", Account: parts[0], Resource: parts[1]}}
	found := hostForm.FindStringSubmatch(u.Host)
	if found != nil {
		a.arn.Region = found[1] + found[2]
		a.arn.Partition = aws.PartitionOf(a.arn.Region)
	}
	if found == nil || found[2] == "" && u.Host != hostOf(a.arn.Region) {
		a.endpoint = u.Scheme + "://" + u.Host
	}
	return a, nil
}

func hostOf(region string) string { return "sqs." + region + "." + aws.DomainOf(region) }

// RegionOf is the region that the ARN or URL of a queue names, or "".
func RegionOf(text string) string {
	a, err := parse(text)
	if err != nil {
		return ""
	}
	return a.arn.Where()
}
