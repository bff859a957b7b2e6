package budget

import "time"

// A Pool has one budget for each server: entries for one server share the budget
// of the first of them, because it is the server that does not want more. It is
// for one goroutine.
type Pool struct {
	// Redis counts for the fleet; nil: each process counts its own.
	Redis Redis
	// Patience bounds one question to Redis; 0: DefaultRedisPatience.
	Patience time.Duration

	budgets map[string]*Budget
}

// Of returns the budget of a server, nil where nothing limits its calls. closed
// is as in NewFleet.
func (p *Pool) Of(server string, l Limits, closed bool) *Budget {
	if l.Unlimited() {
		return nil
	}
	if b, ok := p.budgets[server]; ok {
		return b
	}
	b := New(l)
	if p.Redis != nil {
		b = NewFleet(p.Redis, server, l, p.Patience, closed)
	}
	if p.budgets == nil {
		p.budgets = map[string]*Budget{}
	}
	p.budgets[server] = b
	return b
}
