package bulk

import "context"

type viewerKey struct{}

// As returns a context whose calls see the jobs of one subject, and those that
// belong to nobody, whose id is the secret. Other jobs do not exist for it. Without
// As a context sees every job.
func As(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, viewerKey{}, subject)
}

// sees reports whether the jobs of owner exist for a context.
func sees(ctx context.Context, owner string) bool {
	subject, bound := ctx.Value(viewerKey{}).(string)
	return !bound || owner == "" || owner == subject
}
