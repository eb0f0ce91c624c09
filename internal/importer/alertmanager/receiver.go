package alertmanager

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/importer"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// An integration is one entry of a list such as slack_configs.
type integration struct {
	*importing
	n *importer.Node
	// name is what our receiver will be called.
	name string
	// why says why nothing can be made of it.
	why string
}

// integrations are the lists of a receiver, and what makes ours of their entries:
// the kind and its settings, or nil.
var integrations = map[string]struct {
	kind string
	make func(*integration) *importer.Map
}{
	"slack_configs":      {"slack", slack},
	"webhook_configs":    {"webhook", webhook},
	"pagerduty_configs":  {"pagerduty", pagerduty},
	"email_configs":      {"email", email},
	"opsgenie_configs":   {"opsgenie", opsgenie},
	"telegram_configs":   {"telegram", telegram},
	"msteamsv2_configs":  {"teams", teams},
	"discord_configs":    {"discord", discord},
	"pushover_configs":   {"pushover", pushover},
	"sns_configs":        {"aws-sns", sns},
	"rocketchat_configs": {"rocket-chat", rocketchat},
	"mattermost_configs": {"mattermost", mattermost},
}

// without are lists of which nothing is made, and why.
var without = map[string]string{
	"msteams_configs":    "Microsoft has retired the connectors that it posts to; make a workflow (Post to a channel when a webhook request is received) and a receiver of kind teams",
	"victorops_configs":  "tocsin has no receiver for Splunk On-Call; its REST endpoint takes a webhook",
	"wechat_configs":     "tocsin has no receiver for WeChat",
	"webex_configs":      "tocsin has no receiver for Webex",
	"jira_configs":       "tickets need settings that the file does not have; see the receiver jira",
	"incidentio_configs": "tocsin has no receiver for incident.io; a webhook with the header Authorization reaches its alert source",
}

// readReceivers makes receivers of ours, one of each integration.
func (i *importing) readReceivers() error {
	list := i.root.At("receivers")
	if !list.Is(importer.List) {
		return importer.Failure(i.root, "no receivers")
	}
	for _, n := range list.Items {
		name := n.At("name").Scalar()
		if name == "" {
			return importer.Failure(n, "a receiver without a name")
		}
		if _, twice := i.told[name]; twice {
			return importer.Failure(n, "receiver %q is there twice", name)
		}
		i.told[name] = nil
		entries := 0
		for _, e := range n.Entries {
			if strings.HasSuffix(e.Key, "_configs") {
				entries += len(e.Value.List())
			}
		}
		for _, e := range n.Entries {
			if !strings.HasSuffix(e.Key, "_configs") {
				continue
			}
			for _, entry := range n.At(e.Key).List() {
				i.integration(name, e.Key, entry, entries > 1)
			}
		}
		if entries > 0 && i.told[name] == nil {
			i.lost[name] = true
			i.draft.Remark(n, "receiver %q: nothing could be made of any of its integrations: its alerts go to the fallback until you name a receiver", name)
		}
	}
	return nil
}

// integration makes a receiver of one entry. Where there are several its name has
// the kind behind it.
func (i *importing) integration(receiver, list string, n *importer.Node, several bool) {
	from, known := integrations[list]
	why := without[list]
	if why == "" {
		why = "tocsin has no receiver like it"
	}
	if !known || from.make == nil || i.o.Kinds != nil && !slices.Contains(i.o.Kinds, from.kind) {
		i.draft.Remark(n.Take(), "receiver %q, %s: not taken: %s", receiver, list, why)
		return
	}
	name := receiver
	if several {
		name += "-" + from.kind
	}
	name = i.names.Take(name, from.kind)
	made := &integration{importing: i, n: n, name: name}
	settings := from.make(made)
	if made.why != "" {
		i.draft.Remark(n.Take(), "receiver %q, %s: not taken: %s", receiver, list, made.why)
		delete(i.names, name)
		return
	}
	i.receivers.Set(name, (&importer.Map{}).Set(from.kind, settings), fmt.Sprintf("from %s: receiver %q, %s", n.Where(), receiver, list))
	i.told[receiver] = append(i.told[receiver], name)
}

// text is a setting of the integration or, where it says nothing, of global.
func (g *integration) text(key, global string) string {
	if text := g.n.At(key).Scalar(); text != "" || global == "" {
		return text
	}
	return g.global.At(global).Scalar()
}

