package routing

import (
	"testing"

	"geogate/internal/asynctest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }
