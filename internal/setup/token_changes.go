package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/connect"
)

// Rotate makes a new token for a source. The one before stays good for as long as
// keep, 7 days if that is 0, or until [Setup.Retire]; one before that ends now.
func (s *Setup) Rotate(ctx context.Context, source, by string, keep time.Duration) (Token, error) {
	by, err := author(by)
	if err != nil {
		return Token{}, err
	}
	if keep == 0 {
		keep = Keep
	}
	if keep < time.Minute || keep > LongestKeep {
		return Token{}, Problems{{"keep", fmt.Sprintf("the old token stays good for at least a minute and at most %d days", LongestKeep/(24*time.Hour))}}
	}
	if err := s.checkMade(source); err != nil {
		return Token{}, err
	}
	t, err := s.o.Keys.Of(source).rotate(ctx, by, keep)
	if err != nil {
		return Token{}, err
	}
	s.did(ctx, Change{By: by, What: Source, Name: source, Did: "rotated", Text: fmt.Sprintf("token %s; the one before is good until %s", t.ID, s.o.Now().Add(keep).UTC().Format(time.RFC3339))})
	return t, nil
}

// Retire ends the tokens of a source that another one has followed.
func (s *Setup) Retire(ctx context.Context, source, by string) error {
	by, err := author(by)
	if err != nil {
		return err
	}
	if err := s.checkMade(source); err != nil {
		return err
	}
	ended, err := s.o.Keys.Of(source).retire(ctx)
	switch {
	case err != nil:
		return err
	case ended == 0:
		return refused("source %s has one token only: there is nothing to end", source)
	}
	s.did(ctx, Change{By: by, What: Source, Name: source, Did: "retired", Text: "the token before is not good any more"})
	return nil
}

// live is a source that senders post to.
func (s *Setup) live(source string) (Live, error) {
	c := s.o.Config()
	_, disabled, _, ok := place(c, Source, source)
	l := s.o.Live()[source]
	switch {
	case !ok && s.Gone(source):
		return l, refused("source %s was deleted", source)
	case !ok:
		return l, fmt.Errorf("source %q %w", source, ErrNotFound)
	case l.URL == nil && disabled:
		return l, refused("source %s is disabled: enable it first", source)
	case l.URL == nil:
		return l, refused("nothing is posted to source %s: it has no URL", source)
	}
	return l, nil
}

// checkMade says why the token of a source was not made here, or nil.
func (s *Setup) checkMade(source string) error {
	l, err := s.live(source)
	if err != nil || l.Made {
		return err
	}
	_, _, p, _ := place(s.o.Config(), Source, source)
	return refused("the configuration gives the token of source %s, in %s:%d: change it there, or leave token out and one is made", source, p.File, p.Line)
}

// URL is what opens a source, in clear: for the eyes of whoever asked for it.
func (s *Setup) URL(_ context.Context, source string) (Access, error) {
	l, err := s.live(source)
	if err != nil {
		return Access{}, err
	}
	a := Access{URL: l.URL(true), Token: l.Token()}
	a.Endpoint = a.URL[:max(0, len(a.URL)-len(a.Token)-1)]
	kind, _, p, _ := place(s.o.Config(), Source, source)
	if kind == "https" {
		a.Header = p.Values["https.header"]
		if a.Header == "" {
			a.Header = "X-Api-Key"
		}
	}
	return a, nil
}

// Connect is what is to be pasted to have AWS send its findings to a source. The
// source's token is in its commands.
func (s *Setup) Connect(ctx context.Context, source string, o connect.Options) (connect.Text, error) {
	kind, _, p, _ := place(s.o.Config(), Source, source)
	if kind == "sqs" { // it has no address
		return connected(connect.Write(connect.Source{Name: source, Way: connect.SQS, Queue: queueARN(p.Values["sqs.queue_url"])}, o))
	}
	a, err := s.URL(ctx, source)
	if err != nil {
		return connect.Text{}, err
	}
	to := connect.Source{Name: source, URL: a.URL}
	switch kind {
	case "sns":
		to.Way = connect.SNS
		for _, c := range s.o.Config().Sources {
			if c.Name == source {
				to.Topics = lines(c.Values["sns.topics"])
			}
		}
	case "https":
		to.Way, to.URL, to.Header, to.Key = connect.APIDestination, a.Endpoint, a.Header, a.Token
	default:
		return connect.Text{}, refused("there is nothing to paste into AWS for a source of kind %s", kind)
	}
	return connected(connect.Write(to, o))
}

// connected is what was written, with what is wrong as a page shows it.
func connected(text connect.Text, err error) (connect.Text, error) {
	if ps, ok := err.(connect.Problems); ok { //nolint:errorlint // it is made there, and not wrapped
		var all Problems
		for _, p := range ps {
			all = append(all, Problem(p))
		}
		return text, all
	}
	return text, err
}

// queueARN is the ARN of a queue that may be written by its URL; what is neither
// stays as it is.
func queueARN(text string) string {
	if queue, ok := aws.QueueOf(text); ok {
		return queue.String()
	}
	return text
}
