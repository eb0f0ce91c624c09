package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/disclosure"
	"github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/slack/slacktest"
	"github.com/tocsin-sec/tocsin/internal/notify/twilio"
)

// variants are the other ways of some kinds to tell, as receivers besides the
// example's.
const variants = `
  slack-hook: {slack: {webhook_url: "https://hooks.slack.com/services/T0/B0/x"}}
  mattermost-hook: {mattermost: {webhook_url: "https://mattermost.example.com/hooks/x"}}
  rocket-hook: {rocket-chat: {webhook_url: "https://chat.example.com/hooks/x"}}
  servicenow-events: {servicenow: {url: "https://events.service-now.com", mode: event, username: tocsin, password: "${env:SERVICENOW_PASSWORD}"}}
  jira-center: {jira: {url: "https://jira.example.com", api: 2, project: SEC, token: "${env:JIRA_TOKEN}"}}
  webhook-chime: {webhook: {url: "https://chime.example.com", template: chime}}
  text-by-aws: {sms: {to: ["+4930123456"], aws: {region: eu-west-1, origination_identity: pool-1}}}
  call-by-aws: {voice: {to: ["+4930123456"], aws: {region: eu-west-1, origination_identity: pool-1}}}
`

// A plant is a finding in which every field that it has holds a word of its own. What
// the fields hold stands in its description, a tag and the user agent besides.
type plant struct {
	name  string
	words map[string][]string // by field, in lower case
	// holds are the values of fields that stand elsewhere too.
	holds []string
	told  tocsin.Account
}

const (
	plantAccount = "918273645546"
	plantID      = "f00zqfindingid77"
)

// planted are findings about a role, an instance, a database and a cluster.
func planted() []plant {
	all := []plant{
		{name: "role", words: map[string][]string{
			"actor.ip": {"203.0.113.177"}, "actor.country": {"zqcountry"}, "actor.org": {"zqnetwork"}, "actor.principal": {"zqprincipal"},
			"resource.id": {"asiazqresourceid"}, "facts": {"zqfacterror"}, "command": {"lookup-events"}, "changes": {"203.0.113.166", "zqbefore"},
		}, holds: []string{"203.0.113.177", "Zqcountry", "AS64500 Zqnetwork", "Zqnetwork", "ASIAZQRESOURCEID"}},
		{name: "instance", words: map[string][]string{
			"actor.domain": {"zqdomain.example"}, "resource.id": {"0abczqinstance"}, "resource.name": {"zqresourcename"}, "resource.tags": {"zqtagvalue"},
			"facts": {"vpc-zqfact"}, "command": {"describe-instances"}, "changes": {"zqolddomain.example"},
		}, holds: []string{"zqdomain[.]example", "zqdomain.example", "i-0abczqinstance", "zqresourcename", "zqtagvalue"}},
		{name: "database", words: map[string][]string{
			"actor.ip": {"203.0.113.178"}, "actor.country": {"zqcountry"}, "actor.org": {"zqnetwork"}, "actor.principal": {"zqdbuser"},
			"resource.id": {"zqdatabaseid"}, "resource.name": {"zqclustername"}, "resource.tags": {"zqtagvalue"}, "facts": {"zqengine"}, "command": {"describe-db-instances"},
			"changes": {"203.0.113.166"},
		}, holds: []string{"203.0.113.178", "Zqcountry", "AS64500 Zqnetwork", "zqdatabaseid", "zqclustername", "zqtagvalue"}},
		{name: "cluster", words: map[string][]string{
			"actor.ip": {"203.0.113.179"}, "actor.country": {"zqcountry"}, "actor.org": {"zqnetwork"}, "actor.principal": {"zqprincipal"},
			"resource.id": {"zqclusterid"}, "resource.tags": {"zqtagvalue"}, "facts": {"zqfactpath"}, "changes": {"203.0.113.166", "zqbefore"},
		}, holds: []string{"203.0.113.179", "Zqcountry", "AS64500 Zqnetwork", "zqprincipal", "zqclusterid", "zqtagvalue"}},
	}
	for i := range all {
		p := &all[i]
		maps.Copy(p.words, map[string][]string{
			"account": {plantAccount}, "account.name": {"zqaccountname"}, "account.tags": {"zqcostcentre", "zqorgunit"}, "finding_id": {plantID},
			"title": {"zqtitleword"}, "description": {"zqdescription"}, "links": {"guardduty/home", "guardduty_finding-types"},
		})
		p.holds = append(p.holds, plantAccount, plantID+p.name, "zqaccountname", "zqcostcentre", "zqorgunit")
		p.told = tocsin.Account{ID: plantAccount, Name: "zqaccountname", OU: "zqorgunit", Tags: map[string]string{"cost-centre": "zqcostcentre"}}
	}
	return all
}

