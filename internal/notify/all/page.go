package all

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-sec/tocsin/internal/notify"
)

const intro = `<!-- Generated from the code. Do not edit: run the tests of internal/notify/all with -update. -->

# Destinations

All that tocsin can tell, what each can show, and how it was checked that it understands what it is sent. How each is
set up is in [receivers](receivers.md), [chat](chat.md), [push](push.md), [web push](web-push.md), [tickets](tickets.md)
and [AWS targets](aws-targets.md); every setting is in the [reference](reference/config.md#kinds-of-receivers).

- **edits**: the first message is changed when the alert is taken, gets worse or is over; *ends the call* where the
  message stays as it was, but is not repeated any more
- **threads**: what is new comes under the first message
- **acknowledge**: people answer from where they are, with a button, a reply, a key or a signed link; links that act are
  for single people, who have a contact method of the kind
- **resolve**: it is told that the alert is over, and shows it so
- **rich**: more than plain text
- **limit**: how much one message holds; what is longer is cut at the end of a character, and says so

`

const ended = `
## What has ended

Amazon Chime's service ended on 2026-02-20. The kind ` + "`chime`" + ` is there to say so, and what to use instead; for something that
still takes its payload there is a [webhook](receivers.md) with ` + "`template: chime`" + `.
`

const checks = `
## How each was checked

A *schema* is the vendor's own machine-readable description, a *counterpart* a program that others use as the real thing,
and a *fake* a server of ours that keeps the vendor's published rules. None of it is the vendor's own service: send a test
message before you rely on it (` + "`tocsin receiver test NAME`" + `).

| kind | checked against | by |
| --- | --- | --- |
`

// Page is the page of destinations, as Markdown.
func Page() string {
	var out strings.Builder
	out.WriteString(intro)
	kinds := slices.DeleteFunc(Kinds(), func(k notify.Kind) bool { return k.Ended != "" })
	slices.SortFunc(kinds, func(a, b notify.Kind) int { return cmp.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)) })
	out.WriteString("## Who is told\n\n")
	table(&out, kinds, false)
	out.WriteString("\n## What is done\n\nThese change something, and run only where a rule names them among its `actions`.\n\n")
	table(&out, kinds, true)
	out.WriteString(ended)
	out.WriteString(checks)
	for _, k := range kinds {
		for _, c := range k.Checks {
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", k.Name, c.How, c.By)
		}
	}
	return out.String()
}

func table(out *strings.Builder, kinds []notify.Kind, acts bool) {
	out.WriteString("| destination | kind | edits | threads | acknowledge | resolve | rich | limit |\n| --- | --- | :-: | :-: | :-: | :-: | :-: | --- |\n")
	for _, k := range kinds {
		if k.Acts != acts {
			continue
		}
		a := k.Abilities
		edits := yes(a.Edits)
		if k.Edits && !a.Edits {
			edits = "ends the call"
		}
		fmt.Fprintf(out, "| %s | `%s` | %s | %s | %s | %s | %s | %s |\n", k.Title, k.Name, edits, yes(a.Threads), yes(a.Acknowledge), yes(a.Resolve), yes(a.Rich), a.Limit)
	}
}

func yes(can bool) string {
	if can {
		return "✓"
	}
	return ""
}
