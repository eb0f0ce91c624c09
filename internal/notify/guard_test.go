package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.215.14":        true,
		"2606:2800:220:1::1":   true,
		"10.0.0.1":             false,
		"172.16.3.4":           false,
		"192.168.1.1":          false,
		"127.0.0.1":            false,
		"0.0.0.0":              false,
		"169.254.169.254":      false,
		"100.64.0.1":           false,
		"198.18.0.1":           false,
		"255.255.255.255":      false,
		"224.0.0.1":            false,
		"::1":                  false,
		"::":                   false,
		"fe80::1%eth0":         false,
		"fd00:ec2::254":        false,
		"::ffff:10.0.0.1":      false,
		"::ffff:93.184.215.14": true,
		"64:ff9b::a00:1":       false,
		"64:ff9b::5db8:d70e":   true,
		"2002:a00:1::":         false,
		"::7f00:1":             false,
		"2001:db8::1":          false,
		"3fff::1":              false,
		"5f00::1":              false,
		"fec0::1":              false,
		"192.0.2.1":            false,
		"240.0.0.1":            false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("Public(%s) = %v, want %v", address, got, want)
		}
	}
}

func TestPublicOnlyRefusesWhatLeadsInside(t *testing.T) {
	t.Parallel()
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer server.Close()
	proxy, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	get := func(client *http.Client, address string) error {
		_, err := Request{URL: address}.Send(t.Context(), client)
		return err
	}
	for _, address := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
		for name, transport := range map[string]*http.Transport{
			"no proxy": {}, "a proxy for others": {Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }},
		} {
			err := get(PublicOnly(&http.Client{Transport: transport}, nil), address)
			if _, inside := errors.AsType[*PrivateError](err); !inside || !strings.Contains(fmt.Sprint(err), "allow_private") {
				t.Errorf("%s, %s: %v, want one that names allow_private", address, name, err)
			}
		}
	}
	if hits != 0 {
		t.Fatal("the request was made all the same")
	}
	// The operator's own proxy may be anywhere; it judges by itself.
	if err := get(PublicOnly(&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}, nil), "http://push.example/"); err != nil || hits != 1 {
		t.Errorf("by a proxy: %v, %d requests, want one", err, hits)
	}
	if err := get(&http.Client{}, server.URL); err != nil || hits != 2 {
		t.Errorf("a client that is not guarded: %v, %d requests", err, hits)
	}
}

func TestGone(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("web-push: %w", Gone(context.Canceled))
	if !IsGone(err) || !IsPermanent(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("IsGone, IsPermanent of %v = %v, %v", err, IsGone(err), IsPermanent(err))
	}
	if IsGone(Permanent(context.Canceled)) {
		t.Error("whatever is permanent is gone")
	}
}

func TestShownAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ address, want string }{
		{"ana@example.com", "ana@example.com"},
		{"+4930123456", "+4930123456"},
		{`{"endpoint":"https://fcm.googleapis.com/fcm/send/abc","keys":{"auth":"s3cret","p256dh":"B…"}}`, "browser 4e9bda (fcm.googleapis.com)"},
		{`{"endpoint":"nowhere"}`, `{"endpoint":"nowhere"}`},
		{`{not JSON`, `{not JSON`},
	} {
		if got := ShownAddress(tt.address); got != tt.want {
			t.Errorf("ShownAddress(%s) = %s, want %s", tt.address, got, tt.want)
		}
	}
}