// scattered is what fields hold in one text, as findings have it: beside each other, in
// names, in brackets.
func (p plant) scattered() string {
	forms := []string{"%s", "(%s)", "seen with %s.", "arn:aws:x:%s/y"}
	words := make([]string, len(p.holds))
	for i, held := range p.holds {
		words[i] = fmt.Sprintf(forms[i%len(forms)], held)
	}
	return strings.Join(words, " ")
}

// finding is the finding as GuardDuty sends it; what changes is another before later.
func (p plant) finding(severity float64, count int, later bool) string {
	pick := func(was, is string) string {
		if later {
			return is
		}
		return was
	}
	beside := pick("nothing yet", p.scattered()) // a value is the field's own only once it has it
	var resource, action map[string]any
	kind, typ := "", ""
	tags := []any{map[string]string{"key": "Name", "value": "zqresourcename"}, map[string]string{"key": "owner", "value": "zqtagvalue"}, map[string]string{"key": "note", "value": beside}}
	from := map[string]any{
		"ipAddressV4": pick("203.0.113.166", p.first("actor.ip")), "country": map[string]string{"countryName": "Zqcountry"},
		"organization": map[string]string{"asn": "64500", "asnOrg": "Zqnetwork"},
	}
	switch p.name {
	case "role":
		kind, typ = "AccessKey", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
		resource = map[string]any{"accessKeyDetails": map[string]any{"accessKeyId": "ASIAZQRESOURCEID", "principalId": "AIDA1", "userType": "AssumedRole", "userName": pick("zqbefore", "zqprincipal")}}
		action = map[string]any{"actionType": "AWS_API_CALL", "awsApiCallAction": map[string]any{
			"api": "ListBuckets", "serviceName": "s3.amazonaws.com", "callerType": "Remote IP", "userAgent": "agent " + beside, "remoteIpDetails": from, "errorCode": "ZqFactError",
		}}
	case "instance":
		kind, typ = "Instance", "Backdoor:EC2/C&CActivity.B!DNS"
		resource = map[string]any{"instanceDetails": map[string]any{"instanceId": "i-0abczqinstance", "tags": tags, "networkInterfaces": []any{map[string]any{"vpcId": "vpc-zqfact"}}}}
		action = map[string]any{"actionType": "DNS_REQUEST", "dnsRequestAction": map[string]any{"domain": pick("zqolddomain.example", "zqdomain.example"), "protocol": "UDP"}}
	case "database":
		kind, typ = "RDSDBInstance", "CredentialAccess:RDS/AnomalousBehavior.SuccessfulBruteForce"
		resource = map[string]any{
			"rdsDbInstanceDetails": map[string]any{"dbInstanceIdentifier": "zqdatabaseid", "dbClusterIdentifier": "zqclustername", "engine": "zqengine", "tags": tags[1:]},
			"rdsDbUserDetails":     map[string]any{"user": "zqdbuser"},
		}
		action = map[string]any{"actionType": "RDS_LOGIN_ATTEMPT", "rdsLoginAttemptAction": map[string]any{"remoteIpDetails": from, "LoginAttributes": []any{map[string]any{"user": "zqdbuser", "successfulLoginAttempts": 1}}}}
	case "cluster":
		kind, typ = "EKSCluster", "Discovery:Kubernetes/TorIPCaller"
		resource = map[string]any{
			"eksClusterDetails": map[string]any{"name": "zqclusterid", "tags": tags[1:]},
			"kubernetesDetails": map[string]any{"kubernetesUserDetails": map[string]any{"username": pick("zqbefore", "zqprincipal")}},
		}
		action = map[string]any{"actionType": "KUBERNETES_API_CALL", "kubernetesApiCallAction": map[string]any{
			"requestUri": "/zqfactpath", "verb": "get", "userAgent": "agent " + beside, "statusCode": 200, "remoteIpDetails": from,
		}}
	}
	resource["resourceType"] = kind
	minute := fmt.Sprintf("2026-06-12T02:%02d:00.000Z", count)
	text, _ := json.Marshal(map[string]any{
		"version": "0", "id": fmt.Sprintf("%s-%d", p.name, count), "detail-type": "GuardDuty Finding", "source": "aws.guardduty", "account": plantAccount,
		"time": "2026-06-12T02:00:00Z", "region": "eu-west-1", "detail": map[string]any{
			"schemaVersion": "2.0", "accountId": plantAccount, "region": "eu-west-1", "partition": "aws", "id": plantID + p.name, "type": typ, "severity": severity,
			"createdAt": "2026-06-12T02:00:00.000Z", "updatedAt": minute, "title": "A zqtitleword of a title", "description": "Zqdescription: " + beside,
			"resource": resource, "service": map[string]any{"count": count, "action": action, "resourceRole": "TARGET", "eventFirstSeen": "2026-06-12T02:00:00.000Z", "eventLastSeen": minute},
		},
	})
	return string(text)
}

