package gateway

import (
	"log"
	"strings"

	"github.com/rs/zerolog"
)

// serverLog passes on what net/http itself complains of, such as a client that
// speaks TLS to a plain port: one line each, of no importance to anybody but
// its own author.
func serverLog(l zerolog.Logger) *log.Logger {
	return log.New(complaints{l}, "", 0)
}

type complaints struct{ log zerolog.Logger }

func (c complaints) Write(p []byte) (int, error) {
	c.log.Debug().Str("err", strings.TrimSpace(string(p))).Msg("http connection failed")
	return len(p), nil
}
