// Package events is the room of what happens: publishing events, following them,
// and subscribing webhooks to them.
package events

import (
	"geogate/gateway/exchange"
	"geogate/internal/event"
	"geogate/internal/webhook"
)

// Engine is where events are kept and who is told of them.
type Engine struct {
	Log         *event.Log
	Subscribers *webhook.Registry
}

// API answers requests about events over HTTP. It is safe for concurrent use.
type API struct {
	engine  Engine
	streams *exchange.Streams
}

// New returns the API of engine.
func New(engine Engine, streams *exchange.Streams) *API { return &API{engine, streams} }