func (p plant) first(field string) string {
	if ws := p.words[field]; len(ws) > 0 {
		return ws[0]
	}
	return ""
}

// life are messages of all kinds about the plant.
func (p plant) life(t *testing.T, now time.Time) map[tocsin.Kind]notify.Message {
	t.Helper()
	fold := func(a tocsin.Alert, severity float64, count int, later bool) (tocsin.Alert, tocsin.Activity) {
		f, ok, err := guardduty.Read([]byte(p.finding(severity, count, later)))
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", p.name, ok, err)
		}
		d := f.Detection()
		d.Rule, d.Path = "guardduty", "https:findings"
		return a.Fold(d, now)
	}
	opened, _ := fold(tocsin.Alert{}, 5, 1, true)
	before, _ := fold(tocsin.Alert{}, 5, 1, false)
	raised, worse := fold(before, 9.5, 2, true)
	updated, more := fold(before, 5, 3, true)
	acked, err := raised.Acknowledge("ana", now)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := acked.Close("ana", tocsin.ReasonFixed, now)
	if err != nil {
		t.Fatal(err)
	}
	message := func(kind tocsin.Kind, a tocsin.Alert, changes []tocsin.Change) notify.Message {
		return notify.Message{
			Kind: kind, Alert: a, Changes: changes, Account: p.told, Why: "route everywhere", At: now, Team: "soc", OnCall: []string{"ana"}, Seen: 3,
			AlertURL: "https://tocsin.example.com/alerts/1", Event: []byte(p.finding(9.5, 2, true)),
			Actions: []notify.Action{{Do: notify.DoAcknowledge, Label: "Acknowledge", Reply: "1a"}},
		}
	}
	all := map[tocsin.Kind]notify.Message{
		tocsin.TellOpened: message(tocsin.TellOpened, opened, nil), tocsin.TellRaised: message(tocsin.TellRaised, raised, worse.Changes),
		tocsin.TellUpdated: message(tocsin.TellUpdated, updated, more.Changes), tocsin.TellAcknowledged: message(tocsin.TellAcknowledged, acked, nil),
		tocsin.TellClosed: message(tocsin.TellClosed, closed, nil), tocsin.TellAction: message(tocsin.TellAction, raised, nil),
	}
	digest := notify.Message{Kind: tocsin.TellDigest, Why: "route everywhere", At: now}
	for _, a := range []tocsin.Alert{raised, opened} {
		digest.Digest = append(digest.Digest, notify.Item{Alert: a, Account: p.told, URL: "https://tocsin.example.com/alerts/1"})
	}
	all[tocsin.TellDigest] = digest
	return all
}

