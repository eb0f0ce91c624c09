package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-sec/tocsin/internal/bench/rig"
	"github.com/tocsin-sec/tocsin/internal/collect/sns/snstest"
	"github.com/tocsin-sec/tocsin/internal/loopback"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if dir, err := buildDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "tocsin-chaos-") })

// binary is the program, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	return rig.Build(context.Background(), dir)
})

// number is an environment variable, or otherwise.
func number(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, text, err)
	}
	return n
}

// chance is a source of random numbers that can be had again.
func chance(t testing.TB) *rand.Rand {
	t.Helper()
	seed := number(t, "TOCSIN_CHAOS_SEED", uint64(time.Now().UnixNano()))
	t.Logf("TOCSIN_CHAOS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// A scene is everything that a test has besides the program: a folder, what
// signs, a receiver, and what was sent.
type scene struct {
	t         *testing.T
	dir       string
	store     string // URL
	signer    *snstest.Signer
	receivers map[string]*receiver
	ledger    *ledger
	programs  []*rig.Program
}

// settings are how a scene differs from the usual one.
type settings struct {
	store     string // URL of PostgreSQL; SQLite if empty
	through   string // URL by which the program reaches it, if it is another
	receivers []string
	timeout   string // of receivers
	programs  int    // 1 if 0
}

func newScene(t *testing.T, s settings) *scene {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	sc := &scene{t: t, dir: t.TempDir(), receivers: map[string]*receiver{}, ledger: newLedger()}
	certificate := filepath.Join(sc.dir, "sns.pem")
	if sc.signer, err = rig.NewSigner(certificate); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(sc.dir, "data")
	conf := rig.Config{Certificate: certificate, Receivers: map[string]string{}, Timeout: s.timeout}
	sc.store = "sqlite:" + data
	if s.store != "" {
		sc.store, conf.Store, data = s.store, s.store, ""
	}
	if s.through != "" {
		conf.Store = s.through
	}
	if len(s.receivers) == 0 {
		s.receivers = []string{"soc"}
	}
	for _, name := range s.receivers {
		sc.receivers[name] = newReceiver(t)
		conf.Receivers[name] = sc.receivers[name].url
	}
	file := filepath.Join(sc.dir, "tocsin.yml")
	if err := conf.Write(file); err != nil {
		t.Fatal(err)
	}
	for i := range max(1, s.programs) {
		address, err := loopback.Free()
		if err != nil {
			t.Fatal(err)
		}
		p := rig.Tocsin(program, file, data, address, filepath.Join(sc.dir, fmt.Sprintf("log%d", i)))
		sc.programs = append(sc.programs, p)
		t.Cleanup(func() {
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("end of the log of %s:\n%s", p.Address, p.Tail())
			}
		})
	}
	return sc
}

// start starts a program and waits until it is ready.
func (sc *scene) start(p *rig.Program) {
	sc.t.Helper()
	if err := p.Start(sc.t.Context()); err != nil {
		sc.t.Fatal(err)
	}
}

// stop ends a program as an operator does.
func (sc *scene) stop(p *rig.Program) {
	sc.t.Helper()
	if err := p.Stop(); err != nil {
		sc.t.Fatalf("SIGTERM: %v\n%s", err, p.Tail())
	}
}
