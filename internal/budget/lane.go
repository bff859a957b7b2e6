package budget

// Lane says for whom a call is made. When calls are scarce, people go first.
type Lane int

const (
	// People wait for the answer.
	People Lane = iota
	// Bulk is batch work: at most half of the rate while people wait, all of
	// it when nobody does.
	Bulk
	// Refresh renews answers that are still good: only when nobody else waits.
	Refresh

	lanes = 3
)

// String returns the name used in metrics.
func (l Lane) String() string {
	return [lanes]string{"people", "bulk", "refresh"}[l]
}
