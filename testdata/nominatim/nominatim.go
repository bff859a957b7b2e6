// Package nominatim embeds answers recorded from a real Nominatim, for tests
// and for the stand-in upstream of benchmarks. See README.md for their source
// and licence.
package nominatim

import _ "embed"

// Recorded holds the recorded requests and answers, one JSON object a line.
//
//go:embed recorded.jsonl
var Recorded []byte
