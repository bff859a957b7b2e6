// Package prometheus asks what docs/prometheus and docs/grafana ask Prometheus for,
// with Prometheus's own engine, of what a running geogate tells.
package prometheus

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"geogate/checks/geogate"
)

const adminToken = "a-token-for-checks"

// scrapes are what a Prometheus would have kept: one value for each of moments.
type scrapes []series

type series struct {
	labels map[string]string // the name of the metric is model.MetricNameLabel
	values []float64
}

// moments are when the scrapes were taken, as queries see it: before anybody asked
// geogate for anything, and twice afterwards.
var moments = []time.Time{epoch, epoch.Add(30 * time.Second), epoch.Add(time.Minute)}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWhatPrometheusIsAsked(t *testing.T) {
	told := running(t)
	t.Run("panels", func(t *testing.T) { askPanels(t, told) })
	t.Run("alerts", func(t *testing.T) { raiseAlerts(t, told) })
}

// running starts a geogate with everything that has metrics of its own, uses all of it
// once, and returns what it tells.
func running(t *testing.T) scrapes {
	t.Helper()
	nominatim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `[{"place_id":1,"lat":"47.14","lon":"9.52","display_name":"Vaduz"}]`)
	}))
	t.Cleanup(nominatim.Close)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	geogate.Build(t, dir)
	base := geogate.Start(t, dir, "bin/geogate", "ADMIN_TOKEN="+adminToken, "LOG_FORMAT=json",
		"UPSTREAMS=nominatim+"+nominatim.URL+"#name=own&rate=50/s",
		"ROUTER=osrm+http://127.0.0.1:1", "NATS_URL=nats://127.0.0.1:1", // nobody is there
		"WEBHOOK_ALLOW_CIDRS=127.0.0.0/8")
	first := ask(t, base, "GET /metrics", "")
	for _, request := range []struct{ line, body string }{
		{"GET /search?q=vaduz", ""},
		{"GET /search?q=vaduz", ""},
		{"POST /tracking", `{"id":"1","lat":47.14,"lng":9.52}`},
		{"POST /v2/search", `{"lat":47.141,"lng":9.521}`},
		{"POST /v2/eta", `{"from":[{"lat":47,"lng":9}],"to":[{"lat":47,"lng":9.1}]}`},
		{"POST /v2/jobs", "address\nVaduz\n"},
		{"POST /events/subscribers", `{"url":"` + receiver.URL + `","keepalive":false}`},
		{"POST /events", `{"type":"news","data":{}}`},
	} {
		ask(t, base, request.line, request.body)
	}
	last := ""
	geogate.Eventually(t, "a ride, a delivery and a job counted", func() bool {
		last = ask(t, base, "GET /metrics", "")
		for _, figure := range []string{
			`geogate_webhook_attempt_duration_seconds_count{outcome="delivered"}`, "geogate_dispatch_request_to_match_seconds_count{",
			`geogate_jobs_ended_total{state="finished"} 1`, "geogate_redis_memory_bytes ", "geogate_events_lag_seconds{",
		} {
			if !strings.Contains(last, figure) {
				return false
			}
		}
		return true
	})
	return scrapesOf(t, first, last, last)
}

// ask sends a request as an administrator and returns the body of the answer.
func ask(t *testing.T, base, line, body string) string {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if path == "/v2/jobs" {
		req.Header.Set("Content-Type", "text/csv")
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s = %d %s (%v)", line, res.StatusCode, text, err)
	}
	return string(text)
}

// scrapesOf reads one text for each moment and adds what Prometheus adds itself.
func scrapesOf(t *testing.T, texts ...string) scrapes {
	t.Helper()
	all := map[string]series{}
	note := func(moment int, name string, pairs []*dto.LabelPair, value float64, more ...string) {
		set := map[string]string{model.MetricNameLabel: name, "job": "geogate", "instance": "127.0.0.1:8080"}
		for _, pair := range pairs {
			set[pair.GetName()] = pair.GetValue()
		}
		for i := 0; i < len(more); i += 2 {
			set[more[i]] = more[i+1]
		}
		key := labels.FromMap(set).String()
		s, found := all[key]
		if !found {
			s = series{set, make([]float64, len(texts))}
			all[key] = s
		}
		s.values[moment] = value
	}
	for moment, text := range texts {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewBufferString(text))
		if err != nil {
			t.Fatalf("what /metrics tells: %v", err)
		}
		for name, family := range families {
			for _, m := range family.GetMetric() {
				if h := m.GetHistogram(); h != nil {
					note(moment, name+"_count", m.GetLabel(), float64(h.GetSampleCount()))
					note(moment, name+"_sum", m.GetLabel(), h.GetSampleSum())
					for _, b := range h.GetBucket() {
						note(moment, name+"_bucket", m.GetLabel(), float64(b.GetCumulativeCount()), "le", model.SampleValue(b.GetUpperBound()).String())
					}
					continue
				}
				note(moment, name, m.GetLabel(), m.GetGauge().GetValue()+m.GetCounter().GetValue()+m.GetUntyped().GetValue())
			}
		}
		note(moment, "up", nil, 1)
	}
	return slices.Collect(maps.Values(all))
}

// query evaluates expr at the last moment.
func (s scrapes) query(t *testing.T, expr string) promql.Vector {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1 << 20, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	q, err := engine.NewInstantQuery(t.Context(), s, nil, expr, moments[len(moments)-1])
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return slices.Clone(vector)
}

// Querier implements storage.Queryable.
func (s scrapes) Querier(int64, int64) (storage.Querier, error) { return querier{s}, nil }

type querier struct{ scrapes }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &seriesSet{}
	for _, s := range q.scrapes {
		if s.matches(matchers) {
			found.all = append(found.all, s)
		}
	}
	return found
}

func (s series) matches(matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(s.labels[m.Name]) {
			return false
		}
	}
	return true
}

// Nobody asks for the rest of a storage.Querier here.

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

type seriesSet struct {
	all []series
	at  int // one behind the present one
}

func (s *seriesSet) Next() bool {
	s.at++
	return s.at <= len(s.all)
}

func (s *seriesSet) At() storage.Series {
	present := s.all[s.at-1]
	points := make([]promql.FPoint, len(moments))
	for i, moment := range moments {
		points[i] = promql.FPoint{T: moment.UnixMilli(), F: present.values[i]}
	}
	return promql.NewStorageSeries(promql.Series{Metric: labels.FromMap(present.labels), Floats: points})
}

func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
