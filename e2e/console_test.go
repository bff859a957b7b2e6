package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// consoleStep is a command of a console block, and the output that the reader
// is shown. In the output, a line that is only … stands for any lines, and … in
// a line for any text.
type consoleStep struct {
	Line    int // in the document, from 1
	Command string
	Want    []string
}

// consoleSteps returns the commands of all ```console blocks of a Markdown
// document, in order. A command begins with "$ " and goes on while lines end
// in a backslash.
func consoleSteps(markdown string) ([]consoleStep, error) {
	var steps []consoleStep
	inside, continued := false, false
	for i, line := range strings.Split(markdown, "\n") {
		number := i + 1
		switch {
		case !inside:
			inside = strings.TrimSpace(line) == "```console"
			continued = false
		case continued:
			last := &steps[len(steps)-1]
			last.Command += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case strings.TrimSpace(line) == "```":
			inside = false
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, consoleStep{Line: number, Command: line[2:]})
			continued = strings.HasSuffix(line, `\`)
		case len(steps) == 0:
			return nil, fmt.Errorf("line %d: a console block begins with output", number)
		default:
			last := &steps[len(steps)-1]
			last.Want = append(last.Want, line)
		}
	}
	if inside {
		return nil, errors.New("the last console block does not end")
	}
	for i := range steps { // the empty line between one command and the next is layout
		steps[i].Want = trimBlank(steps[i].Want)
	}
	return steps, nil
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// ellipsis stands for what differs from run to run, or does not matter.
const ellipsis = "…"

// matchOutput tells the first line of want that the output does not have; nil
// when all of it fits.
func matchOutput(want []string, output string) error {
	var got []string
	for line := range strings.SplitSeq(strings.TrimRight(output, "\n"), "\n") {
		got = append(got, strings.TrimRight(line, " \t\r"))
	}
	if len(got) == 1 && got[0] == "" {
		got = nil
	}
	furthest := 0
	if matchLines(want, got, 0, &furthest) {
		return nil
	}
	if furthest == len(want) {
		return fmt.Errorf("there is more output than expected:\n%s", output)
	}
	return fmt.Errorf("the output has no line where %q is expected:\n%s", want[furthest], output)
}

// matchLines matches want[at:] against got. The furthest line of want that
// was compared is the one that a reader wants to hear of.
func matchLines(want, got []string, at int, furthest *int) bool {
	*furthest = max(*furthest, at)
	switch {
	case at == len(want):
		return len(got) == 0
	case strings.TrimSpace(want[at]) == ellipsis:
		for skip := range len(got) + 1 {
			if matchLines(want, got[skip:], at+1, furthest) {
				return true
			}
		}
		return false
	case len(got) == 0 || !linePattern(want[at]).MatchString(got[0]):
		return false
	}
	return matchLines(want, got[1:], at+1, furthest)
}

func linePattern(want string) *regexp.Regexp {
	parts := strings.Split(strings.TrimRight(want, " \t"), ellipsis)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

// bashSession is one bash: what a command sets, the next one sees.
type bashSession struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *bufio.Reader
	marker string // ends the output of a command; not to be guessed by one
}

// newBash starts a bash that is killed when ctx ends, and all it has started
// with it: a child would keep the output open.
func newBash(ctx context.Context, vars env) (*bashSession, error) {
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc")
	cmd.Env = vars.list()
	cmd.SysProcAttr = dieWithParent()
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout // in the order in which a terminal shows them
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &bashSession{cmd, stdin, bufio.NewReader(stdout), rand.Text()}, nil
}

// run runs a command and returns what it wrote, to either stream, and its exit
// code. It returns an error when the session has ended.
func (b *bashSession) run(command string) (output string, code int, err error) {
	// The command must not read the rest of the session as its input.
	line := fmt.Sprintf("eval %s </dev/null\nprintf '\\n%s %%d\\n' \"$?\"\n", shellQuote(command), b.marker)
	if _, err := io.WriteString(b.stdin, line); err != nil {
		return "", 0, fmt.Errorf("write to bash: %w", err)
	}
	var text strings.Builder
	for {
		line, err := b.output.ReadString('\n')
		if err != nil {
			return "", 0, fmt.Errorf("bash ended: %w, after\n%s%s", err, text.String(), line)
		}
		if rest, found := strings.CutPrefix(line, b.marker+" "); found {
			code, err := strconv.Atoi(strings.TrimSpace(rest))
			return strings.TrimSuffix(text.String(), "\n"), code, err
		}
		text.WriteString(line)
	}
}

// close ends the session.
func (b *bashSession) close() error {
	_ = b.stdin.Close()
	return b.cmd.Wait()
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// isStart tells a command that starts geogate from one that talks to it.
func isStart(command string) bool {
	fields := strings.Fields(command)
	i := slices.Index(fields, "go")
	return i >= 0 && slices.Equal(fields[i:], []string{"go", "run", "."})
}

// assignments are the variables that a command sets for itself, in front of it.
func assignments(command string) env {
	vars := env{}
	for field := range strings.FieldsSeq(command) {
		name, value, found := strings.Cut(field, "=")
		if !found {
			break
		}
		vars[name] = value
	}
	return vars
}
