package telegram

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// actor does what is answered and keeps it.
type actor struct {
	mu      sync.Mutex // guards answers
	answers []notify.Answer
	err     error
}

func (a *actor) act(_ context.Context, answer notify.Answer) (notify.Reply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers = append(a.answers, answer)
	return notify.Reply{Text: "Acknowledged by ana at 02:30 UTC."}, a.err
}

func (a *actor) all() []notify.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.answers)
}

// A way is one by which answers come. happens returns once the update was dealt with.
type way struct {
	name string
	open func(t *testing.T, s *server, env notify.Env) (n notify.Notifier, happens func(update))
}

func ways() []way { return []way{{"fetched", fetched}, {"sent", sent}} }

func fetched(t *testing.T, s *server, env notify.Env) (notify.Notifier, func(update)) {
	t.Helper()
	n, err := open(Config{APIURL: s.URL, Token: secret.New(token), Chat: group}, env)
	if err != nil {
		t.Fatal(err)
	}
	n.(*poller).least = time.Millisecond
	listen(t, n)
	return n, func(u update) {
		u = s.happens(u)
		s.until(func() bool { return len(s.offsets) > 0 && s.offsets[len(s.offsets)-1] > u.ID })
	}
}

const webhookSecret = "s3cret_word-0"

func sent(t *testing.T, s *server, env notify.Env) (notify.Notifier, func(update)) {
	t.Helper()
	var mounted http.Handler
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mounted.ServeHTTP(w, r) }))
	t.Cleanup(door.Close)
	env.Handle, env.CallbackURL = func(h http.Handler) { mounted = h }, door.URL+"/act/soc"
	n, err := open(Config{APIURL: s.URL, Token: secret.New(token), Chat: group, WebhookSecret: secret.New(webhookSecret)}, env)
	if err != nil {
		t.Fatal(err)
	}
	n.(*hook).least = time.Millisecond
	listen(t, n)
	s.until(func() bool { return s.hook != "" })
	return n, func(u update) {
		if code := deliver(t, s.hook, s.secret, u); code != http.StatusNoContent {
			t.Errorf("the update is answered with %d", code)
		}
	}
}

