package pushover

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// api is Pushover's, spoken to as one application.
type api struct {
	base   string // ends with a slash
	token  secret.String
	client *http.Client
}

// A reply is Pushover's, as far as it is needed.
type reply struct {
	Status  int      `json:"status"` // 1 is success
	Receipt string   `json:"receipt"`
	Errors  []string `json:"errors"`
	User    string   `json:"user"` // "invalid" where the key is nobody's

	Acknowledged   int    `json:"acknowledged"`
	AcknowledgedBy string `json:"acknowledged_by"`
}

// post calls a method. A reply of 4xx, or one whose status is not 1, is permanent:
// Pushover says of the same input that it will be refused again
// (https://pushover.net/api#friendly).
func (a api) post(ctx context.Context, method string, form url.Values, secrets ...secret.String) (reply, quota, error) {
	form.Set("token", a.token.Reveal())
	request := notify.Request{
		Method: http.MethodPost, URL: a.base + method, Body: []byte(form.Encode()),
		Headers: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Secrets: append(secrets, a.token),
	}
	return a.send(ctx, request)
}

func (a api) send(ctx context.Context, request notify.Request) (reply, quota, error) {
	seen := &tap{}
	client := http.Client{}
	if a.client != nil {
		client = *a.client
	}
	seen.base, client.Transport = client.Transport, seen
	body, err := request.Send(ctx, &client)
	left := quotaOf(seen.header)
	var said reply
	read := json.Unmarshal(body, &said)
	if err != nil {
		return said, left, judged(err, said, left)
	}
	switch {
	case read != nil:
		return said, left, errors.New("the reply is not Pushover's; is there a proxy in between?")
	case said.Status != 1:
		why := cmp.Or(notify.Said(strings.Join(said.Errors, "; "), request.Secrets...), "without a reason")
		return said, left, notify.Permanent(errors.New("refused: " + why))
	}
	return said, left, nil
}

// judged is the error with what to do about it.
func judged(err error, said reply, left quota) error {
	status := notify.Status(err)
	switch {
	case status == 0:
		return err
	case status == http.StatusTooManyRequests && !left.reset.IsZero():
		err = fmt.Errorf("%w: the application's messages of this month are used up until %s", err, left.reset.UTC().Format(time.RFC3339))
		if _, told := notify.RetryAfter(err); !told {
			err = notify.After(err, waitMost)
		}
	case said.User == "invalid" && slices.ContainsFunc(said.Errors, nobody):
		return notify.Gone(err)
	case slices.Contains(said.Errors, "application token is invalid"):
		return fmt.Errorf("%w: copy token again", err)
	case status >= http.StatusInternalServerError:
		if _, told := notify.RetryAfter(err); !told {
			err = notify.After(err, restLeast)
		}
	}
	return err
}

// nobody reports whether the words say that a key is nobody's. One without an active
// device is somebody's all the same.
func nobody(words string) bool {
	return strings.Contains(words, "not a valid user") || strings.Contains(words, "identifier is invalid")
}

const (
	waitMost  = 15 * time.Minute // longest wait that is asked for
	restLeast = 5 * time.Second  // for which Pushover wants to be left alone when it is in trouble
)

// cancel ends an emergency
// (https://pushover.net/api/receipts#cancel). One that is over already, or that Pushover
// does not know any more, is no error.
func (a api) cancel(ctx context.Context, receipt string) error {
	_, _, err := a.post(ctx, "receipts/"+receipt+"/cancel.json", url.Values{})
	return unlessOver(err)
}

// cancelTag ends all emergencies of a tag.
func (a api) cancelTag(ctx context.Context, tag string) error {
	_, _, err := a.post(ctx, "receipts/cancel_by_tag/"+url.PathEscape(tag)+".json", url.Values{})
	return unlessOver(err)
}

// unlessOver is the error, unless it says that there is nothing to cancel.
func unlessOver(err error) error {
	if status := notify.Status(err); status == http.StatusNotFound || status == http.StatusBadRequest {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cancel the receipt: %w", err)
	}
	return nil
}

// ask says how an emergency stands.
func (a api) ask(ctx context.Context, receipt string) (reply, error) {
	said, _, err := a.send(ctx, notify.Request{
		Method: http.MethodGet, URL: a.base + "receipts/" + receipt + ".json?token=" + url.QueryEscape(a.token.Reveal()),
		Secrets: []secret.String{a.token},
	})
	return said, err
}

// tap keeps the headers of a reply.
type tap struct {
	base   http.RoundTripper
	header http.Header
}

// RoundTrip does as the base does.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err == nil {
		t.header = resp.Header
	}
	return resp, err
}

// A quota is how much of the application's month is left
// (https://pushover.net/api#limits).
type quota struct {
	limit, remaining int64
	reset            time.Time
}

func quotaOf(h http.Header) quota {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(h.Get(name), 10, 64)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	q := quota{limit: number("X-Limit-App-Limit"), remaining: number("X-Limit-App-Remaining")}
	if at := number("X-Limit-App-Reset"); at > 0 {
		q.reset = time.Unix(at, 0)
	}
	return q
}

// low reports whether less than a twentieth is left, each time that a twentieth of that
// is gone, so that it is said about twenty times and not with each message.
func (q quota) low() bool {
	step := q.limit / 400
	return q.limit > 0 && q.remaining < q.limit/20 && (step <= 1 || q.remaining%step == 0)
}
