package gossip

import "testing"

func TestProbe(t *testing.T) {
	n := newNetwork()
	there, gone := n.open(t, "there", key), n.open(t, "gone", key)
	gone.stop()
	found, answering, failures := Probe(t.Context(), []string{there.address, gone.address, there.address, "not a name"}, 7946)
	if len(found) != 2 || len(answering) != 1 || answering[0] != there.address || len(failures) != 1 {
		t.Errorf("Probe = %q, %q, %v, want two addresses of which one answers, and a name that is not found", found, answering, failures)
	}
}
