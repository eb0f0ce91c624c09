package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// byCookie remembers the name that a person gave, for the next form.
const byCookie = "tocsin_by"

// maxName is the longest name kept, in runes.
const maxName = 80

// by is who sent the form: what they typed, or "web". It is remembered.
func by(w http.ResponseWriter, r *http.Request) string {
	name := line(r.PostFormValue("by"), maxName)
	if name == "" {
		return "web"
	}
	http.SetCookie(w, &http.Cookie{
		Name: byCookie, Value: url.QueryEscape(name), Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
		HttpOnly: true, Secure: r.TLS != nil,
		// Lax, since people come by a link in a chat message.
		SameSite: http.SameSiteLaxMode,
	})
	return name
}

// remembered is the name for a form's field, or empty.
func remembered(r *http.Request) string {
	c, err := r.Cookie(byCookie)
	if err != nil {
		return ""
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return line(name, maxName)
}

// line makes one line of at most max runes of what a person typed.
func line(s string, most int) string {
	s = strings.Join(strings.Fields(plain(strings.ToValidUTF8(s, "\uFFFD"))), " ")
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most])
	}
	return s
}
