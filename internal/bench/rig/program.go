package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Build builds the program into dir as it is released, with race detection or
// other flags if they are given, and returns its path.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "tocsin")
	args := append([]string{"build", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(args, "github.com/tocsin-sec/tocsin/cmd/tocsin")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// A Program is a process that listens, and can be started again and again.
type Program struct {
	// Args are the program's path and its arguments; Env is added to our own.
	Args, Env []string
	// Address is where it listens; Ready is the path that answers 200 when it can
	// be used.
	Address, Ready string
	Log            string // file to which its output is appended

	mu   sync.Mutex
	cmd  *exec.Cmd // guarded by mu, as is done
	done chan struct{}
	err  error // of Wait; set before done is closed
}

// Tocsin is tocsin with a configuration file. With a data directory it keeps its
// store there, else where the file says.
func Tocsin(binary, config, data, address, log string) *Program {
	args := []string{binary, "serve", "--config", config, "--listen", address, "--log-level", "warn"}
	if data != "" {
		args = append(args, "--data", data)
	}
	return &Program{Args: args, Env: []string{"TOKEN=" + Token}, Address: address, Ready: "/readyz", Log: log}
}

// Launch starts the process and does not wait until it answers.
func (p *Program) Launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return errors.New("it runs already")
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = withUs()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.done = cmd, make(chan struct{})
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return nil
}

// Start starts the process and waits until it answers.
func (p *Program) Start(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Wait waits until the program answers that it is ready.
func (p *Program) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if p.answers(ctx) {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("%s ended before it was ready: %w; see %s:\n%s", p.Args[0], p.err, p.Log, p.Tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w; see %s:\n%s", p.Args[0], ctx.Err(), p.Log, p.Tail())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *Program) answers(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+p.Ready, nil)
	if err != nil {
		return false
	}
	resp, err := probe.Do(r)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// probe keeps no connection: the process at the other end comes and goes.
var probe = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}

// Done is closed when the process has ended.
func (p *Program) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// PID is that of the process.
func (p *Program) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Kill ends the process with SIGKILL and waits until it is gone. One that does
// not run is left alone.
func (p *Program) Kill() error { return p.end(syscall.SIGKILL) }

// Stop ends the process with SIGTERM, waits until it is gone, and says if its
// exit code was not 0.
func (p *Program) Stop() error { return p.end(syscall.SIGTERM) }

func (p *Program) end(with syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(with) // it may have ended by itself
	<-p.done
	p.cmd = nil
	if with == syscall.SIGKILL {
		return nil
	}
	return p.err
}

// Tail is the end of the program's output.
func (p *Program) Tail() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
