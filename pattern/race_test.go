//go:build race

package pattern

// raceEnabled tells whether the race detector is on.
const raceEnabled = true
