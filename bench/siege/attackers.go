package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// startAttackers starts this program once more, as the attackers. end stops them and
// returns what they tried.
func startAttackers(ctx context.Context, target string, addresses int) (end func() (string, error), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	process := exec.CommandContext(ctx, program, "-attack", target, "-attackers", strconv.Itoa(addresses))
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
	if err := goLast(); err != nil {
		return err
	}
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

// goLast puts this process behind geogate, Redis and the honest clients where
// processor time is short: attackers do not use the processors of those whom they
// attack. Linux keeps a priority for each thread, and new ones take that of the
// thread that makes them.
func goLast() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err == nil {
			err = syscall.Setpriority(syscall.PRIO_PROCESS, id, lowest)
		}
		if err != nil {
			return fmt.Errorf("lower priority: %w", err)
		}
	}
	return nil
}

const lowest = 19
