package admin

// What tests over HTTP read.
type (
	Explanation = explanation
	CacheStats  = cacheStats
)
