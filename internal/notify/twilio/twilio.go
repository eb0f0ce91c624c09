// Package twilio is how Twilio is asked to send and to call, and how what it
// calls back is known to be its own.
package twilio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Settings say whose account at Twilio is used.
type Settings struct {
	AccountSID string        `json:"account_sid" required:"true" doc:"Account SID: AC and 32 hexadecimal digits."`
	AuthToken  secret.String `json:"auth_token,omitzero" doc:"Auth token of the account. It also checks the signature of what Twilio calls back; without it nobody can answer."`
	APIKey     string        `json:"api_key,omitempty" doc:"SID of an API key (SK…) to send with instead of the auth token."`
	APISecret  secret.String `json:"api_secret,omitzero" doc:"Secret of the API key."`
	URL        string        `json:"url,omitempty" doc:"Another address of the API, such as that of a region." default:"https://api.twilio.com"`
}

// A Client is one account at Twilio.
type Client struct {
	http    *http.Client
	account string // address of the account's resources, ends in a slash
	user    string
	pass    secret.String
	token   secret.String // signs what is called back; may be empty
}

var (
	accountSID = lazyregexp.New(`^AC[0-9a-fA-F]{32}$`)
	keySID     = lazyregexp.New(`^SK[0-9a-fA-F]{32}$`)
)

// Open checks the settings and makes the client. It calls nobody.
func (s Settings) Open(client *http.Client) (*Client, error) {
	switch {
	case !secret.IsReference(s.AccountSID) && !accountSID.MatchString(s.AccountSID):
		return nil, errors.New("account_sid: want AC and 32 hexadecimal digits")
	case s.APIKey == "" && !s.APISecret.IsZero():
		return nil, errors.New("api_key: is not set, but api_secret is")
	case s.APIKey != "" && s.APISecret.IsZero():
		return nil, errors.New("api_secret: is not set, but api_key is")
	case s.APIKey != "" && !secret.IsReference(s.APIKey) && !keySID.MatchString(s.APIKey):
		return nil, errors.New("api_key: want SK and 32 hexadecimal digits")
	case s.APIKey == "" && s.AuthToken.IsZero():
		return nil, errors.New("auth_token: is not set; set it, or api_key and api_secret")
	}
	base := s.URL
	if base == "" {
		base = "https://api.twilio.com"
	}
	if err := notify.CheckURL(secret.New(base)); err != nil {
		return nil, fmt.Errorf("url %w", err)
	}
	c := &Client{
		http: client, account: strings.TrimSuffix(base, "/") + "/2010-04-01/Accounts/" + url.PathEscape(s.AccountSID) + "/",
		user: s.AccountSID, pass: s.AuthToken, token: s.AuthToken,
	}
	if s.APIKey != "" {
		c.user, c.pass = s.APIKey, s.APISecret
	}
	return c, nil
}

// Verifies reports whether what is called back can be checked.
func (c *Client) Verifies() bool { return !c.token.IsZero() }

// passing are error codes of Twilio's that pass, or that somebody mends, although
// they come as 4xx: a wrong token, an account that is suspended, a sender that is
// not ours, a queue that is full. They are not the fault of who is to be told, and
// nobody's phone is to be given up for them (https://www.twilio.com/docs/api/errors).
var passing = map[int]bool{
	10001: true, 20003: true, 20005: true, 20006: true, 20008: true, 20403: true, 20404: true,
	21210: true, 21212: true, 21213: true, 21603: true, 21606: true, 21611: true, 21659: true, 21660: true, 21661: true, 21701: true, 21703: true, 21704: true,
}

// Create posts a form to a resource of the account ("Messages", "Calls") and
// returns the SID of what was made. That Twilio took it does not say that anybody
// has it: that is told to the form's StatusCallback.
func (c *Client) Create(ctx context.Context, resource string, form url.Values) (sid string, err error) {
	login := base64.StdEncoding.EncodeToString([]byte(c.user + ":" + c.pass.Reveal()))
	reply, err := notify.Request{
		Method: http.MethodPost, URL: c.account + resource + ".json", Body: []byte(form.Encode()),
		Headers: http.Header{
			"Authorization": {"Basic " + login},
			"Content-Type":  {"application/x-www-form-urlencoded"},
			"Accept":        {"application/json"},
		},
		Secrets: []secret.String{c.pass, c.token, secret.New(login)},
	}.Send(ctx, c.http)
	if err != nil {
		return "", fmt.Errorf("twilio: %w", c.explain(reply, err))
	}
	var made struct {
		SID       string `json:"sid"`
		ErrorCode *int   `json:"error_code"`
		Message   string `json:"error_message"`
	}
	if err := json.Unmarshal(reply, &made); err != nil || made.SID == "" {
		return "", errors.New("twilio: the answer has no sid; is url the address of Twilio's API?")
	}
	if made.ErrorCode != nil && *made.ErrorCode != 0 {
		return "", notify.Permanent(fmt.Errorf("twilio: %s: %s", made.SID, c.said(*made.ErrorCode, made.Message)))
	}
	return made.SID, nil
}

// explain puts Twilio's own number and words in place of the raw reply
// (https://www.twilio.com/docs/usage/twilios-response#exceptions).
func (c *Client) explain(reply []byte, err error) error {
	refusal, ok := errors.AsType[*notify.StatusError](err)
	if !ok {
		return err
	}
	var body struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(reply, &body) != nil || body.Code == 0 {
		return err
	}
	refusal.Excerpt = c.said(body.Code, body.Message)
	if passing[body.Code] {
		return errors.New(refusal.Error())
	}
	return err
}

// said is an error of Twilio's, fit to be shown.
func (c *Client) said(code int, message string) string {
	message = notify.Clean(message)
	for _, s := range []secret.String{c.pass, c.token} {
		if !s.IsZero() {
			message = strings.ReplaceAll(message, s.Reveal(), "***")
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%d %s", code, notify.Truncate(notify.Defang(message), 200, notify.Runes)), " ")
}
