package trace

import (
	"context"
	"time"
)

// Kind is which side of a call a span stands for, by OpenTelemetry's numbers.
type Kind int

// The kinds of geogate's spans.
const (
	Internal Kind = 1
	Server   Kind = 2
	Client   Kind = 3
	Producer Kind = 4
)

const (
	// maxAttributes and maxText, in bytes, bound what a span keeps in memory.
	maxAttributes = 16
	maxText       = 256
)

// attribute is a text or, where that is empty, a number.
type attribute struct {
	key    string
	text   string
	number int64
}

// Span is one piece of work in a trace. A nil one is not wanted, and all its methods do
// nothing. Only the goroutine that does the work touches it.
type Span struct {
	scope      Scope
	name       string
	kind       Kind
	start, end time.Time
	attributes []attribute
	failure    string // why it failed; empty: it did not
}

// Start begins a span in the trace of ctx, whose work is to use the context returned.
// The span is nil where nobody wants it, and the context then is ctx.
func Start(ctx context.Context, kind Kind, name string) (context.Context, *Span) {
	s := scopeOf(ctx)
	if s == nil {
		return ctx, nil
	}
	span := s.span(kind, name, time.Now())
	if span == nil {
		return ctx, nil
	}
	return context.WithValue(ctx, Key{}, &span.scope), span
}

// span begins a span below s.
func (s *Scope) span(kind Kind, name string, start time.Time) *Span {
	if s.tracer == nil || !s.sampled {
		return nil
	}
	return &Span{scope: Scope{s.child(), s.tracer, s.Context.span}, kind: kind, name: name, start: start}
}

// Set notes a text about the span. An empty one says nothing.
func (s *Span) Set(key, text string) {
	if s != nil && text != "" && len(s.attributes) < maxAttributes {
		s.attributes = append(s.attributes, attribute{key: key, text: text[:min(len(text), maxText)]})
	}
}

// SetNumber notes a number about the span.
func (s *Span) SetNumber(key string, n int64) {
	if s != nil && len(s.attributes) < maxAttributes {
		s.attributes = append(s.attributes, attribute{key: key, number: n})
	}
}

// Fail notes why the work failed. The words go to the collector: no addresses and
// positions of people.
func (s *Span) Fail(why string) {
	if s != nil {
		s.failure = why[:min(len(why), maxText)]
	}
}

// End ends the span now and hands it over to be sent.
func (s *Span) End() { s.EndAt(time.Now()) }

// EndAt is End for work that has ended before.
func (s *Span) EndAt(at time.Time) {
	if s != nil {
		s.end = at
		s.scope.tracer.take(s)
	}
}

// Root is the span of s itself, for work that was not told of when it began: that of a
// request whose Scope came from Begin. It is nil where nobody wants it.
func (s *Scope) Root(kind Kind, name string, start time.Time) *Span {
	if s.tracer == nil || !s.sampled {
		return nil
	}
	return &Span{scope: *s, kind: kind, name: name, start: start}
}

// Below is a span below s, for work that was not told of when it began.
func (s *Scope) Below(kind Kind, name string, start time.Time) *Span {
	return s.span(kind, name, start)
}
