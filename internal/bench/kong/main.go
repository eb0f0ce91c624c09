// Package main is kong: a function as small as one can be that does what Kong's
// GuardDuty2Slack did, for measuring beside it. A finding from EventBridge becomes one
// message of Slack's, if its account's configuration wants that severity; nothing is
// kept, folded or tried again.
//
// It is written anew after the public description of that program, with the same parts:
// aws-lambda-go, net/http, encoding/json and a YAML file in the zip.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	runtime "github.com/aws/aws-lambda-go/lambda"
	"github.com/goccy/go-yaml"
)

// settings are main.yml.
type settings struct {
	Colors   map[string]string  `yaml:"colors"` // by level
	URL      string             `yaml:"url"`    // with %s for the region and for the finding's id
	Webhook  string             `yaml:"webhook"`
	Accounts map[string]account `yaml:"accounts"`
}

type account struct {
	Name, Severity, Webhook string
}

// event is what of a finding in an EventBridge event is told.
type event struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Detail  struct {
		ID          string  `json:"id"`
		Title       string  `json:"title"`
		Description string  `json:"description"`
		Severity    float64 `json:"severity"`
	} `json:"detail"`
}

// levels are GuardDuty's, as they were.
var levels = map[string]int{"low": 1, "medium": 2, "high": 3}

func level(severity float64) string {
	switch {
	case severity < 4:
		return "low"
	case severity < 7:
		return "medium"
	}
	return "high"
}

func (s settings) tell(ctx context.Context, ev event) error {
	a, is := s.Accounts[ev.Account], level(ev.Detail.Severity)
	if levels[is] < levels[a.Severity] {
		return nil
	}
	where := a.Webhook
	if where == "" {
		where = s.Webhook
	}
	field := func(title, value string) map[string]any {
		return map[string]any{"title": title, "value": value, "short": true}
	}
	body, err := json.Marshal(map[string]any{"attachments": []any{map[string]any{
		"title": ev.Detail.Title, "text": ev.Detail.Description, "color": s.Colors[is],
		"title_link": fmt.Sprintf(s.URL, ev.Region, ev.Detail.ID),
		"fields":     []any{field("Account", ev.Account+" ("+a.Name+")"), field("Severity", is)},
	}}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("slack: %s", resp.Status)
	}
	return nil
}

func main() {
	text, err := os.ReadFile("main.yml")
	var s settings
	if err == nil {
		err = yaml.Unmarshal(text, &s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	runtime.Start(s.tell)
}