// secret is a setting that is a secret, or is in a file that the setting with
// _file names. sample is of its form. ok is false where there is neither.
func (g *integration) secret(key, global, what, sample string) (_ importer.Ref, value string, ok bool) {
	name := g.name + "-" + what
	about := fmt.Sprintf("%s of receiver %s", strings.ReplaceAll(what, "-", " "), g.name)
	for _, at := range []struct {
		n   *importer.Node
		key string
	}{{g.n, key}, {g.global, global}} {
		if at.key == "" {
			continue
		}
		if v := at.n.At(at.key).Scalar(); v != "" {
			if v == "<secret>" { // as Alertmanager shows a configuration
				r := g.draft.Secret(name, about, secret.String{})
				r.Sample = sample
				return r, "", true
			}
			return g.draft.Secret(name, about, secret.New(v)), v, true
		}
		if path := at.n.At(at.key + "_file").Scalar(); path != "" {
			return g.draft.SecretFile(name, about, path, sample), "", true
		}
	}
	return importer.Ref{}, "", false
}

// fail says why nothing is made of it.
func (g *integration) fail(format string, args ...any) *importer.Map {
	g.why = fmt.Sprintf(format, args...)
	return nil
}

// loses says what is not the same.
func (g *integration) loses(what string) { g.draft.Remark(g.n, "receiver %s: %s", g.name, what) }

// check is what is wrong with an address, as the receiver would say it.
func check(address string) error {
	if address == "" {
		return nil // it is in a file
	}
	return notify.CheckURL(secret.New(address))
}

var slackChannel = regexp.MustCompile(`^[CG][A-Z0-9]{6,20}$`)

// slack is an incoming webhook, or the Web API with a bot's token.
func slack(g *integration) *importer.Map {
	api := g.text("api_url", "slack_api_url")
	bot := g.n.At("http_config").At("authorization").At("credentials").Scalar()
	if u, err := url.Parse(api); err == nil && strings.HasSuffix(u.Path, "/chat.postMessage") {
		return slackApp(g, u, bot)
	}
	if token, _, ok := g.secret("app_token", "slack_app_token", "token", "xoxb-1"); ok {
		return slackChannelOf(g, (&importer.Map{}).Set("token", token))
	}
	if api == "" && !g.n.Has("api_url_file") && !g.global.Has("slack_api_url_file") {
		return g.fail("there is no api_url")
	}
	if err := check(api); api != "<secret>" && err != nil {
		return g.fail("api_url %s", err)
	}
	ref, _, _ := g.secret("api_url", "slack_api_url", "webhook", "https://hooks.slack.com/services/T0/B0/x")
	if channel := g.n.At("channel"); channel.Scalar() != "" {
		g.draft.Remark(channel, "receiver %s: channel %s: the webhook of an app posts to the channel that it was made for", g.name, importer.OneLine(channel.Scalar()))
	}
	return (&importer.Map{}).Set("webhook_url", ref)
}

func slackApp(g *integration, api *url.URL, bot string) *importer.Map {
	m := &importer.Map{}
	auth := &integration{importing: g.importing, n: g.n.At("http_config").At("authorization"), name: g.name}
	token, _, ok := auth.secret("credentials", "", "token", "xoxb-1")
	if !ok {
		return g.fail("its Web API needs the bot's token in http_config.authorization.credentials")
	}
	if bot != "" && !strings.HasPrefix(bot, "xoxb-") && bot != "<secret>" {
		return g.fail("the token is not a bot's (xoxb-…)")
	}
	m.Set("token", token)
	if api.Host != "slack.com" {
		m.Set("api_url", strings.TrimSuffix(api.String(), "chat.postMessage"))
	}
	return slackChannelOf(g, m)
}

// slackChannelOf sets the channel. Names are not told from IDs by Slack alone: with
// edits and threads a channel has to be its ID.
func slackChannelOf(g *integration, m *importer.Map) *importer.Map {
	channel := g.n.At("channel")
	switch text := channel.Scalar(); {
	case slackChannel.MatchString(text):
		m.Set("channel", text)
	case text == "":
		g.loses("there is no channel")
		fallthrough
	default:
		id := g.draft.Secret(g.name+"-channel", fmt.Sprintf("ID of the channel %s of receiver %s (no secret: C0123456789)", importer.OneLine(text), g.name), secret.String{})
		id.Sample = "C0123456789"
		m.Set("channel", id)
	}
	return m
}

// webhook posts. Its reader has to learn that it is tocsin's JSON.
func webhook(g *integration) *importer.Map {
	address := g.text("url", "")
	if address == "" && !g.n.Has("url_file") {
		return g.fail("there is no url")
	}
	if err := check(address); address != "<secret>" && err != nil {
		return g.fail("url %s", err)
	}
	ref, _, _ := g.secret("url", "", "url", "https://example.com/")
	m := (&importer.Map{}).Set("url", ref)
	if auth := authorization(g); auth != nil {
		m.Set("headers", (&importer.Map{}).Set("Authorization", auth))
	}
	if u, err := url.Parse(address); err == nil && inside(u.Hostname()) {
		m.Set("allow_private", true)
	}
	g.loses("what is posted is tocsin's JSON, not Alertmanager's; see docs/receivers.md")
	return m
}

