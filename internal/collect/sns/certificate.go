package sns

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// maxCertificate is the most that is read of a certificate's address.
	maxCertificate = 64 << 10
	// maxCertificates is how many addresses are remembered; SNS has one a region.
	maxCertificates = 64
	// againAfter is how long an address that gave no good certificate is left alone.
	againAfter = 10 * time.Second
	// showFor is how long after that the source counts as failing.
	showFor = 15 * time.Minute
	// fetchTimeout bounds a fetch. SNS waits 15 seconds for its answer.
	fetchTimeout = 8 * time.Second
	// leastBits is the shortest RSA key that is believed.
	leastBits = 2048
)

// certificates find the keys that SNS signs with.
//
// A certificate is believed if it came by HTTPS from the SNS endpoint of the
// topic's region, has the name that signing certificates of that region have, is
// valid now, and leads to a trusted authority. SNS publishes it without the
// authority's own certificate in between, so that is fetched from where the
// certificate says (RFC 5280, 4.2.2.1). Only where that address cannot be reached
// does a certificate count without it, as it always does for AWS's own SDKs.
type certificates struct {
	http  *http.Client
	roots *x509.CertPool
	now   func() time.Time
	log   *slog.Logger
	// pinned are trusted instead of fetching any.
	pinned []*x509.Certificate

	flight singleflight.Group
	mu     sync.Mutex
	cache  map[string]entry
}

// An entry is what an address gave: a certificate, or an error that counts until
// a time.
type entry struct {
	cert  *x509.Certificate
	err   error
	until time.Time
}

// readPinned reads certificates from PEM files.
func readPinned(files []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("signing_certificates: %w", err)
		}
		certs, err := parsePEM(text)
		if err != nil {
			return nil, fmt.Errorf("signing_certificates: %s: %w", file, err)
		}
		for _, c := range certs {
			if _, err := rsaKey(c); err != nil {
				return nil, fmt.Errorf("signing_certificates: %s: %w", file, err)
			}
		}
		all = append(all, certs...)
	}
	return all, nil
}

func parsePEM(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in PEM form")
	}
	return certs, nil
}

func rsaKey(c *x509.Certificate) (*rsa.PublicKey, error) {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < leastBits {
		return nil, fmt.Errorf("certificate %q has no RSA key of %d bits or more", c.Subject.CommonName, leastBits)
	}
	return key, nil
}

// keys are those that may have signed a message of t whose SigningCertURL is
// link, which was checked. An error is of this side: the message may be good.
func (c *certificates) keys(ctx context.Context, t topic, link string) ([]*rsa.PublicKey, error) {
	if len(c.pinned) > 0 {
		return c.pinnedKeys(t)
	}
	cert, err := c.get(ctx, link)
	if err != nil {
		return nil, err
	}
	if err := c.fits(cert, t); err != nil {
		return nil, err
	}
	key, err := rsaKey(cert)
	return []*rsa.PublicKey{key}, err
}

func (c *certificates) pinnedKeys(t topic) ([]*rsa.PublicKey, error) {
	var keys []*rsa.PublicKey
	var errs []error
	for _, cert := range c.pinned {
		key, err := rsaKey(cert)
		if err == nil {
			err = c.fits(cert, t)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("signing_certificates: none is good for %s: %w", t.region, errors.Join(errs...))
	}
	return keys, nil
}

// fits says why cert cannot sign for t now, or nil.
func (c *certificates) fits(cert *x509.Certificate, t topic) error {
	now := c.now()
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("the signing certificate is valid from %s to %s only",
			cert.NotBefore.UTC().Format(time.DateOnly), cert.NotAfter.UTC().Format(time.DateOnly))
	}
	names := append([]string{cert.Subject.CommonName}, cert.DNSNames...)
	for _, want := range t.signingNames() {
		if slices.Contains(names, want) {
			return nil
		}
	}
	return fmt.Errorf("the signing certificate is %q, want %s", cert.Subject.CommonName, strings.Join(t.signingNames(), " or "))
}

