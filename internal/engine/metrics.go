package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-sec/tocsin/internal/reports"
)

// Metrics are what the engine counts for Prometheus. No account, finding or
// alert is ever a label.
type Metrics struct {
	events        *prometheus.CounterVec
	accept        prometheus.Histogram
	acceptErrors  prometheus.Counter
	batch         prometheus.Histogram
	notifications *prometheus.CounterVec
	attempts      *prometheus.HistogramVec
	fallback      prometheus.Counter
	clock         prometheus.Histogram
	stages        map[reports.Stage]stageMetrics
}

// stageMetrics are those of one stage of the way to a person.
type stageMetrics struct {
	took   prometheus.Observer
	skewed prometheus.Counter
}

// NewMetrics makes the metrics and registers them, unless with is nil.
func NewMetrics(with prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_events_total", Help: "Events accepted, by source and verdict.",
		}, []string{"source", "verdict"}),
		accept: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tocsin_accept_duration_seconds", Help: "Time from an event's receipt by a collector to its commit.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		acceptErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tocsin_accept_errors_total", Help: "Deliveries refused because they could not be committed; their senders try again.",
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tocsin_commit_events", Help: "Events that shared one commit.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
		}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_notifications_total", Help: "Attempts at notifications, by receiver and the state they led to; pending is tried again.",
		}, []string{"receiver", "state"}),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tocsin_notification_duration_seconds", Help: "Time of one attempt at a notification.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}, []string{"receiver"}),
		fallback: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tocsin_fallback_notifications_total", Help: "Notifications that went to the fallback because no route took the alert.",
		}),
	}
	m.clock = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tocsin_clock_delay_seconds", Help: "How much later than it was due the clock came to an alert: a step of its policy, the end of a snooze.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	})
	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tocsin_latency_seconds", Help: "Time from an activity to the person who takes its alert on, by stage, of each alert that opens. Samples and canaries are none.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400},
	}, []string{"stage"})
	skewed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tocsin_latency_skewed_total", Help: "Stages whose end was before their beginning by the clocks of two machines, by stage; they count as 0 seconds.",
	}, []string{"stage"})
	m.stages = make(map[reports.Stage]stageMetrics, len(reports.Stages()))
	for _, s := range reports.Stages() {
		m.stages[s] = stageMetrics{latency.WithLabelValues(string(s)), skewed.WithLabelValues(string(s))}
	}
	if with != nil {
		with.MustRegister(m.events, m.accept, m.acceptErrors, m.batch, m.notifications, m.attempts, m.fallback, m.clock, latency, skewed)
	}
	return m
}

// late observes how late the clock is.
func (m *Metrics) late(by time.Duration) { m.clock.Observe(by.Seconds()) }

func (m *Metrics) accepted(c *call, took time.Duration) {
	m.accept.Observe(took.Seconds())
	for i, r := range c.receipts {
		m.events.WithLabelValues(c.readings[i].event.Source, string(r.Verdict)).Inc()
	}
}
