package jobs

// What tests over HTTP read.
type (
	Wire    = wireJob
	Created = createdJob
)