// A memory is what a receiver keeps while a test runs.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key], nil
}

func (m *memory) Save(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[key] = value
	return nil
}

func (m *memory) First(_ context.Context, key string, value []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept[key] == nil {
		m.kept[key] = value
	}
	return m.kept[key], nil
}

// opened is the receiver's notifier, in the world.
func (w *world) opened(t *testing.T, r config.Receiver) notify.Notifier {
	t.Helper()
	n, err := r.Open(notify.Env{
		Name: r.Name, Log: slog.New(slog.DiscardHandler), Now: w.now, Out: w.terminal(r.Name), State: &memory{kept: map[string][]byte{}},
		HTTP: &http.Client{Transport: w, Timeout: patience}, Handle: func(http.Handler) {}, CallbackURL: "https://tocsin.example.com/act/" + r.Name,
		Act:    func(context.Context, notify.Answer) (notify.Reply, error) { return notify.Reply{}, nil },
		Enroll: func(context.Context, string, string) error { return nil },
	})
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return n
}

// tells sends the messages one after the other, as the engine does, and gives all
// that left because of them.
func (w *world) tells(t *testing.T, r config.Receiver, n notify.Notifier, hide []string, ms ...notify.Message) []*sent {
	t.Helper()
	before := len(w.sentTo(r.Name))
	ref := ""
	for _, m := range ms {
		if r.Name == "phones" {
			m.To, m.Person = w.phone.subscription(), "ana"
		}
		m.Ref = ref
		made, err := n.Notify(t.Context(), disclosure.Message(m, hide))
		if err != nil && !notify.IsPermanent(err) { // what it refuses for good does not leave
			t.Fatalf("%s: %s: %v", r.Name, m.Kind, err)
		}
		if ref == "" {
			ref = made
		}
	}
	return w.sentTo(r.Name)[before:]
}

// hiddenBy are the fields that a name hides.
func hiddenBy(name string) []string {
	for _, g := range disclosure.Groups() {
		if g.Name == name {
			return g.Fields
		}
	}
	return []string{name}
}

// found are the words of those fields that anybody could read in what left.
func (p plant) found(left []*sent, fields []string) (words []string) {
	for _, field := range fields {
		for _, word := range p.words[field] {
			if slices.ContainsFunc(left, func(s *sent) bool { return strings.Contains(s.shows(), word) }) {
				words = append(words, field+": "+word)
			}
		}
	}
	return words
}

