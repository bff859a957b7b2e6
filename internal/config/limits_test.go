package config_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"geogate/internal/config"
)

var (
	limitOfVariable = regexp.MustCompile("^\\| [^|]+ \\| `([A-Z_]+)` \\| ([^|]+) \\| ")
	limitOfConstant = regexp.MustCompile("^\\| [^|]+ \\| `([A-Za-z]+)` in `([^`]+)` \\| ([^|]+) \\| ")
)

// short is a time as people write it: 15s, not 15.000s or 24h0m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// Every limit on the page is the one in the code.
func TestLimitsAreThoseOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	var variables strings.Builder
	config.WriteVariables(&variables)
	defaults := map[string]string{}
	for line := range strings.SplitSeq(variables.String(), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 {
			defaults[fields[0]] = fields[1]
		}
	}
	checked := 0
	for line := range strings.SplitSeq(string(page), "\n") {
		switch variable, named := limitOfVariable.FindStringSubmatch(line), limitOfConstant.FindStringSubmatch(line); {
		case variable != nil:
			checked++
			if got := defaults[variable[1]]; got != variable[2] {
				t.Errorf("%s is %q in the code, docs/limits.md says %q", variable[1], got, variable[2])
			}
		case named != nil:
			checked++
			if got := numberIn(t, named[2], named[1]); got != named[3] {
				t.Errorf("%s in %s is %s in the code, docs/limits.md says %s", named[1], named[2], got, named[3])
			}
		case strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| limit |"):
			t.Errorf("docs/limits.md names neither a variable nor a constant: %s", line)
		}
	}
	if checked < 70 {
		t.Errorf("%d limits on the page, want all of them", checked)
	}
}

// numberIn is the value of a constant expression of numbers or of a time, or the
// first number of a variable's value.
func numberIn(t *testing.T, file, name string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../"+file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	value := "not there"
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != name || len(spec.Values) == 0 {
			return true
		}
		expression := spec.Values[0]
		if literal, ok := expression.(*ast.CompositeLit); ok {
			expression = literal.Elts[0].(*ast.KeyValueExpr).Value
		}
		text, isTime := types.ExprString(expression), false
		for unit, d := range map[string]time.Duration{"time.Millisecond": time.Millisecond, "time.Second": time.Second, "time.Minute": time.Minute, "time.Hour": time.Hour} {
			isTime = isTime || strings.Contains(text, unit)
			text = strings.ReplaceAll(text, unit, strconv.FormatInt(int64(d), 10))
		}
		got, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text)
		if err == nil && got.Value.Kind() == constant.Int {
			value = got.Value.ExactString()
		}
		if n, exact := constant.Int64Val(got.Value); isTime && exact {
			value = short(time.Duration(n))
		}
		return false
	})
	return value
}
