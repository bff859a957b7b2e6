package identity

import "testing"

func TestRoles(t *testing.T) {
	for role, want := range map[Role]string{
		Rider:         "geocode nearby ride",
		Driver:        "geocode drive",
		Operator:      "geocode nearby ride drive bulk dispatch events",
		Administrator: "geocode nearby ride drive bulk dispatch events admin",
		"king":        "",
	} {
		if got := role.Scopes().String(); got != want {
			t.Errorf("scopes of %s = %q, want %q", role, got, want)
		}
	}
}

func TestParseAnonymous(t *testing.T) {
	for text, want := range map[string]string{
		"geocode":         "geocode",
		"geocode,nearby":  "geocode nearby",
		"geocode, ride":   "geocode ride",
		"none":            "",
		"all":             "geocode nearby ride drive bulk dispatch",
		"dispatch":        "geocode nearby ride drive bulk dispatch",
		"geocode,geocode": "geocode",
		"events":          "events",
	} {
		if got, err := ParseAnonymous(text); err != nil || got.String() != want {
			t.Errorf("ParseAnonymous(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "admin", "geocode,admin", "everything", "geocode;nearby", "Geocode"} {
		if got, err := ParseAnonymous(text); err == nil {
			t.Errorf("ParseAnonymous(%q) = %q, want an error", text, got)
		}
	}
}
