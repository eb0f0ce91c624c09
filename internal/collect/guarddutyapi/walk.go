package guarddutyapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/tidwall/gjson"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/collect"
	dialect "github.com/tocsin-sec/tocsin/internal/guardduty"
	"github.com/tocsin-sec/tocsin/internal/reconcile"
)

const (
	// fifty is how many findings are listed, and fetched, at once.
	fifty = 50
	// mostListed is how many results one listing is let have: where more than that
	// changed, the time is halved. Listings of more have been cut off.
	mostListed = 1000
	// maxPasses is how often a listing is repeated because it changed meanwhile.
	maxPasses = 20
	// heldAtOnce is how many findings the journal is asked about at once.
	heldAtOnce = 500
	// few is how many findings of a day are listed whole in every round, and not only
	// now and then.
	few = 1000
)

// A finding is one that GuardDuty gave.
type finding struct {
	id, account, envelope string
	raw                   []byte
	key                   tocsin.Key
	reconcile.Finding
}

// errFull says that a listing has as many results as one is let have.
var errFull = errors.New("more than 1,000 findings changed within a millisecond, and GuardDuty lists no more")

// A reading is what goes through findings.
type reading struct {
	// known says that a finding that is listed as changed in [a, b) need not be fetched.
	known func(id string, a, b time.Time) bool
	// each is given at most fifty, which changed before b, and the ids of those that are
	// listed and not given.
	each func(ctx context.Context, b time.Time, found []finding, missing []string) error
	// upTo is told when all that changed before b was given.
	upTo func(ctx context.Context, b time.Time) error
}

// span goes through the findings that changed last in [from, until), oldest slice of
// time first.
//
// What changes meanwhile is not in its slice any more, and is found later, since its
// time of change is later than until.
func (p *place) span(ctx context.Context, from, until time.Time, r reading) error {
	from, until = tocsin.Millis(from), tocsin.Millis(until)
	width := until.Sub(from)
	for a := from; a.Before(until); {
		b := a.Add(max(width, time.Millisecond))
		if b.After(until) {
			b = until
		}
		err := p.slice(ctx, a, b, r)
		if errors.Is(err, errFull) && b.Sub(a) > time.Millisecond {
			width = (b.Sub(a) / 2).Truncate(time.Millisecond)
			continue
		}
		if err == nil {
			err = r.upTo(ctx, b)
		}
		if err != nil {
			return err
		}
		a, width = b, 2*width
	}
	return nil
}

// slice goes through [a, b). A token points into an order out of which goes what
// changes: then something behind it moves before the token and is not listed. So where
// something that was listed has changed since, the listing is repeated until nothing of
// it was gone at the next one.
func (p *place) slice(ctx context.Context, a, b time.Time, r reading) error {
	ids, err := p.list(ctx, a, b)
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(ids))
	var before []string
	for pass := 0; ; pass++ {
		gone := false
		fresh := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return seen[id] || r.known(id, a, b) })
		for some := range slices.Chunk(fresh, fifty) {
			found, missing, err := p.fetch(ctx, some)
			if err != nil {
				return err
			}
			if err := r.each(ctx, b, found, missing); err != nil {
				return err
			}
			gone = gone || len(missing) > 0 || slices.ContainsFunc(found, func(f finding) bool { return !f.Updated.Before(b) })
			for _, id := range some {
				seen[id] = true
			}
		}
		switch {
		case pass == 0 && (len(ids) <= fifty || !gone), pass > 0 && within(before, ids), pass == maxPasses:
			return nil
		}
		before = ids
		if ids, err = p.list(ctx, a, b); err != nil {
			return err
		}
	}
}

// within reports whether all of some are among all.
func within(some, all []string) bool {
	there := make(map[string]bool, len(all))
	for _, id := range all {
		there[id] = true
	}
	return !slices.ContainsFunc(some, func(id string) bool { return !there[id] })
}

// list lists the findings that changed last in [a, b), archived ones included. The
// error is errFull where there are more than one listing is let have.
func (p *place) list(ctx context.Context, a, b time.Time) ([]string, error) {
	return p.listed(ctx, types.Condition{GreaterThanOrEqual: sdk.Int64(a.UnixMilli()), LessThan: sdk.Int64(b.UnixMilli())}, "updatedAt", b.Sub(a) > time.Millisecond)
}

