package telegram

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

const (
	pollTime   = 50 * time.Second // for which Telegram holds a request that has no answer
	pollSlack  = 15 * time.Second // until its reply must be there
	batch      = 20               // updates in one reply
	retryLeast = time.Second
	retryMost  = 5 * time.Minute
	turnTime   = 10 * time.Second // for which another replica may ask
	bodyMax    = 1 << 20          // of a request of Telegram's
	// placeTime is how long an offset is gone by. Telegram numbers updates anew, by chance,
	// if a bot has none for a week, and would forget those below an old offset.
	placeTime = 24 * time.Hour
)

var (
	_ notify.Listener = (*poller)(nil)
	_ notify.Listener = (*hook)(nil)
	_ notify.Placed   = (*poller)(nil)
	_ notify.Placed   = (*hook)(nil)
)

// poller fetches answers (https://core.telegram.org/bots/api#getupdates). Of several
// replicas one asks at a time: Telegram ends the request of the one before, which then
// waits for a while. An answer that comes twice has one ID.
type poller struct {
	*notifier
	asks  bot           // with time for requests that are held
	least time.Duration // between two attempts that fail; retryLeast
}

// Listen takes answers until ctx ends. What it fails at it tries again, after one second
// to five minutes. Answers that are being worked on are finished first.
func (p *poller) Listen(ctx context.Context) error {
	at := p.place(ctx)
	wait := p.least
	for ctx.Err() == nil {
		updates, err := p.fetch(ctx, at.from(p.now()))
		if err != nil {
			p.pause(ctx, err, wait)
			wait = min(2*wait, retryMost)
			continue
		}
		wait = p.least
		if next := p.all(ctx, updates); next > 0 {
			at = place{next, p.now()}
			p.keep(ctx, at)
		}
	}
	return nil
}

// pause waits after an error, or until ctx ends.
func (p *poller) pause(ctx context.Context, err error, wait time.Duration) {
	if ctx.Err() == nil {
		sleep(ctx, p.rest(ctx, err, wait))
	}
}

// A place is the first update that was not taken yet, and when that was known.
type place struct {
	Offset int64     `json:"offset"`
	At     time.Time `json:"at"`
}

// from is the offset to ask for; 0 is the earliest that Telegram still has.
func (p place) from(now time.Time) int64 {
	if age := now.Sub(p.At); age < 0 || age > placeTime {
		return 0
	}
	return p.Offset
}

// fetch asks for what is new. What is before offset Telegram forgets.
func (p *poller) fetch(ctx context.Context, offset int64) ([]update, error) {
	var updates []update
	err := p.asks.call(ctx, "getUpdates", map[string]any{
		"offset": offset, "limit": batch, "timeout": int(pollTime.Seconds()), "allowed_updates": wanted,
	}, &updates)
	return updates, err
}

// all works on updates at once, and gives the offset behind them. It is not broken off
// when ctx ends: what is begun is done.
func (p *poller) all(ctx context.Context, updates []update) (next int64) {
	ctx = context.WithoutCancel(ctx)
	var busy sync.WaitGroup
	for _, u := range updates {
		next = max(next, u.ID+1)
		busy.Go(func() { p.take(ctx, u) })
	}
	busy.Wait()
	return next
}

// placeKey is the bot's own, since each counts for itself.
func (p *poller) placeKey() string {
	id, _, _ := strings.Cut(p.bot.token.Reveal(), ":")
	return "offset/" + id
}

// place is where the last run left off. Without it Telegram gives all that was not taken
// yet.
func (p *poller) place(ctx context.Context) (at place) {
	if p.env.State == nil {
		return at
	}
	value, err := p.env.State.Load(ctx, p.placeKey())
	if err != nil {
		p.log.WarnContext(ctx, "place among Telegram's answers not read", "err", err)
		return at
	}
	if json.Unmarshal(value, &at) != nil || at.Offset < 0 {
		return place{}
	}
	return at
}

