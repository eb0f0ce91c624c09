package pushover

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

const (
	token = "azGDORePK8gMaC0QOYAMyEEuzJnyUi"
	group = "gznej3rKEVAvPUxu9vvNnqpmZpokzF"
	ana   = "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"
)

// A pushed message is one that phones got.
type pushed struct {
	url.Values
	Receipt string
	Over    bool // the emergency is not repeated any more
	By      string
}

// A server is Pushover with its receipts.
type server struct {
	mu       sync.Mutex // guards what follows
	messages []*pushed
	calls    []string
	fail     func(w http.ResponseWriter, path string) bool
}

func newServer(t *testing.T) (*server, string) {
	t.Helper()
	p := &server{}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return p, s.URL + "/1/"
}

var (
	receiptPath = regexp.MustCompile(`^/1/receipts/([A-Za-z0-9]{30})\.json$`)
	cancelPath  = regexp.MustCompile(`^/1/receipts/([A-Za-z0-9]{30})/cancel\.json$`)
	tagPath     = regexp.MustCompile(`^/1/receipts/cancel_by_tag/([A-Za-z0-9_-]+)\.json$`)
)

func (p *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.Method+" "+r.URL.Path)
	if p.fail != nil && p.fail(w, r.URL.Path) {
		return
	}
	if r.ParseForm() != nil || r.Form.Get("token") != token {
		refuse(w, `"token":"invalid",`, "application token is invalid")
		return
	}
	if r.Method == http.MethodPost && r.URL.RawQuery != "" {
		refuse(w, "", "a token in an address is in everybody's log")
		return
	}
	at := func(form *regexp.Regexp, method string) string {
		if found := form.FindStringSubmatch(r.URL.Path); found != nil && r.Method == method {
			return found[1]
		}
		return ""
	}
	if receipt := at(receiptPath, http.MethodGet); receipt != "" {
		p.status(w, receipt)
	} else if receipt := at(cancelPath, http.MethodPost); receipt != "" {
		p.cancel(w, func(m *pushed) bool { return m.Receipt == receipt })
	} else if tag := at(tagPath, http.MethodPost); tag != "" {
		p.cancel(w, func(m *pushed) bool { return m.Get("tags") == tag })
	} else if r.Method == http.MethodPost && r.URL.Path == "/1/messages.json" {
		p.push(w, r.PostForm)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
}

func refuse(w http.ResponseWriter, more string, errors ...string) {
	text, _ := json.Marshal(errors)
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{%s"errors":%s,"status":0,"request":"5042853c-402d-4a18-abcb-168734a801de"}`, more, text)
}

func (p *server) push(w http.ResponseWriter, form url.Values) {
	if user := form.Get("user"); user != group && user != ana {
		refuse(w, `"user":"invalid",`, "user identifier is not a valid user, group, or subscribed user key")
		return
	}
	if wrong := mistakes(form); len(wrong) > 0 {
		refuse(w, "", wrong...)
		return
	}
	m := &pushed{Values: form}
	receipt := ""
	if form.Get("priority") == "2" {
		m.Receipt = fmt.Sprintf("r%029d", len(p.messages))
		receipt = fmt.Sprintf(`"receipt":%q,`, m.Receipt)
	}
	p.messages = append(p.messages, m)
	w.Header().Set("X-Limit-App-Limit", "10000")
	w.Header().Set("X-Limit-App-Remaining", strconv.Itoa(10000-len(p.messages)))
	w.Header().Set("X-Limit-App-Reset", "1782882000")
	fmt.Fprintf(w, `{%s"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}`, receipt)
}

func (p *server) status(w http.ResponseWriter, receipt string) {
	for _, m := range p.messages {
		if m.Receipt == receipt {
			acknowledged := 0
			if m.By != "" {
				acknowledged = 1
			}
			fmt.Fprintf(w, `{"status":1,"acknowledged":%d,"acknowledged_by":%q,"acknowledged_at":1781231400,"expired":0,"called_back":0,"request":"x"}`, acknowledged, m.By)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"receipt":"not found","errors":["receipt not found; may be invalid or expired"],"status":0}`)
}

func (p *server) cancel(w http.ResponseWriter, which func(*pushed) bool) {
	found := 0
	for _, m := range p.messages {
		if m.Receipt != "" && which(m) {
			m.Over = true
			found++
		}
	}
	if found == 0 {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errors":["receipt not found"],"status":0}`)
		return
	}
	fmt.Fprintf(w, `{"status":1,"canceled":%d,"request":"x"}`, found)
}

// ringing are the emergencies that are still repeated.
func (p *server) ringing() (titles []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.messages {
		if m.Receipt != "" && !m.Over && m.By == "" {
			titles = append(titles, m.Get("title"))
		}
	}
	return titles
}

func (p *server) last() *pushed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages[len(p.messages)-1]
}

func (p *server) called() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// mistakes are what Pushover refuses or cuts; written apart from the code that keeps
// to it.
func mistakes(form url.Values) []string {
	var wrong []string
	bad := func(when bool, format string, args ...any) {
		if when {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	long := func(name string, most int) {
		n := utf8.RuneCountInString(form.Get(name))
		bad(n > most, "%s has %d characters, and %d are the most", name, n, most)
		bad(!utf8.ValidString(form.Get(name)), "%s is not UTF-8", name)
	}
	known := map[string]bool{
		"token": true, "user": true, "message": true, "title": true, "url": true, "url_title": true, "priority": true, "timestamp": true,
		"retry": true, "expire": true, "tags": true, "callback": true, "device": true, "sound": true,
	}
	for name, values := range form {
		bad(!known[name] || len(values) != 1, "an unknown parameter %s", name)
	}
	bad(!regexp.MustCompile(`^[A-Za-z0-9]{30}$`).MatchString(form.Get("token")), "application token is invalid")
	bad(!regexp.MustCompile(`^[A-Za-z0-9]{30}$`).MatchString(form.Get("user")), "user key is invalid")
	bad(form.Get("message") == "", "message cannot be blank")
	long("title", 250)
	long("message", 1024)
	long("url", 512)
	long("url_title", 100)
	bad(strings.Contains(form.Get("title"), "\n"), "the title has a line break")
	bad(form.Has("url_title") && !form.Has("url"), "a title of no url")
	if form.Has("url") {
		u, err := url.Parse(form.Get("url"))
		bad(err != nil || u.Host == "", "url is invalid")
	}
	priority, err := strconv.Atoi(form.Get("priority"))
	bad(err != nil || priority < -2 || priority > 2, "priority is invalid")
	retry, _ := strconv.Atoi(form.Get("retry"))
	expire, _ := strconv.Atoi(form.Get("expire"))
	if priority == 2 {
		bad(retry < 30, "retry must be at least 30 seconds")
		bad(expire < 1 || expire > 10800, "expire must be at most 10800 seconds")
	} else {
		bad(form.Has("retry") || form.Has("expire") || form.Has("callback"), "a retry of what is no emergency")
	}
	return wrong
}
