package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConsoleSteps(t *testing.T) {
	tests := []struct {
		name, markdown string
		want           []consoleStep
		wantErr        string
	}{
		{name: "no block", markdown: "# Title\n$ not a command\n"},
		{name: "other languages are not run", markdown: "```sh\n$ rm -rf /\n```\n"},
		{
			name:     "commands and their output",
			markdown: "Text\n\n```console\n$ echo a\na\n\n$ true\n```\nText\n```console\n$ echo b\nb\nc\n```\n",
			want: []consoleStep{
				{Line: 4, Command: "echo a", Want: []string{"a"}},
				{Line: 7, Command: "true"},
				{Line: 11, Command: "echo b", Want: []string{"b", "c"}},
			},
		},
		{
			name:     "a command of two lines",
			markdown: "```console\n$ echo a \\\n  b\na b\n```\n",
			want:     []consoleStep{{Line: 2, Command: "echo a \\\n  b", Want: []string{"a b"}}},
		},
		{name: "a block in a list", markdown: "1. So:\n   ```console\n$ true\n   ```\n", want: []consoleStep{{Line: 3, Command: "true"}}},
		{name: "output first", markdown: "```console\na\n```\n", wantErr: "line 2"},
		{name: "no end", markdown: "```console\n$ true\n", wantErr: "does not end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := consoleSteps(tt.markdown)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("consoleSteps: error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("consoleSteps: error %v, difference (-want +got)\n%s", err, diff)
			}
		})
	}
}

func TestMatchOutput(t *testing.T) {
	tests := []struct {
		name   string
		want   []string
		output string
		fits   bool
	}{
		{"nothing", nil, "", true},
		{"nothing expected", nil, "a\n", false},
		{"nothing there", []string{"a"}, "", false},
		{"the same", []string{"a", "b"}, "a\nb\n", true},
		{"no newline at the end", []string{"a", "b"}, "a\nb", true},
		{"spaces at line ends do not show", []string{"a"}, "a \r\n", true},
		{"another line", []string{"a", "b"}, "a\nc\n", false},
		{"a line more", []string{"a"}, "a\nb\n", false},
		{"a line less", []string{"a", "b"}, "a\n", false},
		{"other order", []string{"a", "b"}, "b\na\n", false},
		{"any text", []string{`"id": "…", "n": 1`}, `"id": "x", "n": 1`, true},
		{"any text is no other line", []string{"a…b"}, "a\nb", false},
		{"the rest differs", []string{`"id": "…", "n": 1`}, `"id": "x", "n": 2`, false},
		{"signs are no patterns", []string{"a.c [x]"}, "abc [x]", false},
		{"any lines", []string{"a", "…", "z"}, "a\nb\nc\nz\n", true},
		{"no lines are any lines", []string{"a", "…", "z"}, "a\nz\n", true},
		{"any lines at the end", []string{"a", "…"}, "a\nb\nc\n", true},
		{"any lines, indented", []string{"{", "  …", "}"}, "{\n  1\n  2\n}\n", true},
		{"any lines, twice", []string{"…", "b", "…", "d"}, "a\nb\nb\nc\nd\n", true},
		{"not without its end", []string{"a", "…", "z"}, "a\nb\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := matchOutput(tt.want, tt.output); (err == nil) != tt.fits {
				t.Errorf("matchOutput(%q, %q) = %v, want fits %t", tt.want, tt.output, err, tt.fits)
			}
		})
	}
}

func TestBashSession(t *testing.T) {
	bash, err := newBash(t.Context(), env{"GIVEN": "yes"})
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name, command, output string
		code                  int
	}{
		{"output", "echo a; echo b", "a\nb\n", 0},
		{"output without a newline", "printf a", "a", 0},
		{"errors are shown", "echo oops >&2", "oops\n", 0},
		{"the environment", "echo $GIVEN", "yes\n", 0},
		{"a variable is set", "ID=$(echo 7)", "", 0},
		{"and survives", `echo "$ID"`, "7\n", 0},
		{"quotes", `printf '%s\n' '{"a": "b"}'`, "{\"a\": \"b\"}\n", 0},
		{"a comment", "echo a # b", "a\n", 0},
		{"two lines", "echo a \\\n  b", "a b\n", 0},
		{"failure", "false", "", 1},
		{"after failure", "echo still here", "still here\n", 0},
		{"the session is no input", "cat; read line; echo end", "end\n", 0},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			output, code, err := bash.run(tt.command)
			if err != nil || output != tt.output || code != tt.code {
				t.Errorf("run(%q) = %q, %d, %v, want %q, %d", tt.command, output, code, err, tt.output, tt.code)
			}
		})
	}
	if output, code, err := bash.run("echo 'unfinished"); err != nil || code == 0 {
		t.Errorf("a syntax error: %q, %d, %v, want an exit code and no end of the session", output, code, err)
	}
	if err := bash.close(); err != nil {
		t.Error(err)
	}
}

func TestBashSessionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bash, err := newBash(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, cancel)
	if output, code, err := bash.run("exec cat /dev/zero | tail -c 1"); err == nil {
		t.Errorf("a command without end: %q, %d, want an error", output, code)
	}
	if err := bash.close(); err == nil {
		t.Error("close of a killed session: no error")
	}
}

func TestIsStart(t *testing.T) {
	for command, want := range map[string]bool{
		"go run .":                       true,
		"REDIS_URL=redis://db/ go run .": true,
		"go run . doctor":                false,
		"curl localhost:8080/healthz":    false,
		"ID=$(echo go)":                  false,
		"echo go run . # not a start":    false,
		"go test ./...":                  false,
		"  go   run   .":                 true,
		"PORT=9000 go run . --help":      false,
	} {
		if got := isStart(command); got != want {
			t.Errorf("isStart(%q) = %t, want %t", command, got, want)
		}
	}
}
