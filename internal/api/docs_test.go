package api_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tocsin-sec/tocsin/internal/api"
)

var curl = regexp.MustCompile(`^curl -s (?:-X (\w+) )?(?:--json (?:'([^']*)'|@\S+) )?'?http://127\.0\.0\.1:8080([^' ]*)'?$`)

// The commands of the manual are for endpoints that there are, with bodies that
// they take and parameters that they know.
func TestTheCommandsOfTheManualCanBeSent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	page, err := os.ReadFile("../../docs/api.md")
	check(t, err)
	tags := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl") {
			continue
		}
		m := curl.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("%s: not as commands are written here", line)
			continue
		}
		method, body, path := m[1], m[2], m[3]
		switch {
		case method != "":
		case strings.Contains(line, "--json"):
			method = "POST"
		default:
			method = "GET"
		}
		a, ok := find(method, path)
		if !ok {
			t.Errorf("%s: no endpoint is %s %s", line, method, path)
			continue
		}
		resource, _, _ := strings.Cut(strings.TrimPrefix(a.Path, "/api/"), "/")
		tags[resource] = true
		if body != "" {
			if err := api.ReadExample(a.Name, []byte(body)); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest(method, path, nil)); method == "GET" && w.Code != 200 && w.Code != 404 {
			t.Errorf("%s answered %d %s", line, w.Code, w.Body)
		}
	}
	for _, a := range api.Addresses() {
		resource, _, _ := strings.Cut(strings.TrimPrefix(a.Path, "/api/"), "/")
		if !tags[resource] {
			t.Errorf("no command of the manual is for %s", resource)
			tags[resource] = true
		}
	}
}
