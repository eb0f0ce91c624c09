package servicenow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A token is one of OAuth 2.0, until it runs out.
type token struct {
	mu    sync.Mutex // held while one is asked for, so that it is asked for once
	text  string
	until time.Time
}

func (t *token) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = ""
}

// login is the header by which a request is allowed.
func (n *notifier) login(ctx context.Context) (string, error) {
	switch {
	case !n.c.Token.IsZero():
		return "Bearer " + n.c.Token.Reveal(), nil
	case n.c.OAuth == nil:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(n.c.Username+":"+n.c.Password.Reveal())), nil
	}
	n.token.mu.Lock()
	defer n.token.mu.Unlock()
	if n.token.text == "" || !n.now().Before(n.token.until) {
		if err := n.ask(ctx); err != nil {
			return "", fmt.Errorf("oauth: %w", err)
		}
	}
	return "Bearer " + n.token.text, nil
}

// early is how long before its end a token is not used any more.
const early = 30 * time.Second

// ask has the instance give a token (RFC 6749, sections 4.3 and 4.4). It is called
// with the token's mu held.
func (n *notifier) ask(ctx context.Context) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {n.c.OAuth.ClientID}, "client_secret": {n.c.OAuth.ClientSecret.Reveal()}}
	if n.c.Username != "" {
		form.Set("grant_type", "password")
		form.Set("username", n.c.Username)
		form.Set("password", n.c.Password.Reveal())
	}
	reply, err := notify.Request{
		Method: http.MethodPost, URL: n.base + "/oauth_token.do", Body: []byte(form.Encode()),
		Headers: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
		Secrets: n.secrets(),
	}.Send(ctx, n.client)
	if err != nil {
		return err
	}
	var given struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
	}
	if err := json.Unmarshal(reply, &given); err != nil || given.Token == "" {
		return errors.New("the reply has no token; is there a proxy or a login page in between?")
	}
	n.token.text, n.token.until = given.Token, n.now().Add(time.Duration(given.Seconds*float64(time.Second))-early)
	return nil
}