func (p *poller) keep(ctx context.Context, at place) {
	if p.env.State == nil {
		return
	}
	value, err := json.Marshal(at)
	if err == nil {
		err = p.env.State.Save(context.WithoutCancel(ctx), p.placeKey(), value)
	}
	if err != nil {
		p.log.WarnContext(ctx, "place among Telegram's answers not kept", "err", err)
	}
}

// rest is how long to wait after an error.
func (p *poller) rest(ctx context.Context, err error, wait time.Duration) time.Duration {
	if says(err, "terminated by other getupdates request") {
		p.log.DebugContext(ctx, "another process asks for the bot's answers")
		return max(wait, min(turnTime, 10*p.least))
	}
	if says(err, "webhook is active") && p.drop(ctx) {
		return p.least
	}
	p.log.WarnContext(ctx, "answers not fetched from Telegram", "err", err)
	if told, ok := notify.RetryAfter(err); ok {
		return told
	}
	return wait
}

// drop ends a webhook that an earlier configuration of ours set up; somebody else's is
// theirs.
func (p *poller) drop(ctx context.Context) bool {
	var info struct {
		URL string `json:"url"`
	}
	if p.env.CallbackURL == "" || p.bot.call(ctx, "getWebhookInfo", struct{}{}, &info) != nil || info.URL != p.env.CallbackURL {
		return false
	}
	return p.bot.call(ctx, "deleteWebhook", struct{}{}, nil) == nil
}

// patient is the client with time for a request that is held.
func patient(client *http.Client) *http.Client {
	c := http.Client{}
	if client != nil {
		c = *client
	}
	c.Timeout = pollTime + pollSlack
	if t, ok := c.Transport.(*http.Transport); ok && t.ResponseHeaderTimeout > 0 {
		t = t.Clone()
		t.ResponseHeaderTimeout = 0
		c.Transport = t
	}
	return notify.Throttled(&c, throttled)
}

// sleep waits for a while, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// hook has Telegram send answers (https://core.telegram.org/bots/api#setwebhook).
type hook struct {
	*notifier
	secret secret.String
	least  time.Duration // between two attempts to set it up; retryLeast
}

// Listen tells Telegram where to send answers, until that worked, and waits for ctx to
// end. The webhook stays: another process may go on with it.
func (h *hook) Listen(ctx context.Context) error {
	wait := h.least
	for ctx.Err() == nil {
		if h.register(ctx, wait) {
			<-ctx.Done()
		}
		wait = min(2*wait, retryMost)
	}
	return nil
}

// register tells Telegram, and reports whether it knows; if not, some time has gone by.
func (h *hook) register(ctx context.Context, wait time.Duration) bool {
	err := h.bot.call(ctx, "setWebhook", map[string]any{
		"url": h.env.CallbackURL, "secret_token": h.secret.Reveal(), "allowed_updates": wanted,
	}, nil)
	if err == nil || ctx.Err() != nil {
		return err == nil
	}
	h.log.WarnContext(ctx, "Telegram does not know where to send answers", "err", err)
	if told, ok := notify.RetryAfter(err); ok {
		wait = told
	}
	sleep(ctx, wait)
	return false
}

// callBack takes what Telegram sends. Without the secret that it was given nothing is
// done. Telegram sends again what is not answered with 2xx.
func (h *hook) callBack(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Telegram posts here", http.StatusMethodNotAllowed)
		return
	}
	given := r.Header.Get("X-Telegram-Bot-Api-Secret-Token")
	if h.secret.IsZero() || subtle.ConstantTimeCompare([]byte(given), []byte(h.secret.Reveal())) != 1 {
		http.Error(w, "not Telegram's secret", http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		http.Error(w, "the body cannot be read, or is too large", http.StatusRequestEntityTooLarge)
		return
	}
	var u update
	if err := json.Unmarshal(body, &u); err != nil {
		http.Error(w, "no update that can be read", http.StatusBadRequest)
		return
	}
	h.take(context.WithoutCancel(r.Context()), u)
	w.WriteHeader(http.StatusNoContent)
}
