package app_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/ecdh"
	"crypto/md5" //nolint:gosec // SQS answers with it
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/tocsin-sec/tocsin/internal/notify/jira/jiratest"
	"github.com/tocsin-sec/tocsin/internal/notify/pagerduty/pagerdutytest"
	phonetest "github.com/tocsin-sec/tocsin/internal/notify/phone/awstest"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/notify/teams/teamstest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio/twiliotest"
	"github.com/tocsin-sec/tocsin/internal/notify/webhook"
	"github.com/tocsin-sec/tocsin/internal/notify/webpush/webpushtest"
)

// A world is everybody whom examples/destinations.yml tells: it is an
// http.RoundTripper that plays each vendor by host and path, with the replies that
// it publishes, and has a mail server and a terminal besides. It keeps what each
// receiver was sent, and any of them can be broken.
type world struct {
	now   func() time.Time
	smtp  string // host:port of the mail server
	slack *slacktest.Server
	phone *handset
	// vendors are asked in order whether a request is theirs.
	vendors []vendor

	mu     sync.Mutex // guards what follows
	broken map[string]trouble
	freed  chan struct{} // closed when those who hang need not hang any more
	got    []*sent
	wrong  []string // what a vendor would have refused, or nobody would have got
}

// A vendor takes what one receiver sends.
type vendor struct {
	receiver string
	is       func(r *http.Request) bool
	serve    http.Handler
	// refuses answers as the vendor does to what it will never take; nil is 403.
	refuses http.HandlerFunc
	// busy is what stands in its 429 besides Retry-After.
	busy string
}

// A sent is something that somebody was sent.
type sent struct {
	receiver string
	at       time.Time // when all of it had arrived, by the machine's own clock
	method   string    // "" where it was no HTTP
	url      string
	header   http.Header
	body     []byte
	plain    []byte // what only its reader can decrypt
	taken    bool   // the vendor has it, whatever it answered

	once  sync.Once
	shown string // written by once
}

// A trouble is a way in which a vendor can be broken.
type trouble string

const (
	hangs   trouble = "never answers"
	dies    trouble = "answers no more within the time there is" // at once, so that a test need not wait
	fails   trouble = "answers 500 for ever"
	busy    trouble = "answers 429 and wants to be left alone for a minute"
	refuses trouble = "refuses for good"
	resets  trouble = "resets the connection"
	late    trouble = "takes it and answers too late"
	babbles trouble = "answers 200 with a web page"
)

// Secrets of the world. None of them may be in a log, a page or an error.
var worldSecrets = map[string]string{
	"TOKEN": token, "SMTP_PASSWORD": "smtp-secret-9c1f", "SLACK_TOKEN": "xoxb-slack-secret-52ab", "SLACK_SIGNING_SECRET": "5f1cce44a0d14b0fb2ad15a3c6f3a5d1",
	"TEAMS_URL":       "https://prod-01.westeurope.logic.azure.com/workflows/teams-secret-83d2",
	"GOOGLE_CHAT_URL": "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=google-secret-1f77&token=google-secret-c0de",
	"DISCORD_URL":     "https://discord.com/api/webhooks/123456789012345678/discord-secret-77aa", "MATTERMOST_TOKEN": "mattermost-secret-0b4e",
	"ROCKETCHAT_TOKEN": "rocket-secret-6f2d", "MATRIX_TOKEN": "matrix-secret-4c8a", "ZULIP_KEY": "zulipsecret0123456789abcdef01234",
	"TELEGRAM_TOKEN": "123456789:AAtelegramsecret0123456789abcdef012", "TELEGRAM_SECRET": "telegram-secret-19e0", "NTFY_TOKEN": "tk_ntfysecret5d31",
	"PUSHOVER_TOKEN": "apushoversecret0123456789abcde", "PUSHOVER_GROUP": "gpushoversecret0123456789abcde", "GOTIFY_TOKEN": "Agotifysecret2b9c",
	"TWILIO_SID": twiliotest.Account, "TWILIO_TOKEN": twiliotest.Token, "PAGERDUTY_KEY": "pagerdutysecret0123456789abcdef0", "JSM_KEY": "jsm-secret-a71c",
	"SERVICENOW_PASSWORD": "servicenow-secret-3e55", "JIRA_TOKEN": "jira-secret-88c4", "GITHUB_TOKEN": "github-secret-fe01", "GITLAB_TOKEN": "gitlab-secret-27bd",
	"PAGER_URL": "https://pager.example.com/hook/webhook-secret-64d9", "PAGER_SECRET": "webhook-signing-secret-a2f6", "TOCSIN_EXTERNAL_ID": "external-secret-90ee",
	"AWS_SECRET_ACCESS_KEY": phonetest.Secret,
}

