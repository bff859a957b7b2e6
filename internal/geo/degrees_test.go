package geo

import (
	"errors"
	"testing"
)

func TestParseDegrees(t *testing.T) {
	for text, want := range map[string]float64{
		"47.14": 47.14, "-70": -70, "+8.5": 8.5, "0": 0, ".5": .5, "5.": 5, "1e1": 10, "1E-2": .01, "999": 999,
		"47.141592653589793": 47.141592653589793,
	} {
		if got, err := ParseDegrees(text); err != nil || got != want {
			t.Errorf("ParseDegrees(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", " 1", "1 ", "4_7", "0x1p5", "0X1P5", "inf", "-Inf", "infinity", "nan", "NaN", "47,14", "1e", "e1",
		"--1", "1-", "1e999", "47°", "٤٧", "1\x00",
	} {
		if got, err := ParseDegrees(text); !errors.Is(err, ErrNotDegrees) {
			t.Errorf("ParseDegrees(%q) = %v, %v, want ErrNotDegrees", text, got, err)
		}
	}
}
