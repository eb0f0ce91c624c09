package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// server is a homeserver, spoken to as one account.
type server struct {
	base   string // "https://matrix.example.com/_matrix/client/v3"
	token  secret.String
	client *http.Client
}

// send posts a message to a room, once for one transaction
// (https://spec.matrix.org/v1.12/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid).
func (s server) send(ctx context.Context, room, transaction string, c content) (event string, err error) {
	var made struct {
		EventID string `json:"event_id"`
	}
	path := "/rooms/" + url.PathEscape(room) + "/send/m.room.message/" + url.PathEscape(transaction)
	if err := s.call(ctx, http.MethodPut, path, c, &made); err != nil {
		return "", err
	}
	if made.EventID == "" {
		return "", errNotMatrix
	}
	return made.EventID, nil
}

var errNotMatrix = errors.New("the reply is not a homeserver's; is there a proxy in between, or is url not its address for clients?")

// call makes one request. What the homeserver refuses is a *refusal.
func (s server) call(ctx context.Context, method, path string, arguments, into any) error {
	var body []byte
	if arguments != nil {
		var err error
		if body, err = notify.JSON(arguments); err != nil {
			return notify.Permanent(err)
		}
	}
	reply, err := notify.Request{
		Method: method, URL: s.base + path, Body: body,
		Headers: http.Header{"Authorization": {"Bearer " + s.token.Reveal()}}, Secrets: []secret.String{s.token},
	}.Send(ctx, s.client)
	if err != nil {
		return judged(err, reply)
	}
	if json.Unmarshal(reply, into) != nil {
		return errNotMatrix
	}
	return nil
}

// A refusal is a homeserver's standard error.
type refusal struct {
	code string // "M_FORBIDDEN"
	err  error
}

func (r *refusal) Error() string {
	if advice := advices[r.code]; advice != "" {
		return r.err.Error() + ": " + advice
	}
	return r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// advices are what to do about errors whose words alone do not say it
// (https://spec.matrix.org/v1.12/client-server-api/#standard-error-response).
var advices = map[string]string{
	"M_UNKNOWN_TOKEN": "token is wrong, or the account was logged out; make a new one",
	"M_MISSING_TOKEN": "a proxy takes the Authorization header away",
	"M_FORBIDDEN":     "the account is not in the room, or may not post there",
	"M_UNRECOGNIZED":  "url is not the homeserver's address for clients",
}

var codeForm = lazyregexp.New(`^[A-Z0-9_.]{1,60}$`)

// said is what a homeserver says with an error.
type said struct {
	Code  string   `json:"errcode"`
	After *float64 `json:"retry_after_ms"`
}

// throttled reads for how long the homeserver wants to be left alone: in the body where
// the header does not say it, as all did before version 1.10.
func throttled(resp *http.Response, body []byte) (time.Duration, bool) {
	var s said
	if json.Unmarshal(body, &s) != nil || s.Code != "M_LIMIT_EXCEEDED" {
		return 0, false
	}
	if wait, ok := notify.Wait(resp.Header); ok {
		return wait, true
	}
	if s.After == nil || *s.After < 0 {
		return 0, false
	}
	return notify.Seconds(*s.After / 1000), true
}

// judged is the error with its Matrix code.
func judged(err error, reply []byte) error {
	var s said
	if notify.Status(err) == 0 || json.Unmarshal(reply, &s) != nil || !codeForm.MatchString(s.Code) {
		return err
	}
	return &refusal{code: s.Code, err: err}
}

// isRefused reports whether the homeserver said one of these codes.
func isRefused(err error, codes ...string) bool {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return false
	}
	return slices.Contains(codes, r.code)
}

// member is what a user is in a room: "join", "invite", "leave", "ban", or "" for
// somebody who never was there.
func (s server) member(ctx context.Context, room, user string) (string, error) {
	var is struct {
		Membership string `json:"membership"`
	}
	err := s.call(ctx, http.MethodGet, "/rooms/"+url.PathEscape(room)+"/state/m.room.member/"+url.PathEscape(user), nil, &is)
	if isRefused(err, "M_NOT_FOUND") {
		return "", nil
	}
	return is.Membership, err
}

func (s server) invite(ctx context.Context, room, user string) error {
	return s.call(ctx, http.MethodPost, "/rooms/"+url.PathEscape(room)+"/invite", map[string]string{"user_id": user}, &struct{}{})
}

// create makes a room with one person in it.
func (s server) create(ctx context.Context, user string) (room string, err error) {
	var made struct {
		RoomID string `json:"room_id"`
	}
	err = s.call(ctx, http.MethodPost, "/createRoom", map[string]any{
		"is_direct": true, "preset": "trusted_private_chat", "invite": []string{user},
	}, &made)
	if err == nil && !roomForm.MatchString(made.RoomID) {
		err = errNotMatrix
	}
	if err != nil {
		return "", fmt.Errorf("room for %s: %w", user, err)
	}
	return made.RoomID, nil
}
