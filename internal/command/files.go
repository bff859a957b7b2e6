package command

import (
	"context"
	"os"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/streets"
	"geogate/upstream"
)

// files are the streets files that upstreams read.
type files struct {
	log       zerolog.Logger
	libraries []*streets.Library
}

// open is the upstream of a spec that names files. They stay open until the
// process ends.
func (f *files) open(s upstream.Spec) (upstream.Provider, error) {
	library, err := streets.OpenLibrary(s.Files...)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it did
	}
	library.Changed = func(path string, date time.Time, err error) {
		if err != nil {
			f.log.Error().Err(err).Str("upstream", s.Name).Str("file", path).Time("old", date).Msg("new streets file cannot be read")
			return
		}
		f.log.Info().Str("upstream", s.Name).Str("file", path).Time("data", date).Msg("streets file replaced")
	}
	f.libraries = append(f.libraries, library)
	return upstream.NewStreets(library, s.Name, buildVersion()), nil
}

// reloading looks for new files whenever a signal says so, until its context
// ends. Nobody needs to send one: files are looked at every second in which
// somebody asks.
func (f *files) reloading(signals <-chan os.Signal) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-signals:
				f.log.Info().Msg("told to read files again")
				for _, library := range f.libraries {
					library.Reload()
				}
			}
		}
	}
}
