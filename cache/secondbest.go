package cache

// A SecondBestError is what a fill returns when it has an answer that must not
// be stored because somebody who might know more could not be asked. Callers for
// whom there is no live answer get the Entry, as a Bypass with the error as its
// Cause. From a refresh it also says that the answer being served is outdated:
// once that is stale, callers wait for another.
type SecondBestError struct {
	Entry Entry
	Err   error // why it is no better
}

func (e *SecondBestError) Error() string { return "only second best: " + e.Err.Error() }

// Unwrap returns why it is no better.
func (e *SecondBestError) Unwrap() error { return e.Err }
