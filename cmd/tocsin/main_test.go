package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/lambda/lambdatest"
)

var update = flag.Bool("update", false, "write what the scripts compare with anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tocsin": main})
}

// The scripts in testdata are the manual as scenes. Besides testscript's own
// commands they have:
//
//	exits CODE PROGRAM ARG... runs it and wants this exit code
//	freeport NAME...          sets NAME to an address on loopback that nobody listens at, NAME_PORT to its port
//	waitfor URL [REGEXP]      waits until the page is there, and says so
//	waitlog FILE REGEXP       waits until a line of the file says so
//	capture NAME FILE REGEXP  sets NAME to what the parentheses match in the file
//	[!] get [-host HOST] [-o FILE] URL          the status and the body are the output;
//	[!] post [-header H] [-type T] URL FILE     ! says that it is refused (400 and above)
//	sns pem FILE                                writes the certificate that SNS signs with
//	[!] sns confirm|notify|forge TOPIC URL [FILE]
//	aws                       what is asked of AWS by HTTPS is answered here from now on
//	lambda begin|invoke|refused                 what is started from now on is an AWS Lambda function
//	hangup                    sends SIGHUP to the command that runs in the background
//	age-schema DIR            makes the database in DIR one of a newer tocsin
//	sums                      checks that the demo's last line adds up
//	timeless FROM TO          copies without what differs between two runs of the demo
func TestScenes(t *testing.T) {
	signer, err := snstest.New(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(
				env.Vars,
				"GORACE=atexit_sleep_ms=0", // a second for each command otherwise
				// Nothing leaves this machine.
				"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9",
				"USER=ana",
			)
			env.Values[runtimeKey{}] = new(*lambdatest.Runtime)
			return os.CopyFS(filepath.Join(env.WorkDir, "events"), os.DirFS("testdata/events"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "freeport": freeport, "waitfor": waitFor, "waitlog": waitLog, "capture": capture, "get": get, "post": post,
			"sns":    func(ts *testscript.TestScript, neg bool, args []string) { playSNS(ts, signer, neg, args) },
			"aws":    func(ts *testscript.TestScript, _ bool, _ []string) { playAWS(ts, signer) },
			"lambda": playLambda,
			"hangup": hangUp, "age-schema": ageSchema, "sums": sums, "timeless": timeless,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%s exited with %d, want %s", strings.Join(args[1:], " "), code, want)
	}
}

// ports are those that were given away, so that no two scripts get the same.
var ports sync.Map

// freeport takes ports below those that the system gives to connections, so that
// none is taken in the meantime.
func freeport(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		address := freeAddress(ts)
		ts.Setenv(name, address)
		ts.Setenv(name+"_PORT", address[strings.LastIndexByte(address, ':')+1:])
	}
}

func freeAddress(ts *testscript.TestScript) string {
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+mathrand.IntN(18000)))
		if _, taken := ports.LoadOrStore(address, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			ts.Check(l.Close())
			return address
		}
	}
	ts.Fatalf("no port is free")
	return ""
}

// patience bounds what is waited for; on a busy machine things take their time.
const patience = 30 * time.Second

// until asks again and again until ok.
func until(ts *testscript.TestScript, what string, ok func() bool) {
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(20 * time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor URL [REGEXP]")
	}
	want := regexp.MustCompile("(?m)" + strings.Join(args[1:], ""))
	var last []byte
	defer func() { fmt.Fprintf(ts.Stdout(), "%s", last) }()
	until(ts, "waitfor "+strings.Join(args, " "), func() bool {
		resp, err := http.Get(args[0])
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		last, err = io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK && want.Match(last)
	})
}

func waitLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitlog FILE REGEXP")
	}
	want := regexp.MustCompile("(?m)" + args[1])
	until(ts, "waitlog "+strings.Join(args, " "), func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && want.Match(text)
	})
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture NAME FILE REGEXP")
	}
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s: %q does not match, or has not one group", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// options takes "-name value" off the front of args.
func options(args []string) (map[string]string, []string) {
	o := map[string]string{}
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		o[args[0][1:]] = args[1]
		args = args[2:]
	}
	return o, args
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	o, args := options(args)
	if len(args) != 1 {
		ts.Fatalf("usage: [!] get [-host HOST] [-o FILE] URL")
	}
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	req.Host = o["host"]
	body := do(ts, neg, req)
	if o["o"] != "" {
		ts.Check(os.WriteFile(ts.MkAbs(o["o"]), body, 0o600))
	}
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	o, args := options(args)
	if len(args) != 2 {
		ts.Fatalf("usage: [!] post [-header 'NAME: VALUE'] [-type CONTENT-TYPE] URL FILE")
	}
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	if o["type"] != "" {
		req.Header.Set("Content-Type", o["type"])
	}
	if name, value, ok := strings.Cut(o["header"], ": "); ok {
		req.Header.Set(name, value)
	}
	do(ts, neg, req)
}

// do makes the request; its status line and body are the command's output.
func do(ts *testscript.TestScript, neg bool, req *http.Request) []byte {
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n%s", resp.Status, body)
	if refused := resp.StatusCode >= http.StatusBadRequest; refused != neg {
		ts.Fatalf("%s %s answered %s\n%s", req.Method, req.URL, resp.Status, body)
	}
	return body
}

