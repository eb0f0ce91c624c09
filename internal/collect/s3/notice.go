package s3

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
)

// A notice is a message that tells of objects.
type notice struct {
	objects []told
	// test says that it is the one that S3 sends when notifications are set up.
	test bool
}

// A told is one object that a notice tells of.
type told struct {
	place
	// unwanted says why it is not read: it was deleted, not made.
	unwanted string
	// wrong says why the notice makes no sense.
	wrong string
}

// A place is where an object is.
type place struct {
	bucket, key string
	region      string // of the bucket, or "" if that is not told
	decoded     string // the key, if it turns out to be encoded; or ""
}

func (p place) String() string { return p.bucket + "/" + p.key }

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketForm = lazyregexp.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parse reads a message: a notification of S3, by SNS or not, or S3's event of
// EventBridge. It is false if the body is something else.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
func parse(body string) (notice, bool) {
	if n, ok := queue.Unwrap(body); ok && !n.Unconfirmed {
		body = n.Message
	}
	if collect.Valid([]byte(body)) != nil {
		return notice{}, false
	}
	root := gjson.Parse(body)
	switch {
	case !root.IsObject():
		return notice{}, false
	case root.Get("Event").Str == "s3:TestEvent" && root.Get("Service").Str == "Amazon S3":
		return notice{test: true}, true
	case root.Get("source").Str == "aws.s3" && root.Get("detail.bucket").IsObject():
		return notice{objects: []told{byEventBridge(root)}}, true
	}
	records := root.Get("Records")
	if !records.IsArray() {
		return notice{}, false
	}
	var n notice
	for _, r := range records.Array() {
		if r.Get("eventSource").Str != "aws:s3" {
			return notice{}, false // CloudTrail's files begin alike
		}
		n.objects = append(n.objects, bySelf(r))
	}
	return n, len(n.objects) > 0
}

// bySelf reads a record of S3's own notifications. Keys are encoded there as in a
// query.
func bySelf(r gjson.Result) told {
	t := told{place: place{bucket: r.Get("s3.bucket.name").Str, region: r.Get("awsRegion").Str}}
	key, err := url.QueryUnescape(r.Get("s3.object.key").Str)
	if err != nil {
		t.wrong = fmt.Sprintf("the key %.100q is not encoded as S3 encodes keys", r.Get("s3.object.key").Str)
		return t
	}
	t.key = key
	if name := r.Get("eventName").Str; !strings.HasPrefix(strings.TrimPrefix(name, "s3:"), "ObjectCreated:") {
		t.unwanted = fmt.Sprintf("%.60s: only objects that are made are read", name)
	}
	return t.checked()
}

// byEventBridge reads S3's event of EventBridge. Keys are not encoded there, as far as
// anybody says.
func byEventBridge(r gjson.Result) told {
	t := told{place: place{bucket: r.Get("detail.bucket.name").Str, key: r.Get("detail.object.key").Str, region: r.Get("region").Str}}
	if key, err := url.QueryUnescape(t.key); err == nil && key != t.key {
		t.decoded = key
	}
	if name := r.Get("detail-type").Str; name != "Object Created" {
		t.unwanted = fmt.Sprintf("%.60s: only objects that are made are read", name)
	}
	return t.checked()
}

// checked finds what is wrong with the place. Whoever can send to the queue chose it,
// and requests are made there.
func (t told) checked() told {
	switch {
	case !bucketForm.MatchString(t.bucket):
		t.wrong = fmt.Sprintf("%.100q is not the name of a bucket", t.bucket)
	case t.key == "" || len(t.key) > 1024:
		t.wrong = fmt.Sprintf("a key of %d bytes: want 1 to 1024", len(t.key))
	case t.region != "" && !aws.IsRegion(t.region):
		t.wrong = fmt.Sprintf("%.40q is not an AWS region", t.region)
	}
	return t
}
