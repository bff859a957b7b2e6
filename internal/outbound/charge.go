package outbound

import (
	"context"
	"fmt"
)

// Charge is who pays for the calls that a request causes.
type Charge struct {
	By string // tells those who pay apart
	// Take is called before each call to a provider; an error forbids the call.
	Take func(context.Context) error
}

// ChargeError is a call that was not made because who pays for it has nothing
// left. Others may ask.
type ChargeError struct {
	By  string
	Err error
}

func (e *ChargeError) Error() string { return fmt.Sprintf("charge call: %v", e.Err) }

// Unwrap returns what Take said.
func (e *ChargeError) Unwrap() error { return e.Err }

type chargeKey struct{}

// WithCharge returns a context whose calls are charged to c; nil: to nobody.
func WithCharge(ctx context.Context, c *Charge) context.Context {
	if c == nil {
		return ctx
	}
	return context.WithValue(ctx, chargeKey{}, c)
}

// WithoutCharge returns a context whose calls are charged to nobody.
func WithoutCharge(ctx context.Context) context.Context {
	return context.WithValue(ctx, chargeKey{}, (*Charge)(nil))
}

// ChargeOf returns what WithCharge has put into a context, or nil.
func ChargeOf(ctx context.Context) *Charge {
	c, _ := ctx.Value(chargeKey{}).(*Charge)
	return c
}

// charged takes one call from who pays for it.
func charged(ctx context.Context) error {
	c := ChargeOf(ctx)
	if c == nil {
		return nil
	}
	if err := c.Take(ctx); err != nil {
		return &ChargeError{c.By, err}
	}
	return nil
}
