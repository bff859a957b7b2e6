package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"geogate/internal/config"
	"geogate/internal/geo"
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
		{"ROUTER=osrm+ftp://:hunter2@host", "ROUTER: router 1 (osrm): expected an http or https URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: want an http:// or https:// URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://user:hunter2@host", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: want an http:// or https:// URL"},
		{"OTEL_EXPORTER_OTLP_HEADERS=hunter2", "OTEL_EXPORTER_OTLP_HEADERS: want name=value pairs"},
		{"OTEL_EXPORTER_OTLP_HEADERS=key=hunter2%0a", "OTEL_EXPORTER_OTLP_HEADERS: want name=value pairs"},
		{"OTEL_TRACES_SAMPLER=jaeger_remote", "OTEL_TRACES_SAMPLER: want always_on"},
		{"OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG: want a number from 0 to 1"},
		{"REGIONS_FILE=testdata/missing.geojson", "REGIONS_FILE: open testdata/missing.geojson: "},
		{"REGIONS_FILE=settings_test.go", "REGIONS_FILE: not GeoJSON: "},
		{"MAP_STYLE_URL=tiles.example.org/style.json?key=hunter2", "MAP_STYLE_URL: want an https:// or http:// URL of a MapLibre style"},
		{"MAP_STYLE_URL=https://user:hunter2@example.org", "MAP_STYLE_URL: want an https:// or http:// URL of a MapLibre style"},
		{"MAP_PMTILES=testdata/missing.pmtiles", "MAP_PMTILES: open testdata/missing.pmtiles: "},
		{"MAP_PMTILES=settings_test.go", "MAP_PMTILES: settings_test.go: not an archive of PMTiles"},
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

// Regions of a file and of REGIONS are all there, and processes with another file, or
// with another kind of router, are noticed.
func TestSettingsOfRegions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "regions.geojson")
	write := func(name string) settings {
		t.Helper()
		text := `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"name":"` + name + `"},
			"geometry":{"type":"Polygon","coordinates":[[[9,47],[10,47],[10,48],[9,47]]]}}]}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		environment := map[string]string{"REGIONS_FILE": file, "REGIONS": "munich", "ROUTER": "osrm+http://:hunter2@osrm:5000"}
		s, err := loadSettings(func(name string) string { return environment[name] })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, other := write("vaduz"), write("schaan")
	if got := strings.Join(one.regions(), " "); got != "munich vaduz" {
		t.Errorf("regions = %s", got)
	}
	if name, found := one.regionAt()(geo.Point{Lat: 47.1, Lon: 9.9}); !found || name != "vaduz" {
		t.Errorf("regionAt = %q, %t", name, found)
	}
	a, b := sharedSettings(one), sharedSettings(other)
	if a["REGIONS_FILE"] == "" || a["REGIONS_FILE"] == b["REGIONS_FILE"] || a["ROUTER"] != "osrm" {
		t.Errorf("shared are %q and %q, and router %q", a["REGIONS_FILE"], b["REGIONS_FILE"], a["ROUTER"])
	}
	if found := examineRegions(one); len(found) != 1 || !strings.Contains(found[0].Detail, "1 by place (vaduz), in the file "+a["REGIONS_FILE"]) {
		t.Errorf("the doctor finds %+v", found)
	}
}