// inside reports whether the host name is of a network of one's own, by its looks.
func inside(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return false // an address that is written out is allowed
	}
	if !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc([]string{".local", ".internal", ".svc", ".lan", ".home.arpa", ".corp", ".intranet"}, func(s string) bool { return strings.HasSuffix(host, s) })
}

// authorization is the value of the header, whatever the file calls it; nil if
// there is none.
func authorization(g *integration) any {
	http := g.n.At("http_config")
	if http == nil {
		http = g.global.At("http_config")
	}
	if basic := http.At("basic_auth"); basic != nil {
		user, password := basic.At("username").Scalar(), basic.At("password").Scalar()
		if password == "" || password == "<secret>" {
			g.loses("basic_auth: the password is not in the file; set headers.Authorization")
			return nil
		}
		return g.draft.Secret(g.name+"-authorization", "header Authorization of receiver "+g.name, secret.New("Basic "+basicAuth(user, password)))
	}
	of, scheme := http.At("authorization"), "Bearer"
	key := "credentials"
	if of == nil {
		of, key = http, "bearer_token"
	} else if t := of.At("type").Scalar(); t != "" {
		scheme = t
	}
	at := &integration{importing: g.importing, n: of, name: g.name}
	if value := of.At(key).Scalar(); value != "" && value != "<secret>" {
		return g.draft.Secret(g.name+"-authorization", "header Authorization of receiver "+g.name, secret.New(scheme+" "+value))
	}
	if ref, _, ok := at.secret(key, "", "token", "token"); ok {
		return importer.Behind{Text: scheme + " ", Ref: ref}
	}
	return nil
}

// integrationKey is how long an Integration Key of PagerDuty is.
const integrationKey = 32

func pagerduty(g *integration) *importer.Map {
	if g.n.At("routing_key").Scalar() == "" && !g.n.Has("routing_key_file") {
		return g.fail("service_key is of Events API v1; add an Events API v2 integration to the service and use its key")
	}
	ref, key, _ := g.secret("routing_key", "", "routing-key", strings.Repeat("0", 32))
	if key != "" && len(key) != integrationKey {
		return g.fail("routing_key: an Integration Key has 32 characters")
	}
	m := (&importer.Map{}).Set("routing_key", ref)
	if address := g.text("url", "pagerduty_url"); address != "" && address != "https://events.pagerduty.com/v2/enqueue" {
		m.Set("url", address)
	}
	return m
}

func email(g *integration) *importer.Map {
	to := g.text("to", "")
	from := g.text("from", "smtp_from")
	server := g.text("smarthost", "smtp_smarthost")
	host, port, err := net.SplitHostPort(server)
	switch {
	case to == "" || from == "":
		return g.fail("there is no to or no from")
	case err != nil || host == "":
		return g.fail("smarthost %q is not host:port", server)
	}
	m := &importer.Map{}
	// Alertmanager takes templates here, which are made of the alert.
	list, err := mail.ParseAddressList(to)
	if err != nil {
		return g.fail("to %s is no list of mail addresses", importer.OneLine(to))
	}
	if _, err := mail.ParseAddress(from); err != nil {
		return g.fail("from %s is no mail address", importer.OneLine(from))
	}
	addresses := make([]string, len(list))
	for k, a := range list {
		addresses[k] = a.Address
	}
	m.Set("to", addresses).Set("from", from).Set("smtp", server)
	if user := g.text("auth_username", "smtp_auth_username"); user != "" {
		m.Set("username", user)
		password, _, ok := g.secret("auth_password", "smtp_auth_password", "password", "password")
		if !ok {
			g.loses("auth_username without auth_password: another way to log in is not known")
		} else {
			m.Set("password", password)
		}
	}
	plain := g.n.At("require_tls")
	if plain == nil {
		plain = g.global.At("smtp_require_tls")
	}
	switch {
	case port == "465":
		m.Set("tls", "tls")
	case plain != nil && !plain.True():
		m.Set("tls", "none")
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			m.Set("insecure", true)
			g.draft.Remark(plain, "receiver %s: findings and the password go to %s in clear, as before; take out tls and insecure if the server has STARTTLS", g.name, host)
		}
	}
	return m
}

// opsgenieAPIs are the instances by the address of their API.
var opsgenieAPIs = map[string]string{"https://api.opsgenie.com": "opsgenie", "https://api.eu.opsgenie.com": "opsgenie-eu"}

