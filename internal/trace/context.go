// Package trace follows one request through processes: by the ids of W3C Trace Context,
// which travel with it, and by spans, which a Tracer sends to a collector of
// OpenTelemetry in the JSON form of its protocol (ADR 0186).
//
// It promises that whoever is traced pays next to nothing for it: a span is made in
// memory, and what a collector does not take in time is dropped and counted. Without a
// Tracer there are no spans, and the ids that a client sent are passed on.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// HeaderName is the header field that carries a Context over HTTP and NATS.
const HeaderName = "traceparent"

type (
	traceID [16]byte
	spanID  [8]byte
)

// Context names a place in a trace. The zero value is in no trace.
type Context struct {
	trace   traceID
	span    spanID
	sampled bool // spans of it are wanted
}

// Valid reports whether c is in a trace.
func (c Context) Valid() bool { return c.trace != traceID{} && c.span != spanID{} }

// ID is the trace's, as logs show it, or "" outside of one.
func (c Context) ID() string {
	if !c.Valid() {
		return ""
	}
	return hex.EncodeToString(c.trace[:])
}

// Sampled reports whether spans of the trace are wanted.
func (c Context) Sampled() bool { return c.sampled }

// String is c as a traceparent, or "" outside of a trace.
func (c Context) String() string {
	if !c.Valid() {
		return ""
	}
	text := make([]byte, 0, parentLen)
	text = append(hex.AppendEncode(append(text, "00-"...), c.trace[:]), '-')
	text = append(hex.AppendEncode(text, c.span[:]), "-00"...)
	if c.sampled {
		text[len(text)-1] = '1'
	}
	return string(text)
}

// parentLen is the length of a traceparent of version 00.
const parentLen = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// Parse reads a traceparent. What is not one is no Context, as the specification wants
// it. Later versions may have more after the flags.
func Parse(text string) Context {
	var c Context
	var version, flags [1]byte
	if len(text) < parentLen || text[2] != '-' || text[35] != '-' || text[52] != '-' ||
		len(text) > parentLen && (text[:2] == "00" || text[parentLen] != '-') ||
		!isHex(text[:2], version[:]) || version[0] == 0xff ||
		!isHex(text[3:35], c.trace[:]) || !isHex(text[36:52], c.span[:]) || !isHex(text[53:55], flags[:]) || !c.Valid() {
		return Context{}
	}
	c.sampled = flags[0]&1 != 0
	return c
}

// isHex decodes text, in which capitals are not allowed, into to.
func isHex(text string, to []byte) bool {
	_, err := hex.Decode(to, []byte(text))
	return err == nil && strings.ToLower(text) == text
}

// child is another place in the trace of c, or in a new one.
func (c Context) child() Context {
	for c.trace == (traceID{}) { // all but never twice
		binary.NativeEndian.PutUint64(c.trace[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(c.trace[8:], rand.Uint64())
	}
	for c.span = (spanID{}); c.span == (spanID{}); {
		binary.NativeEndian.PutUint64(c.span[:], rand.Uint64())
	}
	return c
}

// Scope is where a piece of work happens in a trace, and who wants to know of it. It is
// what a context.Context carries, under Key.
type Scope struct {
	Context

	tracer *Tracer // nil: nobody
	parent spanID
}

// Key is the key of a *Scope in a context.Context, for those who are one themselves.
type Key struct{}

func scopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(Key{}).(*Scope)
	return s
}

// Header is the traceparent to send with what happens in ctx; "": none.
func Header(ctx context.Context) string {
	if s := scopeOf(ctx); s != nil {
		return s.String()
	}
	return ""
}

// With returns a context in which work belongs to s.
func With(ctx context.Context, s Scope) context.Context {
	if !s.Valid() {
		return ctx
	}
	return context.WithValue(ctx, Key{}, &s)
}
