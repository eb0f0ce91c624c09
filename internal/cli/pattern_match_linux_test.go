package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal: what is written to tty is read from its
// other side.
func openTerminal(t *testing.T) (side, tty *os.File) {
	t.Helper()
	side, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = side.Close() })
	if err := unix.IoctlSetPointerInt(int(side.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(side.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return side, tty
}

// On a terminal there are colours, unless they are not wanted, and nothing that it
// would obey or hide.
func TestMatchOnATerminal(t *testing.T) {
	event := "{\"a\":\"x\u009b2J\u202e\",\"b\":1}\n"
	const seen = `"x\u009b2J\u202e"`
	for _, tt := range []struct {
		name, noColor, term, flag, want string
	}{
		{"colours", "", "xterm", "auto", "{\"a\":\x1b[1;31m" + seen + "\x1b[m,\"b\":1}\r\n"},
		{"NO_COLOR", "1", "xterm", "auto", `{"a":` + seen + ",\"b\":1}\r\n"},
		{"a terminal that cannot", "", "dumb", "auto", `{"a":` + seen + ",\"b\":1}\r\n"},
		{"never", "", "xterm", "never", `{"a":` + seen + ",\"b\":1}\r\n"},
		{"always is always", "1", "dumb", "always", "{\"a\":\x1b[1;31m" + seen + "\x1b[m,\"b\":1}\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.noColor)
			t.Setenv("TERM", tt.term)
			side, tty := openTerminal(t)
			var stderr bytes.Buffer
			if code := Main([]string{"pattern", "match", "--color", tt.flag, anything}, strings.NewReader(event), tty, &stderr); code != exitDone {
				t.Fatalf("%d, %s", code, stderr.String())
			}
			_ = tty.Close() // after which the other side has an end, which is EIO
			if got, err := io.ReadAll(side); !errors.Is(err, unix.EIO) || string(got) != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