// setAmazonEnv has AWS's own library find the world's credentials, and look for none on
// this machine. It stays so: nothing else here asks AWS.
var setAmazonEnv = sync.OnceFunc(func() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": phonetest.KeyID, "AWS_SECRET_ACCESS_KEY": phonetest.Secret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		_ = os.Setenv(name, value) // of names like these it takes everything
	}
})

// newWorld makes the world.
func newWorld(t *testing.T, now func() time.Time) *world {
	t.Helper()
	setAmazonEnv()
	w := &world{now: now, broken: map[string]trouble{}, freed: make(chan struct{}), phone: newHandset(t)}
	t.Cleanup(w.release)
	w.slack = slacktest.New(slacktest.Options{Token: worldSecrets["SLACK_TOKEN"], SigningSecret: worldSecrets["SLACK_SIGNING_SECRET"], Now: now})
	t.Cleanup(w.slack.Close)
	w.smtp = w.mailServer(t)
	w.vendors = slices.Concat(w.chats(), w.pushes(t), w.tickets(), w.amazon(t))
	return w
}

// sentTo is what a receiver was sent so far.
func (w *world) sentTo(receiver string) []*sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*sent
	for _, s := range w.got {
		if s.receiver == receiver {
			all = append(all, s)
		}
	}
	return all
}

// all is everything that was sent so far.
func (w *world) all() []*sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

// forget empties the memory.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = nil
}

// breaks has the receiver's vendor broken so from now on; "" mends it.
func (w *world) breaks(receiver string, how trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[receiver] = how
}

// release lets go of who hangs, as if their time were over.
func (w *world) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.freed)
	w.freed = make(chan struct{})
}

func (w *world) released() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.freed
}

func (w *world) trouble(receiver string) trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken[receiver]
}

func (w *world) keep(s *sent) {
	s.at = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, s)
}

// complain notes what no vendor would have taken.
func (w *world) complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// complaints are what no vendor would have taken.
func (w *world) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

// RoundTrip answers as whoever the request is for.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(w.vendors, func(v vendor) bool { return v.is(r) })
	if i < 0 {
		w.complain("%s %s is nobody's", r.Method, r.URL)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no such host")}
	}
	v := w.vendors[i]
	s := &sent{receiver: v.receiver, method: r.Method, url: r.URL.String(), header: r.Header.Clone(), body: body}
	if v.receiver == "phones" {
		s.plain = w.phone.decrypt(w, r, body)
	}
	how := w.trouble(v.receiver)
	if how != "" {
		s.taken = how == late
		w.keep(s)
		return w.fail(r, body, v, how)
	}
	resp := answer(r, body, v.serve)
	if s.taken = resp.StatusCode < 300; !s.taken {
		said, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(said))
		w.complain("%s: %s %s is answered %s: %s", v.receiver, r.Method, r.URL, resp.Status, said)
	}
	w.keep(s)
	return resp, nil
}

// fail answers as a vendor that is broken.
func (w *world) fail(r *http.Request, body []byte, v vendor, how trouble) (*http.Response, error) {
	switch how {
	case hangs:
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-w.released():
			return nil, context.DeadlineExceeded
		}
	case late:
		answer(r, body, v.serve)
		<-r.Context().Done()
		return nil, r.Context().Err()
	case resets:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	case fails:
		return answer(r, body, status(http.StatusInternalServerError, "text/html", "<html><title>Internal Server Error</title></html>")), nil
	case busy:
		return answer(r, body, http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
			to.Header().Set("Retry-After", "60")
			status(http.StatusTooManyRequests, "application/json", cmp.Or(v.busy, "{}"))(to, r)
		})), nil
	case refuses:
		if v.refuses != nil {
			return answer(r, body, v.refuses), nil
		}
		return answer(r, body, status(http.StatusForbidden, "application/json", `{"error":"forbidden"}`)), nil
	case babbles:
		return answer(r, body, status(http.StatusOK, "text/html", "<html><title>Welcome to the hotel's Wi-Fi</title></html>")), nil
	default: // it dies
		return nil, context.DeadlineExceeded
	}
}

