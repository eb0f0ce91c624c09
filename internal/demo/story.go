package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// A world is the simulated organisation, its clock, and the doors it knocks at.
type world struct {
	accounts []account
	regions  []string
	rng      *rand.Rand
	clock    clock            // by which the program goes, and its receivers
	seen     func() time.Time // when what is found now was seen: a while before

	teams  []team
	in     *receivers
	signer *snstest.Signer
	app    *app.App
	doors  doors
	client *http.Client
	tell   func(line string)
	pace   time.Duration
	before tally // of what an earlier demo left

	// inspector is who asks GuardDuty, once the program is made.
	inspector *inspector

	mu       sync.Mutex // guards what follows
	sent     int        // deliveries
	answered int        // of them with 2xx
	detected map[tocsin.Key]known
}

type doors struct{ topic, bus string }

func (w *world) topicARN(region string) string {
	return "arn:aws:sns:" + region + ":" + admin + ":guardduty"
}

// publish signs the finding's event as the administrator's topic would and posts
// it.
func (w *world) publish(ctx context.Context, f *finding) (snstest.Message, error) {
	raw := w.event(f, admin)
	m, err := w.signer.Notification(w.topicARN(f.region), string(raw))
	if err != nil {
		return m, err
	}
	if _, err = w.post(ctx, m); err != nil {
		return m, err
	}
	return m, w.detect(raw, false)
}

func (w *world) post(ctx context.Context, m snstest.Message) (status int, err error) {
	req, err := m.Request(w.doors.topic)
	if err != nil {
		return 0, err
	}
	return w.do(req.WithContext(ctx))
}

// send posts a body to the member accounts' door, as an EventBridge API
// destination would.
func (w *world) send(ctx context.Context, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.doors.bus, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
	return w.do(req)
}

func (w *world) do(req *http.Request) (int, error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // the connection is used again
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent++
	if resp.StatusCode/100 == 2 {
		w.answered++
	}
	return resp.StatusCode, nil
}

// A scene is one thing that happens.
type scene func(ctx context.Context) error

// catchingUp is by how much the demo's clock is behind at the beginning: the story
// puts it forward by so much.
const catchingUp = 15 * time.Minute

