package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rsc.io/qr"
)

func TestEnrolPrintsTheLink(t *testing.T) {
	t.Parallel()
	const link = "https://tocsin.example.com/act/phones/join/token"
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"url":"`+link+`"}`)
	}))
	defer server.Close()
	code, out, errOut := run(t, "people", "enrol", "ana", "phones", "--by", "bo", "--server", server.URL)
	if code != exitDone || out != link+"\n" {
		t.Errorf("exit %d, %q, %q; want the link alone", code, out, errOut)
	}
	if want := `POST /api/people/ana/invitations {"by":"bo","receiver":"phones"}`; strings.TrimSpace(asked) != want {
		t.Errorf("it asked %s, want %s", asked, want)
	}
}

func TestACodeOnATerminalIsTheCode(t *testing.T) {
	t.Parallel()
	const link = "https://tocsin.example.com/act/phones/join/token"
	drawn, err := drawCode(link)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(link, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(drawn, "\n")
	for y := -4; y < code.Size+4; y++ {
		row := []rune(strings.TrimSuffix(strings.TrimPrefix(lines[(y+4)/2], "\x1b[30;107m"), "\x1b[0m"))
		if len(row) != code.Size+8 {
			t.Fatalf("line %d has %d characters, want %d", (y+4)/2, len(row), code.Size+8)
		}
		for x := -4; x < code.Size+4; x++ {
			want := map[int]string{0: "█▀", 1: "█▄"}[(y+4)%2]
			if strings.ContainsRune(want, row[x+4]) != code.Black(x, y) {
				t.Fatalf("the square at %d, %d is drawn as %q", x, y, row[x+4])
			}
		}
	}
}
