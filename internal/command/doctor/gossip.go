package doctor

import (
	"context"
	"errors"
	"fmt"

	"geogate/internal/gossip"
)

// Gossip is where processes gossip: hosts of FLEET_JOIN, and the port of those without one.
type Gossip struct {
	Join []string
	Port uint16
}

// examineGossip tells how many of the addresses to join accept connections. Whether their
// key is the same, they tell themselves.
func examineGossip(ctx context.Context, g *Gossip) []Finding {
	if g == nil {
		return nil
	}
	if len(g.Join) == 0 {
		return []Finding{{"gossip", Warned, "nobody to join", "name two or three of the others in FLEET_JOIN, or one DNS name of all"}}
	}
	found, answering, failures := gossip.Probe(ctx, g.Join, g.Port)
	finding := Finding{Check: "gossip", Verdict: Healthy, Detail: fmt.Sprintf("%d of %d addresses of FLEET_JOIN accept connections", len(answering), len(found))}
	if len(answering) == 0 || len(failures) > 0 {
		finding.Verdict = Warned
		finding.Hint = "check FLEET_JOIN, and that TCP and UDP pass between the processes"
		if err := errors.Join(failures...); err != nil {
			finding.Detail += ": " + err.Error()
		}
	}
	return []Finding{finding}
}
