//go:build race

package chaos_test

// raced divides how much a test does where the race detector watches.
const raced = racedPart
