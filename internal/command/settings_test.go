package command

import (
	"errors"
	"strings"
	"testing"

	"geogate/internal/config"
)

// Mistakes in values whose form another package owns are told like all others,
// and show no secret.
func TestSettingsMistakes(t *testing.T) {
	tests := []struct{ setting, want string }{
		{"REDIS_URL=http://:hunter2@host", "REDIS_URL: want redis://"},
		{"REDIS_URL=redis://:hunter2@host/zero", "REDIS_URL: want redis://"},
		{"UPSTREAMS=nominatim+https://geo.example.org?key=hunter2#rate=fast", "UPSTREAMS: "},
		{"UPSTREAMS=carrier-pigeon", "UPSTREAMS: "},
		{"REGIONS=München", `REGIONS: "München" cannot be a region`},
		{"REGIONS=munich, berlin", `REGIONS: " berlin" cannot be a region`},
		{"REGIONS=munich,", `REGIONS: "" cannot be a region`},
		{"REGIONS=-munich", `REGIONS: "-munich" cannot be a region`},
		{"REGIONS=munich,berlin,munich", `REGIONS: "munich" stands twice`},
		{"UPSTREAMS=nominatim+https://nominatim.openstreetmap.org", "UPSTREAM_CONTACT: want"},
	}
	for _, tt := range tests {
		t.Run(tt.setting, func(t *testing.T) {
			name, value, _ := strings.Cut(tt.setting, "=")
			environment := map[string]string{name: value, "PORT": "http"}
			_, err := loadSettings(func(name string) string { return environment[name] })
			var wrong *config.Error
			if !errors.As(err, &wrong) || len(wrong.Problems) != 2 || !strings.HasPrefix(wrong.Problems[1], tt.want) {
				t.Fatalf("loadSettings = %v, want that of PORT and one problem beginning with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestSettingsSkipVerifyOnDemandOnly(t *testing.T) {
	for skip, want := range map[string]bool{"": false, "true": true} {
		environment := map[string]string{"REDIS_URL": "rediss://host", "REDIS_TLS_SKIP_VERIFY": skip}
		s, err := loadSettings(func(name string) string { return environment[name] })
		if err != nil {
			t.Fatal(err)
		}
		if got := s.redis.TLSConfig.InsecureSkipVerify; got != want {
			t.Errorf("REDIS_TLS_SKIP_VERIFY=%s: InsecureSkipVerify = %t, want %t", skip, got, want)
		}
	}
}
