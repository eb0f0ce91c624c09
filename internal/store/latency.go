package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-sec/tocsin"
	"github.com/tocsin-sec/tocsin/internal/reports"
)

// A Latency is when what happened on the way from an activity to a person, of one
// opening of an alert.
type Latency struct {
	Alert int64
	N     int // counts the alert's openings from 1; of those after the 255th none is kept
	reports.Passage
}

// openings is room for those of one alert in the numbers of rows.
const openings = 256

func (l *Latency) id() int64 { return l.Alert*openings + int64(min(l.N, openings-1)) }

// what is account, region, route and source, a line each: one text costs less to keep
// than four.
func (l *Latency) what() string {
	all := l.Account + "\n" + l.Region + "\n" + l.Route + "\n" + l.Source
	if strings.Count(all, "\n") == 3 {
		return text(all)
	}
	line := strings.NewReplacer("\n", " ").Replace
	return text(line(l.Account) + "\n" + line(l.Region) + "\n" + line(l.Route) + "\n" + line(l.Source))
}

// many is how many openings one statement keeps: what costs is the statement more than
// the row.
const many = 16

var insertOne, insertMany = insertLatencies(1), insertLatencies(many)

// latencyArgs is how many arguments a row has.
const latencyArgs = 8

// insertLatencies is the INSERT of n rows.
func insertLatencies(n int) string {
	rows := make([]string, n)
	for i := range rows {
		args := make([]string, latencyArgs)
		for j := range args {
			args[j] = "$" + strconv.Itoa(i*latencyArgs+j+1)
		}
		rows[i] = "(" + strings.Join(args, ", ") + ", 0, 0)"
	}
	return `
		INSERT INTO latency (
			id, opened_at, activity_at, created_at, event_at, received_at, level, what, told_at, acked_at
		)
		VALUES ` + strings.Join(rows, ", ") + `
		ON CONFLICT (id) DO NOTHING`
}

// AddLatencies keeps openings of which nobody was told yet. Each is kept once.
func (tx *Tx) AddLatencies(list []Latency) error {
	add := func(args []any, list []Latency) []any {
		for i := range list {
			l := &list[i]
			args = append(args,
				l.id(), millis(l.OpenedAt), millis(l.ActivityAt), millis(l.CreatedAt), millis(l.EventAt), millis(l.ReceivedAt), int64(l.Level), l.what())
		}
		return args
	}
	n := len(list) / many
	err := tx.db.execs(insertMany, n, func(i int, args []any) []any { return add(args, list[i*many:(i+1)*many]) }, nil)
	if err != nil {
		return err
	}
	rest := list[n*many:]
	return tx.db.execs(insertOne, len(rest), func(i int, args []any) []any { return add(args, rest[i:i+1]) }, nil)
}

// Told notes that people were told of alerts, each at its time, and gives the openings
// of which that was the first message.
func (tx *Tx) Told(alerts []int64, at []time.Time) ([]Latency, error) {
	order := tx.order(len(alerts), func(i, j int) int { return cmp.Compare(alerts[i], alerts[j]) })
	return tx.noted("told_at", order, func(i int) (int64, time.Time) { return alerts[i], at[i] })
}

// Acked notes that somebody took an alert on, and gives its opening if nobody had.
func (tx *Tx) Acked(alert int64, at time.Time) (l Latency, first bool, err error) {
	all, err := tx.noted("acked_at", []int{0}, func(int) (int64, time.Time) { return alert, at })
	if err != nil || len(all) == 0 {
		return Latency{}, false, err
	}
	return all[0], true, nil
}

// noted sets a time of the newest opening of alerts where it is not set.
func (tx *Tx) noted(column string, order []int, what func(i int) (int64, time.Time)) (all []Latency, err error) {
	err = tx.db.queries(`
		UPDATE latency
		SET `+column+` = $1
		WHERE id = (SELECT MAX(newest.id) FROM latency AS newest WHERE newest.id > $2 AND newest.id < $3)
			AND `+column+` = 0
		RETURNING `+latencyColumns,
		len(order), func(i int, args []any) []any {
			alert, at := what(order[i])
			return append(args, millis(at), alert*openings, (alert+1)*openings)
		}, func(_ int, r row) error {
			l, err := scanLatency(r)
			all = append(all, l)
			return err
		})
	return all, err
}

