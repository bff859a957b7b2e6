package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// table reads a compressed file of tab-separated columns without a header.
func table(path string, columns int) ([][]string, error) {
	file, err := unzip(path)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for line := range strings.Lines(string(file)) {
		row := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(row) != columns {
			return nil, fmt.Errorf("%s, line %d: %d columns, want %d", filepath.Base(path), len(rows)+1, len(row), columns)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func unzip(path string) ([]byte, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return content, nil
}