// Every word of a field that is hidden from a receiver is in nothing that it is sent,
// whichever field it is and whatever is told: not in an address, a header or a body,
// nor under any coding. And it is there where nothing is hidden, so that this can fail.
func TestWhatIsHiddenLeavesByNoDestination(t *testing.T) {
	t.Parallel()
	c := new(clock)
	w := newWorld(t, c.now)
	made := w.destinations(t, "\n  # What acts.\n", variants)
	plants := planted()
	lives := make([]map[tocsin.Kind]notify.Message, len(plants))
	for i, p := range plants {
		lives[i] = p.life(t, c.now())
	}
	kinds := []tocsin.Kind{tocsin.TellRaised, tocsin.TellUpdated, tocsin.TellAcknowledged, tocsin.TellClosed, tocsin.TellDigest}
	names := disclosure.Names()
	shown := map[string]int{} // how many receivers show a field
	id := int64(0)
	for i, r := range made.Receivers {
		n := w.opened(t, r)
		// tell is about another alert each time: what was told of one before is not told anew.
		tell := func(which int, hide []string, kinds ...tocsin.Kind) []*sent {
			id++
			var ms []notify.Message
			for _, k := range kinds {
				if r.Acts {
					k = tocsin.TellAction
				}
				m := lives[which][k]
				m.ID, m.Receiver = fmt.Sprintf("msg_%d_%s", id, k), r.Name
				if m.Alert.Status != "" {
					m.Alert.ID = id
				}
				m.Digest = slices.Clone(m.Digest)
				for j := range m.Digest {
					m.Digest[j].Alert.ID = id
				}
				ms = append(ms, m)
			}
			return w.tells(t, r, n, hide, ms...)
		}
		all := append([]tocsin.Kind{tocsin.TellOpened}, kinds...)
		few, which := 0, i%len(plants)
		left := tell(which, nil, tocsin.TellOpened, tocsin.TellRaised)
		for field := range plants[which].words {
			if len(plants[which].found(left, []string{field})) > 0 {
				few++
				shown[field]++
			}
		}
		if few == 0 {
			t.Errorf("%s shows nothing of the %s where nothing is hidden: this test sees nothing there", r.Name, plants[which].name)
		}
		if left = tell(which, []string{"details"}, all...); len(left) == 0 {
			t.Errorf("%s is told nothing", r.Name)
		}
		if words := plants[which].found(left, hiddenBy("details")); len(words) > 0 {
			t.Errorf("%s shows of the %s, hiding details: %v", r.Name, plants[which].name, words)
		}
		for j, name := range names {
			var has []int // plants that have such a field
			for k, p := range plants {
				if slices.ContainsFunc(hiddenBy(name), func(field string) bool { return p.words[field] != nil }) {
					has = append(has, k)
				}
			}
			which, told := has[(i+j)%len(has)], []tocsin.Kind{tocsin.TellOpened}
			switch { // these say most; what was before, an opening cannot say
			case name == "changes":
				told = []tocsin.Kind{tocsin.TellRaised, tocsin.TellUpdated}
			case (i+j)%2 == 0:
				told = []tocsin.Kind{tocsin.TellRaised}
			}
			if words := plants[which].found(tell(which, []string{name}, told...), hiddenBy(name)); len(words) > 0 {
				t.Errorf("%s shows of the %s, hiding %s: %v", r.Name, plants[which].name, name, words)
			}
		}
		w.forget()
	}
	for _, f := range disclosure.Fields() {
		if shown[f.Name] == 0 {
			t.Errorf("nobody shows %s where nothing is hidden: this test does not see it", f.Name)
		}
	}
	for _, c := range w.complaints() {
		t.Errorf("complaint: %.300s", c)
	}
	t.Logf("%d receivers, %d names; shown by how many: %v", len(made.Receivers), len(names), shown)
}

