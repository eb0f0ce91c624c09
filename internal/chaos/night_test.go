package chaos_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tocsin-sec/tocsin/internal/app"
	"github.com/tocsin-sec/tocsin/internal/config"
	"github.com/tocsin-sec/tocsin/internal/store"
	"github.com/tocsin-sec/tocsin/internal/store/storetest"
)

// nightEvents is how many events a night has; TOCSIN_NIGHT_EVENTS says otherwise.
//
// The race detector makes SQLite, which is C made into Go, some fifteen times as
// slow. Where it watches, the night on SQLite is lived by these tests built without
// it, and that on PostgreSQL has this part of the events: minutes, kills and what is
// asserted are the same.
const (
	nightEvents = 6_000
	racedPart   = 5
)

// One night of an organisation with three teams, in simulated time and with
// everything going wrong that does: vendors that are down, that want to be left
// alone, that bounce; the hour that New York skips; and kill -9 once in every
// hour. Whoever was to be told was told, in time and once; and everything that
// came in and went out is accounted for.
func TestOneNight(t *testing.T) {
	if testing.Short() {
		t.Skip("a night takes a minute")
	}
	events := int(number(t, "TOCSIN_NIGHT_EVENTS", nightEvents))
	t.Run("SQLite", func(t *testing.T) {
		if raced > 1 {
			unraced(t)
			return
		}
		newNight(t, nightSettings{events: events}).live()
	})
	// The first half of the night with one replica, the second with two.
	t.Run("PostgreSQL", func(t *testing.T) {
		newNight(t, nightSettings{store: storetest.Postgres(t), replicas: 2, events: events / raced}).live()
	})
}

// unraced has the test run by these tests built without race detection.
func unraced(t *testing.T) {
	t.Helper()
	program, err := unracedTests()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), program, "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=0")
	out, err := run.CombinedOutput()
	t.Logf("without race detection:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

var unracedTests = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "chaos.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return program, nil
})

// nightSettings are how a night differs from the usual one.
type nightSettings struct {
	store    string // URL of PostgreSQL; SQLite if empty
	replicas int    // in the second half; 1 if 0
	minutes  int    // nightMinutes if 0
	events   int
}

// A night is everything that lives through it: the vendors, the people, and what
// is known of what was sent.
type night struct {
	t        *testing.T
	rnd      *rand.Rand
	dir      string
	store    string // URL
	vendors  *vendors
	crowd    *crowd
	program  *program
	replicas []*replica

	sent map[delivery]*arrival
	// deaths are the minutes in which somebody is killed, killed those in which that
	// came to pass, and how often.
	deaths map[int]death
	killed map[time.Time]int
	kills  int
	usual  time.Duration // that a minute takes
	taken  int           // messages in a minute, usually
}

// arrival is an event that was sent.
type arrival struct {
	posting
	times int // it was accepted
}

// A death is how a process is killed within a minute.
type death struct {
	replica int
	byTaken bool    // when a vendor has just taken a message, and has not said so yet
	when    float64 // of the minute, or of what is usually taken within it
	again   bool    // it is killed a second time as it starts
}

