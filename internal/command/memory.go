package command

import (
	"math"
	"runtime/debug"

	"geogate/gateway"
)

const (
	// memoryBesides is what a process needs besides its cache under the limits of
	// docs/limits.md: 8,192 connections with 20 KiB of buffers and stack each, and
	// 40 MiB of bodies.
	memoryBesides = 192 << 20
	// memoryOfConnection is for each connection that MAX_CONNECTIONS allows beyond
	// its default.
	memoryOfConnection = 24 << 10
)

// setMemoryTarget has the garbage collector work harder above what geogate needs
// at worst, instead of letting the heap grow to twice as much: 256 MiB by default.
// It is no limit, and GOMEMLIMIT has precedence. The built-in Redis has a measure of
// its own.
func setMemoryTarget(s settings) {
	if unset := debug.SetMemoryLimit(-1) == math.MaxInt64; unset && s.redis != nil {
		debug.SetMemoryLimit(memoryTarget(s))
	}
}

func memoryTarget(s settings) int64 {
	more := max(0, s.MaxConnections-gateway.DefaultMaxConnections)
	return memoryBesides + int64(s.CacheMemory) + int64(more)*memoryOfConnection
}