// story tells, in order, what a newcomer is to see.
func (w *world) story() []scene {
	var mining, brute, exfil, sequence, login, tested *finding
	var first snstest.Message
	platform, _ := w.duty("platform")
	payments, colleague := w.duty("payments")
	web, second := w.duty("web")
	return []scene{
		w.subscribe,
		w.gap,

		// Somebody is on call, and is told by phone.
		func(ctx context.Context) (err error) {
			mining = w.find(kindOf("CryptoCurrency:EC2/BitcoinTool.B!DNS"), w.at("web-prod", w.regions[0]))
			mining.since(3 * publishing)
			first, err = w.publish(ctx, mining)
			return w.say(ctx, err, mining, "new finding")
		},
		w.hears(&mining, web, "sms"),
		func(ctx context.Context) error {
			brute = w.find(kindOf("UnauthorizedAccess:EC2/SSHBruteForce"), w.at("payments-prod", w.region("eu-west-1")))
			brute.since(2 * publishing)
			_, err := w.publish(ctx, brute)
			return w.say(ctx, err, brute, "new finding")
		},
		w.hears(&brute, payments, "mail"),
		w.fresh("Stealth:IAMUser/CloudTrailLoggingDisabled", "ci-build", "a low one"),
		w.fresh("Recon:EC2/PortProbeUnprotectedPort", "sandbox", "below its account's minimum"),
		w.later(&mining, "a quarter of an hour later: more"),
		w.later(&mining, "another quarter"),
		func(ctx context.Context) error {
			_, err := w.post(ctx, first)
			return w.again(ctx, err, mining, "SNS delivers the first one again")
		},
		func(ctx context.Context) error {
			_, err := w.send(ctx, w.event(mining, mining.account.id))
			return w.say(ctx, err, mining, "the same by the member's own bus")
		},

		// It gets worse, which wakes people; they answer as they like.
		func(ctx context.Context) error {
			old := *brute
			brute.severity = 8
			w.grow(brute)
			if _, err := w.publish(ctx, brute); err != nil {
				return err
			}
			if err := w.say(ctx, nil, brute, "worse: severity 5 becomes 8"); err != nil {
				return err
			}
			_, err := w.publish(ctx, &old)
			return w.say(ctx, err, &old, "an older update comes late")
		},
		w.hears(&brute, payments, "sms"),
		w.answers(&brute, payments, "replies by text message", w.replies("a")),
		w.garbage,
		w.forged,
		func(ctx context.Context) error {
			w.in.refuse("platform", 2)
			return w.open(&exfil, "Exfiltration:S3/AnomalousBehavior", "data-lake", "us-east-1", "and Slack answers 429, twice")(ctx)
		},
		w.hears(&exfil, platform, "mail"),
		w.answers(&exfil, platform, "follows the link in the mail", w.follows("Acknowledge")),

		// What is known is kept quiet, by people, by plan, and by what is worse.
		w.open(&tested, "Execution:Runtime/NewBinaryExecuted", "web-staging", "eu-west-1", "new finding"),
		w.hears(&tested, web, "mail"),
		w.answers(&tested, second, "presses Expected in Slack", w.presses("tocsin_expected")),
		w.silence(&tested, second, "load test until tonight"),
		w.fresh("Execution:Runtime/NewBinaryExecuted", "web-staging", "another one there"),
		w.fresh("Backdoor:EC2/C&CActivity.B", "network-hub", "during maintenance"),
		w.open(&sequence, "AttackSequence:IAM/CompromisedCredentials", "identity", "us-east-1", "an attack sequence"),
		w.hears(&sequence, platform, "call"),
		w.answers(&sequence, platform, "presses 4 on the phone", w.dials("4")),
		w.fresh("UnauthorizedAccess:EC2/SSHBruteForce", "identity", "a part of the attack"),
		w.fresh("Discovery:Kubernetes/SuccessfulAnonymousAccess", "ml-research", "new finding"),
		w.storm,

		// Nobody answered the first one, so that the next one is told.
		w.nobodyAnswers(&mining, web),
		w.hears(&mining, second, "sms"),
		w.answers(&mining, second, "presses Acknowledge in Slack", w.presses("tocsin_acknowledge")),
		w.digest,
		w.difference(&mining),
		w.open(&login, "CredentialAccess:RDS/AnomalousBehavior.SuccessfulBruteForce", "payments-prod", "eu-west-2", "new finding"),
		w.hears(&login, payments, "direct"),
		w.answers(&login, payments, "presses Escalate in Slack", w.presses("tocsin_escalate")),
		w.hears(&login, colleague, "sms"),
		w.answers(&login, colleague, "replies by text message", w.replies("a")),
		func(ctx context.Context) error {
			brute.archived = true
			w.grow(brute)
			_, err := w.publish(ctx, brute)
			return w.say(ctx, err, brute, "archived in GuardDuty")
		},
		w.lost("UnauthorizedAccess:EC2/SSHBruteForce", "data-lake", "us-west-2"),
	}
}

// lost is a finding whose event never came: who compares with GuardDuty finds it.
func (w *world) lost(kind, account, region string) scene {
	return func(ctx context.Context) error {
		f := w.find(kindOf(kind), w.at(account, w.region(region)))
		f.since(2 * publishing)
		if err := w.detect(w.event(f, admin), true); err != nil {
			return err
		}
		if _, err := w.inspector.look(ctx); err != nil {
			return err
		}
		if err := w.say(ctx, nil, f, "its event was lost on the way"); err != nil {
			return err
		}
		r, err := w.inspector.look(ctx)
		w.tell(columns("all", "all", "compared with GuardDuty") + fmt.Sprintf(" → received %d, API %d, recovered %d, unexplained %d", r.Received, r.API, r.Recovered, r.Unexplained))
		return err
	}
}

func (w *world) region(name string) string {
	for _, r := range w.regions {
		if r == name {
			return r
		}
	}
	return w.regions[0]
}

func (w *world) fresh(kind, account, what string) scene {
	return func(ctx context.Context) error {
		f := w.find(kindOf(kind), w.at(account, pick(w.rng, w.regions)))
		_, err := w.publish(ctx, f)
		return w.say(ctx, err, f, what)
	}
}

// open finds something new and keeps it for later scenes.
func (w *world) open(f **finding, kind, account, region, what string) scene {
	return func(ctx context.Context) error {
		*f = w.find(kindOf(kind), w.at(account, w.region(region)))
		_, err := w.publish(ctx, *f)
		return w.say(ctx, err, *f, what)
	}
}

func (w *world) later(f **finding, what string) scene {
	return func(ctx context.Context) error {
		w.grow(*f)
		_, err := w.publish(ctx, *f)
		return w.say(ctx, err, *f, what)
	}
}

// subscribe lets every region's topic ask for its confirmation.
func (w *world) subscribe(ctx context.Context) error {
	for _, region := range w.regions {
		m, err := w.signer.SubscriptionConfirmation(w.topicARN(region))
		if err != nil {
			return err
		}
		if status, err := w.post(ctx, m); err != nil || status != http.StatusOK {
			return fmt.Errorf("subscribe %s: answered %d: %w", region, status, err)
		}
	}
	w.tell(columns("all", "all", "subscription confirmations") + fmt.Sprintf(" → %d topics verified, on the list, confirmed", len(w.regions)))
	return nil
}

func (w *world) garbage(ctx context.Context) error {
	status, err := w.send(ctx, []byte("{\"detail-type\": \"GuardDuty Finding\", \"detail\": {\"id\": \x00\xff"))
	if err != nil {
		return err
	}
	return w.last(ctx, fmt.Sprintf("a garbage body, answered %d", status), "?", "?")
}

// forged is a message whose signature is not SNS's.
func (w *world) forged(ctx context.Context) error {
	f := w.find(kinds[0], w.anywhere())
	m, err := w.signer.Notification(w.topicARN(f.region), string(w.event(f, admin)))
	if err != nil {
		return err
	}
	m.Message = string(w.event(f, admin)) // another id than was signed
	status, err := w.post(ctx, m)
	if err != nil {
		return err
	}
	return w.last(ctx, fmt.Sprintf("a forged message, answered %d", status), "?", f.region)
}

// storm is many findings at once, by many clients.
func (w *world) storm(ctx context.Context) error {
	const clients, each = 16, 25
	messages := make([][]snstest.Message, clients)
	var events [][]byte
	for i := range messages {
		for range each {
			f := w.find(kindOf("Recon:EC2/PortProbeUnprotectedPort"), place{account: pick(w.rng, w.accounts[:min(len(w.accounts), 9)]), region: pick(w.rng, w.regions)})
			raw := w.event(f, admin)
			m, err := w.signer.Notification(w.topicARN(f.region), string(raw))
			if err != nil {
				return err
			}
			messages[i], events = append(messages[i], m), append(events, raw)
		}
	}
	start := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for _, ms := range messages {
		wg.Go(func() {
			for _, m := range ms {
				if _, err := w.post(ctx, m); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	took := time.Since(start)
	for _, raw := range events {
		if err := w.detect(raw, false); err != nil {
			return err
		}
	}
	w.tell(columns("most", "all", "a storm of port probes") + fmt.Sprintf(" → %d findings by %d clients in %d ms, each on disk before its answer", clients*each, clients, took.Milliseconds()))
	w.tell(columns("most", "all", "") + fmt.Sprintf(" → %d a minute are told singly in #platform-alerts, the rest together", storm))
	return nil
}

// account shows that what was answered is there.
func (w *world) account(ctx context.Context) error {
	return w.app.Store().View(ctx, func(tx *store.Tx) error {
		t, err := readTally(tx)
		if err != nil {
			return err
		}
		rows, alerts := t.rows-w.before.rows, int64(0)
		for status, n := range t.Alerts {
			alerts += n - w.before.Alerts[status]
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		again, refused := int(t.Verdicts[tocsin.Duplicate]-w.before.Verdicts[tocsin.Duplicate]), w.sent-w.answered
		if want := len(w.regions) + int(rows) + again - refused; w.answered != want {
			return fmt.Errorf("lost: %d deliveries were answered 2xx and %d are accounted for", w.answered, want)
		}
		w.tell(fmt.Sprintf("nothing lost: %d deliveries answered 2xx = %d confirmations + %d rows in the journal + %d redelivered - %d refused; %d alerts, %d messages delivered",
			w.answered, len(w.regions), rows, again, refused, alerts, t.Notifications[tocsin.Delivered]-w.before.Notifications[tocsin.Delivered]))
		return nil
	})
}

// A tally is what a store counts.
type tally struct {
	store.Totals
	rows int64 // of the journal that were delivered to the doors, canaries left out
}

func readTally(tx *store.Tx) (t tally, err error) {
	if t.Totals, err = tx.Totals(); err != nil {
		return t, err
	}
	sources, err := tx.Sources()
	for _, s := range sources {
		if slices.Contains(delivering, s.Source) {
			t.rows += s.Events
		}
	}
	t.rows -= t.Verdicts[tocsin.Watched]
	return t, err
}

// delivering are the sources to which findings are delivered.
var delivering = []string{"org-topic", "member-bus"}

// life goes on after the story: now and then a new finding, an update, or somebody
// who answers what has been open for a while.
func (w *world) life() scene {
	var known []*finding
	return func(ctx context.Context) error {
		if w.rng.IntN(3) == 0 {
			answered, err := w.somebodyAnswers(ctx)
			if err != nil || answered {
				return err
			}
		}
		if len(known) > 0 && w.rng.IntN(2) > 0 {
			f := pick(w.rng, known)
			w.grow(f)
			_, err := w.publish(ctx, f)
			return w.say(ctx, err, f, "an update")
		}
		f := w.find(pick(w.rng, kinds), w.anywhere())
		known = append(known, f)
		_, err := w.publish(ctx, f)
		return w.say(ctx, err, f, "new finding")
	}
}

// say tells what became of the finding that was just delivered.
func (w *world) say(ctx context.Context, err error, f *finding, what string) error {
	if err != nil {
		return err
	}
	return w.last(ctx, what, f.account.name, f.region)
}

// again tells of a redelivery, which has no row of its own.
func (w *world) again(ctx context.Context, err error, f *finding, what string) error {
	if err != nil {
		return err
	}
	return w.app.Store().View(ctx, func(tx *store.Tx) error {
		t, err := tx.Totals()
		w.tell(fmt.Sprintf("%s → %s: nothing else happens (%d so far)", columns(f.account.name, f.region, what), tocsin.Duplicate, t.Verdicts[tocsin.Duplicate]-w.before.Verdicts[tocsin.Duplicate]))
		return err
	})
}

func columns(account, region, what string) string {
	return fmt.Sprintf("%-14s %-14s %-33s", account, region, what)
}

// last tells of the newest row of the journal, canaries and what the program says of
// itself left out.
func (w *world) last(ctx context.Context, what, account, region string) error {
	return w.app.Store().View(ctx, func(tx *store.Tx) error {
		events, err := tx.Events(store.EventFilter{Page: store.Page{Limit: 100}})
		i := slices.IndexFunc(events, func(ev tocsin.Event) bool {
			return ev.Verdict != tocsin.Watched && (ev.Source == inspection || slices.Contains(delivering, ev.Source))
		})
		if err != nil || i < 0 {
			return err
		}
		ev := events[i]
		what := columns(account, region, what)
		if ev.Alert == 0 {
			w.tell(fmt.Sprintf("%s → %s: %s", what, ev.Verdict, ev.Reason))
			return nil
		}
		a, err := tx.Alert(ev.Alert)
		if err != nil {
			return err
		}
		w.tell(fmt.Sprintf("%s → %-8s #%-3d %s %s, %d×", what, ev.Verdict, a.ID, mark(a.Level), a.Headline, a.Occurrences))
		if ev.Verdict == tocsin.Silenced || ev.Verdict == tocsin.Suppressed {
			w.tell(columns(account, region, "") + " → nobody is told: " + ev.Reason)
		}
		return nil
	})
}

// mark is a level as shape and word.
func mark(l tocsin.Level) string {
	shapes := map[tocsin.Level]string{tocsin.Critical: "■", tocsin.High: "▲", tocsin.Medium: "●", tocsin.Low: "·"}
	return fmt.Sprintf("%s %-8s", shapes[l], l)
}