// answer has the handler answer a client's request.
func answer(r *http.Request, body []byte, h http.Handler) *http.Response {
	in := r.Clone(r.Context())
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	in.Host, in.RequestURI, in.RemoteAddr = cmp.Or(r.Host, r.URL.Host), r.URL.RequestURI(), "192.0.2.1:1234"
	out := httptest.NewRecorder()
	h.ServeHTTP(out, in)
	resp := out.Result()
	resp.Request = r
	return resp
}

// status answers the same to all.
func status(code int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// at is whether a request is for the host, and what stands in its path.
func at(host string, paths ...string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		if r.URL.Host != host {
			return false
		}
		for _, p := range paths {
			if !strings.Contains(r.URL.Path, p) {
				return false
			}
		}
		return true
	}
}

// A counter numbers what a vendor makes.
type counter struct {
	mu sync.Mutex
	n  int64
}

func (c *counter) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// made answers with JSON in which %d is the number of what was made. A header that
// is not as it must be is refused.
func made(code int, format string, header, value string) http.HandlerFunc {
	var made counter
	return func(w http.ResponseWriter, r *http.Request) {
		if header != "" && r.Header.Get(header) != value {
			status(http.StatusUnauthorized, "application/json", `{"error":"unauthorised"}`)(w, r)
			return
		}
		text := format
		if strings.Contains(format, "%") {
			text = fmt.Sprintf(format, made.next())
		}
		status(code, "application/json", text)(w, r)
	}
}

func (w *world) chats() []vendor {
	secret := func(name string) string { return worldSecrets[name] }
	slack := http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) { w.forward(to, r) })
	own, _ := url.Parse(w.slack.URL)
	discord := made(http.StatusOK, `{"id":"1000%015d"}`, "", "")
	mattermost := made(http.StatusCreated, `{"id":"post%022d"}`, "Authorization", "Bearer "+secret("MATTERMOST_TOKEN"))
	rocket := made(http.StatusOK, `{"success":true,"message":{"_id":"m%d","rid":"room"}}`, "X-Auth-Token", secret("ROCKETCHAT_TOKEN"))
	matrix := made(http.StatusOK, `{"event_id":"$event%d"}`, "Authorization", "Bearer "+secret("MATRIX_TOKEN"))
	zulip := made(http.StatusOK, `{"result":"success","msg":"","id":%d}`, "Authorization", basicAuth("tocsin-bot@example.zulipchat.com", secret("ZULIP_KEY")))
	return []vendor{
		{"soc-slack", at("slack.com", "/api/"), slack, status(200, "application/json", `{"ok":false,"error":"channel_not_found"}`), `{"ok":false,"error":"ratelimited"}`},
		{"soc-slack", at(own.Host), slack, nil, ""}, // what replies are posted to
		{"slack-hook", at("hooks.slack.com"), status(200, "text/plain", "ok"), nil, ""},
		{"soc-teams", at("prod-01.westeurope.logic.azure.com"), &teamstest.Server{}, status(404, "application/json", `{"error":{"code":"WorkflowNotFound"}}`), ""},
		{"soc-google", at("chat.googleapis.com"), made(200, `{"name":"spaces/AAAA/messages/%d"}`, "", ""), nil, ""},
		{"soc-discord", at("discord.com"), discord, status(404, "application/json", `{"message":"Unknown Webhook","code":10015}`), `{"message":"You are being rate limited.","retry_after":60.0,"global":false}`},
		{"soc-mattermost", at("mattermost.example.com", "/api/v4/"), mattermost, status(403, "application/json", `{"id":"api.context.permissions.app_error","message":"You do not have the appropriate permissions.","status_code":403}`), ""},
		{"mattermost-hook", at("mattermost.example.com", "/hooks/"), status(200, "text/plain", "ok"), nil, ""},
		{"soc-rocket", at("chat.example.com", "/api/v1/"), rocket, status(400, "application/json", `{"success":false,"error":"error-invalid-room","errorType":"error-invalid-room"}`), ""},
		{"rocket-hook", at("chat.example.com", "/hooks/"), status(200, "application/json", `{"success":true}`), nil, ""},
		{"soc-matrix", at("matrix.example.com", "/send/m.room.message/"), matrix, status(403, "application/json", `{"errcode":"M_FORBIDDEN","error":"not in the room"}`), `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":60000}`},
		{"soc-zulip", at("example.zulipchat.com", "/api/v1/messages"), zulip, status(400, "application/json", `{"result":"error","msg":"Channel 'soc' does not exist","code":"STREAM_DOES_NOT_EXIST"}`), `{"result":"error","msg":"API usage exceeded rate limit","code":"RATE_LIMIT_HIT","retry-after":60}`},
		{"soc-telegram", at("api.telegram.org", "/bot"+secret("TELEGRAM_TOKEN")+"/"), telegram(), status(403, "application/json", `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked from the supergroup chat"}`), `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 60","parameters":{"retry_after":60}}`},
	}
}