func deliver(t *testing.T, address, word string, u update) int {
	t.Helper()
	body, err := notify.JSON(u)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Telegram-Bot-Api-Secret-Token", word)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// listen has the notifier listen until the test ends.
func listen(t *testing.T, n notify.Notifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.(notify.Listener).Listen(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Listen = %v at its end", err)
			}
		case <-time.After(time.Minute):
			t.Error("Listen had not returned a minute after its context ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

func pressed(id, data string) update {
	return update{Callback: &callback{ID: id, From: user{ID: 87654321}, Data: data}}
}

func written(chat, thread int64, kind, text string) update {
	m := &incoming{Thread: thread, From: user{ID: 87654321}, Text: text}
	m.Chat.ID, m.Chat.Type = chat, kind
	return update{Message: m}
}

func TestPressingButtons(t *testing.T) {
	t.Parallel()
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s, a := newServer(t), &actor{}
			env := notifytest.Env(t, nil)
			env.Act, env.State = a.act, &notifytest.Memory{}
			n, happens := way.open(t, s, env)
			tell(t, n, "", "", "opened-with-actions")
			buttons := s.all()[0].Buttons
			if len(buttons) != 3 {
				t.Fatalf("buttons %+v, want 3", buttons)
			}
			happens(pressed("cb1", buttons[0].Data))
			happens(pressed("cb2", buttons[1].Data))
			happens(pressed("cb3", buttons[2].Data)) // asks once more
			happens(pressed("cb4", buttons[2].Data))
			happens(pressed("cb5", "acknowledge:x"))
			happens(pressed("cb6", "delete:4821"))
			happens(pressed("cb7", "run:isolate:4821")) // asks once more
			happens(pressed("cb8", "run:isolate:4821"))
			want := []notify.Answer{
				{ID: "cb1", Alert: 4821, Do: notify.DoAcknowledge, From: ana},
				{ID: "cb2", Alert: 4821, Do: notify.DoEscalate, From: ana},
				{ID: "cb4", Alert: 4821, Do: notify.DoExpected, From: ana},
				{ID: "cb8", Alert: 4821, Do: notify.DoRun("isolate"), From: ana},
			}
			if diff := cmp.Diff(want, a.all()); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			const done = "Acknowledged by ana at 02:30 UTC."
			shown := []string{
				done, done, "Alert #4821 is closed then, and nobody is told of it any more. Press once more to do so.", done,
				"This button does nothing any more.", "This button does nothing any more.",
				"isolate runs for alert #4821 then, and your name stands with it on the timeline. Press once more to run it.", done,
			}
			if diff := cmp.Diff(shown, s.answers); diff != "" {
				t.Errorf("she is shown (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusalsAreShown(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := &actor{err: errors.New("nobody here has 87654321 as a verified contact method; see https://evil.example/" + strings.Repeat("x", 300))}
	env := notifytest.Env(t, nil)
	env.Act = a.act
	_, happens := fetched(t, s, env)
	happens(pressed("cb1", "acknowledge:4821"))
	if got := s.answers; len(got) != 1 || !strings.HasPrefix(got[0], "Not done: nobody here has 87654321") || strings.Contains(got[0], "https://") {
		t.Errorf("she is shown %q", got)
	}
}

func TestOnlyWhatIsOnAButtonIsAnAnswer(t *testing.T) {
	t.Parallel()
	for data, ok := range map[string]bool{
		"acknowledge:4821": true, "run:isolate:4821": true, "close:1": true,
		"": false, ":1": false, "4821": false, "acknowledge:": false, "acknowledge:0": false, "acknowledge:-1": false, "acknowledge:1e3": false,
		"run::4821": false, "run:4821": false, "delete:4821": false, "acknowledge:99999999999999999999": false,
	} {
		for _, from := range []user{{ID: 87654321}, {ID: 87654321, IsBot: true}, {}} {
			if _, got := answer(callback{From: from, Data: data}); got != (ok && !from.IsBot && from.ID != 0) {
				t.Errorf("%q of %+v is an answer: %v", data, from, got)
			}
		}
	}
}

func TestARestartGoesOnWhereItLeftOff(t *testing.T) {
	t.Parallel()
	s, a, state := newServer(t), &actor{}, &notifytest.Memory{}
	run := func(while func()) {
		env := notifytest.Env(t, nil)
		env.Act, env.State = a.act, state
		n, err := open(Config{APIURL: s.URL, Token: secret.New(token)}, env)
		if err != nil {
			t.Fatal(err)
		}
		stop := listen(t, n)
		while()
		stop()
	}
	run(func() {
		s.happens(pressed("cb1", "acknowledge:4821"))
		s.until(func() bool { return len(s.answers) == 1 })
		s.until(func() bool { return s.offsets[len(s.offsets)-1] == 1001 })
	})
	before := len(s.offsets)
	run(func() { s.until(func() bool { return len(s.offsets) > before }) })
	if got := s.offsets[before]; got != 1001 || s.offsets[0] != 0 {
		t.Errorf("it asks from %d on at first and from %d after the restart, want 0 and 1001", s.offsets[0], got)
	}
	if got := a.all(); len(got) != 1 {
		t.Errorf("answers %+v, want one", got)
	}
}

func TestAnOldPlaceIsNotGoneBy(t *testing.T) {
	t.Parallel()
	now := notifytest.Now()
	for _, tt := range []struct {
		name string
		at   place
		want int64
	}{
		{"none", place{}, 0},
		{"a minute old", place{1001, now.Add(-time.Minute)}, 1001},
		{"a day old", place{1001, now.Add(-24 * time.Hour)}, 1001},
		{"so old that Telegram may count anew", place{1001, now.Add(-25 * time.Hour)}, 0},
		{"of the future", place{1001, now.Add(time.Hour)}, 0},
	} {
		if got := tt.at.from(now); got != tt.want {
			t.Errorf("%s: from = %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestAnotherBotHasAPlaceOfItsOwn(t *testing.T) {
	t.Parallel()
	one := poller{notifier: &notifier{bot: bot{token: secret.New(token)}}}
	other := poller{notifier: &notifier{bot: bot{token: secret.New("987654321:" + strings.Repeat("A", 35))}}}
	if one.placeKey() == other.placeKey() || strings.Contains(one.placeKey(), "AAH") {
		t.Errorf("keys %q and %q", one.placeKey(), other.placeKey())
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, a := newServer(t), &actor{}
	failed := 0
	s.refuse = func(method string, _ map[string]any) (int, string) {
		if method != "getUpdates" || failed == 3 {
			return 0, ""
		}
		failed++
		return []int{502, 409, 502}[failed-1], `{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}`
	}
	env := notifytest.Env(t, nil)
	env.Act = a.act
	_, happens := fetched(t, s, env)
	happens(pressed("cb1", "acknowledge:4821"))
	if got := a.all(); len(got) != 1 || failed != 3 {
		t.Errorf("answers %+v after %d failures, want one after 3", got, failed)
	}
}

func TestAWebhookOfOursIsEndedBeforeAnswersAreFetched(t *testing.T) {
	t.Parallel()
	s, a := newServer(t), &actor{}
	s.hook = "https://tocsin.example.com/act/soc"
	env := notifytest.Env(t, nil)
	env.Act, env.CallbackURL = a.act, s.hook
	_, happens := fetched(t, s, env)
	happens(pressed("cb1", "acknowledge:4821"))
	if got := a.all(); len(got) != 1 {
		t.Errorf("answers %+v, want one", got)
	}
}

func TestSomebodyElsesWebhookIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.hook = "https://other.example.com/bot"
	env := notifytest.Env(t, nil)
	env.Act, env.CallbackURL = (&actor{}).act, "https://tocsin.example.com/act/soc"
	n, err := open(Config{APIURL: s.URL, Token: secret.New(token)}, env)
	if err != nil {
		t.Fatal(err)
	}
	n.(*poller).least = time.Millisecond
	stop := listen(t, n)
	s.until(func() bool { return len(s.offsets) >= 2 })
	stop()
	if s.hook != "https://other.example.com/bot" {
		t.Errorf("the webhook is %q", s.hook)
	}
}

func TestOnlyTelegramsSecretOpensTheDoor(t *testing.T) {
	t.Parallel()
	s, a := newServer(t), &actor{}
	env := notifytest.Env(t, nil)
	env.Act = a.act
	sent(t, s, env)
	for _, word := range []string{"", "wrong", webhookSecret + "x"} {
		if code := deliver(t, s.hook, word, pressed("cb1", "acknowledge:4821")); code != http.StatusForbidden {
			t.Errorf("with the secret %q: %d, want 403", word, code)
		}
	}
	long := written(87654321, 0, "private", strings.Repeat("x", 2<<20))
	if code := deliver(t, s.hook, webhookSecret, long); code != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB: %d, want 413", code)
	}
	resp, err := http.Get(s.hook)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || len(a.all()) != 0 {
		t.Errorf("GET: %s, and %+v was done", resp.Status, a.all())
	}
}

func TestTheBotSaysAChatsID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	env := notifytest.Env(t, nil)
	env.Act = (&actor{}).act
	_, happens := fetched(t, s, env)
	for _, u := range []update{
		written(87654321, 0, "private", "/start"),
		written(-100123, 5, "supergroup", "/id@tocsin_bot"),
		written(-100124, 0, "group", "/id"),
		written(-100124, 0, "group", "/start"),
		written(-100124, 0, "group", "hello"),
		written(87654321, 0, "private", "hello"),
	} {
		happens(u)
	}
	var got []string
	for _, m := range s.all() {
		got = append(got, m.Chat+" "+strconv.FormatInt(m.Thread, 10)+": "+m.Text)
	}
	want := []string{
		"87654321 0: Your chat ID is <code>87654321</code>. In tocsin it is the address of a contact method of the receiver payments-oncall.",
		"-100123 5: This chat's ID is <code>-100123</code>, and the topic is <code>5</code>.",
		"-100124 0: This chat's ID is <code>-100124</code>.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the bot says (-want +got):\n%s", diff)
	}
}

func TestStrangersHaveTheBotSayLittle(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	env := notifytest.Env(t, nil)
	env.Act = (&actor{}).act
	n, err := open(Config{APIURL: s.URL, Token: secret.New(token)}, env)
	if err != nil {
		t.Fatal(err)
	}
	if least := pollTime + pollSlack; n.(*poller).asks.client.Timeout != least || n.(*poller).bot.client.Timeout >= least {
		t.Errorf("answers have %v, want %v; other requests %v", n.(*poller).asks.client.Timeout, least, n.(*poller).bot.client.Timeout)
	}
	bot := written(87654321, 0, "private", "/start")
	bot.Message.From.IsBot = true
	n.(*poller).take(t.Context(), bot)
	if got := len(s.all()); got != 0 {
		t.Errorf("it answers a bot: %d messages", got)
	}
	begun := time.Now()
	for range 50 {
		n.(*poller).take(t.Context(), written(87654321, 0, "private", "/start"))
	}
	took := time.Since(begun)
	if got, most := len(s.all()), 5+1+int(took.Seconds()); got < 1 || got > most {
		t.Errorf("it said %d things in %v, want at most 5 and one a second", got, took)
	}
}

func TestAnInvitationEnrolsOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	now := notifytest.Now()
	enrolled := map[string]string{}
	env := notifytest.Env(t, nil)
	env.Act, env.State, env.Now = (&actor{}).act, &notifytest.Memory{}, func() time.Time { return now }
	env.Enroll = func(_ context.Context, person, address string) error {
		if person == "gone" {
			return errors.New("there is no person gone <b>here</b>")
		}
		enrolled[address] = person
		return nil
	}
	n, err := open(Config{APIURL: s.URL, Token: secret.New(token)}, env)
	if err != nil {
		t.Fatal(err)
	}
	p := n.(*poller)
	p.replies = rate.NewLimiter(rate.Inf, 1)
	invite := func(person string) string {
		link, err := n.(notify.Inviter).Invite(person)
		start, found := strings.CutPrefix(link, "https://t.me/tocsin_bot?start=")
		if err != nil || !found || len(start) > 64 {
			t.Fatalf("Invite = %q, %v", link, err)
		}
		return start
	}
	start := func(chat int64, text string) string {
		before := len(s.all())
		p.take(t.Context(), written(chat, 0, "private", "/start "+text))
		said := s.all()
		if len(said) != before+1 {
			t.Fatalf("the bot said %d things", len(said)-before)
		}
		return said[before].Text
	}
	const over = "This invitation is over or was used. Take a new one from tocsin."
	first, second := invite("ana"), invite("ana")
	if got := start(1, first); got != over {
		t.Errorf("an invitation before the newest: %q", got)
	}
	if got := start(1, "AAAA"); got != over {
		t.Errorf("a guess: %q", got)
	}
	if got := start(87654321, second); !strings.HasPrefix(got, "Done:") || enrolled["87654321"] != "ana" {
		t.Errorf("the newest: %q, enrolled %v", got, enrolled)
	}
	if got := start(666, second); got != over || len(enrolled) != 1 {
		t.Errorf("used again: %q, enrolled %v", got, enrolled)
	}
	late := invite("bo")
	now = now.Add(time.Hour + time.Second)
	if got := start(2, late); got != over {
		t.Errorf("after an hour: %q", got)
	}
	if got := start(3, invite("gone")); !strings.HasPrefix(got, "Not done: there is no person gone &lt;b&gt;") {
		t.Errorf("of nobody: %q", got)
	}
}

func TestWithoutAnswersNobodyIsInvited(t *testing.T) {
	t.Parallel()
	n := opened(t, "http://127.0.0.1:1")
	if _, listens := n.(notify.Listener); listens {
		t.Error("it listens although nothing can be done")
	}
	if link, err := n.(notify.Inviter).Invite("ana"); err == nil {
		t.Errorf("Invite = %q, want an error", link)
	}
}
