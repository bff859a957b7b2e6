package bulk

import "testing"

func TestDegrees(t *testing.T) {
	for text, want := range map[string]float64{
		"47.14": 47.14, " 47.14\t": 47.14, "47,14": 47.14, "-0,5": -0.5, "+8.5": 8.5, "90": 90, "1e1": 10,
	} {
		if got, ok := degrees(text, 90); !ok || got != want {
			t.Errorf("degrees(%q) = %v, %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", "90.1", "-91", "nan", "inf", "0x1p5", "0x_1p5", "4_7", "47°", "1.234,5", "1,2,3", "4 7",
	} {
		if got, ok := degrees(text, 90); ok {
			t.Errorf("degrees(%q) = %v, want it refused", text, got)
		}
	}
}