// forward lets slacktest answer what is for Slack.
func (w *world) forward(to http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	base, _ := url.Parse(w.slack.URL)
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = base.Scheme, base.Host, base.Host, ""
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		http.Error(to, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	maps.Copy(to.Header(), resp.Header)
	to.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(to, resp.Body)
}

func telegram() http.Handler {
	message := made(200, `{"ok":true,"result":{"message_id":%d,"date":1,"chat":{"id":-1001234567890,"type":"supergroup"}}}`, "", "")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
		case "sendMessage", "editMessageText":
			message(w, r)
		default: // setWebhook, answerCallbackQuery
			status(200, "application/json", `{"ok":true,"result":true}`)(w, r)
		}
	})
}

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func (w *world) pushes(t *testing.T) []vendor {
	twilio := twiliotest.New(t)
	pushover := made(200, `{"status":1,"request":"r%d"}`, "", "")
	emergency := made(200, `{"status":1,"request":"r","receipt":"receipt%023d"}`, "", "")
	return []vendor{
		{"ntfy", at("ntfy.sh"), made(200, `{"id":"ntfy%d","time":1,"event":"message","topic":"soc"}`, "Authorization", "Bearer "+worldSecrets["NTFY_TOKEN"]), nil, `{"code":42901,"http":429,"error":"limit reached"}`},
		{"pushover", at("api.pushover.net", "/1/"), http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
			switch {
			case r.FormValue("token") != worldSecrets["PUSHOVER_TOKEN"]:
				status(400, "application/json", `{"status":0,"errors":["application token is invalid"]}`)(to, r)
			case r.FormValue("priority") == "2":
				emergency(to, r)
			default:
				pushover(to, r)
			}
		}), status(400, "application/json", `{"status":0,"errors":["application token is invalid"]}`), ""},
		{"gotify", at("gotify.example.com", "/message"), made(200, `{"id":%d,"appid":1}`, "X-Gotify-Key", worldSecrets["GOTIFY_TOKEN"]), nil, ""},
		{"phones", at("push.example.net"), status(http.StatusCreated, "", ""), status(http.StatusForbidden, "text/plain", "invalid JWT"), ""},
		{"text", at("api.twilio.com", "/Messages.json"), twilio, status(400, "application/json", `{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}`), ""},
		{"call", at("api.twilio.com", "/Calls.json"), twilio, nil, ""},
		{"webhook", at("pager.example.com"), http.HandlerFunc(w.hook), nil, ""},
		{"webhook-chime", at("chime.example.com"), status(200, "", ""), nil, ""},
	}
}

