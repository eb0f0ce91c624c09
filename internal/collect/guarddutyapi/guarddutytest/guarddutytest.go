// Package guarddutytest plays Amazon GuardDuty, AWS Organizations and AWS STS: the API
// side of an organisation of many accounts and regions. It makes each request's
// signature once more and compares, pages by opaque tokens that point into an order
// which changes while somebody pages, and lets a test have anything refused.
//
// It never sends anything: what arrives by event is the test's business.
package guarddutytest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
	"github.com/tocsin-sec/tocsin/internal/secret"
)

// Own is the account of [KeyID].
const Own = "111122223333"

// A Fake is all of it. It is safe for concurrent use.
type Fake struct {
	mu        sync.Mutex // guards what follows
	now       func() time.Time
	regions   map[string]*region
	disabled  map[[2]string]bool   // account and region
	detectors map[string]*detector // by id
	admins    map[string]string    // by region
	roles     map[string]role      // by ARN
	rules     map[[2]string][]Rule // by account and region
	known     map[string]credential
	org       organisation
	calls     []Call
	limit     int // of results of one listing; 0 is none
	hidden    map[string]bool
	fail      func(Call) *Fault
	after     func(Call)
	sessions  int
}

type role struct{ account, externalID string }

// A region is the findings of all accounts in one, in the order of their last change.
type region struct {
	byID   map[string]*stored
	order  []*stored
	sorted bool
}

type stored struct {
	id, account string
	updated     int64 // Unix milliseconds
	archived    bool
	raw         []byte
}

// A Detector is GuardDuty of an account in a region.
type Detector struct {
	Account, Region string
	Suspended       bool
	Frequency       string // SIX_HOURS if empty
	Features        map[string]bool
	Filters         []Filter
	Exports         []Export
	// IPSets, ThreatIntelSets, ThreatEntitySets and TrustedEntitySets are names.
	IPSets, ThreatIntelSets, ThreatEntitySets, TrustedEntitySets []string
	// Members are the accounts that it administers, in the order of ListMembers.
	Members []Member
}

// A Filter is a saved one; it archives unless Saved.
type Filter struct {
	Name     string
	Saved    bool
	Criteria map[string]map[string]any // {"type": {"equals": ["…"]}}
}

// An Export is a publishing destination.
type Export struct{ Bucket, Status string }

// A Member is an account that a detector administers.
type Member struct {
	Account, Relationship string // "Enabled" if empty
	Features              map[string]bool
}

type detector struct {
	Detector
	id      string
	members map[string]bool // that are enabled
}

// A Call is a request that was signed as it must be.
type Call struct {
	Service, Operation string // "guardduty", "ListFindings"
	Account, Region    string
	Detector           string // its id
	Input              []byte // JSON, or a form of STS
	Role               string // ARN of who asks; empty for a user
}

// Action is the call as IAM names it.
func (c Call) Action() string { return c.Service + ":" + c.Operation }

// A Fault is an answer that is none of what was asked for.
type Fault struct {
	Status        int
	Code, Message string
	RetryAfter    string
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

func bad(format string, args ...any) *Fault {
	return &Fault{Status: http.StatusBadRequest, Code: "BadRequestException", Message: fmt.Sprintf("The request is rejected because "+format, args...)}
}

// Throttled is what GuardDuty answers to too many.
func Throttled() *Fault {
	return &Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate exceeded"}
}

// Denied is what any service answers to whom no policy allows it.
func Denied(c Call) *Fault {
	return &Fault{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: "User is not authorized to perform: " + c.Action()}
}

// New makes an AWS without anything.
func New() *Fake {
	return &Fake{
		now: time.Now, regions: map[string]*region{}, disabled: map[[2]string]bool{}, detectors: map[string]*detector{}, admins: map[string]string{},
		rules: map[[2]string][]Rule{}, roles: map[string]role{}, known: map[string]credential{KeyID: {Credential: sigv4test.Credential{Secret: Secret}, account: Own}}, hidden: map[string]bool{},
	}
}

// Settings reach the fake at a URL with a key, and so is STS reached.
func Settings(url string) aws.Settings {
	return aws.Settings{EndpointURL: url, STSEndpointURL: url, Region: "us-east-1", AccessKeyID: KeyID, SecretAccessKey: secret.New(Secret)}
}

// URL is where a [Fake.Client] finds the fake.
const URL = "https://aws.example.com"

// Client reaches the fake, whatever the URL, without a network.
func (f *Fake) Client() *http.Client { return &http.Client{Transport: inside{f}, Timeout: time.Minute} }

type inside struct{ fake *Fake }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = cmp.Or(r.Host, r.URL.Host)
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	i.fake.ServeHTTP(w, in)
	_ = in.Body.Close()
	return w.Result(), nil
}

// Now is the time that the services have.
func (f *Fake) Now(now func() time.Time) { f.change(func() { f.now = now }) }

func (f *Fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// Enable makes detectors, or puts them in the stead of those that are there. What has
// members is the delegated administrator of its region.
func (f *Fake) Enable(detectors ...Detector) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range detectors {
		d.Frequency = cmp.Or(d.Frequency, "SIX_HOURS")
		id := DetectorID(d.Account, d.Region)
		members := map[string]bool{}
		for i := range d.Members {
			m := &d.Members[i]
			m.Relationship = cmp.Or(m.Relationship, "Enabled")
			members[m.Account] = m.Relationship == "Enabled"
		}
		if len(d.Members) > 0 {
			f.admins[d.Region] = d.Account
		}
		f.detectors[id] = &detector{Detector: d, id: id, members: members}
	}
}

