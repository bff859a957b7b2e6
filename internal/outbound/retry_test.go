package outbound

import "testing"

func TestRetryIsNoHabit(t *testing.T) {
	var b retryBudget
	spent := 0
	for range 1000 {
		b.earn()
		if b.spend() {
			spent++
		}
	}
	if spent < 100 || spent > 111 {
		t.Errorf("%d retries in 1000 failing calls, want a tenth and the saved ten", spent)
	}
}