// hook takes what is signed as Standard Webhooks say.
func (w *world) hook(to http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	want := "v1," + webhook.Sign([]byte(worldSecrets["PAGER_SECRET"]), r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	if r.Header.Get("Webhook-Signature") != want {
		to.WriteHeader(http.StatusUnauthorized)
		return
	}
	to.WriteHeader(http.StatusNoContent)
}

func (w *world) tickets() []vendor {
	cloud := jiratest.New(jiratest.Options{Email: "tocsin@example.com", Token: worldSecrets["JIRA_TOKEN"]})
	center := jiratest.New(jiratest.Options{API: 2, Token: worldSecrets["JIRA_TOKEN"]})
	now := &incidents{by: map[string]string{}}
	hub := &tracker{number: "number", text: "body", open: "open", header: "Authorization", value: "Bearer " + worldSecrets["GITHUB_TOKEN"]}
	lab := &tracker{number: "iid", text: "description", open: "opened", header: "Private-Token", value: worldSecrets["GITLAB_TOKEN"]}
	jsm := made(http.StatusAccepted, `{"result":"Request will be processed","took":0.1,"requestId":"request-%d"}`, "Authorization", "GenieKey "+worldSecrets["JSM_KEY"])
	return []vendor{
		{"pagerduty", at("events.pagerduty.com"), &pagerdutytest.Server{RoutingKeys: []string{worldSecrets["PAGERDUTY_KEY"]}}, status(400, "application/json", `{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}`), ""},
		{"jsm", at("api.atlassian.com", "/v2/alerts"), jsm, status(422, "application/json", `{"message":"Key format is not valid!","took":0.1,"requestId":"r"}`), ""},
		{"servicenow", at("example.service-now.com", "/api/now/table/incident"), now, status(401, "application/json", `{"error":{"message":"User Not Authenticated"},"status":"failure"}`), ""},
		{"servicenow-events", at("events.service-now.com", "/api/global/em/jsonv2"), made(200, `{"result":{"Default Bulk Endpoint":"1 events were inserted"}}`, "Authorization", basicAuth("tocsin", worldSecrets["SERVICENOW_PASSWORD"])), nil, ""},
		{"jira", at("example.atlassian.net"), cloud, status(401, "application/json", `{"errorMessages":["Client must be authenticated to access this resource."],"errors":{}}`), ""},
		{"jira-center", at("jira.example.com"), center, nil, ""},
		{"github", at("api.github.com"), hub, status(404, "application/json", `{"message":"Not Found"}`), ""},
		{"gitlab", at("gitlab.com"), lab, status(404, "application/json", `{"message":"404 Project Not Found"}`), ""},
	}
}

// incidents are ServiceNow's, as far as they are looked for by correlation_id.
type incidents struct {
	mu sync.Mutex
	by map[string]string // sys_id by correlation_id
}

var correlation = regexp.MustCompile(`^correlation_id=([^^]+)`)

func (n *incidents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != basicAuth("tocsin", worldSecrets["SERVICENOW_PASSWORD"]) {
		status(http.StatusUnauthorized, "application/json", `{"error":{"message":"User Not Authenticated"},"status":"failure"}`)(w, r)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch r.Method {
	case http.MethodGet:
		text := `{"result":[]}`
		if found := correlation.FindStringSubmatch(r.URL.Query().Get("sysparm_query")); found != nil && n.by[found[1]] != "" {
			text = fmt.Sprintf(`{"result":[{"sys_id":{"value":%q},"number":{"value":"INC1"},"state":{"value":"1"},"active":{"value":"true"},"work_notes":{"display_value":""}}]}`, n.by[found[1]])
		}
		status(http.StatusOK, "application/json", text)(w, r)
	case http.MethodPost:
		var fields map[string]string
		if json.NewDecoder(r.Body).Decode(&fields) != nil || fields["correlation_id"] == "" {
			status(http.StatusBadRequest, "application/json", `{"error":{"message":"no correlation_id"}}`)(w, r)
			return
		}
		id := fmt.Sprintf("%032d", len(n.by)+1)
		n.by[fields["correlation_id"]] = id
		status(http.StatusCreated, "application/json", `{"result":{"sys_id":"`+id+`"}}`)(w, r)
	default:
		status(http.StatusOK, "application/json", `{"result":{"sys_id":"1"}}`)(w, r)
	}
}

// A tracker keeps issues as GitHub and GitLab do.
type tracker struct {
	number, text, open string // what they call these
	header, value      string

	mu     sync.Mutex
	bodies []string
}

var (
	issuePath   = regexp.MustCompile(`/issues/(\d+)$`)
	commentPath = regexp.MustCompile(`/issues/\d+/(?:comments|notes)$`)
)

func (k *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	reply := func(code int, v any) {
		text, _ := json.Marshal(v)
		status(code, "application/json", string(text))(w, r)
	}
	listed := func() []map[string]any {
		all := []map[string]any{}
		for i := len(k.bodies); i > max(0, len(k.bodies)-20); i-- {
			all = append(all, map[string]any{k.number: i, k.text: k.bodies[i-1], "created_at": "2100-01-01T00:00:00Z"})
		}
		return all
	}
	path := r.URL.Path
	switch {
	case r.Header.Get(k.header) != k.value:
		reply(http.StatusUnauthorized, map[string]string{"message": "401 Unauthorized"})
	case strings.HasSuffix(path, "/search/issues"):
		reply(http.StatusOK, map[string]any{"items": listed()})
	case commentPath.MatchString(path) && r.Method == http.MethodGet:
		reply(http.StatusOK, []any{})
	case commentPath.MatchString(path):
		reply(http.StatusCreated, map[string]int{"id": 1})
	case issuePath.MatchString(path):
		reply(http.StatusOK, map[string]string{"state": k.open})
	case r.Method == http.MethodGet:
		reply(http.StatusOK, listed())
	default:
		var made map[string]any
		_ = json.NewDecoder(r.Body).Decode(&made)
		body, _ := made[k.text].(string)
		k.bodies = append(k.bodies, body)
		reply(http.StatusCreated, map[string]any{k.number: len(k.bodies)})
	}
}

// amazon is AWS. That what it is sent is signed and shaped as AWS wants it is tested
// beside each notifier; here it is who is asked, by which key, and what is said.
func (w *world) amazon(t *testing.T) []vendor {
	phone := phonetest.New(t)
	service := func(receiver, name, key string, answers http.HandlerFunc) vendor {
		return vendor{
			receiver, func(r *http.Request) bool {
				return strings.HasSuffix("."+r.URL.Host, "."+name+".eu-west-1.amazonaws.com")
			},
			http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
				if signed := "Credential=" + key + "/"; !strings.Contains(r.Header.Get("Authorization"), signed) {
					status(http.StatusForbidden, "application/json", `{"__type":"UnrecognizedClientException"}`)(to, r)
					return
				}
				to.Header().Set("X-Amzn-Requestid", "00000001-1111-4222-8333-444444444444")
				answers(to, r)
			}),
			func(to http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
					status(http.StatusForbidden, "text/xml", `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>`)(to, r)
					return
				}
				to.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				status(http.StatusForbidden, "application/x-amz-json-1.0", `{"__type":"AccessDeniedException","message":"not authorized"}`)(to, r)
			}, "",
		}
	}
	plain := func(receiver, name, format string) vendor {
		return service(receiver, name, phonetest.KeyID, made(http.StatusOK, format, "", ""))
	}
	voice := func(operation string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.URL.Host == "sms-voice.eu-west-1.amazonaws.com" && strings.HasSuffix(r.Header.Get("X-Amz-Target"), operation)
		}
	}
	return []vendor{
		service("topic", "sns", phonetest.KeyID, batched(`<PublishBatchResponse><PublishBatchResult><Successful>`, `<member><Id>%d</Id><MessageId>m</MessageId></member>`, "", `</Successful></PublishBatchResult></PublishBatchResponse>`)),
		service("queue", "sqs", sessionKey, batched(`{"Successful":[`, `{"Id":"%d","MessageId":"m","MD5OfMessageBody":"%s"}`, ",", `],"Failed":[]}`)),
		service("queue", "sts", phonetest.KeyID, assumed),
		service("stream", "data-kinesis", phonetest.KeyID, batched(`{"FailedRecordCount":0,"Records":[`, `{"ShardId":"s","SequenceNumber":"%d"}`, ",", `]}`)),
		service("lake", "firehose", phonetest.KeyID, batched(`{"FailedPutCount":0,"RequestResponses":[`, `{"RecordId":"%d"}`, ",", `]}`)),
		service("bus", "events", phonetest.KeyID, batched(`{"FailedEntryCount":0,"Entries":[`, `{"EventId":"%d"}`, ",", `]}`)),
		plain("log", "logs", `{}`),
		service("enrich", "lambda", phonetest.KeyID, status(http.StatusAccepted, "application/json", "")),
		plain("collect-evidence", "ssm", `{"Command":{"CommandId":"%08d-5555-4666-8777-888888888888"}}`),
		plain("scan", "ecs", `{"tasks":[{"taskArn":"arn:aws:ecs:eu-west-1:111122223333:task/response/%032d"}],"failures":[]}`),
		plain("isolate", "states", `{"executionArn":"arn:aws:states:eu-west-1:111122223333:execution:isolate:%d","startDate":1.7e9}`),
		{"text-by-aws", voice("SendTextMessage"), phone, nil, ""},
		{"call-by-aws", voice("SendVoiceMessage"), phone, nil, ""},
	}
}