// Disable removes the detector of an account.
func (f *Fake) Disable(account, region string) {
	f.change(func() { delete(f.detectors, DetectorID(account, region)) })
}

// DisableRegion has an account not have a region, which it would have to opt into.
func (f *Fake) DisableRegion(account, region string) {
	f.change(func() { f.disabled[[2]string{account, region}] = true })
}

// Role has a role that can be assumed by whoever knows the external id.
func (f *Fake) Role(arn, externalID string) {
	f.change(func() { f.roles[arn] = role{strings.Split(arn, ":")[4], externalID} })
}

// Cap has a listing end after so many results, as the console's does; 0 ends that.
func (f *Fake) Cap(results int) { f.change(func() { f.limit = results }) }

// Hide has findings listed and not given.
func (f *Fake) Hide(hide bool, ids ...string) {
	f.change(func() {
		for _, id := range ids {
			f.hidden[id] = hide
		}
	})
}

// Fail has calls answered with a fault for which fail gives one.
func (f *Fake) Fail(fail func(Call) *Fault) { f.change(func() { f.fail = fail }) }

// After is called after each call that was answered, so that the world may go on
// between two pages.
func (f *Fake) After(after func(Call)) { f.change(func() { f.after = after }) }

// Put has findings, in the stead of those of the same ids.
func (f *Fake) Put(findings ...Finding) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range findings {
		f.put(v.Region, &stored{id: v.ID, account: v.Account, updated: v.Updated.UnixMilli(), archived: v.Archived, raw: v.Wire()})
	}
}

// PutRaw has a finding that is these bytes.
func (f *Fake) PutRaw(raw []byte) error {
	at, err := time.Parse(time.RFC3339, gjson.GetBytes(raw, "updatedAt").String())
	if err != nil {
		return fmt.Errorf("updatedAt: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(gjson.GetBytes(raw, "region").String(), &stored{
		id: gjson.GetBytes(raw, "id").String(), account: gjson.GetBytes(raw, "accountId").String(), updated: at.UnixMilli(),
		archived: gjson.GetBytes(raw, "service.archived").Bool(), raw: slices.Clone(raw),
	})
	return nil
}

func (f *Fake) put(name string, s *stored) {
	r := f.regions[name]
	if r == nil {
		r = &region{byID: map[string]*stored{}}
		f.regions[name] = r
	}
	if old := r.byID[s.id]; old != nil {
		*old = *s
	} else {
		r.byID[s.id] = s
		r.order = append(r.order, s)
	}
	r.sorted = false
}

// Remove has findings no more.
func (f *Fake) Remove(name string, ids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.regions[name]
	for _, id := range ids {
		delete(r.byID, id)
	}
	r.order = slices.DeleteFunc(r.order, func(s *stored) bool { return r.byID[s.id] != s })
}

// Count is how many findings of all accounts changed last within a time, in a region.
func (f *Fake) Count(name string, from, until time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	if r := f.regions[name]; r != nil {
		for _, s := range r.order {
			if s.updated >= from.UnixMilli() && s.updated < until.UnixMilli() {
				n++
			}
		}
	}
	return n
}

// Calls are what was asked so far and was signed as it must be.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Forget forgets the calls.
func (f *Fake) Forget() { f.change(func() { f.calls = nil }) }

// ServeHTTP is all of the services: which one is asked, its signature says.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	now, fail := f.now(), f.fail
	sc, err := sigv4test.Verify(r, body, func(key string) (sigv4test.Credential, bool) { c, ok := f.known[key]; return c.Credential, ok }, time.Now(), now)
	cred := f.known[sc.Key]
	f.mu.Unlock()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	if e, ok := errors.AsType[sigv4test.Forgery](err); ok {
		refuse(w, sc.Service, &Fault{Status: http.StatusForbidden, Code: e.Code, Message: e.Message})
		return
	}
	call := Call{Service: sc.Service, Account: cred.account, Region: sc.Region, Role: cred.role, Input: body}
	do := f.operation(&call, r)
	if do == nil {
		refuse(w, sc.Service, &Fault{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: r.Method + " " + r.URL.Path})
		return
	}
	if fail != nil {
		if fault := fail(call); fault != nil {
			refuse(w, sc.Service, fault)
			return
		}
	}
	f.mu.Lock()
	f.calls = append(f.calls, call)
	var answer any
	var fault *Fault
	if f.disabled[[2]string{cred.account, sc.Region}] {
		fault = &Fault{Status: http.StatusForbidden, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	} else {
		answer, fault = do()
	}
	after := f.after
	f.mu.Unlock()
	if fault != nil {
		refuse(w, sc.Service, fault)
		return
	}
	if after != nil {
		after(call)
	}
	succeed(w, call, answer)
}

func refuse(w http.ResponseWriter, service string, fault *Fault) {
	if fault.RetryAfter != "" {
		w.Header().Set("Retry-After", fault.RetryAfter)
	}
	switch service {
	case "sts":
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(fault.Status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, fault.Code, fault.Message)
	case "organizations", "events":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(fault.Status)
		_ = json.NewEncoder(w).Encode(map[string]any{"__type": fault.Code, "Message": fault.Message})
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", fault.Code)
		w.WriteHeader(fault.Status)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": fault.Message, "__type": "InvalidInputException"})
	}
}

func succeed(w http.ResponseWriter, call Call, answer any) {
	switch call.Service {
	case "sts":
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></%[1]sResponse>`, call.Operation, answer)
	case "organizations":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(answer)
	default:
		w.Header().Set("Content-Type", "application/json")
		if raw, ok := answer.([]byte); ok {
			_, _ = w.Write(raw)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}