func newNight(t *testing.T, s nightSettings) *night {
	t.Helper()
	n := &night{
		t: t, rnd: chance(t), dir: t.TempDir(), store: s.store, deaths: map[int]death{}, killed: map[time.Time]int{},
		sent: map[delivery]*arrival{}, usual: 100 * time.Millisecond, taken: 20,
	}
	if n.store == "" {
		n.store = "sqlite:" + filepath.Join(n.dir, "data")
	}
	if s.minutes == 0 {
		s.minutes = nightMinutes
	}
	n.crowd = newCrowd(n.rnd.Uint64())
	n.vendors = newVendors(t)
	n.vendors.heard = n.crowd.hear
	n.program = newProgram(rand.New(rand.NewPCG(n.rnd.Uint64(), 5)), s.minutes, s.events)
	for hour := range s.minutes / 60 {
		d := death{byTaken: n.rnd.IntN(2) == 0, when: 1.2 * n.rnd.Float64(), again: n.rnd.IntN(4) == 0}
		if hour >= 6 && s.replicas > 1 {
			d.replica = n.rnd.IntN(s.replicas)
		}
		n.deaths[hour*60+n.rnd.IntN(57)] = d
	}
	file := filepath.Join(n.dir, "tocsin.yml")
	if err := os.WriteFile(file, []byte(writeConfig(n.store, n.vendors)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, app.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	settleIn(t, c)
	for i := range max(1, s.replicas) {
		r := &replica{t: t, config: file, log: filepath.Join(n.dir, fmt.Sprintf("log%d", i))}
		n.replicas = append(n.replicas, r)
		t.Cleanup(func() {
			r.end(true)
			if t.Failed() {
				t.Logf("end of the log of replica %d:\n%s", i, r.tail())
			}
		})
	}
	return n
}

// live lets the night pass, and looks at what came of it.
func (n *night) live() {
	n.t.Helper()
	dawn := dusk.Add(time.Duration(len(n.program.minutes)) * time.Minute)
	begin := time.Now()
	n.pass()
	n.stop()
	v := &verdict{}
	n.open(func(b *books) { b.ledgerIsCurrent(v, dawn) })
	n.morning(dawn)
	n.stop()
	n.open(func(b *books) {
		b.check(v)
		n.t.Logf("%d events, %d kills, %d alerts, %d notifications, %d messages taken, within %v; %d times somebody was to be called and was, the latest after %v",
			n.program.size, n.kills, len(b.alerts), len(b.notes), len(b.takes), time.Since(begin).Round(time.Second), b.told, b.latest)
		n.t.Logf("taken again because of kills: %v", b.twice)
	})
	for _, p := range v.problems {
		n.t.Error(p)
	}
	for sort, count := range v.counts {
		n.t.Errorf("%d × %s", count, sort)
	}
}

// pass is the night, minute by minute.
func (n *night) pass() {
	n.t.Helper()
	for m := range n.program.minutes {
		active := n.replicas[:1]
		if m >= len(n.program.minutes)/2 {
			active = n.replicas
		}
		now := dusk.Add(time.Duration(m) * time.Minute)
		orders := make([]order, len(active))
		for i := range orders {
			orders[i].Minute = now
		}
		for i, p := range n.program.minutes[m] {
			o := &orders[i%len(orders)]
			o.Events = append(o.Events, p)
		}
		for i, a := range n.crowd.due(now) {
			o := &orders[i%len(orders)]
			o.Answers = append(o.Answers, a)
		}
		d, dies := n.deaths[m]
		if dies && len(active) == 1 {
			d.replica = 0
		}
		n.minute(active, orders, d, dies)
		for _, p := range n.program.minutes[m] {
			n.arrived(p)
		}
	}
}

// arrived takes note that an event was accepted.
func (n *night) arrived(p posting) {
	key := delivery{p.Source, p.Envelope}
	if n.sent[key] == nil {
		n.sent[key] = &arrival{posting: p}
	}
	n.sent[key].times++
}

// minute has each replica live through its part of a minute, and one of them die
// in it.
func (n *night) minute(active []*replica, orders []order, d death, dies bool) {
	n.t.Helper()
	n.vendors.weather(orders[0].Minute)
	before, begin := n.vendors.count(), time.Now()
	done := func() {}
	if dies {
		done = n.doom(active[d.replica], d)
	}
	var g errgroup.Group
	reports := make([]report, len(active))
	for i, r := range active {
		g.Go(func() (err error) {
			reports[i], err = r.keep(orders[i])
			return err
		})
	}
	err := g.Wait()
	done()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, r := range reports {
		for _, p := range r.Problems {
			n.t.Errorf("%s: %s", r.Minute.Format("15:04"), p)
		}
	}
	for _, r := range active {
		if deaths := r.died(); deaths > 0 {
			n.killed[orders[0].Minute] += deaths
			n.kills += deaths
		}
	}
	if !dies {
		n.usual = (7*n.usual + time.Since(begin)) / 8
		n.taken = (7*n.taken + n.vendors.count() - before) / 8
	}
}

// doom has the replica killed at its time. What it returns is called at the end of
// the minute, by which it dies at the latest.
func (n *night) doom(r *replica, d death) (done func()) {
	var once sync.Once
	kill := func() {
		once.Do(func() {
			r.kill()
			if d.again {
				time.AfterFunc(time.Duration(d.when*float64(200*time.Millisecond)), r.kill)
			}
		})
	}
	if d.byTaken {
		n.vendors.killAfter(1+int(d.when*float64(n.taken)), kill)
		return func() {
			n.vendors.killAfter(0, nil)
			kill()
		}
	}
	timer := time.AfterFunc(time.Duration(d.when*float64(n.usual)), kill)
	return func() {
		timer.Stop()
		kill()
	}
}

// morning is when somebody closes what is open, and lets a day pass in which
// nothing happens.
func (n *night) morning(now time.Time) {
	n.t.Helper()
	first := n.replicas[0]
	pass := func(o order) report {
		n.vendors.weather(now)
		o.Minute = now
		r, err := first.keep(o)
		if err != nil {
			n.t.Fatal(err)
		}
		for _, p := range r.Problems {
			n.t.Errorf("%s: %s", now.Format("15:04"), p)
		}
		return r
	}
	pass(order{Morning: true})
	var r report
	for range 30 {
		now = now.Add(time.Minute)
		pass(order{})
	}
	for range 26 {
		now = now.Add(time.Hour)
		if r = pass(order{}); r.Pending == 0 {
			return
		}
	}
	n.t.Errorf("a day later %d notifications are still pending", r.Pending)
}

// stop ends all processes in order.
func (n *night) stop() {
	n.t.Helper()
	for _, r := range n.replicas {
		r.end(false)
	}
}

// open reads the store, which no process has open.
func (n *night) open(look func(*books)) {
	n.t.Helper()
	ctx := n.t.Context()
	s, err := store.Open(ctx, n.store)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b := &books{night: n}
	if err := s.View(ctx, b.read); err != nil {
		n.t.Fatal(err)
	}
	look(b)
}

// A replica is a process of the night. It is started when there is something to
// do, and again after a kill.
type replica struct {
	t      *testing.T
	config string
	log    string

	mu      sync.Mutex
	process *exec.Cmd // nil where none runs; guarded by mu, as is the rest
	orders  io.WriteCloser
	reports chan report
	exited  chan struct{}
	doomed  bool // it was killed by us
	deaths  int
}

// keep has the process live through a minute, however often it is killed in it.
func (r *replica) keep(o order) (report, error) {
	for range 10 {
		if err := r.start(); err != nil {
			return report{}, err
		}
		done, ok, err := r.ask(o)
		if ok || err != nil {
			return done, err
		}
	}
	return report{}, errors.New("it was killed ten times within a minute")
}

// ask sends an order and waits for the report; it is not ok if the process was
// killed before.
func (r *replica) ask(o order) (report, bool, error) {
	r.mu.Lock()
	orders, reports, exited := r.orders, r.reports, r.exited
	r.mu.Unlock()
	text, err := json.Marshal(o)
	if err != nil {
		return report{}, false, err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := orders.Write(append(text, '\n'))
		sent <- err
	}()
	select {
	case done := <-reports:
		return done, true, <-sent
	case <-exited:
	case <-time.After(3 * time.Minute):
		return report{}, false, fmt.Errorf("%s: nothing heard for three minutes; see %s:\n%s", o.Minute.Format("15:04"), r.log, r.tail())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = nil
	if !r.doomed {
		return report{}, false, fmt.Errorf("%s: it ended by itself; see %s:\n%s", o.Minute.Format("15:04"), r.log, r.tail())
	}
	r.doomed = false
	r.deaths++
	return report{}, false, nil
}

// start starts the process unless it runs.
func (r *replica) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		return nil
	}
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNightProcess$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), nightEnv+"="+r.config)
	cmd.Stderr = log
	orders, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	reports, exited := make(chan report, 1), make(chan struct{})
	r.process, r.orders, r.reports, r.exited, r.doomed = cmd, orders, reports, exited, false
	go func() {
		r.listen(said, reports)
		_ = cmd.Wait() // it was killed, or the log says why
		close(exited)
	}()
	return nil
}

