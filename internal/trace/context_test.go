package trace

import (
	"context"
	"strings"
	"testing"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"sampled", parent, parent},
		{"not sampled", strings.TrimSuffix(parent, "1") + "0", strings.TrimSuffix(parent, "1") + "0"},
		{"other flags", strings.TrimSuffix(parent, "01") + "ff", parent},
		{"a later version", "cc" + parent[2:] + "-more", parent},
		{"more than version 00 has", parent + "-more", ""},
		{"later version, glued", "cc" + parent[2:] + "more", ""},
		{"version ff", "ff" + parent[2:], ""},
		{"capitals", strings.ToUpper(parent), ""},
		{"no trace", "00-00000000000000000000000000000000-b7ad6b7169203331-01", ""},
		{"no span", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", ""},
		{"no hex", strings.Replace(parent, "0af", "0xf", 1), ""},
		{"spaces for dashes", strings.ReplaceAll(parent, "-", " "), ""},
		{"too short", parent[:54], ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Parse(tt.text).String(); got != tt.want {
				t.Errorf("Parse(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(parent)
	f.Fuzz(func(t *testing.T, text string) {
		c := Parse(text)
		if again := Parse(c.String()); again != c {
			t.Errorf("Parse(%q) = %v, and again %v", text, c, again)
		}
	})
}

func TestWithoutTracer(t *testing.T) {
	var nobody *Tracer
	if s := nobody.Begin(""); s.Valid() {
		t.Errorf("Begin without a parent = %v, want none", s)
	}
	ctx := With(t.Context(), nobody.Begin(parent))
	if got := Header(ctx); got != parent {
		t.Errorf("Header = %q, want what came", got)
	}
	same, span := Start(ctx, Client, "ask")
	if span != nil || same != ctx {
		t.Error("a span that nobody wants")
	}
	span.Set("key", "text")
	span.Fail("why")
	span.End()
	if With(t.Context(), Scope{}) != t.Context() {
		t.Error("a context for no scope")
	}
	background := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := Start(background, Client, "ask")
		span.Set("key", "text")
		span.End()
		_ = Header(ctx)
	}); n != 0 {
		t.Errorf("%v allocations without a trace, want none", n)
	}
}

func TestSampler(t *testing.T) {
	sampled, not := Parse(parent), Parse(strings.TrimSuffix(parent, "1")+"0")
	for _, tt := range []struct {
		name, argument            string
		alone, below, belowUnsung bool // without a parent, and with one of either kind
	}{
		{"", "", true, true, false},
		{"parentbased_always_on", "", true, true, false},
		{"parentbased_always_off", "", false, true, false},
		{"always_on", "", true, true, true},
		{"always_off", "", false, false, false},
		{"traceidratio", "0", false, false, false},
		{"traceidratio", "1", true, true, true},
		{"parentbased_traceidratio", "0", false, true, false},
		{"always_on", "0", true, true, true}, // which takes no argument
	} {
		s, err := ParseSampler(tt.name, tt.argument)
		if err != nil {
			t.Errorf("ParseSampler(%q, %q): %v", tt.name, tt.argument, err)
		}
		for parent, want := range map[Context]bool{{}: tt.alone, sampled: tt.below, not: tt.belowUnsung} {
			if got := s.wants(parent, parent.child()); got != want {
				t.Errorf("%s %s: wants(%v) = %v, want %v", tt.name, tt.argument, parent, got, want)
			}
		}
	}
	for _, wrong := range [][2]string{{"jaeger_remote", ""}, {"traceidratio", "2"}, {"traceidratio", "-0.1"}, {"traceidratio", "NaN"}, {"traceidratio", "half"}} {
		if _, err := ParseSampler(wrong[0], wrong[1]); err == nil {
			t.Errorf("ParseSampler(%q, %q) is taken", wrong[0], wrong[1])
		}
	}
	half, err := ParseSampler("traceidratio", "0.5")
	if err != nil {
		t.Fatal(err)
	}
	wanted := 0
	for range 10_000 {
		if half.wants(Context{}, Context{}.child()) {
			wanted++
		}
	}
	if wanted < 4500 || wanted > 5500 { // ten standard deviations
		t.Errorf("half of 10,000 traces are %d", wanted)
	}
}
