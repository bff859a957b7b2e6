// Package command is the command line. It reads the configuration, builds the
// parts of geogate, and passes functions between packages that must not know
// each other.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"geogate/internal/bulk"
	"geogate/internal/config"
	"geogate/internal/identity"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // also a wrong configuration
	exitPartly = 3 // done, but not for all of the input
)

// cli is the command line.
type cli struct {
	Serve       serveCmd       `cmd:"" default:"withargs" help:"Answer HTTP requests (default)."`
	Demo        demoCmd        `cmd:"" help:"Show a simulated town in the console, with everything built in."`
	Worker      workerCmd      `cmd:"" help:"Work on bulk jobs that other processes accept."`
	Bulk        bulkCmd        `cmd:"" help:"Geocode a file of addresses or positions."`
	Geocode     geocodeCmd     `cmd:"" help:"Find the place of an address."`
	Reverse     reverseCmd     `cmd:"" help:"Find the address at a position."`
	Import      importCmd      `cmd:"" help:"Make a streets file, for UPSTREAMS=streets+file:PATH, out of OpenStreetMap extracts."`
	Doctor      doctorCmd      `cmd:"" help:"Check the configuration, Redis, the upstreams and the clock."`
	Keys        keysCmd        `cmd:"" help:"Issue, list and revoke keys for servers, partners and devices."`
	Mode        modeCmd        `cmd:"" help:"Tell or set the mode of the fleet: normal, cached_only (no geocoder is asked) or read_only (no new rides)."`
	Simulate    simulateCmd    `cmd:"" help:"Simulate a town of drivers and riders against running geogates, and check that dispatch keeps its promises."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask the geogate on this machine whether it is alive; for containers that have no shell."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// Process is what a command may use of the process that it runs in.
type Process struct {
	Args   []string // without the name of the program
	Getenv func(string) string
	// Environ lists all variables, as os.Environ does.
	Environ func() []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Reload begins to listen for SIGHUP, which then no longer ends the process:
	// those who run for long read their files again. nil: nobody sends any.
	Reload func() <-chan os.Signal
}

// reloads are the signals to read files again.
func (p *Process) reloads() <-chan os.Signal {
	if p.Reload == nil {
		return nil
	}
	return p.Reload()
}

// Run runs the command that p.Args name until it is done or ctx ends, and
// returns the exit code.
func Run(ctx context.Context, p Process) (code int) {
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
		kong.Writers(p.Stdout, p.Stderr),
		kong.WithHyphenPrefixedParameters(true), // --centre -33.44,-70.63
		kong.Exit(func(code int) { panic(exit{code}) }),
		kong.Help(help),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // the command line above is wrong
	}
	command, err := parser.Parse(tolerant(p.Args))
	if err != nil {
		fmt.Fprintf(p.Stderr, "geogate: %s\n", mistake(parser.Model.Node, p.Args, err))
		return exitUsage
	}
	return exitCode(command.Run(&p), p.Stderr)
}

// help is that of kong, followed by the variables.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return fmt.Errorf("print help: %w", err)
	}
	if ctx.Selected() == nil || ctx.Selected().Name == "serve" || ctx.Selected().Name == "doctor" {
		fmt.Fprintln(ctx.Stdout, "\nEnvironment (name, default, meaning):")
		config.WriteVariables(ctx.Stdout)
	}
	return nil
}

// Errors that end a command which has already said what is wrong.
var (
	errUnhealthy = errors.New("not healthy")
	errPartly    = errors.New("not everything was found")
)

func exitCode(err error, stderr io.Writer) int {
	var wrong *config.Error
	var input *bulk.InputError
	var credential *identity.InputError
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
	case errors.As(err, &wrong), errors.As(err, &credential):
		fmt.Fprintf(stderr, "geogate: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "geogate: %v\n", err)
	return exitFailed
}

// writeJSON writes v for programs, indented so that people can read it too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// tolerant returns args as the parser takes them. `geogate --version` and `geogate help`
// are what people try first.
func tolerant(args []string) []string {
	switch {
	case slices.Equal(args, []string{"--version"}):
		return []string{"version"}
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 0 || args[0] != "reverse" || slices.Contains(args, "--"):
		return args
	}
	return withPosition(args)
}

var number = regexp.MustCompile(`^[-+]?\.?\d`)

// withPosition moves the coordinates of reverse to the end, where nothing is a flag: the
// parser takes those of half of the world, such as -33.44, for flags. Maps show positions
// as "47.14, 9.52" for copying.
func withPosition(args []string) []string {
	var words, numbers []string
	for _, arg := range args {
		if number.MatchString(arg) { // no flag of reverse takes one
			numbers = append(numbers, arg)
		} else {
			words = append(words, arg)
		}
	}
	switch len(numbers) {
	case 1:
		numbers = strings.FieldsFunc(numbers[0], func(r rune) bool { return r == ',' || r == ' ' })
	case 2:
		numbers[0] = strings.TrimSuffix(numbers[0], ",")
	}
	return slices.Concat(words, []string{"--"}, numbers)
}

// mistake says what is wrong with args, and where to read what is right.
func mistake(program *kong.Node, args []string, err error) string {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && child(program, args[0]) == nil {
		var names []string
		for _, command := range program.Children {
			names = append(names, command.Name)
		}
		return fmt.Sprintf("there is no command %s\nThe commands are %s.\nRun geogate --help to see what they do.", args[0], strings.Join(names, ", "))
	}
	known := 0 // of args: the command, and the one below it
	for known < len(args) {
		if program = child(program, args[known]); program == nil {
			break
		}
		known++
	}
	command := append([]string{"geogate"}, args[:known]...)
	return fmt.Sprintf("%v\nRun %s --help to see what it takes.", err, strings.Join(command, " "))
}

func child(parent *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(parent.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return parent.Children[i]
}