func opsgenie(g *integration) *importer.Map {
	ref, _, ok := g.secret("api_key", "opsgenie_api_key", "api-key", "00000000-0000-0000-0000-000000000000")
	if !ok {
		return g.fail("there is no api_key")
	}
	m := (&importer.Map{}).Set("api_key", ref)
	address := g.text("api_url", "opsgenie_api_url")
	address = strings.TrimRight(address, "/")
	switch instance := opsgenieAPIs[address]; {
	case address == "":
		m.Set("instance", "opsgenie")
	case instance != "":
		m.Set("instance", instance)
	default:
		m.Set("base_url", address)
	}
	var responders importer.Items
	for _, r := range g.n.At("responders").List() {
		one := (&importer.Map{Flow: true}).SetText("type", r.At("type").Scalar())
		responders = append(responders, one.SetText("id", r.At("id").Scalar()).SetText("name", r.At("name").Scalar()).SetText("username", r.At("username").Scalar()))
	}
	if len(responders) > 0 {
		m.Set("responders", responders)
	}
	return m
}

func telegram(g *integration) *importer.Map {
	ref, token, ok := g.secret("bot_token", "telegram_bot_token", "token", "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	chat := g.text("chat_id", "")
	if !ok || chat == "" {
		return g.fail("there is no bot_token or no chat_id")
	}
	m := (&importer.Map{}).Set("token", ref).Set("chat", chat)
	thread := g.n.At("message_thread_id")
	if number, err := strconv.ParseInt(thread.Scalar(), 10, 64); err == nil && number != 0 {
		m.Set("thread", number)
	}
	if address := g.text("api_url", "telegram_api_url"); address != "" && strings.TrimRight(address, "/") != "https://api.telegram.org" {
		m.Set("api_url", address)
	}
	if token == "" || g.bots[token] { // one bot can be asked by one receiver only
		m.Set("answers", false)
	}
	g.bots[token] = true
	return m
}

func teams(g *integration) *importer.Map {
	return byURL(g, "url", "https://example.logic.azure.com/workflows/x")
}

func discord(g *integration) *importer.Map {
	return byURL(g, "url", "https://discord.com/api/webhooks/123456789012345678/token")
}

func mattermost(g *integration) *importer.Map {
	return byURL(g, "webhook_url", "https://mattermost.example.com/hooks/x")
}

// byURL is a receiver of which no more is known than a URL that is a secret; as is
// the setting that has it.
func byURL(g *integration, as, sample string) *importer.Map {
	address := g.n.At("webhook_url").Scalar()
	if err := check(address); address != "<secret>" && err != nil {
		return g.fail("webhook_url %s", err)
	}
	ref, _, ok := g.secret("webhook_url", "", "webhook", sample)
	if !ok {
		return g.fail("there is no webhook_url")
	}
	return (&importer.Map{}).Set(as, ref)
}

func rocketchat(g *integration) *importer.Map {
	address := g.text("api_url", "rocketchat_api_url")
	user := g.text("token_id", "rocketchat_token_id")
	token, _, ok := g.secret("token", "rocketchat_token", "token", "token")
	if !ok || user == "" || user == "<secret>" {
		return g.fail("its user is not in the file: token_id and token")
	}
	if address == "" {
		address = "https://open.rocket.chat"
	}
	m := (&importer.Map{}).Set("url", strings.TrimRight(address, "/")).Set("user_id", user).Set("token", token)
	return m.SetText("channel", g.n.At("channel").Scalar())
}

func pushover(g *integration) *importer.Map {
	token, _, ok := g.secret("token", "", "token", strings.Repeat("a", 30))
	user, _, some := g.secret("user_key", "", "user-key", strings.Repeat("u", 30))
	if !ok || !some {
		return g.fail("there is no token or no user_key")
	}
	m := (&importer.Map{}).Set("token", token).Set("user", user)
	return m.SetText("device", g.n.At("device").Scalar()).SetText("sound", g.n.At("sound").Scalar())
}

func sns(g *integration) *importer.Map {
	topic := g.n.At("topic_arn").Scalar()
	if topic == "" {
		return g.fail("it is for phone_number or target_arn, and not for a topic")
	}
	m := (&importer.Map{}).Set("topic", topic)
	v4 := g.n.At("sigv4")
	if role := v4.At("role_arn").Scalar(); role != "" {
		m.Set("role_arn", role)
	}
	if id := v4.At("external_id").Scalar(); id != "" {
		m.Set("external_id", id)
	}
	v4.At("region") // that of the ARN
	if key := v4.At("access_key").Scalar(); key != "" {
		at := &integration{importing: g.importing, n: v4, name: g.name}
		ref, _, ok := at.secret("secret_key", "", "secret-access-key", "secret")
		if !ok {
			return g.fail("access_key without secret_key")
		}
		m.Set("access_key_id", key).Set("secret_access_key", ref)
	}
	if address := g.n.At("api_url").Scalar(); address != "" {
		m.Set("endpoint_url", address)
	}
	return m
}

func basicAuth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
