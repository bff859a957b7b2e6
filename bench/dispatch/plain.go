package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/redis/go-redis/v9"

	"geogate/bench/contender"
)

// servePlain is tracking as one would write it in an afternoon: decode, GEOADD, answer.
// It knows no freshness, state, vehicle or timestamp, checks nothing, and wakes nobody.
// An array is one GEOADD. Without a Redis it decodes and answers.
func servePlain(ctx context.Context, addr, redisAddr string) error {
	var rdb *redis.Client
	if redisAddr != "" {
		rdb = redis.NewClient(&redis.Options{Addr: redisAddr, DisableIdentity: true})
		defer func() { _ = rdb.Close() }()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /tracking", func(w http.ResponseWriter, r *http.Request) {
		if err := store(r, rdb); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	return contender.Serve(ctx, addr, mux)
}

// store stores the positions of a request, or only reads them where there is no Redis.
func store(r *http.Request, rdb *redis.Client) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	all := make([]point, 1)
	if bytes.HasPrefix(body, []byte("[")) {
		err = json.Unmarshal(body, &all)
	} else {
		err = json.Unmarshal(body, &all[0])
	}
	if err != nil || rdb == nil {
		return err
	}
	locations := make([]*redis.GeoLocation, len(all))
	for i, p := range all {
		locations[i] = &redis.GeoLocation{Name: p.ID, Latitude: p.Lat, Longitude: p.Lng}
	}
	return rdb.GeoAdd(r.Context(), "plain", locations...).Err()
}
