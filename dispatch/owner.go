package dispatch

import "context"

// Owner is whom a caller is bound to: rides that are not theirs do not exist for
// them. The zero value is bound to nobody, and believes the ids it is given.
type Owner struct {
	Rider  string // reads and cancels the rides of this rider
	Driver string // reads and completes the rides of this driver
}

type ownerKey struct{}

// As returns a context whose calls are made on behalf of an owner. Scripts check it in
// the step that they take, so that no race can slip through.
func As(ctx context.Context, o Owner) context.Context {
	if o == (Owner{}) {
		return ctx
	}
	return context.WithValue(ctx, ownerKey{}, o)
}

// OwnerOf returns the owner that As has put into a context, or nobody.
func OwnerOf(ctx context.Context) Owner {
	o, _ := ctx.Value(ownerKey{}).(Owner)
	return o
}
