package telegram

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

var _ notify.Inviter = (*notifier)(nil)

const (
	inviteTime  = time.Hour // for which an invitation holds
	inviteCalls = 10 * time.Second
	personPart  = 8 // bytes of an invitation that say whose it is
)

// An invitation is kept for each person: the newest one holds, once.
type invitation struct {
	Person string    `json:"person"`
	Sum    string    `json:"sum"` // SHA-256 of the token; empty once it was used
	Until  time.Time `json:"until"`
}

var botName = lazyregexp.New(`^[A-Za-z0-9_]{3,64}$`)

// Invite is a link to the chat with the bot. Whoever presses Start there within an hour
// is enrolled for the person (https://core.telegram.org/bots/features#deep-linking).
func (n *notifier) Invite(person string) (string, error) {
	if n.env.State == nil || n.env.Enroll == nil || !n.buttons {
		return "", errors.New("telegram: nobody can enrol here: answers do not reach the bot")
	}
	ctx, cancel := context.WithTimeout(context.Background(), inviteCalls)
	defer cancel()
	name, err := n.whoami(ctx)
	if err != nil {
		return "", fmt.Errorf("telegram: %w", err)
	}
	whose := sha256.Sum256([]byte(person))
	token := make([]byte, personPart+24)
	copy(token, whose[:personPart])
	_, _ = rand.Read(token[personPart:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(token)
	sum := sha256.Sum256([]byte(text))
	value, err := json.Marshal(invitation{person, hex.EncodeToString(sum[:]), n.now().Add(inviteTime)})
	if err != nil {
		return "", err
	}
	if err := n.env.State.Save(ctx, inviteKey(token), value); err != nil {
		return "", fmt.Errorf("telegram: keep the invitation: %w", err)
	}
	return "https://t.me/" + name + "?start=" + text, nil
}

func inviteKey(token []byte) string { return "invite/" + hex.EncodeToString(token[:personPart]) }

// whoami is the bot's name, which is asked for once.
func (n *notifier) whoami(ctx context.Context) (string, error) {
	n.me.Lock()
	defer n.me.Unlock()
	if n.me.name != "" {
		return n.me.name, nil
	}
	var me struct {
		Username string `json:"username"`
	}
	if err := n.bot.call(ctx, "getMe", struct{}{}, &me); err != nil {
		return "", err
	}
	if !botName.MatchString(me.Username) {
		return "", errors.New("getMe: the bot has no name")
	}
	n.me.name = me.Username
	return me.Username, nil
}

// enrol writes the chat as a contact method of whom the invitation is for, and says what
// came of it.
func (n *notifier) enrol(ctx context.Context, m incoming, text string) string {
	const over = "This invitation is over or was used. Take a new one from tocsin."
	token, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(token) != personPart+24 || n.env.State == nil || n.env.Enroll == nil {
		return over
	}
	ctx, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	key := inviteKey(token)
	value, err := n.env.State.Load(ctx, key)
	if err != nil {
		n.log.WarnContext(ctx, "invitation not read", "err", err)
		return "That did not work. Try again in a minute."
	}
	var kept invitation
	sum := sha256.Sum256([]byte(text))
	if json.Unmarshal(value, &kept) != nil || subtle.ConstantTimeCompare([]byte(kept.Sum), []byte(hex.EncodeToString(sum[:]))) != 1 || n.now().After(kept.Until) {
		return over
	}
	if err := n.env.Enroll(ctx, kept.Person, strconv.FormatInt(m.Chat.ID, 10)); err != nil {
		return "Not done: " + escape(plain(notify.Truncate(notify.Defang(notify.Clean(err.Error())), 300, notify.Runes)))
	}
	if err := n.used(ctx, key, kept); err != nil {
		n.log.WarnContext(ctx, "invitation not ended", "err", err)
	}
	return "Done: tocsin tells you here from now on, if your notification rules say so."
}

func (n *notifier) used(ctx context.Context, key string, kept invitation) error {
	kept.Sum = ""
	value, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return n.env.State.Save(ctx, key, value)
}
