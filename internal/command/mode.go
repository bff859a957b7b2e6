package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/config"
	"geogate/internal/fleet"
)

type modeCmd struct {
	Mode         string  `arg:"" optional:"" help:"normal, cached_only or read_only. Without it the present mode is told."`
	Reason       string  `help:"Why, for people."`
	IfGeneration *uint64 `help:"Change it only if this is the present generation." placeholder:"N"`
	keyServer
}

// modeLine is the mode, as /admin/mode has it.
type modeLine struct {
	Mode       string     `json:"mode"`
	Generation uint64     `json:"generation"`
	Reason     string     `json:"reason"`
	SetBy      string     `json:"set_by"`
	SetAt      *time.Time `json:"set_at"`
}

// Run sets the mode, if one is named, and tells it.
func (cmd *modeCmd) Run(ctx context.Context, p *Process) error {
	mode, ok := fleet.ParseMode(cmd.Mode)
	switch {
	case cmd.Mode != "" && !ok:
		return &config.Error{Problems: []string{fmt.Sprintf("mode: want normal, cached_only or read_only, have %q", cmd.Mode)}}
	case cmd.Mode == "" && (cmd.Reason != "" || cmd.IfGeneration != nil):
		return &config.Error{Problems: []string{"mode: --reason and --if-generation need a mode to set"}}
	case len(cmd.Reason) > fleet.MaxReason:
		return &config.Error{Problems: []string{fmt.Sprintf("--reason: want at most %d bytes", fleet.MaxReason)}}
	}
	var now modeLine
	err := cmd.reach(p, func(rdb redis.UniversalClient) error {
		f := fleet.New(rdb, buildVersion(), zerolog.Nop())
		if err := f.Look(ctx); err != nil {
			return err //nolint:wrapcheck // says what it did
		}
		v := f.Value()
		if ok {
			var err error
			if v, err = f.Set(ctx, fleet.Change{Mode: mode, Reason: cmd.Reason, By: whoami(p.Getenv), IfGeneration: cmd.IfGeneration}); err != nil {
				return err //nolint:wrapcheck // says what it did
			}
		}
		now = modeLine{string(v.Mode), v.Generation, v.Reason, v.SetBy, timeOrNil(v.SetAt)}
		return nil
	}, func(ask asking) error {
		if !ok {
			return ask(ctx, http.MethodGet, "/admin/mode", nil, &now)
		}
		order := map[string]any{"mode": mode, "reason": cmd.Reason}
		if cmd.IfGeneration != nil {
			order["if_generation"] = *cmd.IfGeneration
		}
		return ask(ctx, http.MethodPut, "/admin/mode", order, &now)
	})
	if conflict, lost := errors.AsType[*fleet.ConflictError](err); lost {
		return fmt.Errorf("%w, %s", conflict, conflict.Present.Mode)
	}
	if err != nil {
		return err
	}
	return now.write(p.Stdout)
}

func (l modeLine) write(w io.Writer) error {
	line := fmt.Sprintf("%s, generation %d", l.Mode, l.Generation)
	if l.SetAt != nil {
		line += fmt.Sprintf(", set by %s at %s", l.SetBy, l.SetAt.UTC().Format(time.RFC3339))
	}
	if l.Reason != "" {
		line += ": " + l.Reason
	}
	_, err := fmt.Fprintln(w, line)
	return err //nolint:wrapcheck // nothing to add
}

// whoami is who gives an order by the command line.
func whoami(getenv func(string) string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := getenv(name); user != "" {
			return user + "@" + host
		}
	}
	return "geogate@" + host
}
