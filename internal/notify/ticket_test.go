package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func TestATicketIsFoundAgainByItsKeyAndACommentByItsMessage(t *testing.T) {
	t.Parallel()
	for _, c := range append(notifytest.Messages(), notifytest.Corpus()...) {
		m := c.Message
		if m.Kind == tocsin.TellCode {
			continue
		}
		ticket, comment := notify.TicketOutline(m, notifytest.Now()), notify.CommentOutline(m, notifytest.Now(), "not done")
		if !strings.HasSuffix(ticket.Footer, "key "+notify.DedupKey(m)) || !strings.Contains(ticket.Footer, "message "+m.ID) {
			t.Errorf("%s: a ticket ends with %q", c.Name, ticket.Footer)
		}
		if text := comment.Text(4000, notify.UTF16); !strings.HasSuffix(text, "message "+m.ID) || !strings.Contains(text, "\nnot done\n") {
			t.Errorf("%s: a comment says %s", c.Name, text)
		}
		if len(ticket.Answers)+len(comment.Answers) != 0 {
			t.Errorf("%s: it has links that act for one reader", c.Name)
		}
	}
}

func TestAMessageIDThatCouldBeAnyWordIsNone(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{"": "", "closed": "", "01JXGH6C3T2M5Q8V9WZ4N7RKBD": "01JXGH6C3T2M5Q8V9WZ4N7RKBD", "a b\ncdefg": "a_b_cdefg"} {
		if got := notify.MessageID(notify.Message{ID: id}); got != want {
			t.Errorf("MessageID(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestTitlesReferToNothing(t *testing.T) {
	t.Parallel()
	m := notifytest.Messages()[0].Message
	m.Alert.Headline = "@ana #1 !2 $3 ~x ^y %z &4 C&C [issue:5] a[.]b B!D `c`"
	if got, want := notify.TicketTitle(m, 255), "CRITICAL · prod-payments (111122223333) eu-west-1 · ＠ana ＃1 ！2 ＄3 ～x ＾y ％z ＆4 C&C ［issue:5] a[.]b B!D ｀c｀"; got != want {
		t.Errorf("TicketTitle = %q, want %q", got, want)
	}
	if got := notify.TicketTitle(m, 20); notify.UTF16(got) > 20 || !strings.HasSuffix(got, "…") {
		t.Errorf("TicketTitle of 20 = %q", got)
	}
}

func TestADeskKeepsOneTicketOfAnAlert(t *testing.T) {
	t.Parallel()
	gone, busy := errors.New("gone"), errors.New("busy")
	again := shared(t, "reopened")
	for _, tt := range []struct {
		name    string
		m       notify.Message
		ref     string // of the message
		known   int
		found   int
		follow  error // of the known ticket
		find    error
		want    int
		done    string
		wantErr string
	}{
		{"an opening", shared(t, "opened-low-root"), "", 0, 0, nil, nil, 9, "find create", ""},
		{"a repeat of it", shared(t, "opened-low-root"), "", 0, 5, nil, nil, 5, "find", ""},
		{"open again, without a reference", again, "", 0, 5, nil, nil, 5, "find follow 5", ""},
		{"told first of an end", shared(t, "closed-archived"), "", 0, 0, nil, nil, 9, "find create", ""},
		{"an end whose opening another message told", shared(t, "closed-archived"), "", 0, 5, nil, nil, 5, "find follow 5", ""},
		{"news", shared(t, "updated"), "T-7", 7, 0, nil, nil, 7, "follow 7", ""},
		{"news that cannot be written now", shared(t, "updated"), "T-7", 7, 0, busy, nil, 7, "follow 7", "busy"},
		{"news of a ticket that was moved", shared(t, "updated"), "T-7", 7, 5, gone, nil, 5, "follow 7 find follow 5", ""},
		{"news of a ticket that was deleted", shared(t, "updated"), "T-7", 7, 0, gone, nil, 0, "follow 7 find", "ticket T-7 is gone, or we may not see it"},
		{"what calls, and its ticket was deleted", shared(t, "raised"), "T-7", 7, 0, gone, nil, 9, "follow 7 find create", ""},
		{"still open, and its ticket was moved", shared(t, "opened-low-root"), "T-7", 7, 5, gone, nil, 5, "follow 7 find follow 5", ""},
		{"a reference of another place", shared(t, "updated"), "other#7", 0, 5, nil, nil, 5, "find follow 5", ""},
		{"what cannot be searched", shared(t, "opened-low-root"), "", 0, 0, nil, busy, 0, "find", "busy"},
		{"a digest", shared(t, "digest"), "", 0, 0, nil, nil, 9, "find create", ""},
		{"a digest with a reference that means nothing", shared(t, "digest"), "T-7", 7, 0, nil, nil, 9, "find create", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var done []string
			desk := notify.Desk[int]{
				Find: func(context.Context, notify.Message) (int, error) {
					done = append(done, "find")
					return tt.found, tt.find
				},
				Create: func(context.Context, notify.Message) (int, error) {
					done = append(done, "create")
					return 9, nil
				},
				Follow: func(_ context.Context, ticket int, _ notify.Message) error {
					done = append(done, fmt.Sprint("follow ", ticket))
					if ticket == tt.known {
						return tt.follow
					}
					return nil
				},
				Gone: func(err error) bool { return errors.Is(err, gone) },
			}
			tt.m.Ref = tt.ref
			got, err := desk.Tell(t.Context(), tt.known, tt.m)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != tt.want || said != tt.wantErr || strings.Join(done, " ") != tt.done {
				t.Errorf("Tell = %d, %v after %q; want %d, %q after %q", got, err, done, tt.want, tt.wantErr, tt.done)
			}
			if strings.Contains(tt.wantErr, "is gone") != notify.IsPermanent(err) {
				t.Errorf("%v is permanent %v", err, notify.IsPermanent(err))
			}
		})
	}
}

func TestTheKeyOfATicketIsNoPartOfAnother(t *testing.T) {
	t.Parallel()
	m := shared(t, "opened-critical-ec2-c2")
	mark, key := notify.KeyMark(m), notify.DedupKey(m)
	for text, want := range map[string]bool{
		"alert #4821 · key " + key:            true,
		"`key " + key + "`\n\nmore by a man":  true,
		"key " + key + "1":                    false,
		"key " + key + "-2":                   false,
		"monkey " + key:                       false,
		"KEY " + key:                          false,
		strings.TrimSuffix("key "+key, "000"): false,
		"":                                    false,
	} {
		if got := mark.MatchString(text); got != want {
			t.Errorf("the key is in %q: %v, want %v", text, got, want)
		}
	}
}
