package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/notify"
	"github.com/tocsin-sec/tocsin/internal/notify/notifytest"
)

func TestPromises(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, notifytest.Harness{
		Local: true,
		Open: func(t *testing.T, _ notifytest.Answer) (notify.Notifier, func() []notifytest.Taken) {
			var out messages
			n, err := open(Config{}, notifytest.Env(t, &out))
			if err != nil {
				t.Fatal(err)
			}
			return n, func() []notifytest.Taken { return out }
		},
		Check: func(t *testing.T, _ notify.Message, got notifytest.Taken) {
			lines := strings.Split(strings.TrimSuffix(string(got.Body), "\n"), "\n")
			if len(lines) > 2 {
				t.Errorf("%d lines", len(lines))
			}
			for _, line := range lines {
				if n := notify.Runes(line); n > 2200 {
					t.Errorf("a line is %d characters long", n)
				}
			}
		},
		Shown: func(_ *testing.T, got notifytest.Taken) []string { return []string{string(got.Body)} },
	})
}

// messages keeps each write.
type messages []notifytest.Taken

func (m *messages) Write(p []byte) (int, error) {
	*m = append(*m, notifytest.Taken{Body: bytes.Clone(p)})
	return len(p), nil
}

func TestGolden(t *testing.T) {
	t.Parallel()
	var plain, coloured bytes.Buffer
	cases := notifytest.Cases(t)
	for _, c := range notifytest.Messages() {
		switch c.Name {
		case "opened-with-actions", "digest", "note", "code":
			c.Message.To, c.Message.Person = "desk 7", "ana"
			cases = append(cases, c)
		}
	}
	for _, c := range cases {
		for out, colour := range map[*bytes.Buffer]bool{&plain: false, &coloured: true} {
			if _, err := (&notifier{out: out, colour: colour}).Notify(t.Context(), c.Message); err != nil {
				t.Fatal(err)
			}
		}
	}
	notifytest.Golden(t, "plain.txt", plain.Bytes())
	notifytest.Golden(t, "coloured.txt", bytes.ReplaceAll(coloured.Bytes(), []byte("\x1b"), []byte("␛")))
}

func TestABufferIsNoTerminal(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{"": false, "auto": false, "never": false, "always": true} {
		n, err := open(Config{Colour: setting}, notifytest.Env(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := n.(*notifier).colour; got != want {
			t.Errorf("colour with setting %q = %v, want %v", setting, got, want)
		}
	}
	if _, err := open(Config{Colour: "pink"}, notifytest.Env(t, nil)); err == nil {
		t.Error("open with colour pink = nil, want an error")
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	if got, err := Kind.Address(" desk\t7 "); got != "desk 7" || err != nil {
		t.Errorf("Address = %q, %v", got, err)
	}
	if got, err := Kind.Address(" \u200b "); err == nil {
		t.Errorf("Address of nothing = %q, want an error", got)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAnErrorOfWritingIsTriedAgain(t *testing.T) {
	t.Parallel()
	_, err := (&notifier{out: full{}}).Notify(t.Context(), notifytest.Messages()[0].Message)
	if err == nil || notify.IsPermanent(err) {
		t.Errorf("Notify = %v, want an error that may be tried again", err)
	}
}
