//go:build !race

package guarddutyapi_test

// raced says that the race detector watches, and everything takes longer.
const raced = false
