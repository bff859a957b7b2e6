package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// startAttackers starts this program once more, as the attackers. end stops them and
// returns what they tried. Attackers do not use the processors of those whom they attack:
// these take what is left.
func startAttackers(ctx context.Context, target string, addresses int) (end func() (string, error), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	process := command(ctx, idle, program, "-attack", target, "-attackers", strconv.Itoa(addresses))
	var tried bytes.Buffer
	process.Stdout, process.Stderr = &tried, os.Stderr
	input, err := process.StdinPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the attackers: %w", err)
	}
	return func() (string, error) {
		_ = input.Close()
		if err := process.Wait(); err != nil {
			return "", fmt.Errorf("attackers: %w", err)
		}
		return strings.TrimSpace(tried.String()), nil
	}, nil
}

// attackers attacks until standard input ends, and prints what was tried.
func attackers(ctx context.Context, target string, addresses int) error {
	ctx, end := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	tried := &tally{of: map[string]int{}}
	attack(ctx, target, addresses, tried)
	fmt.Println(tried)
	return nil
}
