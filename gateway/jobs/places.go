package jobs

import (
	"errors"
	"net/http"

	"geogate/gateway/exchange"
)

// places are shares of what goes on at a time, with problems for those who get none.
type places struct {
	shares           *exchange.Shares
	full, clientFull *exchange.Problem
}

// newPlaces returns places for what, such as "uploads", refused with a code.
func newPlaces(what, code string, most, mostOfClient int) places {
	const hint = "try again when Retry-After says"
	return places{
		shares: exchange.NewShares(most, mostOfClient),
		full: exchange.NewProblem(http.StatusServiceUnavailable, code,
			"as many "+what+" are under way as this geogate allows").WithHint(hint),
		clientFull: exchange.NewProblem(http.StatusTooManyRequests, code,
			"as many "+what+" of this client are under way as geogate allows one").WithHint(hint),
	}
}

// take returns a function that gives the place back, or the *exchange.Problem that
// there is none.
func (p places) take(r *http.Request) (giveBack func(), err error) {
	giveBack, err = p.shares.Take(exchange.Of(r).Counted())
	switch {
	case errors.Is(err, exchange.ErrShareTaken):
		return nil, p.clientFull
	case err != nil:
		return nil, p.full
	}
	return giveBack, nil
}