// The house gives every receiver what its own hide leaves: whatever becomes of an
// alert, whoever answers and wherever, one by one or in a digest.
func TestTheHouseHidesWhatItsReceiversAreNotToSee(t *testing.T) {
	t.Parallel()
	c := new(clock)
	w := newWorld(t, c.now)
	made := w.destinations(t, "routes:\n  - name: everywhere\n", `accounts:
  "`+plantAccount+`": {name: zqaccountname, ou: zqorgunit, tags: {cost-centre: zqcostcentre}}
routes:
  - name: everywhere
    storm: 1
`, "{run: isolate, approve: true}", "{run: isolate}")
	names := disclosure.Names()
	by := map[string]string{"soc-slack": "resource", "soc-telegram": "actor.principal", "text": "account.name"}
	for i := range made.Receivers {
		r := &made.Receivers[i]
		if by[r.Name] == "" {
			by[r.Name] = names[i%len(names)]
		}
		r.Hide = []string{by[r.Name]}
	}
	h := w.run(t, made)
	const telegram, mobile = "987654321", "+491701234567"
	for receiver, address := range map[string]string{"soc-slack": slacktest.User, "soc-telegram": telegram, "text": mobile} {
		if err := h.Engine().Enroll(t.Context(), receiver, "ana", address); err != nil {
			t.Fatal(err)
		}
	}
	quiet := func() string { return h.unsettled(t) }
	plants := planted()
	h.accept(t, plants[3].finding(5, 1, false))
	await(t, quiet)
	before := len(w.all())
	h.accept(t, plants[3].finding(9.5, 2, true)) // it gets worse
	await(t, quiet)
	second := h.accept(t, plants[1].finding(9.5, 2, true)) // a storm: these come in a digest
	h.accept(t, plants[2].finding(8, 2, true))
	h.drain(t, c)

	said, err := w.slack.Press(t.Context(), slacktest.User, slacktest.Channel, w.slack.Messages(slacktest.Channel)[0].TS, "tocsin_acknowledge")
	if err != nil || !strings.HasPrefix(said, "Acknowledged by ana") {
		t.Errorf("Slack's button is answered %q, %v", said, err)
	}
	h.callBack(t, "soc-telegram", http.Header{"X-Telegram-Bot-Api-Secret-Token": {worldSecrets["TELEGRAM_SECRET"]}},
		fmt.Sprintf(`{"update_id":1,"callback_query":{"id":"1","from":{"id":%s},"data":"acknowledge:%d"}}`, telegram, second))
	form := url.Values{"From": {mobile}, "To": {"+4930999999"}, "Body": {fmt.Sprintf("%dc", second)}, "MessageSid": {"SM1"}}
	answered := h.callBack(t, "text/reply", http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {twilio.Sign(worldSecrets["TWILIO_TOKEN"], "https://tocsin.example.com/act/text/reply", form)},
	}, form.Encode())
	if !strings.Contains(answered, "Closed as fixed by ana") {
		t.Errorf("the text is answered %s", answered)
	}
	w.keep(&sent{receiver: "text", body: []byte(answered), taken: true})
	await(t, quiet)

	told := map[tocsin.Kind]int{}
	for _, n := range h.ledger(t, "state=delivered") {
		told[n.Kind]++
		if n.Digest {
			told[tocsin.TellDigest]++
		}
	}
	for _, k := range []tocsin.Kind{tocsin.TellOpened, tocsin.TellRaised, tocsin.TellAcknowledged, tocsin.TellChanged, tocsin.TellClosed, tocsin.TellAction, tocsin.TellDigest} {
		if told[k] == 0 {
			t.Errorf("nobody was told of anything %s: this test does not see it", k)
		}
	}
	later := w.all()[before:]
	for _, r := range made.Receivers {
		left := w.sentTo(r.Name)
		if by[r.Name] == "changes" { // what was before is no secret while it is
			left = slices.DeleteFunc(slices.Clone(left), func(s *sent) bool { return !slices.Contains(later, s) })
		}
		if r.Name != last && len(left) == 0 {
			t.Errorf("%s is told nothing", r.Name)
		}
		sees := 0
		for _, p := range plants[1:] {
			if words := p.found(left, hiddenBy(by[r.Name])); len(words) > 0 {
				t.Errorf("%s shows of the %s, hiding %s: %v", r.Name, p.name, by[r.Name], words)
			}
			for field := range p.words {
				if !slices.Contains(hiddenBy(by[r.Name]), field) {
					sees += len(p.found(left, []string{field}))
				}
			}
		}
		if sees == 0 && len(left) > 0 {
			t.Errorf("%s, hiding %s, shows nothing at all: this test sees nothing there", r.Name, by[r.Name])
		}
	}
	w.checkClean(t, h)
}

// callBack has a vendor call a receiver back.
func (h *house) callBack(t *testing.T, receiver string, header http.Header, body string) (answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL()+"/act/"+receiver, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s is answered %s %s (%v)", receiver, resp.Status, text, err)
	}
	return string(text)
}
