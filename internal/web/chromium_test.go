package web

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

// A chromium is a browser spoken to over a pipe in the DevTools protocol
// (https://chromedevtools.github.io/devtools-protocol/): messages of JSON that
// end in a zero byte, on the file descriptors 3 and 4.
type chromium struct {
	t     testing.TB
	out   *os.File
	stop  context.Context
	mu    sync.Mutex
	next  int
	waits map[int]chan reply
	// said is what the page wrote to its console or was refused by its policy.
	said   []string
	loaded chan struct{}
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

// browserPath finds the browser, or fails saying how to get one.
func browserPath(t testing.TB) string {
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

// openBrowser starts a browser that ends with the test.
func openBrowser(t testing.TB) *chromium {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, browserPath(t),
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

	c := &chromium{t: t, out: ourOut, stop: ctx, waits: map[int]chan reply{}, loaded: make(chan struct{}, 16)}
	read := make(chan struct{})
	go func() { defer close(read); c.read(ourIn) }()
	t.Cleanup(func() {
		// Asked nicely it takes its helpers with it and leaves no file behind.
		_, _ = c.try("Browser.close", nil)
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

func (c *chromium) read(in *os.File) {
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

func (c *chromium) take(m reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
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

// try sends one command and waits for its answer.
func (c *chromium) try(method string, params any) (json.RawMessage, error) {
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
	if c.target != "" && method != "Browser.close" {
		message["sessionId"] = c.target
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

// do is try for commands that must work; it reads the answer into a value.
func (c *chromium) do(method string, params, into any) {
	c.t.Helper()
	b, err := c.try(method, params)
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

type args map[string]any

func (c *chromium) attach() {
	c.t.Helper()
	var target struct{ TargetID string }
	c.do("Target.createTarget", args{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	c.do("Target.attachToTarget", args{"targetId": target.TargetID, "flatten": true}, &session)
	c.target = session.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		c.do(domain+".enable", nil, nil)
	}
}

// A sight is how a page is looked at.
type sight struct {
	name          string
	width, height int
	phone, dark   bool
}

// open loads a page and waits until it is there.
func (c *chromium) open(url string, l sight) {
	c.t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	c.do("Emulation.setDeviceMetricsOverride", args{"width": l.width, "height": l.height, "deviceScaleFactor": 1, "mobile": l.phone}, nil)
	c.do("Emulation.setEmulatedMedia", args{"features": []args{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	c.wait(func() { c.do("Page.navigate", args{"url": url}, nil) })
}

// wait does what makes a page load, and waits for it.
func (c *chromium) wait(act func()) {
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

// ask evaluates an expression in the page.
func (c *chromium) ask(expression string, into any) {
	c.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	c.do("Runtime.evaluate", args{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
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

// press presses one key.
func (c *chromium) press(key string) {
	c.t.Helper()
	down := args{"type": "keyDown", "key": key}
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
	c.do("Input.dispatchKeyEvent", down, nil)
	c.do("Input.dispatchKeyEvent", args{"type": "keyUp", "key": key}, nil)
}

// screenshot is what a person sees, as PNG.
func (c *chromium) screenshot() []byte {
	c.t.Helper()
	var shot struct{ Data string }
	c.do("Page.captureScreenshot", args{"format": "png", "optimizeForSpeed": true}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// whole is the page from its top to its end, as PNG.
func (c *chromium) whole() []byte {
	c.t.Helper()
	var size struct{ W, H float64 }
	c.ask("({W: document.documentElement.clientWidth, H: document.documentElement.scrollHeight})", &size)
	var shot struct{ Data string }
	c.do("Page.captureScreenshot", args{
		"format": "png", "captureBeyondViewport": true,
		"clip": args{"x": 0, "y": 0, "width": size.W, "height": size.H, "scale": 1},
	}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// complaints are what the page said since they were asked for last.
func (c *chromium) complaints() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.said
	c.said = nil
	return said
}
