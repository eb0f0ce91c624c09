package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-sec/tocsin/internal/sift"
)

// A client asks a running tocsin for a command. What is embedded is what the
// command was started in.
type client struct {
	*shell
	server string
	json   bool
	by     string
}

// clientFlags are those of all commands that ask a running tocsin.
func clientFlags(c *cobra.Command, r *client) {
	flags := c.PersistentFlags()
	flags.StringVar(&r.server, "server", os.Getenv("TOCSIN_SERVER"), "`URL` of the running tocsin (default: listen of the configuration; env TOCSIN_SERVER)")
	flags.BoolVar(&r.json, "json", false, "print JSON, as the API has it")
}

// byFlag is of commands that change something.
func byFlag(c *cobra.Command, r *client) {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	c.Flags().StringVar(&r.by, "by", name, "who you are")
}

// show asks, and prints what is answered: as JSON if that is wanted, and otherwise
// in the words of tell.
func show[T any](ctx context.Context, r *client, method, path string, body any, tell func(T) error) error {
	var answer T
	raw, err := r.ask(ctx, method, path, body, &answer)
	switch {
	case err != nil:
		return err
	case r.json:
		return r.print(raw)
	}
	return tell(answer)
}

// address is where to ask.
func (r *client) address() (string, error) {
	if r.server != "" {
		return strings.TrimSuffix(r.server, "/"), nil
	}
	conf, err := r.load()
	if err != nil {
		return "", err
	}
	if conf.TLS.Certificate != "" && conf.Intake == "" {
		return "https://" + conf.Listen, nil
	}
	return "http://" + conf.Listen, nil
}

// ask asks the running tocsin and reads the JSON that it answers. A body of bytes is
// sent as it is, any other as JSON. What is refused comes as an error in the
// server's words.
func (r *client) ask(ctx context.Context, method, path string, body, into any) ([]byte, error) {
	raw, err := r.get(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return nil, fmt.Errorf("the answer of the server is not what was asked for; is it a tocsin of this version? %w", err)
	}
	return raw, nil
}

// get is ask for what is no JSON.
func (r *client) get(ctx context.Context, method, path string, body any) ([]byte, error) {
	server, err := r.address()
	if err != nil {
		return nil, err
	}
	text, ok := body.([]byte)
	if !ok && body != nil {
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, server+path, bytes.NewReader(text))
	if err != nil {
		return nil, usage(fmt.Errorf("--server: %w", err))
	}
	if text != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no tocsin answers at %s; start it with 'tocsin serve', or name another with --server", server)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct{ Error string }
		_ = json.Unmarshal(raw, &refusal) // a proxy's page has no error field
		return nil, errors.New(visible(cmp.Or(refusal.Error, fmt.Sprintf("%s answered %s", server, resp.Status))))
	}
	return raw, nil
}

// print writes what the server answered. Before eyes it does nothing to the
// terminal.
func (r *client) print(raw []byte) error {
	if terminal(r.out) {
		raw = sift.AppendVisible(nil, raw)
	}
	_, err := r.out.Write(raw)
	return err
}

// say prints a line in which texts may come from anywhere.
func (r *client) say(format string, args ...any) error {
	_, err := fmt.Fprintln(r.out, visible(fmt.Sprintf(format, args...)))
	return err
}

// number reads the number of an alert, a notification or the like, with or without
// the # before it.
func number(what, text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || n < 1 {
		return 0, usage(fmt.Errorf("%q is not the number of %s, such as 42", text, what))
	}
	return n, nil
}

// query is the part of a URL that has these values, without those that are empty.
func query(values url.Values) string {
	for key, list := range values {
		if strings.Join(list, "") == "" {
			values.Del(key)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// stamp is a time in a query; nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// marshal is JSON as the server writes it.
func marshal(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	return append(raw, '\n'), err
}
