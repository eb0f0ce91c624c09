package guarddutytest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin/internal/aws/sigv4test"
)

// operation finds what is asked, completes the call, and gives what does it; nil if
// there is no such thing. What it gives is called with the lock held.
func (f *Fake) operation(call *Call, r *http.Request) func() (any, *Fault) {
	switch call.Service {
	case "guardduty":
		return f.guardDuty(call, r)
	case "organizations":
		_, call.Operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if do := organizations[call.Operation]; do != nil {
			return func() (any, *Fault) { return do(f, call) }
		}
	case "events":
		_, call.Operation, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if do := events[call.Operation]; do != nil {
			return func() (any, *Fault) { return do(f, call) }
		}
	case "sts":
		form, _ := url.ParseQuery(string(call.Input))
		switch call.Operation = form.Get("Action"); call.Operation {
		case "AssumeRole":
			return func() (any, *Fault) { return f.assumeRole(form) }
		case "GetCallerIdentity":
			return func() (any, *Fault) {
				return fmt.Sprintf(`<Arn>arn:aws:sts::%[1]s:assumed-role/tocsin/tocsin</Arn><UserId>AROA:tocsin</UserId><Account>%[1]s</Account>`, call.Account), nil
			}
		}
	}
	return nil
}

func (f *Fake) assumeRole(form url.Values) (any, *Fault) {
	arn := form.Get("RoleArn")
	r, ok := f.roles[arn]
	if !ok || r.externalID != form.Get("ExternalId") {
		return nil, &Fault{Status: http.StatusForbidden, Code: "AccessDenied", Message: "User is not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	f.sessions++
	key := fmt.Sprintf("ASIASESSION%09d", f.sessions)
	f.known[key] = credential{Credential: sigv4test.Credential{Secret: "secret-of-" + key, Token: "token-of-" + key}, account: r.account, role: arn}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	return fmt.Sprintf(`<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>`,
		key, "secret-of-"+key, "token-of-"+key, until), nil
}

// routes are GuardDuty's operations by method and path; {} is a name.
var routes = []struct {
	method, path, name string
	do                 func(f *Fake, d *detector, name string, r *http.Request, call *Call) (any, *Fault)
}{
	{"GET", "detector/{}", "GetDetector", getDetector},
	{"POST", "detector/{}/findings", "ListFindings", listFindings},
	{"POST", "detector/{}/findings/get", "GetFindings", getFindings},
	{"GET", "detector/{}/administrator", "GetAdministratorAccount", getAdministrator},
	{"GET", "detector/{}/member", "ListMembers", listMembers},
	{"POST", "detector/{}/member/detector/get", "GetMemberDetectors", getMemberDetectors},
	{"GET", "detector/{}/filter", "ListFilters", listFilters},
	{"GET", "detector/{}/filter/{}", "GetFilter", getFilter},
	{"GET", "detector/{}/publishingDestination", "ListPublishingDestinations", listExports},
	{"GET", "detector/{}/publishingDestination/{}", "DescribePublishingDestination", getExport},
	{"GET", "detector/{}/ipset", "ListIPSets", lists("ipSetIds", func(d *detector) []string { return d.IPSets })},
	{"GET", "detector/{}/ipset/{}", "GetIPSet", list},
	{"GET", "detector/{}/threatintelset", "ListThreatIntelSets", lists("threatIntelSetIds", func(d *detector) []string { return d.ThreatIntelSets })},
	{"GET", "detector/{}/threatintelset/{}", "GetThreatIntelSet", list},
	{"GET", "detector/{}/threatentityset", "ListThreatEntitySets", lists("threatEntitySetIds", func(d *detector) []string { return d.ThreatEntitySets })},
	{"GET", "detector/{}/threatentityset/{}", "GetThreatEntitySet", list},
	{"GET", "detector/{}/trustedentityset", "ListTrustedEntitySets", lists("trustedEntitySetIds", func(d *detector) []string { return d.TrustedEntitySets })},
	{"GET", "detector/{}/trustedentityset/{}", "GetTrustedEntitySet", list},
}

func (f *Fake) guardDuty(call *Call, r *http.Request) func() (any, *Fault) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) == 1 && path[0] == "detector" && r.Method == http.MethodGet {
		call.Operation = "ListDetectors"
		return func() (any, *Fault) {
			ids := []string{}
			if d := f.detectors[DetectorID(call.Account, call.Region)]; d != nil {
				ids = append(ids, d.id)
			}
			return map[string]any{"detectorIds": ids}, nil
		}
	}
	for _, route := range routes {
		names, ok := named(path, strings.Split(route.path, "/"))
		if !ok || r.Method != route.method {
			continue
		}
		call.Operation, call.Detector = route.name, names[0]
		return func() (any, *Fault) {
			d := f.detectors[names[0]]
			if d == nil || d.Account != call.Account || d.Region != call.Region {
				return nil, bad("the input detectorId is not owned by the current account.")
			}
			return route.do(f, d, names[len(names)-1], r, call)
		}
	}
	return nil
}

