package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/command/redisclient"
	"geogate/internal/command/remote"
	"geogate/internal/identity"
)

// keysCmd issues, lists and revokes keys: in the Redis of REDIS_URL, which every
// process of the fleet reads, or through a running geogate.
type keysCmd struct {
	Create createKeyCmd `cmd:"" help:"Issue a key and print it. It cannot be shown again."`
	List   listKeysCmd  `cmd:"" help:"List the keys and what they were used for."`
	Revoke revokeKeyCmd `cmd:"" help:"End a key, everywhere within two seconds."`
}

// keyServer says where keys are kept.
type keyServer struct {
	Server string `help:"Ask this geogate, with ADMIN_TOKEN, instead of Redis. Default without REDIS_URL: the one on this machine." placeholder:"URL"`
}

type createKeyCmd struct {
	Role           string `required:"" help:"rider, driver, operator or admin." placeholder:"ROLE"`
	Subject        string `required:"" help:"Id of the driver or rider, or a name such as dispatch-office." placeholder:"ID"`
	Expires        string `help:"How long the key lives, such as 90d; for ever unless it is given." placeholder:"DURATION"`
	Rate           string `help:"Requests that the key may send, such as 6000/1m; 0 for no limit; RATE_LIMIT unless it is given." placeholder:"RATE"`
	Label          string `help:"A note for people."`
	UpstreamBudget string `help:"Calls to upstreams that the key may cause, such as 1000/1d." placeholder:"RATE"`
	keyServer
}

// Run prints the key, and nothing else, to standard output.
func (cmd *createKeyCmd) Run(ctx context.Context, p *Process) error {
	request, err := identity.NewRequest(cmd.Role, cmd.Subject, cmd.Expires, cmd.Rate, cmd.Label, cmd.UpstreamBudget)
	if err != nil {
		return err
	}
	var id, key string
	err = cmd.with(p, func(k *identity.Keys) error {
		var kept identity.Record
		key, kept, err = k.Create(ctx, request)
		id = kept.ID
		return err
	}, func(ask asking) error {
		var answer struct{ ID, Key string }
		err := ask(ctx, http.MethodPost, "/admin/keys", map[string]string{
			"role": cmd.Role, "subject": cmd.Subject, "expires": cmd.Expires, "rate": cmd.Rate,
			"label": cmd.Label, "upstream_budget": cmd.UpstreamBudget,
		}, &answer)
		id, key = answer.ID, answer.Key
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stderr, "geogate: key %s for %s %s; keep it, it cannot be shown again\n", id, cmd.Role, cmd.Subject)
	_, err = fmt.Fprintln(p.Stdout, key)
	return err
}

type listKeysCmd struct {
	JSON bool `help:"Print the list as JSON."`
	keyServer
}

// keyLine is a key in a list, as GET /admin/keys has it.
type keyLine struct {
	ID         string     `json:"id"`
	Role       string     `json:"role"`
	Subject    string     `json:"subject"`
	Label      string     `json:"label,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Today      keyUse     `json:"today"`
	Last30Days keyUse     `json:"last_30_days"`
}

type keyUse struct {
	Requests      int64 `json:"requests"`
	CacheHits     int64 `json:"cache_hits"`
	UpstreamCalls int64 `json:"upstream_calls"`
}

// Run prints a line for each key, oldest first.
func (cmd *listKeysCmd) Run(ctx context.Context, p *Process) error {
	var list struct {
		Keys []keyLine `json:"keys"`
	}
	err := cmd.with(p, func(k *identity.Keys) error {
		keys, err := k.List(ctx)
		list.Keys = make([]keyLine, len(keys))
		for i, key := range keys {
			list.Keys[i] = keyLine{
				key.ID, string(key.Role), key.Subject, key.Label, key.CreatedAt,
				timeOrNil(key.ExpiresAt), timeOrNil(key.LastUsedAt), keyUse(key.Today), keyUse(key.Last30Days),
			}
		}
		return err
	}, func(ask asking) error {
		return ask(ctx, http.MethodGet, "/admin/keys", nil, &list)
	})
	if err != nil {
		return err
	}
	if cmd.JSON {
		return writeJSON(p.Stdout, list)
	}
	return writeKeys(p.Stdout, list.Keys)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func writeKeys(w io.Writer, keys []keyLine) error {
	day := func(t *time.Time, none string) string {
		if t == nil {
			return none
		}
		return t.Format(time.DateOnly)
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "ID\tROLE\tSUBJECT\tEXPIRES\tLAST USED\tREQUESTS TODAY\tHITS\tUPSTREAM CALLS\tLABEL")
	for _, k := range keys {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", k.ID, k.Role, k.Subject, day(k.ExpiresAt, "never"),
			day(k.LastUsedAt, "never"), k.Today.Requests, k.Today.CacheHits, k.Today.UpstreamCalls, k.Label)
	}
	return tab.Flush()
}

type revokeKeyCmd struct {
	ID string `arg:"" help:"Id of the key, as the list shows it."`
	keyServer
}

// Run ends a key.
func (cmd *revokeKeyCmd) Run(ctx context.Context, p *Process) error {
	return cmd.with(p, func(k *identity.Keys) error {
		return k.Revoke(ctx, cmd.ID)
	}, func(ask asking) error {
		return ask(ctx, http.MethodDelete, "/admin/keys/"+url.PathEscape(cmd.ID), nil, nil)
	})
}

// asking sends one request to a geogate: in is its JSON body, unless nil, and the
// answer is read into out, unless nil.
type asking func(ctx context.Context, method, path string, in, out any) error

// with calls direct with the keys in Redis, or remotely with a geogate to ask.
func (s keyServer) with(p *Process, direct func(*identity.Keys) error, remotely func(asking) error) error {
	return s.reach(p, func(rdb redis.UniversalClient) error { return direct(identity.NewKeys(rdb, zerolog.Nop())) }, remotely)
}

// reach calls direct with the fleet's Redis, where there is one, else remotely.
func (s keyServer) reach(p *Process, direct func(redis.UniversalClient) error, remotely func(asking) error) error {
	settings, err := loadSettings(p.Getenv)
	if err != nil {
		return err
	}
	if s.Server == "" && settings.redis != nil {
		redisclient.LogTo(zerolog.Nop())
		rdb := redisclient.OpenPatient(settings.redis)
		defer func() { _ = rdb.Close() }()
		return direct(rdb)
	}
	server := remote.Server{URL: s.Server, UserAgent: userAgent()}
	if s.Server == "" {
		server = local(settings.Config)
	}
	return remotely(func(ctx context.Context, method, path string, in, out any) error {
		return askAdmin(ctx, server, string(settings.AdminToken), method, path, in, out)
	})
}

func askAdmin(ctx context.Context, server remote.Server, token, method, path string, in, out any) error {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		header.Set("Content-Type", "application/json")
		body = bytes.NewReader(text)
	}
	res, err := server.Send(ctx, method, path, body, header)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no geogate runs at %s: start it, or name another with --server", server.URL)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", server.URL, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := remote.ReadBody(res.Body)
	switch {
	case err != nil:
		return fmt.Errorf("ask %s: %w", server.URL, err)
	case res.StatusCode >= http.StatusBadRequest:
		return remote.ReadError(res.StatusCode, answer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", server.URL, err)
	}
	return nil
}
