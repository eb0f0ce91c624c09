package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/aws"
	"github.com/tocsin-sec/tocsin/internal/collect"
	"github.com/tocsin-sec/tocsin/internal/collect/sqs/queue"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/notify"
)

// A lister finds new objects by listing a bucket. It lists folders of days alone:
//
//	PREFIX/AWSLogs/[ORGANISATION/]ACCOUNT/GuardDuty/REGION/yyyy/mm/dd/   GuardDuty
//	PREFIX/yyyy/mm/dd/[HH/]                                              Firehose
type lister struct {
	*source

	// What follows is the goroutine's that runs.

	found  time.Time // when folders were looked for last
	calls  int       // that took
	places map[string]*position

	mu      sync.Mutex // guards what follows
	at      time.Time  // of the last listing
	folders int
}

// A position is what of a folder of years was read.
type position struct {
	// At is the time of which all objects that were made before it are read.
	At time.Time `json:"at"`
	// Seen are objects read that were made since, with when: keys are random, and an
	// object may show later than one that was made after it.
	Seen map[string]int64 `json:"seen,omitempty"`
	// Failed are keys of objects that could not be read.
	Failed []string `json:"failed,omitempty"`
}

const (
	listing = "Listing"
	// overlap is how much later than others of its time an object may show.
	overlap = time.Hour
	// slack is by how much an object may be made after the day of its folder.
	slack = 2 * time.Hour
	// maxSeen and maxFailed bound what is remembered of a folder.
	maxSeen   = 20_000
	maxFailed = 100
	// saveEvery is after how many objects it is saved how far they are read.
	saveEvery = 20
	// fewCalls is how many listings to find folders are worth it each time; others find
	// them once in an hour.
	fewCalls     = 20
	findEvery    = time.Hour
	listCallTime = time.Minute
)

var (
	yearForm = lazyregexp.New(`^[0-9]{4}$`)
	orgForm  = lazyregexp.New(`^o-[a-z0-9]{10,32}$`)
)

// run lists until ctx ends.
func (l *lister) run(ctx context.Context, sink collect.Sink) {
	for {
		err := l.turn(ctx, sink)
		if err == nil {
			l.pull.Worked(ctx, listing)
			if !collect.Sleep(ctx, l.config.Every) {
				return
			}
			continue
		}
		part := listing
		if _, kept := errors.AsType[sinkError](err); kept {
			part = queue.Journal
		}
		wait, _ := notify.RetryAfter(err)
		if !l.pull.Again(ctx, part, err, wait) {
			return
		}
	}
}

// turn reads what is new, once.
func (l *lister) turn(ctx context.Context, sink collect.Sink) error {
	now := l.env.Now()
	if err := l.find(ctx, now); err != nil {
		return err
	}
	for _, folder := range slices.Sorted(maps.Keys(l.places)) {
		if err := l.folder(ctx, sink, folder, now); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.folders = now, len(l.places)
	return nil
}

// find looks for folders of years that are not known yet.
func (l *lister) find(ctx context.Context, now time.Time) error {
	if l.places != nil && l.calls > fewCalls && now.Sub(l.found) < findEvery {
		return nil
	}
	w := walk{lister: l}
	prefix := l.config.Prefix
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	if err := w.below(ctx, prefix); err != nil {
		return err
	}
	if l.places == nil {
		l.places = map[string]*position{}
	}
	for _, folder := range w.folders {
		if l.places[folder] != nil {
			continue
		}
		p, err := l.load(ctx, folder, now)
		if err != nil {
			return err
		}
		l.places[folder] = p
	}
	l.found, l.calls = now, w.calls
	return nil
}

// A walk goes down a bucket by names that GuardDuty gives.
type walk struct {
	*lister
	folders []string
	calls   int
}

func (w *walk) below(ctx context.Context, prefix string) error {
	w.calls++
	years := false
	var children []string
	err := w.each(ctx, &api.ListObjectsV2Input{Prefix: &prefix, Delimiter: sdk.String("/")}, func(out *api.ListObjectsV2Output) {
		for _, c := range out.CommonPrefixes {
			child := sdk.ToString(c.Prefix)
			switch name := strings.TrimSuffix(strings.TrimPrefix(child, prefix), "/"); {
			case yearForm.MatchString(name):
				years = true
			case aws.IsAccount(name):
				children = append(children, child+"GuardDuty/")
			case name == "AWSLogs", orgForm.MatchString(name), aws.IsRegion(name):
				children = append(children, child)
			}
		}
	})
	if years {
		w.folders = append(w.folders, prefix)
	}
	for _, child := range children {
		if err == nil {
			err = w.below(ctx, child)
		}
	}
	return err
}

// each gives the pages of a listing.
func (l *lister) each(ctx context.Context, in *api.ListObjectsV2Input, page func(*api.ListObjectsV2Output)) error {
	in.Bucket = &l.config.Bucket
	for {
		out, err := l.ask(ctx, in)
		if err != nil {
			return err
		}
		page(out)
		if in.ContinuationToken = out.NextContinuationToken; !sdk.ToBool(out.IsTruncated) || in.ContinuationToken == nil {
			return nil
		}
	}
}

func (l *lister) ask(ctx context.Context, in *api.ListObjectsV2Input) (*api.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, listCallTime)
	defer cancel()
	out, err := l.bucket("").list(ctx, in)
	if err != nil {
		return nil, l.refused(ctx, "s3:ListBucket", place{bucket: l.config.Bucket, key: sdk.ToString(in.Prefix)}, err, false)
	}
	return out, nil
}