func named(path, route []string) (names []string, ok bool) {
	if len(path) != len(route) {
		return nil, false
	}
	for i, part := range route {
		switch {
		case part == "{}":
			names = append(names, path[i])
		case part != path[i]:
			return nil, false
		}
	}
	return names, true
}

func features(of map[string]bool) []any {
	all := []any{}
	for name, on := range of {
		status := "DISABLED"
		if on {
			status = "ENABLED"
		}
		all = append(all, map[string]any{"name": name, "status": status})
	}
	return all
}

func getDetector(f *Fake, d *detector, _ string, _ *http.Request, _ *Call) (any, *Fault) {
	status := "ENABLED"
	if d.Suspended {
		status = "DISABLED"
	}
	frequency := d.Frequency
	if admin := f.adminOf(d); admin != nil {
		frequency = admin.Frequency // it is imposed
	}
	return map[string]any{
		"status": status, "findingPublishingFrequency": frequency, "serviceRole": "arn:aws:iam::" + d.Account + ":role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty",
		"createdAt": "2025-01-01T00:00:00.000Z", "features": features(d.Features), "tags": map[string]string{},
	}, nil
}

// adminOf is the detector that administers another one; nil for none.
func (f *Fake) adminOf(d *detector) *detector {
	admin := f.detectors[DetectorID(f.admins[d.Region], d.Region)]
	if admin == nil || !admin.members[d.Account] {
		return nil
	}
	return admin
}

func getAdministrator(f *Fake, d *detector, _ string, _ *http.Request, _ *Call) (any, *Fault) {
	admin := f.adminOf(d)
	if admin == nil {
		return map[string]any{}, nil
	}
	return map[string]any{"administrator": map[string]any{"accountId": admin.Account, "relationshipStatus": "Enabled"}}, nil
}

// A criterion is what ListFindings may ask here, of updatedAt or of id.
type criterion struct {
	From, Over, To, Under *int64
	IDs                   []string
}

func (c *criterion) UnmarshalJSON(text []byte) error {
	var of struct {
		GreaterThanOrEqual, GreaterThan, LessThanOrEqual, LessThan *int64
		Equals                                                     []string
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&of); err != nil {
		return err
	}
	c.From, c.Over, c.To, c.Under, c.IDs = of.GreaterThanOrEqual, of.GreaterThan, of.LessThanOrEqual, of.LessThan, of.Equals
	return nil
}

func (c criterion) fits(ms int64) bool {
	return (c.From == nil || ms >= *c.From) && (c.Over == nil || ms > *c.Over) && (c.To == nil || ms <= *c.To) && (c.Under == nil || ms < *c.Under)
}

func listFindings(f *Fake, d *detector, _ string, _ *http.Request, call *Call) (any, *Fault) {
	var in struct {
		FindingCriteria struct{ Criterion map[string]criterion }
		SortCriteria    struct{ AttributeName, OrderBy string }
		MaxResults      int
		NextToken       string
	}
	decoder := json.NewDecoder(bytes.NewReader(call.Input))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, bad("%v", err)
	}
	if in.MaxResults < 0 || in.MaxResults > 50 {
		return nil, bad("an invalid or out-of-range value is specified as an input parameter: maxResults.")
	}
	var by criterion
	for attribute, c := range in.FindingCriteria.Criterion {
		if attribute != "updatedAt" && attribute != "id" || (attribute == "id") != (c.IDs != nil) || len(c.IDs) > 50 || len(in.FindingCriteria.Criterion) > 1 {
			return nil, bad("the criterion of %s is not known here.", attribute)
		}
		by = c
	}
	all := f.visible(d, by)
	if in.SortCriteria.AttributeName != "updatedAt" { // in any order
		slices.SortFunc(all, func(a, b *stored) int { return cmp.Compare(a.id[1:], b.id[1:]) })
	} else if in.SortCriteria.OrderBy == "DESC" {
		slices.Reverse(all)
	}
	if f.limit > 0 && len(all) > f.limit {
		all = all[:f.limit]
	}
	offset, fault := offsetOf(in.NextToken, call)
	if fault != nil {
		return nil, fault
	}
	page := cmp.Or(in.MaxResults, 50)
	begin := min(offset, len(all))
	end := min(begin+page, len(all))
	ids := make([]string, 0, page)
	for _, s := range all[begin:end] {
		ids = append(ids, s.id)
	}
	answer := map[string]any{"findingIds": ids}
	if end < len(all) {
		answer["nextToken"] = tokenOf(end, call)
	}
	return answer, nil
}