// playSNS posts what SNS would post.
func playSNS(ts *testscript.TestScript, signer *snstest.Signer, neg bool, args []string) {
	if len(args) == 2 && args[0] == "pem" {
		text, err := signer.CertificatePEM("arn:aws:sns:eu-west-1:111122223333:guardduty")
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
		return
	}
	if len(args) < 3 {
		ts.Fatalf("usage: sns pem FILE, or [!] sns confirm|notify|forge TOPIC URL [FILE]")
	}
	var m snstest.Message
	var err error
	switch topic := args[1]; args[0] {
	case "confirm":
		m, err = signer.SubscriptionConfirmation(topic)
	case "unsubscribe":
		m, err = signer.UnsubscribeConfirmation(topic)
	case "notify", "forge":
		m, err = signer.Notification(topic, ts.ReadFile(args[3]))
	default:
		ts.Fatalf("sns %s: want confirm, unsubscribe, notify or forge", args[0])
	}
	ts.Check(err)
	if args[0] == "forge" {
		m.Message = strings.Replace(m.Message, `"severity"`, `"severity" `, 1) // after it was signed
	}
	req, err := m.Request(args[2])
	ts.Check(err)
	do(ts, neg, req)
}

// playAWS makes the proxy and the trusted authorities of what the script starts
// from now on ones of the test's own, so that what it asks of AWS by HTTPS is
// answered by [snstest.Transport].
func playAWS(ts *testscript.TestScript, signer *snstest.Signer) {
	certificate, authority := amazonCertificate(ts)
	file := ts.MkAbs("authority.pem")
	ts.Check(os.WriteFile(file, authority, 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	sns := &snstest.Transport{Signer: signer}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host = "https", r.Host
		resp, err := sns.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // who asked may be gone
	})
	inner := &oneByOne{conns: make(chan net.Conn), addr: l.Addr()}
	https := &http.Server{Handler: answer, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ReadHeaderTimeout: patience}
	proxy := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		w.WriteHeader(http.StatusOK)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			inner.conns <- conn
		}
	})}
	go func() { _ = https.ServeTLS(inner, "", "") }() // both end with the script
	go func() { _ = proxy.Serve(l) }()
	ts.Defer(func() { _, _ = proxy.Close(), https.Close() })
	ts.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	ts.Setenv("SSL_CERT_FILE", file)
}

// oneByOne listens to connections that are brought to it.
type oneByOne struct {
	conns  chan net.Conn
	addr   net.Addr
	once   sync.Once
	closed context.Context
	end    context.CancelFunc
}

func (l *oneByOne) open() {
	l.once.Do(func() { l.closed, l.end = context.WithCancel(context.Background()) })
}

func (l *oneByOne) Accept() (net.Conn, error) {
	l.open()
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *oneByOne) Close() error {
	l.open()
	l.end()
	return nil
}

func (l *oneByOne) Addr() net.Addr { return l.addr }

// amazonCertificate is one for the hosts of SNS, and the authority that issued it.
func amazonCertificate(ts *testscript.TestScript) (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"sns.eu-west-1.amazonaws.com"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// hangUp sends SIGHUP to the only command that runs in the background.
func hangUp(ts *testscript.TestScript, neg bool, args []string) {
	running := ts.BackgroundCmds()
	if neg || len(args) != 0 || len(running) != 1 {
		ts.Fatalf("usage: hangup, with one command in the background; there are %d", len(running))
	}
	ts.Check(running[0].Process.Signal(syscall.SIGHUP))
}

// ageSchema says in the database that a newer tocsin wrote it.
func ageSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: age-schema DIRECTORY")
	}
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "tocsin.db"))
	ts.Check(err)
	defer func() { ts.Check(db.Close()) }()
	_, err = db.Exec(`INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'from the future', 0)`)
	ts.Check(err)
}

var lostLine = regexp.MustCompile(`nothing lost: (\d+) deliveries answered 2xx = (\d+) confirmations \+ (\d+) rows in the journal \+ (\d+) redelivered - (\d+) refused; (\d+) alerts, (\d+) messages`)

// sums checks the demo's account of itself.
func sums(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sums")
	}
	lines := lostLine.FindAllStringSubmatch(ts.ReadFile("stdout"), -1)
	if len(lines) == 0 {
		ts.Fatalf("the demo gave no account of itself")
	}
	var n [8]int
	for i, s := range lines[len(lines)-1][1:] {
		n[i], _ = strconv.Atoi(s) // they are digits
	}
	answered, confirmed, rows, again, refused, alerts, messages := n[0], n[1], n[2], n[3], n[4], n[5], n[6]
	if answered != confirmed+rows+again-refused || min(rows, again, refused, alerts, messages) == 0 {
		ts.Fatalf("it does not add up: %s", lines[len(lines)-1][0])
	}
}

// changing is what differs between two runs of the same story.
var changing = []struct {
	what *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`), "HH:MM:SS"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`configuration  .*`), "configuration  DIR/demo.yml"},
	{regexp.MustCompile(`in \d+ ms`), "in N ms"},
	{regexp.MustCompile(`\d+ messages delivered`), "N messages delivered"},
}

func timeless(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: timeless FROM TO")
	}
	text := []byte(ts.ReadFile(args[0]))
	for _, c := range changing {
		text = c.what.ReplaceAll(text, []byte(c.word))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// Every scene says in its first lines what it shows.
func TestEveryScenePresentsItself(t *testing.T) {
	t.Parallel()
	scenes, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scenes) == 0 {
		t.Fatalf("scenes = %v, %v", scenes, err)
	}
	for _, scene := range slices.Sorted(slices.Values(scenes)) {
		text, err := os.ReadFile(scene)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# ")) {
			t.Errorf("%s does not begin with a comment that says what it shows", scene)
		}
	}
}