// listen passes on what the process reports, and puts into the log what else it
// says.
func (r *replica) listen(said io.Reader, reports chan<- report) {
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), reportMark)
		var done report
		if ok && json.Unmarshal([]byte(text), &done) == nil {
			reports <- done
			continue
		}
		r.note(lines.Text())
	}
}

func (r *replica) note(line string) {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(log, line)
	_ = log.Close()
}

// kill ends the process with SIGKILL, if one runs.
func (r *replica) kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return
	}
	r.doomed = true
	_ = r.process.Process.Kill() // it may have ended by itself
}

// died is how often it was killed since this was asked last.
func (r *replica) died() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.deaths
	r.deaths = 0
	return n
}

// end ends the process as its orders end, or at once.
func (r *replica) end(atOnce bool) {
	r.t.Helper()
	r.mu.Lock()
	process, orders, exited, doomed := r.process, r.orders, r.exited, r.doomed
	r.process = nil
	r.mu.Unlock()
	if process == nil {
		return
	}
	if atOnce {
		_ = process.Process.Kill()
	}
	_ = orders.Close()
	<-exited
	if code := process.ProcessState.ExitCode(); !atOnce && !doomed && code != 0 {
		r.t.Errorf("a process of the night ended with %d; see %s:\n%s", code, r.log, r.tail())
	}
}

func (r *replica) tail() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}
