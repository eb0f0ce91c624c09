// Package chromiumtest looks at pages as people do, in a real browser, for tests.
package chromiumtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A Browser is a Chromium with one page open, spoken to over a pipe in the DevTools
// protocol (https://chromedevtools.github.io/devtools-protocol/): messages of JSON
// that end in a zero byte, on the file descriptors 3 and 4.
type Browser struct {
	t     testing.TB
	out   *os.File
	stop  context.Context
	mu    sync.Mutex
	next  int
	waits map[int]chan reply
	// said is what the page wrote to its console or was refused by its policy.
	said   []string
	loaded chan struct{}
	// events are the last of each method, where somebody asked for the domain.
	events map[string]json.RawMessage
	target string
}

type reply struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	SessionID string          `json:"sessionId"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// path finds the browser, or fails saying how to get one.
func path(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("CHROMIUM"); p != "" {
		return p
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("no chromium found to look at the pages: sudo apt-get install chromium, or set CHROMIUM to its path")
	return ""
}

// Open starts a browser that ends with the test.
func Open(t testing.TB) *Browser {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path(t),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	_ = theirIn.Close()
	_ = theirOut.Close()

	c := &Browser{t: t, out: ourOut, stop: ctx, waits: map[int]chan reply{}, loaded: make(chan struct{}, 16), events: map[string]json.RawMessage{}}
	read := make(chan struct{})
	go func() { defer close(read); c.read(ourIn) }()
	t.Cleanup(func() {
		// Asked nicely it takes its helpers with it and leaves no file behind.
		_, _ = c.Try("Browser.close", nil)
		_ = ourOut.Close()
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
		}
		cancel()
		<-done
		<-read
		_ = ourIn.Close()
		if t.Failed() {
			t.Logf("chromium said:\n%s", stderr.String())
		}
	})
	c.attach()
	return c
}

func (c *Browser) read(in *os.File) {
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		b, err := r.ReadBytes(0)
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			for id, wait := range c.waits {
				close(wait)
				delete(c.waits, id)
			}
			return
		}
		var m reply
		if json.Unmarshal(b[:len(b)-1], &m) != nil {
			continue
		}
		c.take(m)
	}
}

func (c *Browser) take(m reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Method != "" {
		c.events[m.Method] = m.Params
	}
	switch m.Method {
	case "Page.loadEventFired":
		select {
		case c.loaded <- struct{}{}:
		default:
		}
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		c.said = append(c.said, m.Method+" "+string(m.Params))
	case "":
		if wait, ok := c.waits[m.ID]; ok {
			wait <- m
			delete(c.waits, m.ID)
		}
	}
}

// Try sends one command and waits for its answer.
func (c *Browser) Try(method string, params any) (json.RawMessage, error) {
	session := c.target
	if method == "Browser.close" {
		session = ""
	}
	return c.send(session, method, params)
}

// send sends a command to a page or worker, or with no session to the browser.
func (c *Browser) send(session, method string, params any) (json.RawMessage, error) {
	wait := make(chan reply, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.waits[id] = wait
	c.mu.Unlock()
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	b, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	if _, err := c.out.Write(append(b, 0)); err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m, ok := <-wait:
		if !ok {
			return nil, fmt.Errorf("%s: the browser is gone", method)
		}
		if m.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		return m.Result, nil
	case <-time.After(20 * time.Second):
		return nil, fmt.Errorf("%s: no answer in 20 s", method)
	}
}

// Do is try for commands that must work; it reads the answer into a value.
func (c *Browser) Do(method string, params, into any) {
	c.t.Helper()
	b, err := c.Try(method, params)
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Args are the parameters of a command.
type Args map[string]any

func (c *Browser) attach() {
	c.t.Helper()
	var target struct{ TargetID string }
	c.Do("Target.createTarget", Args{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.Do("Target.attachToTarget", Args{"targetId": target.TargetID, "flatten": true}, &session)
	c.target = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		c.Do(domain+".enable", nil, nil)
	}
}

// A Sight is how a page is looked at.
type Sight struct {
	Name          string
	Width, Height int
	Phone, Dark   bool
}

// Visit loads a page and waits until it is there.
func (c *Browser) Visit(url string, l Sight) {
	c.t.Helper()
	scheme := "light"
	if l.Dark {
		scheme = "dark"
	}
	c.Do("Emulation.setDeviceMetricsOverride", Args{"width": l.Width, "height": l.Height, "deviceScaleFactor": 1, "mobile": l.Phone}, nil)
	c.Do("Emulation.setEmulatedMedia", Args{"features": []Args{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	c.Wait(func() { c.Do("Page.navigate", Args{"url": url}, nil) })
}

// Wait does what makes a page load, and waits for it.
func (c *Browser) Wait(act func()) {
	c.t.Helper()
	for len(c.loaded) > 0 {
		<-c.loaded
	}
	act()
	select {
	case <-c.loaded:
	case <-time.After(20 * time.Second):
		c.t.Fatal("no page was loaded in 20 s")
	}
}

// Ask evaluates an expression in the page.
func (c *Browser) Ask(expression string, into any) {
	c.t.Helper()
	c.ask(c.target, expression, into)
}

func (c *Browser) ask(session, expression string, into any) {
	c.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b, err := c.send(session, "Runtime.evaluate", Args{"expression": expression, "returnByValue": true, "awaitPromise": true})
	if err == nil {
		err = json.Unmarshal(b, &answer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if len(answer.ExceptionDetails) > 0 {
		c.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.Result.Value, into); err != nil {
		c.t.Fatalf("%s = %s: %v", expression, answer.Result.Value, err)
	}
}

// Until evaluates an expression in the page until it is true, for at most 20 s.
func (c *Browser) Until(what, expression string) {
	c.t.Helper()
	var done bool
	c.Ask(`new Promise(async resolve => {
		for (let n = 0; n < 400; n++) {
			if (await (`+expression+`)) return resolve(true);
			await new Promise(after => setTimeout(after, 50));
		}
		resolve(false);
	})`, &done)
	if !done {
		c.t.Fatalf("in 20 s it did not come about that %s", what)
	}
}

// Event is the last event of that method, "ServiceWorker.workerVersionUpdated", or
// nil. Its domain has to be enabled.
func (c *Browser) Event(method string) json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events[method]
}

// A Worker is a service worker of the page.
type Worker struct {
	c       *Browser
	session string
}

// Worker is the service worker whose script is at that address. It has to run.
func (c *Browser) Worker(url string) Worker {
	c.t.Helper()
	var all struct {
		TargetInfos []struct{ TargetID, Type, URL string }
	}
	b, err := c.send("", "Target.getTargets", nil)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, target := range all.TargetInfos {
		if target.Type != "service_worker" || target.URL != url {
			continue
		}
		var session struct{ SessionID string }
		b, err := c.send("", "Target.attachToTarget", Args{"targetId": target.TargetID, "flatten": true})
		if err == nil {
			err = json.Unmarshal(b, &session)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		return Worker{c, session.SessionID}
	}
	c.t.Fatalf("no service worker %s among %+v", url, all)
	return Worker{}
}

// Ask evaluates an expression in the worker.
func (w Worker) Ask(expression string, into any) {
	w.c.t.Helper()
	w.c.ask(w.session, expression, into)
}

// Press presses one key.
func (c *Browser) Press(key string) {
	c.t.Helper()
	down := Args{"type": "keyDown", "key": key}
	switch {
	case len(key) == 1:
		down["text"] = key
	case key == "Enter":
		down["text"], down["windowsVirtualKeyCode"] = "\r", 13
	case key == "Tab":
		down["windowsVirtualKeyCode"] = 9
	case key == "Escape":
		down["windowsVirtualKeyCode"] = 27
	}
	c.Do("Input.dispatchKeyEvent", down, nil)
	c.Do("Input.dispatchKeyEvent", Args{"type": "keyUp", "key": key}, nil)
}

// Screenshot is what a person sees, as PNG.
func (c *Browser) Screenshot() []byte {
	c.t.Helper()
	var shot struct{ Data string }
	c.Do("Page.captureScreenshot", Args{"format": "png", "optimizeForSpeed": true}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// Whole is the page from its top to its end, as PNG.
func (c *Browser) Whole() []byte {
	c.t.Helper()
	var size struct{ W, H float64 }
	c.Ask("({W: document.documentElement.clientWidth, H: document.documentElement.scrollHeight})", &size)
	var shot struct{ Data string }
	c.Do("Page.captureScreenshot", Args{
		"format": "png", "captureBeyondViewport": true,
		"clip": Args{"x": 0, "y": 0, "width": size.W, "height": size.H, "scale": 1},
	}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// Complaints are what the page said since they were asked for last.
func (c *Browser) Complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said
	c.said = nil
	return said
}
