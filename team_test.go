package tocsin_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin"
)

func TestHowOftenATeamHearsWhatIsNew(t *testing.T) {
	t.Parallel()
	want := map[string]time.Duration{"15m": 15 * time.Minute, "1h": time.Hour, "6h": 6 * time.Hour, "never": 0}
	for _, word := range tocsin.AllUpdates() {
		var team tocsin.Team
		if err := json.Unmarshal([]byte(`{"name":"soc","updates":"`+word+`"}`), &team); err != nil {
			t.Fatal(err)
		}
		if got := team.Updates.Every(); got != want[word] {
			t.Errorf("updates %s are every %s, want %s", word, got, want[word])
		}
	}
	if len(want) != len(tocsin.AllUpdates()) {
		t.Errorf("a person may write %v", tocsin.AllUpdates())
	}
	var team tocsin.Team
	if err := json.Unmarshal([]byte(`{"updates":"2h"}`), &team); err == nil || err.Error() != `updates "2h" is none of 15m, 1h, 6h, never` {
		t.Errorf("updates 2h: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"updates":""}`), &team); err != nil || team.Updates.Every() != 0 {
		t.Errorf("updates that are not said: %v, %q", err, team.Updates)
	}
}
