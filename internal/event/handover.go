package event

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"geogate/internal/trace"
)

const (
	// MaxHandOver is how many events PublishAll takes: it bounds how long Redis is busy.
	MaxHandOver = 100
	// A source's newest events are remembered, about a megabyte, to tell those that it
	// hands over again from new ones at positions that it used before.
	remembered  = 10_000
	rememberFor = 24 * time.Hour
)

// PublishAll appends events of one source in the order given, in one step, at most
// MaxHandOver of them. Position is an event's place at the source, "ms-seq". An event
// that was handed over before is not appended again. A source whose positions went back,
// because it lost its last events, may use them for other events, told apart by Type, At
// and Subject. Errors: ErrInvalid, ErrUnavailable.
func (l *Log) PublishAll(ctx context.Context, events []Publication) error {
	if len(events) == 0 {
		return nil
	}
	_, err := l.handOverAll(ctx, events)
	return err
}

func (l *Log) handOver(ctx context.Context, p Publication) (id string, replayed bool, err error) {
	answers, err := l.handOverAll(ctx, []Publication{p})
	if err != nil {
		return "", false, err
	}
	answer, _ := answers[0].([]any)
	if len(answer) != 2 {
		return "", false, fmt.Errorf("publish event: %w: the script's answer cannot be read", ErrUnavailable)
	}
	if pos, _ := answer[1].(string); pos != "" {
		id = idPrefix + pos
	}
	return id, answer[0] == "replayed", nil
}

func (l *Log) handOverAll(ctx context.Context, events []Publication) ([]any, error) {
	if len(events) > MaxHandOver {
		return nil, fmt.Errorf("publish events: %w", invalid("more than %d at once", MaxHandOver))
	}
	args := make([]any, 0, 3+7*len(events))
	args = append(args, events[0].Source, remembered, rememberFor.Milliseconds())
	for _, p := range events {
		if _, err := parsePosition(p.Position); err != nil || p.Source != events[0].Source {
			return nil, fmt.Errorf("publish events: %w", invalid("position %q of %q", p.Position, p.Source))
		}
		encoded, err := p.encode()
		if err != nil {
			return nil, fmt.Errorf("publish events: %w", err)
		}
		sum := sha256.Sum256([]byte(p.Position + "\n" + p.Type + "\n" + p.at() + "\n" + p.Subject))
		args = append(args, p.Position, base64.RawStdEncoding.EncodeToString(sum[:12]))
		args = append(append(args, encoded...), p.at(), p.Subject, cmp.Or(p.Trace, trace.Header(ctx)))
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answers, err := handOverScript.Run(ctx, l.rdb, []string{Prefix}, args...).Slice()
	if err != nil || len(answers) != len(events) {
		return nil, fmt.Errorf("publish events: %w: %w", ErrUnavailable, err)
	}
	return answers, nil
}