// visible are the findings that the detector shows, in the order of their last change.
func (f *Fake) visible(d *detector, by criterion) []*stored {
	r := f.regions[d.Region]
	if r == nil {
		return nil
	}
	if !r.sorted {
		slices.SortFunc(r.order, func(a, b *stored) int { return cmp.Or(cmp.Compare(a.updated, b.updated), cmp.Compare(a.id, b.id)) })
		r.sorted = true
	}
	from := 0
	if by.From != nil {
		from, _ = slices.BinarySearchFunc(r.order, *by.From, func(s *stored, ms int64) int { return cmp.Compare(s.updated, ms) })
	}
	var all []*stored
	for _, s := range r.order[from:] {
		if by.Under != nil && s.updated >= *by.Under {
			break
		}
		if by.fits(s.updated) && (by.IDs == nil || slices.Contains(by.IDs, s.id)) && (s.account == d.Account || d.members[s.account]) {
			all = append(all, s)
		}
	}
	return all
}

// tokenOf is a token that is good for the same listing only, and says nothing.
func tokenOf(offset int, call *Call) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d", digest(withoutToken(call.Input))[:16], offset))
}

func offsetOf(token string, call *Call) (int, *Fault) {
	if token == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	listing, offset, _ := strings.Cut(string(text), "/")
	n, errN := strconv.Atoi(offset)
	if err != nil || errN != nil || listing != digest(withoutToken(call.Input))[:16] {
		return 0, bad("the parameter nextToken has an invalid value.")
	}
	return n, nil
}

func withoutToken(input []byte) []byte {
	var in map[string]any
	_ = json.Unmarshal(input, &in) // it was read before
	delete(in, "nextToken")
	return marshal(in)
}

func getFindings(f *Fake, d *detector, _ string, _ *http.Request, call *Call) (any, *Fault) {
	var in struct {
		IDs []string `json:"findingIds"`
	}
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return nil, bad("%v", err)
	}
	if len(in.IDs) > 50 {
		return nil, bad("the number of requested finding IDs is out-of-bounds.")
	}
	r := f.regions[d.Region]
	var b bytes.Buffer
	b.WriteString(`{"findings":[`)
	slices.Sort(in.IDs) // in an order of its own
	first := true
	for _, id := range slices.Compact(in.IDs) {
		if r == nil || f.hidden[id] {
			continue
		}
		s := r.byID[id]
		if s == nil || s.account != d.Account && !d.members[s.account] {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.Write(s.raw)
	}
	b.WriteString(`]}`)
	return b.Bytes(), nil
}

// paged is a page of at most 50 of what is asked for by GET.
func paged[T any](all []T, r *http.Request) (page []T, next string, fault *Fault) {
	q := r.URL.Query()
	most := 50
	if text := q.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 50 {
			return nil, "", bad("an invalid or out-of-range value is specified as an input parameter: maxResults.")
		}
		most = n
	}
	from := 0
	if text := q.Get("nextToken"); text != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "page-"))
		if err != nil || n > len(all) {
			return nil, "", bad("the parameter nextToken has an invalid value.")
		}
		from = n
	}
	end := min(from+most, len(all))
	if end < len(all) {
		next = fmt.Sprintf("page-%d", end)
	}
	return all[from:end], next, nil
}

func listMembers(f *Fake, d *detector, _ string, r *http.Request, _ *Call) (any, *Fault) {
	if f.adminOf(d) != nil {
		return nil, bad("the current account cannot perform the operation: it is a member.")
	}
	q := r.URL.Query()
	wanted := d.Members
	if q.Get("onlyAssociated") != "false" {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(m Member) bool { return m.Relationship != "Enabled" && m.Relationship != "Disabled" })
	}
	page, next, fault := paged(wanted, r)
	if fault != nil {
		return nil, fault
	}
	members := []any{}
	for _, m := range page {
		one := map[string]any{
			"accountId": m.Account, "masterId": d.Account, "administratorId": d.Account, "email": "aws-" + m.Account + "@example.com",
			"relationshipStatus": m.Relationship, "updatedAt": "2026-01-01T00:00:00.000Z",
		}
		if m.Relationship == "Enabled" || m.Relationship == "Disabled" {
			one["detectorId"] = DetectorID(m.Account, d.Region)
		}
		members = append(members, one)
	}
	return withToken(map[string]any{"members": members}, next), nil
}

