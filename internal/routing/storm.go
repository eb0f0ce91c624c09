package routing

import "time"

// A Storm counts the new alerts of each route minute by minute: the first of a
// minute, up to the route's [Limit], are told singly, and those after them in one
// digest for each place once the minute is over. Nothing is left out. What counts
// is the order of the calls and the times that they give, never the clock.
//
// The zero Storm has seen nothing. It holds one minute's counts, is that of one
// process, and belongs to whoever calls it: it is not safe for several goroutines.
type Storm struct {
	minute time.Time
	taken  map[string]int
}

// Take counts a new alert of a route and says whether it is told singly, and if
// not, when the digest is due that tells of it. A time before the present minute
// counts as in it.
func (s *Storm) Take(route string, perMinute int, now time.Time) (single bool, due time.Time) {
	if minute := now.UTC().Truncate(time.Minute); s.taken == nil || minute.After(s.minute) {
		s.minute, s.taken = minute, map[string]int{}
	}
	s.taken[route]++
	if s.taken[route] <= perMinute {
		return true, time.Time{}
	}
	return false, s.minute.Add(time.Minute)
}

// Untake takes back what Take counted of a decision that was not kept: a
// transaction that has to run again.
func (s *Storm) Untake(d Decision, now time.Time) {
	if now.UTC().Truncate(time.Minute).Before(s.minute) || s.taken == nil {
		return // its minute is over
	}
	for _, l := range d.Limits {
		if s.taken[l.Route] > 0 {
			s.taken[l.Route]--
		}
	}
}

// Mark counts the alert once for each route that decided, and sets the Digest of
// what is not to be told singly.
func (s *Storm) Mark(d *Decision, now time.Time) {
	for _, l := range d.Limits {
		single, due := s.Take(l.Route, l.PerMinute, now)
		if single {
			continue
		}
		if d.PolicyWhy == l.Route {
			d.Digest = due
		}
		for i := range d.Targets {
			if d.Targets[i].Why == l.Route {
				d.Targets[i].Digest = due
			}
		}
	}
}