// folder reads what is new in a folder of years.
func (l *lister) folder(ctx context.Context, sink collect.Sink, folder string, now time.Time) error {
	p := l.places[folder]
	r := round{lister: l, sink: sink, folder: folder, position: p, newest: p.At}
	if err := r.again(ctx); err != nil {
		return err
	}
	for day := p.At.Add(-slack).UTC().Truncate(24 * time.Hour); !day.After(now); day = day.Add(24 * time.Hour) {
		if err := r.day(ctx, day); err != nil {
			return errors.Join(err, r.save(ctx))
		}
	}
	// All that was made by now is read, as far as it shows; what fails is remembered by
	// itself. The bucket's clock counts, and where it says nothing, ours, roughly.
	p.At = latest(p.At, r.newest.Add(-overlap), now.Add(-24*time.Hour))
	if r.fresh == 0 && !r.changed {
		return nil
	}
	return r.save(ctx)
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// A round is one time that a folder is read.
type round struct {
	*lister
	sink   collect.Sink
	folder string
	*position
	newest  time.Time
	fresh   int  // objects read
	changed bool // something else is to be saved
}

// again tries what failed before.
func (r *round) again(ctx context.Context) error {
	failed := r.Failed
	r.Failed = nil
	for i, key := range failed {
		if err := r.one(ctx, key, ""); err != nil {
			r.Failed = append(r.Failed, failed[i:]...)
			return err
		}
	}
	r.changed = len(r.Failed) != len(failed)
	return nil
}

// day reads the folder of a day.
func (r *round) day(ctx context.Context, day time.Time) error {
	prefix := r.folder + day.Format("2006/01/02/")
	var all []types.Object
	err := r.each(ctx, &api.ListObjectsV2Input{Prefix: &prefix}, func(out *api.ListObjectsV2Output) {
		for _, o := range out.Contents {
			if r.isNew(o) {
				all = append(all, o)
			}
		}
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b types.Object) int {
		if c := made(a).Compare(made(b)); c != 0 {
			return c
		}
		return strings.Compare(*a.Key, *b.Key)
	})
	for _, o := range all {
		if err := r.one(ctx, *o.Key, sdk.ToString(o.ETag)); err != nil {
			return err
		}
		r.see(o)
		if r.fresh++; r.fresh%saveEvery == 0 {
			if err := r.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func made(o types.Object) time.Time { return sdk.ToTime(o.LastModified) }

// name is how an object is remembered: short, and another once it is written anew.
func name(o types.Object) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(sdk.ToString(o.Key) + "@" + sdk.ToString(o.ETag))) // a hash takes all
	return strconv.FormatUint(h.Sum64(), 36)
}

func (r *round) isNew(o types.Object) bool {
	if o.Key == nil || strings.HasSuffix(*o.Key, "/") || made(o).Before(r.At) {
		return false
	}
	_, seen := r.Seen[name(o)]
	return !seen
}

func (r *round) see(o types.Object) {
	if r.Seen == nil {
		r.Seen = map[string]int64{}
	}
	r.Seen[name(o)] = made(o).Unix()
	r.newest = latest(r.newest, made(o))
}

// one reads an object. One that cannot be read is put aside, unless there are many of
// them: then it is not the objects' fault.
func (r *round) one(ctx context.Context, key, tag string) error {
	p := place{bucket: r.config.Bucket, key: key}
	err := r.read(ctx, r.sink, p, said(p), p.String()+"@"+strings.Trim(tag, `"`))
	if err == nil {
		return nil
	}
	if _, kept := errors.AsType[sinkError](err); kept || ctx.Err() != nil || len(r.Failed) >= maxFailed {
		return err
	}
	r.Failed = append(r.Failed, key)
	return nil
}

func stateKey(bucket, folder string) string { return "listed/" + bucket + "/" + folder }

// load is what was saved of a folder. One that nothing is known of is read from a while
// back; what comes again then is known by its envelope.
func (l *lister) load(ctx context.Context, folder string, now time.Time) (*position, error) {
	p := &position{}
	text, err := l.env.State.Load(ctx, stateKey(l.config.Bucket, folder))
	if err != nil {
		return nil, fmt.Errorf("%s: what was read of %s: %w", via, folder, err)
	}
	if len(text) > 0 {
		err = json.Unmarshal(text, p)
	}
	if err != nil || p.At.IsZero() {
		p = &position{At: now.Add(-l.config.Since)}
	}
	return p, nil
}

// save forgets what At has said since, and saves the rest.
func (r *round) save(ctx context.Context) error {
	if len(r.Seen) > maxSeen {
		times := slices.Sorted(maps.Values(r.Seen))
		r.At = latest(r.At, time.Unix(times[len(times)-maxSeen], 0).UTC())
	}
	maps.DeleteFunc(r.Seen, func(_ string, at int64) bool { return time.Unix(at, 0).Before(r.At) })
	text, err := json.Marshal(r.position)
	if err == nil {
		err = r.env.State.Save(context.WithoutCancel(ctx), stateKey(r.config.Bucket, r.folder), text)
	}
	if err != nil {
		return fmt.Errorf("%s: what was read of %s: %w", via, r.folder, err)
	}
	return nil
}

// fact says when the bucket was listed; found is false if there was nothing.
func (l *lister) fact() (fact tocsin.Fact, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fact.Name = "Listed"
	switch {
	case l.at.IsZero():
		fact.Value = "not yet"
		return fact, true
	case l.folders == 0:
		fact.Value = fmt.Sprintf("%s: below s3://%s/%s is neither AWSLogs/ nor a year yet", l.at.UTC().Format(time.RFC3339), l.config.Bucket, l.config.Prefix)
		return fact, false
	}
	fact.Value = fmt.Sprintf("%s, %d folders by day, every %v", l.at.UTC().Format(time.RFC3339), l.folders, l.config.Every)
	return fact, true
}