// get is the certificate at link, fetched once however many ask for it.
func (c *certificates) get(ctx context.Context, link string) (*x509.Certificate, error) {
	if e, ok := c.cached(link); ok {
		return e.cert, e.err
	}
	// The fetch is for all who wait, so it does not end with one of them.
	got := c.flight.DoChan(link, func() (any, error) {
		if e, ok := c.cached(link); ok {
			return e.cert, e.err
		}
		fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		cert, err := c.fetch(fetching, link)
		c.remember(link, cert, err)
		return cert, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-got:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*x509.Certificate), nil
	}
}

func (c *certificates) cached(link string) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.cache[link]
	return e, ok && c.now().Before(e.until)
}

func (c *certificates) remember(link string, cert *x509.Certificate, err error) {
	e := entry{cert, err, c.now().Add(againAfter)}
	if err == nil {
		e.until = cert.NotAfter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cache) >= maxCertificates {
		for old := range c.cache {
			delete(c.cache, old)
			break
		}
	}
	if c.cache == nil {
		c.cache = map[string]entry{}
	}
	c.cache[link] = e
}

// failing is why there was no certificate at an address lately, or nil.
func (c *certificates) failing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.cache {
		if e.err != nil && c.now().Before(e.until.Add(showFor)) {
			return e.err
		}
	}
	return nil
}

func (c *certificates) fetch(ctx context.Context, link string) (*x509.Certificate, error) {
	text, err := get(ctx, c.http, link, maxCertificate)
	if err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	certs, err := parsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	if err := c.chain(ctx, certs[0], certs[1:]); err != nil {
		return nil, fmt.Errorf("signing certificate: %w", err)
	}
	return certs[0], nil
}

// chain says why cert does not lead to a trusted authority, or nil.
func (c *certificates) chain(ctx context.Context, cert *x509.Certificate, between []*x509.Certificate) error {
	pool := x509.NewCertPool()
	for _, b := range between {
		pool.AddCert(b)
	}
	options := x509.VerifyOptions{
		Roots: c.roots, Intermediates: pool, CurrentTime: c.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	_, err := cert.Verify(options)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown || !namesIssuer(cert) {
		return err
	}
	issuer, fetchErr := c.issuer(ctx, cert.IssuingCertificateURL[0])
	if fetchErr != nil {
		c.log.WarnContext(ctx, "the authority of the signing certificate cannot be fetched; relying on HTTPS alone", slog.Any("err", fetchErr))
		return nil
	}
	pool.AddCert(issuer)
	_, err = cert.Verify(options)
	return err
}

// namesIssuer reports whether cert says where its issuer's certificate is, at a
// host that has a name: the address comes from SNS, but need not lead anywhere.
func namesIssuer(cert *x509.Certificate) bool {
	if len(cert.IssuingCertificateURL) == 0 {
		return false
	}
	u, err := url.Parse(cert.IssuingCertificateURL[0])
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.Port() == "" &&
		strings.Contains(strings.Trim(u.Hostname(), "."), ".") && strings.Trim(u.Hostname(), "0123456789.:") != ""
}

// issuer fetches a certificate in DER form, or in PEM as some give it. That it
// comes by plain HTTP does no harm: it counts only if it leads to a root.
func (c *certificates) issuer(ctx context.Context, link string) (*x509.Certificate, error) {
	text, err := get(ctx, c.http, link, maxCertificate)
	if err != nil {
		return nil, err
	}
	if certs, err := parsePEM(text); err == nil {
		return certs[0], nil
	}
	return x509.ParseCertificate(text)
}

// get fetches at most limit bytes. No error shows the address's query.
func get(ctx context.Context, client *http.Client, link string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, errors.New("no address")
	}
	resp, err := client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, e.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{r.URL.Host, resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes", r.URL.Host, limit)
	}
	return body, nil
}

// A statusError is an answer other than 200.
type statusError struct {
	host   string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: answered %d %s", e.host, e.status, http.StatusText(e.status))
}
