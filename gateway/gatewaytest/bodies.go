package gatewaytest

// What tests of several rooms send.
const (
	Vaduz            = "/search?q=vaduz&format=jsonv2"
	DriverInSantiago = `{"id":"1","lat":-33.44091,"lng":-70.6301}`
	RiderInSantiago  = `{"lat":-33.44262,"lng":-70.63054}`
)

// Problem is problem+json as a client reads it.
type Problem struct {
	Type, Title, Detail, Instance, Code, Hint string
	Status                                    int
}

// Ride is a ride as a client reads it.
type Ride struct {
	RequestID string `json:"request_id"`
	State     string `json:"state"`
	Version   int64  `json:"version"`
	Cache     bool   `json:"cache"`
	Driver    *struct {
		ID        string  `json:"id"`
		DistanceM float64 `json:"distance_m"`
	} `json:"driver"`
	Place *struct {
		DisplayName string `json:"display_name"`
	} `json:"place"`
	ExpiresAt string `json:"expires_at"`
}