func withToken(answer map[string]any, next string) map[string]any {
	if next != "" {
		answer["nextToken"] = next
	}
	return answer
}

func getMemberDetectors(_ *Fake, d *detector, _ string, _ *http.Request, call *Call) (any, *Fault) {
	var in struct {
		IDs []string `json:"accountIds"`
	}
	if err := json.Unmarshal(call.Input, &in); err != nil {
		return nil, bad("%v", err)
	}
	if len(in.IDs) < 1 || len(in.IDs) > 50 {
		return nil, bad("the number of requested accounts is out-of-bounds.")
	}
	members, unprocessed := []any{}, []any{}
	for _, id := range in.IDs {
		i := slices.IndexFunc(d.Members, func(m Member) bool { return m.Account == id })
		if i < 0 || d.Members[i].Relationship != "Enabled" {
			unprocessed = append(unprocessed, map[string]any{"accountId": id, "result": "not an enabled member"})
			continue
		}
		members = append(members, map[string]any{"accountId": id, "dataSources": map[string]any{}, "features": features(d.Members[i].Features)})
	}
	return map[string]any{"members": members, "unprocessedAccounts": unprocessed}, nil
}

func listFilters(_ *Fake, d *detector, _ string, r *http.Request, _ *Call) (any, *Fault) {
	page, next, fault := paged(d.Filters, r)
	if fault != nil {
		return nil, fault
	}
	names := []string{}
	for _, filter := range page {
		names = append(names, filter.Name)
	}
	return withToken(map[string]any{"filterNames": names}, next), nil
}

func getFilter(_ *Fake, d *detector, name string, _ *http.Request, _ *Call) (any, *Fault) {
	for i, filter := range d.Filters {
		if filter.Name != name {
			continue
		}
		action := "ARCHIVE"
		if filter.Saved {
			action = "NOOP"
		}
		return map[string]any{"name": name, "action": action, "rank": i + 1, "findingCriteria": map[string]any{"criterion": filter.Criteria}}, nil
	}
	return nil, bad("the filter does not exist.")
}

func listExports(_ *Fake, d *detector, _ string, r *http.Request, _ *Call) (any, *Fault) {
	page, next, fault := paged(d.Exports, r)
	if fault != nil {
		return nil, fault
	}
	all := []any{}
	for _, e := range page {
		all = append(all, map[string]any{"destinationId": digest([]byte(e.Bucket))[:32], "destinationType": "S3", "status": cmp.Or(e.Status, "PUBLISHING")})
	}
	return withToken(map[string]any{"destinations": all}, next), nil
}

func getExport(_ *Fake, d *detector, id string, _ *http.Request, _ *Call) (any, *Fault) {
	for _, e := range d.Exports {
		if digest([]byte(e.Bucket))[:32] == id {
			return map[string]any{
				"destinationId": id, "destinationType": "S3", "status": cmp.Or(e.Status, "PUBLISHING"),
				"destinationProperties": map[string]any{"destinationArn": e.Bucket, "kmsKeyArn": "arn:aws:kms:" + d.Region + ":" + d.Account + ":key/1"},
			}, nil
		}
	}
	return nil, bad("the publishing destination does not exist.")
}

// lists lists sets by ids that say nothing.
func lists(member string, of func(*detector) []string) func(*Fake, *detector, string, *http.Request, *Call) (any, *Fault) {
	return func(_ *Fake, d *detector, _ string, r *http.Request, _ *Call) (any, *Fault) {
		page, next, fault := paged(of(d), r)
		if fault != nil {
			return nil, fault
		}
		ids := []string{}
		for _, name := range page {
			ids = append(ids, digest([]byte(name))[:32])
		}
		return withToken(map[string]any{member: ids}, next), nil
	}
}

// list is one set.
func list(_ *Fake, d *detector, id string, _ *http.Request, _ *Call) (any, *Fault) {
	for _, name := range slices.Concat(d.IPSets, d.ThreatIntelSets, d.ThreatEntitySets, d.TrustedEntitySets) {
		if digest([]byte(name))[:32] == id {
			return map[string]any{"name": name, "format": "TXT", "location": "https://s3.amazonaws.com/lists/" + name, "status": "ACTIVE"}, nil
		}
	}
	return nil, bad("the list does not exist.")
}
