// Command geogate stands between apps and geocoders, and finds the nearest
// driver: a caching gateway for Nominatim-style geocoders and a dispatcher in
// one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"geogate/internal/bulk"
)

// version is set by the linker; a build without it tells its revision.
var version string

// Exit codes, by the habit of command lines.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // also a wrong configuration
	exitPartly = 3 // done, but not for everything that was asked
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line.
type cli struct {
	Serve       serveCmd       `cmd:"" default:"1" help:"Answer HTTP requests (default)."`
	Worker      workerCmd      `cmd:"" help:"Work on bulk jobs that other processes take in."`
	Bulk        bulkCmd        `cmd:"" help:"Geocode a file of addresses or positions."`
	Geocode     geocodeCmd     `cmd:"" help:"Find the place of an address."`
	Reverse     reverseCmd     `cmd:"" help:"Find the address at a position."`
	Doctor      doctorCmd      `cmd:"" help:"Check the configuration, Redis, the upstreams and the clock."`
	Simulate    simulateCmd    `cmd:"" help:"Send a simulated town of drivers and riders to running geogates, and watch for what must never happen."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the geogate on this machine whether it is alive; for containers without a shell."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// process is what a command may use of the world.
type process struct {
	ctx    context.Context //nolint:containedctx // lives as long as the command
	getenv func(string) string
	stdout io.Writer
	stderr io.Writer
}

// run is main without its globals: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (code int) {
	type exit struct{ code int } // thrown by kong after --help
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(exit)
			if !ok {
				panic(v)
			}
			code = e.code
		}
	}()
	parser, err := kong.New(&cli{},
		kong.Name("geogate"),
		kong.Description("A caching gateway in front of geocoders, and a dispatcher that finds the nearest driver."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exit{code}) }),
		kong.Help(help),
	)
	if err != nil {
		panic(err) // the command line above is wrong
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "geogate: %v\nRun geogate --help for the commands.\n", err)
		return exitUsage
	}
	return exitCode(command.Run(&process{ctx, getenv, stdout, stderr}), stderr)
}

// help is kong's own, followed by the variables.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return fmt.Errorf("print help: %w", err)
	}
	if ctx.Selected() == nil || ctx.Selected().Name == "serve" || ctx.Selected().Name == "doctor" {
		fmt.Fprintln(ctx.Stdout, "\nEnvironment (name, default, meaning):")
		writeVariables(ctx.Stdout)
	}
	return nil
}

// Errors that end a command which has already said what is wrong.
var (
	errUnhealthy = errors.New("not healthy")
	errPartly    = errors.New("not everything was found")
)

func exitCode(err error, stderr io.Writer) int {
	var wrong *ConfigError
	var input *bulk.InputError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnhealthy):
		return exitFailed
	case errors.Is(err, errPartly):
		return exitPartly
	case errors.As(err, &input):
		fmt.Fprintf(stderr, "geogate: %v\n", err)
		if input.Hint != "" {
			fmt.Fprintf(stderr, "  %s\n", input.Hint)
		}
		return exitUsage
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "geogate: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "geogate: %v\n", err)
	return exitFailed
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(p *process) error {
	_, err := fmt.Fprintln(p.stdout, "geogate", buildVersion())
	return err
}

// buildVersion is the linked version, else the revision that was built.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "dev-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "dev"
}