const latencyColumns = `
	id, opened_at, activity_at, created_at, event_at, received_at, level, what, told_at, acked_at`

func scanLatency(r row) (Latency, error) {
	var l Latency
	var id, opened, activity, created, event, received, told, acked int64
	var level int
	var what string
	err := r.Scan(&id, &opened, &activity, &created, &event, &received, &level, &what, &told, &acked)
	l.Alert, l.N = id/openings, int(id%openings)
	l.OpenedAt, l.ActivityAt, l.CreatedAt, l.EventAt = moment(opened), moment(activity), moment(created), moment(event)
	l.ReceivedAt, l.ToldAt, l.AckedAt, l.Level = moment(received), moment(told), moment(acked), tocsin.Level(level)
	l.Account, what, _ = strings.Cut(what, "\n")
	l.Region, what, _ = strings.Cut(what, "\n")
	l.Route, l.Source, _ = strings.Cut(what, "\n")
	return l, err
}

// A LatencyFilter chooses openings; zero fields choose all.
type LatencyFilter struct {
	From, To               time.Time // opened at From or later, and before To
	Account, Region, Route string
	// Limit is how many are given, the newest; 0 is no limit.
	Limit int
}

func (f LatencyFilter) wants(l Latency) bool {
	return (f.Account == "" || f.Account == l.Account) && (f.Region == "" || f.Region == l.Region) && (f.Route == "" || f.Route == l.Route)
}

// apart is how far the clocks of replicas may be apart: by as much the ids of alerts
// need not be in the order in which they opened.
const apart = time.Hour

// Latencies gives openings, the newest first.
func (tx *Tx) Latencies(f LatencyFilter) ([]Latency, error) {
	first, err := tx.firstOpened(f.From.Add(-apart))
	if err != nil {
		return nil, err
	}
	end, err := tx.firstOpened(f.To.Add(apart))
	if err != nil {
		return nil, err
	}
	var once, again where
	once.and("id >= ?", first*openings)
	once.and("id < ?", end*openings)
	once.and("id % 256 = 1")
	again.and("id % 256 > 1") // as the index says it
	var all []Latency
	for _, w := range []*where{&once, &again} {
		part, err := tx.latencies(f, w)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	slices.SortStableFunc(all, func(a, b Latency) int { return b.OpenedAt.Compare(a.OpenedAt) })
	if f.Limit > 0 && len(all) > f.Limit {
		all = all[:f.Limit]
	}
	return all, nil
}

func (tx *Tx) latencies(f LatencyFilter, w *where) ([]Latency, error) {
	w.and("opened_at >= ?", millis(f.From))
	w.and("opened_at < ?", millis(f.To))
	if f.Account+f.Region+f.Route != "" {
		// It lets through a little more: a route of a region's name.
		w.like("what", text(wild(f.Account)+"\n"+wild(f.Region)+"\n"+wild(f.Route)+"\n%"))
	}
	sql := `
		SELECT ` + latencyColumns + `
		FROM latency` + w.text() + `
		ORDER BY id DESC`
	if f.Limit > 0 {
		sql += `
		LIMIT ` + w.limit(int64(f.Limit))
	}
	var all []Latency
	err := tx.db.query(sql, w.args, func(r row) error {
		l, err := scanLatency(r)
		if err == nil && f.wants(l) {
			all = append(all, l)
		}
		return err
	})
	return all, err
}

// wild is a text in a LIKE, or anything.
func wild(s string) string {
	if s == "" {
		return "%"
	}
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s)
}

// firstOpened is the alert from which on the first openings are that were at t or
// later; those before it opened before t.
func (tx *Tx) firstOpened(t time.Time) (int64, error) {
	at := millis(t)
	var low, high int64
	err := tx.db.query(`
		SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0)
		FROM latency`, nil, func(r row) error { return r.Scan(&low, &high) })
	low, high = low/openings, high/openings+1
	for err == nil && low < high {
		middle := low + (high-low)/2
		found, opened := high*openings, int64(0)
		err = tx.db.query(`
			SELECT id, opened_at
			FROM latency
			WHERE id >= $1
				AND id % 256 = 1
			ORDER BY id
			LIMIT 1`, []any{middle * openings}, func(r row) error { return r.Scan(&found, &opened) })
		if alert := found / openings; alert < high && opened < at {
			low = alert + 1
		} else {
			high = middle
		}
	}
	return low, err
}
