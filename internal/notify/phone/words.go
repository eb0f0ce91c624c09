package phone

import (
	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// named is an AWS id with the name that we put after it: "i-0abc123def456789a
// (web-1)".
var named = lazyregexp.New(`\b[a-z]{1,8}-[0-9a-f]{8,17} \(([^()]{1,40})\)`)

// Plain is the message as it is told where every letter counts: of what has a
// name, the name only. The account's number goes, and ids that stand before a
// name.
func Plain(m notify.Message) notify.Message {
	if notify.Clean(m.Account.Name) != "" {
		m.Alert.Account, m.Account.ID = "", ""
	}
	m.Alert.Headline = named.ReplaceAllString(notify.Headline(m), "$1")
	return m
}

// Of is the message that tells of one item of a digest alone.
func Of(i notify.Item) notify.Message {
	return notify.Message{Kind: tocsin.TellOpened, Alert: i.Alert, Account: i.Account, AlertURL: i.URL}
}
