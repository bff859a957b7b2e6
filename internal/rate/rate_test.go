package rate

import (
	"errors"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]struct {
		rate Rate
		text string
	}{
		"0":       {Rate{}, "0"},
		"600/1m":  {Rate{600, time.Minute}, "600/1m"},
		"5/s":     {Rate{5, time.Second}, "5/1s"},
		"100/m":   {Rate{100, time.Minute}, "100/1m"},
		"7/h":     {Rate{7, time.Hour}, "7/1h"},
		"1000/1d": {Rate{1000, 24 * time.Hour}, "1000/1d"},
		"9/d":     {Rate{9, 24 * time.Hour}, "9/1d"},
		"3/90s":   {Rate{3, 90 * time.Second}, "3/1m30s"},
		"3/90m":   {Rate{3, 90 * time.Minute}, "3/1h30m"},
		"3/10m":   {Rate{3, 10 * time.Minute}, "3/10m"},
		"3/10h":   {Rate{3, 10 * time.Hour}, "3/10h"},
		"3/48h":   {Rate{3, 48 * time.Hour}, "3/2d"},
	} {
		got, err := Parse(text)
		if err != nil || got != want.rate || got.String() != want.text {
			t.Errorf("Parse(%q) = %v (%q), %v, want %v (%q)", text, got, got.String(), err, want.rate, want.text)
		}
		if again, err := Parse(want.text); err != nil || again != want.rate {
			t.Errorf("Parse(%q) = %v, %v, want %v", want.text, again, err, want.rate)
		}
	}
	for _, text := range []string{"", "5", "/", "5/", "/s", "0/1m", "-1/1m", "5/x", "5/0s", "5/10ms", "5/-1m", "5/1d1h", "5/99999d", "1e3/1m", " 5/s"} {
		if got, err := Parse(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse(%q) = %v, %v, want ErrInvalid", text, got, err)
		}
	}
}
