package rides

// NearbyPlaceTimeout is how long a client waits for the name of a position.
const NearbyPlaceTimeout = nearbyPlaceTimeout

// Rejection is why a position of an array was not stored.
type Rejection = rejection