// sessionKey is the access key of the role that is assumed.
const sessionKey = "ASIAEXAMPLESESSION01"

// assumed gives the role to who knows the external id.
func assumed(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("RoleArn") != "arn:aws:iam::444455556666:role/tocsin-sends" || r.FormValue("ExternalId") != worldSecrets["TOCSIN_EXTERNAL_ID"] {
		status(http.StatusForbidden, "text/xml", `<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`)(w, r)
		return
	}
	status(http.StatusOK, "text/xml", `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>`+sessionKey+`</AccessKeyId><SecretAccessKey>session-secret</SecretAccessKey>`+
		`<SessionToken>session-token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)(w, r)
}

// batched answers for each entry of a request: with its number, and the MD5 of its
// text where the service gives that.
func batched(before, each, between, after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var bodies []string
		var in struct {
			Entries []struct{ MessageBody string }
			Records []struct{}
		}
		if strings.HasPrefix(each, "<") {
			_ = r.ParseForm()
			for name := range r.PostForm {
				if strings.HasSuffix(name, ".Message") {
					bodies = append(bodies, "")
				}
			}
		} else if json.NewDecoder(r.Body).Decode(&in) == nil {
			bodies = make([]string, len(in.Entries)+len(in.Records))
			for i, e := range in.Entries {
				bodies[i] = e.MessageBody
			}
		}
		var all []string
		for i, body := range bodies {
			args := []any{i}
			if strings.Contains(each, "%s") {
				sum := md5.Sum([]byte(body)) //nolint:gosec // SQS answers with it
				args = append(args, hex.EncodeToString(sum[:]))
			}
			all = append(all, fmt.Sprintf(each, args...))
		}
		kind := "application/x-amz-json-1.1"
		if strings.HasPrefix(each, "<") {
			kind = "text/xml"
		}
		status(http.StatusOK, kind, before+strings.Join(all, between)+after)(w, r)
	}
}

// A handset is a phone with a browser that is enrolled for Web Push.
type handset struct {
	key  *ecdh.PrivateKey
	auth []byte
}

func newHandset(t *testing.T) *handset {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	return &handset{key, auth}
}

// subscription is how the push service reaches it, as browsers write it.
func (p *handset) subscription() string {
	b64 := base64.RawURLEncoding
	return fmt.Sprintf(`{"endpoint":"https://push.example.net/wpush/v2/ana","keys":{"p256dh":%q,"auth":%q}}`, b64.EncodeToString(p.key.PublicKey().Bytes()), b64.EncodeToString(p.auth))
}

// decrypt is what the phone shows; it and its push service check what they get.
func (p *handset) decrypt(w *world, r *http.Request, body []byte) []byte {
	if _, _, err := webpushtest.Verify(r.Header.Get("Authorization"), "https://push.example.net", w.now()); err != nil {
		w.complain("phones: %v", err)
	}
	text, err := webpushtest.Decrypt(body, p.key, p.auth)
	if err != nil {
		w.complain("phones: %v", err)
	}
	return text
}

// terminal is where the receiver of that name writes.
func (w *world) terminal(receiver string) io.Writer { return terminal{w, receiver} }

type terminal struct {
	w        *world
	receiver string
}

func (c terminal) Write(p []byte) (int, error) {
	c.w.keep(&sent{receiver: c.receiver, body: bytes.Clone(p), taken: true})
	return len(p), nil
}

// mailboxes are the receivers by the addresses that they write to.
var mailboxes = map[string]string{"soc@example.com": "mail", "soc-lead@example.com": "last-resort"}

// mailServer starts a mail server, and gives its address.
func (w *world) mailServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{w: w}, nil }))
	server.Domain, server.ErrorLog, server.AllowInsecureAuth = "mail.example.com", silent{}, true
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // until it is closed
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

type mailSession struct {
	w  *world
	to string // the receiver
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	receiver, ok := mailboxes[to]
	if !ok {
		s.w.complain("mail to %s is nobody's", to)
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no such mailbox"}
	}
	s.to = receiver
	if s.w.trouble(receiver) == refuses {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "mailbox is closed"}
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err == nil {
		s.w.keep(&sent{receiver: s.to, body: body, taken: true})
	}
	return err
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "tocsin" || password != worldSecrets["SMTP_PASSWORD"] {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

// secretsIn are the world's secrets that stand in the text.
func secretsIn(text string) (found []string) {
	for name, value := range worldSecrets {
		if name == "TWILIO_SID" { // is no secret
			continue
		}
		if u, err := url.Parse(value); err == nil && u.Host != "" { // of an address the host is no secret
			value = u.RequestURI()
		}
		if strings.Contains(text, value) {
			found = append(found, name)
		}
	}
	return found
}

// await asks again and again until ok, and says in the end what is missing.
func await(t *testing.T, missing func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		left := missing()
		if left == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, left)
		case <-tick.C:
		}
	}
}

// shows is all that whoever gets it could read in it, in lower case: as it came, and
// with every coding taken off that is in it. Where the finding's own texts come with
// dots made dead or characters escaped, they stand as they were.
func (s *sent) shows() string {
	s.once.Do(func() { s.shown = s.read() })
	return s.shown
}

func (s *sent) read() string {
	var all []string
	read(&all, s.url, 0)
	for name, values := range s.header {
		for _, v := range values {
			read(&all, name+": "+v, 0)
			read(&all, v, 0)
		}
	}
	if s.method == "" {
		readMail(&all, s.body)
	}
	read(&all, string(s.body), 0)
	read(&all, string(s.plain), 0)
	return alive(strings.ToLower(strings.Join(all, "\n")))
}

// alive takes back what is done to texts of others, so that nobody can click them.
func alive(text string) string {
	for _, dead := range []struct{ is, was string }{{"[.]", "."}, {" dot ", "."}, {`\`, ""}, {"hxxp", "http"}} {
		text = strings.ReplaceAll(text, dead.is, dead.was)
	}
	return text
}

// read adds the text, and what it is if a coding is taken off it.
func read(all *[]string, text string, depth int) {
	if text == "" || depth > 6 {
		return
	}
	*all = append(*all, text)
	within := func(t string) {
		if t != text {
			read(all, t, depth+1)
		}
	}
	if strings.Contains(text, "%") {
		if t, err := url.QueryUnescape(text); err == nil {
			within(t)
		}
	}
	if equals := strings.IndexByte(text, '='); equals > 0 && !strings.ContainsAny(text[:equals], " <>\"{}[]/") {
		if form, err := url.ParseQuery(text); err == nil {
			for _, values := range form {
				for _, v := range values {
					within(v)
				}
			}
		}
	}
	if strings.Contains(text, "&") {
		within(html.UnescapeString(text))
	}
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") || strings.HasPrefix(trimmed, `"`) {
		var v any
		if json.Unmarshal([]byte(trimmed), &v) == nil {
			readJSON(all, v, depth+1)
		}
	}
	if strings.HasPrefix(text, "\x1f\x8b") {
		if z, err := gzip.NewReader(strings.NewReader(text)); err == nil {
			plain, _ := io.ReadAll(z)
			within(string(plain))
		}
	}
	if t, ok := unbased(text); ok {
		within(t)
	}
}

