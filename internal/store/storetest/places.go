package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/store"
)

// ofPlaces are promises about which findings the journal has, and about what is known
// of accounts and regions.
var ofPlaces = []promise{
	{"the journal says which version of a finding it has", findingsAreHeld},
	{"a place was heard of when AWS sent something of it", placesAreHeard},
	{"what a source sees takes the stead of what it saw", sightingsAreReplaced},
	{"what a source cannot see leaves what it saw", sightingsOutliveErrors},
	{"a canary is sent once and arrives once", canariesArriveOnce},
	{"a sample finding is a canary where one was sent", samplesAreCanaries},
	{"of old canaries the newest that arrived is kept", canariesAreForgotten},
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func journalled(t *testing.T, s *store.Store, events ...*tocsin.Event) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.Journal(events, make([]string, len(events)))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func findingsAreHeld(t *testing.T, s *store.Store) {
	version := func(key tocsin.Key, via string, at time.Time) *tocsin.Event {
		return &tocsin.Event{Source: "queue", Via: via, ReceivedAt: noon, Raw: []byte("{}"), Verdict: tocsin.Filtered, Finding: key, Version: at}
	}
	journalled(t, s,
		version("a", "sqs", noon), version("a", "sqs", noon.Add(-time.Hour)),
		version("b", "sqs", noon), version("b", tocsin.ViaReconcile, noon.Add(time.Hour)),
		version("c", tocsin.ViaBackfill, noon),
		version("d", "sqs", time.Time{}),
		&tocsin.Event{Source: "queue", Via: "sqs", ReceivedAt: noon, Raw: []byte("{}"), Verdict: tocsin.Unmapped},
	)
	keys := []tocsin.Key{"a", "b", "c", "d", "nothing"}
	for i := range 200 { // more than one statement asks for
		keys = append(keys, tocsin.Key(fmt.Sprint("none-", i)))
	}
	var held map[tocsin.Key]tocsin.Held
	err := s.View(t.Context(), func(tx *store.Tx) (err error) {
		held, err = tx.Held(keys)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[tocsin.Key]tocsin.Held{
		"a": {Newest: noon, Pushed: noon},
		"b": {Newest: noon.Add(time.Hour), Pushed: noon},
		"c": {Newest: noon},
		"d": {Newest: time.UnixMilli(0).UTC(), Pushed: time.UnixMilli(0).UTC()},
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
}

func placesAreHeard(t *testing.T, s *store.Store) {
	at := func(hour int, via string, verdict tocsin.Verdict) *tocsin.Event {
		return &tocsin.Event{
			Source: "queue", Via: via, ReceivedAt: noon.Add(time.Duration(hour) * time.Hour), Raw: []byte("{}"), Verdict: verdict,
			Account: "111122223333", Region: "eu-west-1",
		}
	}
	journalled(t, s, at(0, "sqs", tocsin.Opened), at(1, tocsin.ViaReconcile, tocsin.Opened), at(2, "sqs", tocsin.Watched))
	var heard []store.Coverage
	err := s.View(t.Context(), func(tx *store.Tx) (err error) {
		heard, err = tx.Coverage()
		return err
	})
	if err != nil || len(heard) != 1 || !heard[0].LastEvent.Equal(noon) || heard[0].Events != 1 {
		t.Errorf("heard of %+v, %v; want only what AWS sent by itself", heard, err)
	}
}

func observed(t *testing.T, s *store.Store, seen ...tocsin.Sighting) []tocsin.Sighting {
	t.Helper()
	var all []tocsin.Sighting
	err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
		if err := tx.Observe(seen...); err != nil {
			return err
		}
		all, err = tx.Sightings(tocsin.SawDetector)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func detector(region string, at time.Time, id string) tocsin.Sighting {
	return tocsin.Sighting{
		Place: tocsin.Place{Account: "111122223333", Region: region}, Source: "api", Kind: tocsin.SawDetector, At: at,
		Detector: &tocsin.Detector{ID: id, Enabled: id != "", Features: map[string]bool{"S3_DATA_EVENTS": true}},
	}
}

func seen(s tocsin.Sighting, at time.Time) tocsin.Sighting {
	s.Seen = at
	return s
}

func sightingsAreReplaced(t *testing.T, s *store.Store) {
	observed(t, s, detector("eu-west-1", noon, ""), detector("us-east-1", noon, "d2"))
	later := noon.Add(time.Hour)
	got := observed(t, s, detector("eu-west-1", later, "d1"))
	want := []tocsin.Sighting{seen(detector("eu-west-1", later, "d1"), later), seen(detector("us-east-1", noon, "d2"), noon)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sightingsOutliveErrors(t *testing.T, s *store.Store) {
	later := noon.Add(time.Hour)
	denied := tocsin.Sighting{Place: tocsin.Place{Account: "111122223333", Region: "eu-west-1"}, Source: "api", Kind: tocsin.SawDetector, At: later, Error: "denied"}
	if got := observed(t, s, denied); len(got) != 1 || got[0].Detector != nil || got[0].Error != "denied" || !got[0].Seen.IsZero() {
		t.Errorf("what was never seen: %+v", got)
	}
	observed(t, s, detector("eu-west-1", noon, "d1"))
	want := seen(detector("eu-west-1", later, "d1"), noon)
	want.Error = "denied"
	if diff := cmp.Diff([]tocsin.Sighting{want}, observed(t, s, denied)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := observed(t, s, detector("eu-west-1", later, "d1")); got[0].Error != "" {
		t.Errorf("once it sees again it still says %q", got[0].Error)
	}
}

func bird(id, region string, at time.Time) tocsin.Canary {
	return tocsin.Canary{ID: id, Source: "canary", Place: tocsin.Place{Account: "111122223333", Region: region}, SentAt: at, Due: at.Add(5 * time.Minute)}
}

func sendCanaries(t *testing.T, s *store.Store, canaries ...tocsin.Canary) (sent int) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		all, err := tx.SendCanaries(canaries...)
		sent = len(all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func latestCanaries(t *testing.T, s *store.Store) (ids []string) {
	t.Helper()
	err := s.View(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Canaries("canary")
		for _, c := range all {
			ids = append(ids, strings.TrimSpace(c.Region+" "+c.ID+" "+c.Error))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func canariesArriveOnce(t *testing.T, s *store.Store) {
	if n := sendCanaries(t, s, bird("1", "eu-west-1", noon), bird("2", "us-east-1", noon)); n != 2 {
		t.Errorf("%d of two were sent", n)
	}
	if n := sendCanaries(t, s, bird("1", "eu-west-1", noon), bird("3", "eu-west-1", noon.Add(time.Minute))); n != 1 {
		t.Errorf("%d were sent, want only the one that another replica had not", n)
	}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		first, err := tx.ArriveCanary("1", "sqs:queue", noon.Add(time.Second))
		if err != nil || !first.ArrivedAt.Equal(noon.Add(time.Second)) || first.Path != "sqs:queue" || first.Region != "eu-west-1" {
			t.Errorf("it arrived: %+v, %v", first, err)
		}
		again, err := tx.ArriveCanary("1", "sns:topic", noon.Add(time.Minute))
		if err != nil || again.Path != "sqs:queue" || !again.ArrivedAt.Equal(first.ArrivedAt) {
			t.Errorf("it arrived by another way: %+v, %v; want it as it arrived first", again, err)
		}
		if _, err := tx.ArriveCanary("4", "sqs:queue", noon); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("one that nobody sent: %v, want ErrNotFound", err)
		}
		return tx.FailCanary("2", "denied")
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"eu-west-1 1", "eu-west-1 3", "us-east-1 2 denied"}, latestCanaries(t, s)); diff != "" {
		t.Errorf("the newest, and the newest that arrived (-want +got):\n%s", diff)
	}
}

func samplesAreCanaries(t *testing.T, s *store.Store) {
	at := tocsin.Place{Account: "111122223333", Region: "eu-west-1"}
	const typ = "Recon:EC2/PortProbeUnprotectedPort"
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.ArriveSample(at, typ, "sqs:queue", noon); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a sample that nobody here asked for: %v, want ErrNotFound", err)
		}
		asked := bird("1", "eu-west-1", noon)
		asked.Sample = typ
		if _, err := tx.SendCanaries(asked, bird("2", "eu-west-1", noon)); err != nil {
			return err
		}
		for _, of := range []struct {
			place tocsin.Place
			typ   string
		}{{at, "Backdoor:EC2/C&CActivity.B"}, {tocsin.Place{Account: at.Account, Region: "us-east-1"}, typ}} {
			if _, err := tx.ArriveSample(of.place, of.typ, "sqs:queue", noon); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s in %s: %v, want ErrNotFound", of.typ, of.place.Region, err)
			}
		}
		if c, err := tx.SampleCanary(at, typ); err != nil || !c.ArrivedAt.IsZero() {
			t.Errorf("it is out: %+v, %v", c, err)
		}
		for _, minute := range []int{3, 4} {
			c, err := tx.ArriveSample(at, typ, "sqs:queue", noon.Add(time.Duration(minute)*time.Minute))
			if err != nil || c.ID != "1" || !c.ArrivedAt.Equal(noon.Add(3*time.Minute)) {
				t.Errorf("after %d minutes: %+v, %v", minute, c, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func canariesAreForgotten(t *testing.T, s *store.Store) {
	sendCanaries(t, s, bird("1", "eu-west-1", noon), bird("2", "us-east-1", noon))
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.ArriveCanary("1", "sqs:queue", noon.Add(time.Second))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		sendCanaries(t, s, bird(fmt.Sprint("later-", i), "eu-west-1", noon.Add(time.Duration(i+1)*10*time.Minute)))
	}
	if diff := cmp.Diff([]string{"eu-west-1 1", "eu-west-1 later-19", "us-east-1 2"}, latestCanaries(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.ArriveCanary("later-0", "sqs:queue", noon); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("one of hours ago: %v, want ErrNotFound", err)
		}
		_, err := tx.ArriveCanary("later-18", "sqs:queue", noon)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