func (p *place) listed(ctx context.Context, c types.Condition, attribute string, divisible bool) ([]string, error) {
	in := guardduty.ListFindingsInput{
		DetectorId: &p.id, MaxResults: sdk.Int32(fifty),
		FindingCriteria: &types.FindingCriteria{Criterion: map[string]types.Condition{attribute: c}},
		SortCriteria:    &types.SortCriteria{AttributeName: sdk.String("updatedAt"), OrderBy: types.OrderByAsc},
	}
	var ids []string
	err := pages(func(token *string) (*string, error) {
		in.NextToken = token
		out, err := ask(ctx, p, "ListFindings", func(ctx context.Context) (*guardduty.ListFindingsOutput, error) {
			return p.client.ListFindings(ctx, &in)
		})
		if err != nil {
			return nil, err
		}
		ids = append(ids, out.FindingIds...)
		if len(ids) >= mostListed && (divisible || len(ids) == mostListed && text(out.NextToken) == "") {
			return nil, errFull
		}
		return out.NextToken, nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// fetch gives findings by their ids, fifty at most. What is not given is asked for once
// more, alone, and is missing then.
func (p *place) fetch(ctx context.Context, ids []string) (found []finding, missing []string, err error) {
	found, err = p.get(ctx, ids)
	if len(ids) > 1 && (errors.Is(err, errTooLarge) || refusesIDs(err)) {
		for _, half := range [][]string{ids[:len(ids)/2], ids[len(ids)/2:]} {
			f, m, err := p.fetch(ctx, half)
			if err != nil {
				return nil, nil, err
			}
			found, missing = append(found, f...), append(missing, m...)
		}
		return found, missing, nil
	}
	if err != nil && !refusesIDs(err) {
		return nil, nil, err
	}
	given := make(map[string]bool, len(found))
	for _, f := range found {
		given[f.id] = true
	}
	for _, id := range ids {
		if given[id] {
			continue
		}
		again, err := p.get(ctx, []string{id})
		switch {
		case err != nil && !refusesIDs(err):
			return nil, nil, err
		case len(again) == 0:
			missing = append(missing, id)
		default:
			found = append(found, again...)
		}
	}
	return found, missing, nil
}

// refusesIDs reports whether an error may be about one of the ids that were asked for.
func refusesIDs(err error) bool {
	code := codeOf(err)
	return code == "BadRequestException" || code == "ResourceNotFoundException"
}

// get fetches findings; not all may be there. They come in any order.
func (p *place) get(ctx context.Context, ids []string) ([]finding, error) {
	raw, err := ask(ctx, p, "GetFindings", func(ctx context.Context) (raw []byte, err error) {
		_, err = p.client.GetFindings(ctx, &guardduty.GetFindingsInput{DetectorId: &p.id, FindingIds: ids}, func(o *guardduty.Options) {
			o.APIOptions = append(slices.Clone(o.APIOptions), rawly(&raw))
		})
		return raw, err
	})
	if err != nil {
		return nil, err
	}
	if err := collect.Valid(raw); err != nil {
		return nil, fmt.Errorf("%s: GetFindings: %w", kindName, err)
	}
	var found []finding
	gjson.GetBytes(raw, "findings").ForEach(func(_, v gjson.Result) bool {
		// The element is a part of the body: its bytes are those of GuardDuty.
		if f, ok := read(raw[v.Index : v.Index+len(v.Raw)]); ok && slices.Contains(ids, f.id) {
			found = append(found, f)
		}
		return true
	})
	return found, nil
}

// read reads what has to be known of a finding.
func read(raw []byte) (finding, bool) {
	of, ok, err := dialect.Read(raw)
	if !ok || err != nil {
		return finding{}, false
	}
	get := func(path string) string { return gjson.GetBytes(raw, path).String() }
	at := func(path string) time.Time {
		t, err := time.Parse(time.RFC3339, get(path))
		if err != nil {
			return time.Time{}
		}
		return tocsin.Millis(t)
	}
	return finding{
		id: get("id"), account: of.Brief().Account, envelope: get("arn") + "@" + get("updatedAt"), raw: raw, key: of.Key(),
		Finding: reconcile.Finding{
			Created: at("createdAt"), Updated: tocsin.Millis(of.Version()), LastSeen: at("service.eventLastSeen"), Archived: gjson.GetBytes(raw, "service.archived").Bool(),
		},
	}, true
}

// held is what the journal has of findings.
func (s *Source) held(ctx context.Context, keys []tocsin.Key) (map[tocsin.Key]tocsin.Held, error) {
	held := make(map[tocsin.Key]tocsin.Held, len(keys))
	if s.env.Held == nil {
		return held, nil
	}
	for some := range slices.Chunk(keys, heldAtOnce) {
		part, err := s.env.Held(ctx, some)
		if err != nil {
			return nil, &ownError{fmt.Errorf("journal: %w", err)}
		}
		maps.Copy(held, part)
	}
	return held, nil
}

// put hands findings to the sink as events that came by via.
func (s *Source) put(ctx context.Context, sink collect.Sink, via string, found []finding) error {
	if len(found) == 0 {
		return nil
	}
	events := make([]tocsin.Event, len(found))
	for i, f := range found {
		events[i] = tocsin.Event{Source: s.env.Name, Via: via, Envelope: f.envelope, ReceivedAt: s.env.Now(), Raw: f.raw}
	}
	// What the sink has begun is waited for though ctx ends.
	if _, err := sink(context.WithoutCancel(ctx), events...); err != nil {
		return &ownError{err}
	}
	return nil
}

// A walk is one comparison of a place's findings.
type walk struct {
	*place
	sink    collect.Sink
	ledger  *reconcile.Ledger
	touched map[string]bool // ids that were judged in this walk
	there   map[string]bool // ids that were listed in it
	// recovered is how many were put through that should have arrived, and unsaved how
	// many were judged since the ledger was kept.
	recovered, unsaved int
}

// walk goes through what changed since the last time, and through the overlap; where
// that is not much also through the rest of the window, in case something of it was not
// there to be listed before.
func (p *place) walk(ctx context.Context, sink collect.Sink) (*walk, error) {
	w := &walk{place: p, sink: sink, touched: map[string]bool{}, there: map[string]bool{}}
	now := p.now()
	var err error
	if w.ledger, err = p.ledger(ctx, now); err != nil {
		return nil, err
	}
	until := now.Add(-lag)
	from := w.ledger.Until
	if from.After(until) { // it was kept by a clock that was wrong
		from = until
	}
	from = from.Add(-p.Overlap)
	if from.Before(w.ledger.From) {
		from = w.ledger.From
	}
	begin := w.ledger.Begin(now)
	sweeps := len(w.ledger.Records) <= few || now.Sub(p.swept) >= look
	if sweeps && begin.Before(from) {
		if err := p.span(ctx, begin, from, reading{known: w.unchanged, each: w.take, upTo: w.nothing}); err != nil {
			return nil, err
		}
	}
	err = p.span(ctx, from, until, reading{known: w.changed, each: w.take, upTo: func(ctx context.Context, b time.Time) error {
		if b.After(w.ledger.Until) || b.Equal(until) {
			w.ledger.Until = b
		}
		if w.unsaved < max(mostListed, len(w.ledger.Records)/2) && b.Before(until) {
			return nil // so that to keep many costs no more than to judge them
		}
		return w.save(ctx)
	}})
	if err == nil {
		err = w.justNow(ctx, until)
	}
	if err == nil && sweeps {
		w.forgetGone(begin)
		p.swept = now
	}
	return w, err
}

// justNow goes through what changed since until. It is listed once more in the next
// round, when it may be all there; but what changes all the time would never be.
func (w *walk) justNow(ctx context.Context, until time.Time) error {
	err := w.slice(ctx, until, until.Add(retention), reading{known: w.changed, each: func(ctx context.Context, _ time.Time, found []finding, missing []string) error {
		return w.take(ctx, until, found, missing)
	}})
	if errors.Is(err, errFull) {
		return nil // so many are for the next round
	}
	return err
}

// changed takes note that a finding is listed. It is fetched in any case: it may have
// changed since it was fetched last.
func (w *walk) changed(id string, _, _ time.Time) bool {
	w.there[id] = true
	return false
}

// unchanged takes note that a finding is listed. One that was judged as changed just
// then need not be fetched.
func (w *walk) unchanged(id string, a, b time.Time) bool {
	w.there[id] = true
	r, ok := w.ledger.Records[id]
	return ok && r.Class != reconcile.Unexplained && !r.Updated.Before(a) && r.Updated.Before(b)
}

func (*walk) nothing(context.Context, time.Time) error { return nil }

// forgetGone drops what GuardDuty lists no more, now that all since begin was listed.
func (w *walk) forgetGone(begin time.Time) {
	for id, r := range w.ledger.Records {
		if !w.there[id] && !w.touched[id] && !r.Updated.Before(begin) {
			delete(w.ledger.Records, id)
			w.unsaved++
		}
	}
}

func (p *place) ledgerKey() string { return "ledger/" + p.Account + "/" + p.Region }

// ledger is what is kept of the place's findings. Where nothing is, or of another
// detector, or nothing that can be read, the comparing begins anew.
func (p *place) ledger(ctx context.Context, now time.Time) (*reconcile.Ledger, error) {
	data, err := p.env.State.Load(ctx, p.ledgerKey())
	if err != nil {
		return nil, &ownError{fmt.Errorf("state: %w", err)}
	}
	if data != nil {
		l, err := reconcile.Unmarshal(data)
		if err == nil && l.Detector == p.id && !l.From.After(now) { // after now it was a clock that was wrong
			return l, nil
		}
		if err != nil {
			p.env.Log.WarnContext(ctx, "what was compared cannot be read; it is compared again", slog.String("source", p.env.Name), slog.String("account", p.Account), slog.String("region", p.Region), slog.Any("err", err))
		}
	}
	from := now.Add(-p.Lookback)
	return &reconcile.Ledger{Detector: p.id, From: from, Since: from, Until: from, Records: map[string]reconcile.Record{}}, nil
}

// save keeps the ledger: all in it was taken by the sink.
func (w *walk) save(ctx context.Context) error {
	w.unsaved = 0
	w.ledger.Forget(w.now())
	data, err := w.ledger.Marshal()
	if err != nil {
		return &ownError{err}
	}
	if err := w.env.State.Save(ctx, w.ledgerKey(), data); err != nil {
		return &ownError{fmt.Errorf("state: %w", err)}
	}
	return nil
}

// take judges findings, puts through what is to be, and notes it once that is kept.
func (w *walk) take(ctx context.Context, before time.Time, found []finding, missing []string) error {
	keys := make([]tocsin.Key, len(found))
	for i, f := range found {
		keys[i] = f.key
	}
	held, err := w.held(ctx, keys)
	if err != nil {
		return err
	}
	watch := reconcile.Watch{Now: w.now(), Grace: w.Grace, Frequency: w.period(), Since: w.ledger.Since, FiltersKnown: w.known}
	watch.Gone, watch.Listening = w.absence()
	judged := make([]reconcile.Judgement, len(found))
	var put []finding
	for i, f := range found {
		if f.Archived && w.known {
			f.Filters = reconcile.Could(w.filters, f.raw)
		}
		judged[i] = watch.Judge(f.Finding, held[f.key], w.ledger.Records[f.id].Waiting)
		if judged[i].Put {
			put = append(put, f)
			if judged[i].Class == reconcile.Recovered {
				w.recovered++
			}
		}
	}
	if err := w.put(ctx, w.sink, tocsin.ViaReconcile, put); err != nil {
		return err
	}
	w.unsaved += len(found)
	for i, f := range found {
		j := judged[i]
		w.touched[f.id] = true
		w.ledger.Note(f.id, reconcile.Record{Key: f.key, Account: f.account, Updated: f.Updated, Class: j.Class, Waiting: j.Waiting, Due: j.Due, Filter: j.Filter})
	}
	for _, id := range missing {
		w.touched[id] = true
		r := w.ledger.Records[id]
		if r.Key == "" {
			r.Account = w.Account
		}
		r.Updated, r.Class = before.Add(-time.Millisecond), reconcile.Unexplained
		w.ledger.Note(id, r)
	}
	return nil
}

// catchUp judges once more what was waited for and was not listed again: it came, or
// should have by now, or GuardDuty gives it at last.
func (w *walk) catchUp(ctx context.Context) error {
	var open []string
	var keys []tocsin.Key
	for _, id := range w.ledger.Open() {
		if w.touched[id] {
			continue
		}
		open = append(open, id)
		if k := w.ledger.Records[id].Key; k != "" {
			keys = append(keys, k)
		}
	}
	if len(open) == 0 && w.unsaved == 0 {
		return nil
	}
	slices.Sort(open)
	held, err := w.held(ctx, keys)
	if err != nil {
		return err
	}
	now := w.now()
	var asking []string
	for _, id := range open {
		r := w.ledger.Records[id]
		came := held[r.Key].Pushed
		switch {
		case r.Key != "" && !came.IsZero() && !came.Before(r.Updated) && r.Class == reconcile.Pending:
			r.Class, r.Waiting, r.Due = reconcile.Received, time.Time{}, time.Time{}
			w.ledger.Note(id, r)
		case r.Class == reconcile.Unexplained || !now.Before(r.Due):
			asking = append(asking, id)
		}
	}
	for some := range slices.Chunk(asking, fifty) {
		if err := w.askAgain(ctx, some); err != nil {
			return err
		}
	}
	return w.save(ctx)
}

// askAgain fetches findings by their ids. What is neither given nor listed any more is
// no more.
func (w *walk) askAgain(ctx context.Context, ids []string) error {
	found, missing, err := w.fetch(ctx, ids)
	if err != nil {
		return err
	}
	if err := w.take(ctx, time.Time{}, found, nil); err != nil || len(missing) == 0 {
		return err
	}
	listed, err := w.listed(ctx, types.Condition{Equals: missing}, "id", false)
	if err != nil {
		return err
	}
	for _, id := range missing {
		if !slices.Contains(listed, id) {
			delete(w.ledger.Records, id)
			continue
		}
		r := w.ledger.Records[id]
		r.Class = reconcile.Unexplained
		w.ledger.Note(id, r)
	}
	return nil
}
