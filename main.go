// Command geogate stands between apps and geocoders, and finds the nearest
// driver: a caching gateway for Nominatim-style geocoders and a dispatcher in
// one process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"geogate/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := command.Run(ctx, command.Process{
		Args:    os.Args[1:],
		Getenv:  os.Getenv,
		Environ: os.Environ,
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Reload: func() <-chan os.Signal {
			told := make(chan os.Signal, 1)
			signal.Notify(told, syscall.SIGHUP)
			return told
		},
	})
	stop()
	os.Exit(code)
}
