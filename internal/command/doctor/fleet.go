package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"geogate/internal/fleet"
)

// examineFleet tells which processes run, and what is odd about them.
func examineFleet(ctx context.Context, f *fleet.Fleet) []Finding {
	if f == nil {
		return nil
	}
	running, err := f.Others(ctx)
	if err != nil {
		return []Finding{{"fleet", Warned, err.Error(), ""}}
	}
	if err := f.Look(ctx); err != nil {
		return []Finding{{"fleet", Warned, err.Error(), ""}}
	}
	finding := Finding{Check: "fleet", Verdict: Healthy, Detail: "no process runs now"}
	if n := len(running); n > 0 {
		finding.Detail = fmt.Sprintf("%d running", n)
	}
	var versions, gone []string
	for _, m := range running {
		if !slices.Contains(versions, m.Version) {
			versions = append(versions, m.Version)
		}
		if m.Status != fleet.Alive {
			gone = append(gone, m.Name)
		}
	}
	switch v := f.Value(); {
	case len(gone) > 0:
		finding.Verdict, finding.Detail = Warned, finding.Detail+", not heard of: "+strings.Join(gone, ", ")
		finding.Hint = "they were killed, or cannot reach Redis"
	case len(versions) > 1:
		finding.Verdict, finding.Detail = Warned, finding.Detail+", of versions "+strings.Join(versions, ", ")
		finding.Hint = "restart those that were left behind"
	case v.Mode != fleet.Normal:
		finding.Verdict, finding.Detail = Warned, fmt.Sprintf("%s, mode %s: %s", finding.Detail, v.Mode, v.Reason)
		finding.Hint = "geogate mode normal ends it"
	}
	return []Finding{finding}
}
