//go:build !race

package e2e

// raceEnabled tells that the tests run under the race detector; the processes
// they start then do, too.
const raceEnabled = false
