//go:build !race

package gateway

// raceEnabled tells that the tests run under the race detector.
const raceEnabled = false
