package demo

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/lazyregexp"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// busPath is where the demo's AWS is asked.
const busPath = "/aws/"

// canaries is the source that sends them.
const canaries = "canary"

// scopeForm finds the region in how a request is signed.
var scopeForm = lazyregexp.New(`Credential=[^/]+/[0-9]{8}/([a-z0-9-]+)/events/aws4_request`)

// putEvents is the event bus of the administrator's account: what is put there goes the
// way of the findings, by its rule to the topic of the region. That is for canaries,
// which are sent one by one.
func (w *world) putEvents(rw http.ResponseWriter, r *http.Request) {
	var in struct {
		Entries []struct{ Source, DetailType, Detail string }
	}
	scope := scopeForm.FindStringSubmatch(r.Header.Get("Authorization"))
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil || scope == nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || json.Unmarshal(body, &in) != nil {
		http.Error(rw, `{"__type":"UnknownOperationException"}`, http.StatusBadRequest)
		return
	}
	type entry struct {
		EventID string `json:"EventId"`
	}
	out := struct {
		FailedEntryCount int
		Entries          []entry
	}{Entries: []entry{}}
	for _, e := range in.Entries {
		id := uuid(md5.Sum([]byte(e.Detail)))
		raw, err := json.Marshal(object{
			"version": "0", "id": id, "detail-type": e.DetailType, "source": e.Source, "account": admin, "region": scope[1],
			"time": w.clock.Now().UTC().Format(time.RFC3339), "resources": []string{}, "detail": json.RawMessage(e.Detail),
		})
		if err == nil {
			err = w.forwarded(r.Context(), scope[1], raw)
		}
		if err != nil {
			http.Error(rw, `{"__type":"InternalException"}`, http.StatusInternalServerError)
			return
		}
		out.Entries = append(out.Entries, entry{id})
	}
	rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(rw).Encode(out) // whoever asked may be gone
}

// forwarded sends an event on to the topic, which takes a while, unless the region is
// the one from which nothing arrives.
func (w *world) forwarded(ctx context.Context, region string, event []byte) error {
	if region == planted.cutOff {
		return nil
	}
	m, err := w.signer.Notification(w.topicARN(region), string(event))
	if err != nil {
		return err
	}
	req, err := m.Request(w.doors.topic)
	if err != nil {
		return err
	}
	if !wait(ctx, distance(region)) {
		return ctx.Err()
	}
	resp, err := w.client.Do(req.WithContext(ctx))
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

// missed notes that a canary of the region from which nothing arrives is missing since
// this morning. What an earlier demo left is left.
func (w *world) missed(tx *store.Tx) error {
	there, err := tx.Canaries(canaries)
	if err != nil || len(there) > 0 || !slices.Contains(w.regions, planted.cutOff) {
		return err
	}
	sent := tocsin.Millis(w.clock.Now()).Add(-3 * time.Hour)
	_, err = tx.SendCanaries(tocsin.Canary{
		ID: hex.EncodeToString([]byte(secretToken()[:16])), Source: canaries, Place: tocsin.Place{Account: admin, Region: planted.cutOff},
		SentAt: sent, Due: sent.Add(2 * time.Minute),
	})
	return err
}

// distance is how long an event from a region takes: the farther the longer.
func distance(region string) time.Duration {
	sum := md5.Sum([]byte(region))
	return 150*time.Millisecond + time.Duration(sum[0])*5*time.Millisecond
}