func readJSON(all *[]string, v any, depth int) {
	switch v := v.(type) {
	case string:
		read(all, v, depth)
	case []any:
		for _, one := range v {
			readJSON(all, one, depth)
		}
	case map[string]any:
		for name, one := range v {
			read(all, name, depth)
			readJSON(all, one, depth)
		}
	}
}

// unbased is what a text in base64 says, if it says something.
func unbased(text string) (string, bool) {
	text = strings.TrimRight(strings.TrimPrefix(text, "Basic "), "=")
	if len(text) < 16 || strings.ContainsAny(text, " .:{<\"") {
		return "", false
	}
	coding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		coding = base64.RawURLEncoding
	}
	raw, err := coding.DecodeString(text)
	return string(raw), err == nil && (utf8.Valid(raw) || strings.HasPrefix(string(raw), "\x1f\x8b"))
}

// readMail adds headers and parts of a mail.
func readMail(all *[]string, body []byte) {
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return // the terminal's
	}
	for _, values := range m.Header {
		for _, v := range values {
			if plain, err := new(mime.WordDecoder).DecodeHeader(v); err == nil {
				read(all, plain, 1)
			}
		}
	}
	kind, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "multipart/") {
		readPart(all, m.Header.Get("Content-Transfer-Encoding"), m.Body)
		return
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err != nil {
			return
		}
		readPart(all, p.Header.Get("Content-Transfer-Encoding"), p)
	}
}

func readPart(all *[]string, encoding string, r io.Reader) {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	text, _ := io.ReadAll(r)
	read(all, string(text), 1)
}
