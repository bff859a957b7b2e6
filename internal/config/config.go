// Package config is what the environment decides, and the only place that reads
// it. The values are plain: whoever builds the parts turns them into what each
// part takes.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"

	"geogate/internal/rate"
)

// Config is everything that the environment decides. The tags are the one
// source of the names, the defaults, the help text and the expected forms.
type Config struct {
	Port               int            `env:"PORT" envDefault:"8080" form:"a port, 0 to 65535" help:"port to listen on; 0 picks a free one"`
	Listen             Listen         `env:"LISTEN" form:"host:port, /path or unix:/path" help:"address to listen on, such as 127.0.0.1:8080, or a Unix socket; wins over PORT; empty: PORT on all addresses"`
	RedisURL           Secret         `env:"REDIS_URL" form:"redis:// or rediss://, several addr= parameters for a cluster, master_name= for sentinels" help:"Redis server; empty: the built-in one, nothing kept on disk"`
	RedisTLSSkipVerify bool           `env:"REDIS_TLS_SKIP_VERIFY" envDefault:"false" form:"true or false" help:"accept a self-signed certificate, such as that of Heroku's Redis"`
	Upstreams          Secret         `env:"UPSTREAMS" envDefault:"gazetteer" form:"kind+URL[#options], comma-separated" help:"geocoders in order of preference, such as nominatim+https://geo.example.org#rate=5/s"`
	UpstreamContact    string         `env:"UPSTREAM_CONTACT" form:"an e-mail address or URL" help:"who runs this gateway; goes into the User-Agent"`
	UpstreamWait       time.Duration  `env:"UPSTREAM_WAIT" envDefault:"5s" form:"a duration such as 5s" help:"longest wait for the budget of an upstream"`
	CacheTTL           time.Duration  `env:"CACHE_TTL" envDefault:"24h" form:"a duration such as 24h" help:"how long an answer is fresh"`
	CacheEmptyTTL      time.Duration  `env:"CACHE_EMPTY_TTL" envDefault:"10m" form:"a duration such as 10m" help:"how long an answer that found nothing is fresh"`
	CacheStaleTTL      time.Duration  `env:"CACHE_STALE_TTL" envDefault:"168h" form:"a duration such as 168h, 0s for never" help:"how long past its freshness an answer may still be served"`
	CacheMemory        ByteSize       `env:"CACHE_MEMORY" envDefault:"64MiB" form:"a size such as 64MiB, 0 for none" help:"in-process layer of the cache"`
	ReverseCells       Cells          `env:"REVERSE_CELLS" form:"zoom=metres pairs with growing zooms, such as 10=500,18=30" help:"/reverse asks for the centre of squares of this size, by zoom; empty: for the exact position"`
	RateLimit          rate.Rate      `env:"RATE_LIMIT" envDefault:"600/1m" form:"requests/duration such as 600/1m, 0 for none" help:"requests that one client may send"`
	RateLimitExempt    []netip.Prefix `env:"RATE_LIMIT_EXEMPT_CIDRS" form:"address ranges such as 10.0.0.0/8, comma-separated" help:"clients without a credential that RATE_LIMIT does not hold for, such as your own backend"`
	TrustedProxies     Proxies        `env:"TRUSTED_PROXIES" form:"a whole number from 0 to 16" help:"proxy hops that may set X-Forwarded-For; default 0, on Heroku 1"`
	TrustedProxyCIDRs  []netip.Prefix `env:"TRUSTED_PROXY_CIDRS" form:"address ranges such as 10.0.0.0/8, comma-separated" help:"addresses of the proxies that may set X-Forwarded-For; safer than TRUSTED_PROXIES, and in its place"`
	FastLane           Switch         `env:"FAST_LANE" envDefault:"on" form:"on or off" help:"answer plain cache hits ahead of net/http"`
	AdminToken         Secret         `env:"ADMIN_TOKEN" form:"any text" help:"bearer token of /metrics, /admin and /events; empty: closed, but with the built-in Redis open to programs on this machine"`
	Anonymous          string         `env:"ANONYMOUS" envDefault:"geocode" form:"none, all, or scopes such as geocode,nearby" help:"what callers without a credential may do"`
	TokenSecret        Secret         `env:"TOKEN_SECRET" form:"at least 32 random bytes" help:"signs the tokens that POST /admin/tokens mints; empty: it mints none"`
	AuthIssuer         string         `env:"AUTH_ISSUER" form:"an https:// URL, exactly as it stands in iss" help:"OpenID provider whose tokens are accepted; empty: none"`
	AuthAudience       string         `env:"AUTH_AUDIENCE" form:"any text" help:"what must stand in aud of such a token; required with AUTH_ISSUER"`
	AuthJWKSURL        string         `env:"AUTH_JWKS_URL" form:"an https:// URL" help:"key set of the provider; empty: found by OpenID discovery"`
	AuthRolesClaim     string         `env:"AUTH_ROLES_CLAIM" envDefault:"roles" form:"a claim or a dotted path such as app_metadata.role" help:"where such a token says rider, driver, operator or admin"`
	AuthSubjectClaim   string         `env:"AUTH_SUBJECT_CLAIM" envDefault:"sub" form:"a claim or a dotted path" help:"where such a token says the id of the rider or driver"`
	CORSOrigins        []string       `env:"CORS_ORIGINS" form:"origins such as https://app.example.org, comma-separated" help:"web pages that may use the dispatch endpoints; geocoding is open to all"`
	MaxConnections     int            `env:"MAX_CONNECTIONS" envDefault:"8192" form:"a whole number above 0" help:"most connections in all, less where the system allows fewer descriptors"`
	ConnectionsEach    int            `env:"MAX_CONNECTIONS_PER_CLIENT" envDefault:"1024" form:"a whole number above 0" help:"most connections from one address, unless TRUSTED_PROXIES is set"`
	MaxStreams         int            `env:"MAX_STREAMS" envDefault:"2048" form:"a whole number above 0" help:"most open event streams in all; each takes 50 to 90 KiB"`
	StreamsEach        int            `env:"MAX_STREAMS_PER_CLIENT" envDefault:"256" form:"a whole number above 0" help:"most open event streams of one client"`
	MapStyleURL        Secret         `env:"MAP_STYLE_URL" form:"an https:// or http:// URL" help:"MapLibre style of the console's map, with the operator's own tiles; empty: the built-in map"`
	MapPMTiles         string         `env:"MAP_PMTILES" form:"a file of tiles in the format PMTiles" help:"file of tiles such as city.pmtiles for the console's map; empty: the built-in map"`

	DispatchTimeout     time.Duration `env:"DISPATCH_TIMEOUT" envDefault:"4m" form:"a duration such as 4m" help:"how long a ride may search for a driver"`
	DispatchInterval    time.Duration `env:"DISPATCH_INTERVAL" envDefault:"2s" form:"a duration such as 2s" help:"pause between the attempts of one ride"`
	DispatchRadii       Kilometres    `env:"DISPATCH_RADII_KM" envDefault:"1,2,5" form:"growing radii in kilometres up to 100, such as 1,2,5" help:"how far each attempt looks, from near to far"`
	DispatchOfferTTL    time.Duration `env:"DISPATCH_OFFER_TTL" envDefault:"0s" form:"a duration such as 15s, 0s for none" help:"how long a driver may consider an offer; 0s: rides are assigned at once"`
	Regions             []string      `env:"REGIONS" form:"names such as munich,berlin" help:"the regions there are; empty: only default"`
	RegionsFile         string        `env:"REGIONS_FILE" form:"a file of GeoJSON polygons, each with a name" help:"regions by place: who names none is in the one around them; empty: none"`
	Router              Secret        `env:"ROUTER" form:"kind+URL[#options], comma-separated" help:"routing engines in order of preference, such as osrm+http://osrm:5000#profile=driving; empty: times are estimated"`
	ETADetour           float64       `env:"ETA_DETOUR" envDefault:"1.3" form:"a number from 1 to 10" help:"how much longer than the straight line an estimate takes the way to be"`
	ETASpeed            float64       `env:"ETA_SPEED_KMH" envDefault:"30" form:"a number from 1 to 200" help:"speed of an estimate in km/h"`
	DispatchMaxDrivers  int           `env:"DISPATCH_MAX_DRIVERS" envDefault:"100000" form:"a whole number above 0" help:"most drivers on duty, in each region"`
	DispatchMaxPerRider int           `env:"DISPATCH_MAX_PER_RIDER" envDefault:"3" form:"a whole number above 0" help:"most live rides of one rider_id, in each region"`
	DispatchMaxRides    int           `env:"DISPATCH_MAX_RIDES" envDefault:"100000" form:"a whole number above 0" help:"most live rides, in each region"`
	DispatchRetention   time.Duration `env:"DISPATCH_RETENTION" envDefault:"24h" form:"a duration such as 24h" help:"how long ended rides and idempotency keys stay readable"`
	DispatchRideTTL     time.Duration `env:"DISPATCH_RIDE_TTL" envDefault:"4h" form:"a duration such as 4h" help:"when a matched ride that nobody completes is completed"`
	DispatchLead        time.Duration `env:"DISPATCH_LEAD" envDefault:"15m" form:"a duration such as 15m" help:"how long before its time a scheduled ride searches for a driver"`
	DispatchLostAfter   time.Duration `env:"DISPATCH_LOST_AFTER" envDefault:"2m" form:"a duration such as 2m, 0s for never" help:"a driver on the way to a pickup who is silent for this long loses the ride; 0s: never"`
	DriverTTL           time.Duration `env:"DRIVER_TTL" envDefault:"60s" form:"a duration such as 60s" help:"drivers not heard of for this long get no rides"`

	FleetBind FleetBind `env:"FLEET_BIND" form:"an IP address and a port, such as 10.0.0.5:7946 or :7946" help:"address for gossip with the other processes, TCP and UDP; empty: they meet in Redis only"`
	FleetJoin FleetJoin `env:"FLEET_JOIN" form:"hosts such as 10.0.0.5:7946, comma-separated, 64 at most" help:"where other processes are: addresses, or one DNS name of all, looked up again and again; without a port that of FLEET_BIND"`
	FleetKey  Secret    `env:"FLEET_KEY" form:"32 random bytes in base64" help:"encrypts the gossip; required unless FLEET_BIND is a loopback address"`

	WebhookRetries     []time.Duration `env:"WEBHOOK_RETRIES" envDefault:"1s,2s,5s,10s,30s,5m,30m,2h,5h,10h,24h" form:"durations above 0 and up to 168h, comma-separated, such as 1s,30s,5m" help:"pauses after failed attempts to deliver an event"`
	WebhookAllow       []netip.Prefix  `env:"WEBHOOK_ALLOW_CIDRS" form:"address ranges such as 10.0.0.0/8, comma-separated" help:"private addresses that webhooks may go to, on any port and without TLS; for development"`
	NATSURL            NATSURL         `env:"NATS_URL" form:"nats:// or tls:// with a host, several comma-separated" help:"event bus; empty: none"`
	NATSKey            Secret          `env:"NATS_KEY" form:"a key of geogate keys create" help:"key that questions over the bus act with; empty: they may do what ANONYMOUS allows"`
	JobsMaxBytes       ByteSize        `env:"JOBS_MAX_BYTES" envDefault:"256MiB" form:"a size such as 256MiB" help:"largest upload of a bulk job"`
	JobsMaxRows        int             `env:"JOBS_MAX_ROWS" envDefault:"1000000" form:"a whole number above 0" help:"most rows of a bulk job"`
	JobsMax            int             `env:"JOBS_MAX" envDefault:"1000" form:"a whole number above 0" help:"most bulk jobs kept, ended ones included"`
	JobsMaxPerClient   int             `env:"JOBS_MAX_PER_CLIENT" envDefault:"100" form:"a whole number above 0" help:"most bulk jobs kept of one client"`
	JobsMaxTotalBytes  ByteSize        `env:"JOBS_MAX_TOTAL_BYTES" envDefault:"512MiB" form:"a size such as 512MiB" help:"most bytes kept of all bulk jobs, compressed; 64MiB at most in the built-in Redis"`
	JobsMaxClientBytes ByteSize        `env:"JOBS_MAX_CLIENT_BYTES" envDefault:"256MiB" form:"a size such as 256MiB" help:"most bytes kept of the bulk jobs of one client, compressed"`
	JobsStore          JobsStore       `env:"JOBS_STORE" envDefault:"redis" form:"redis, or file:///path of a directory that all processes share" help:"where the rows of bulk jobs are kept"`
	Workers            int             `env:"WORKERS" envDefault:"2" form:"a whole number, 0 for none" help:"chunks of bulk jobs that serve works on at a time"`

	OTelEndpoint       Secret       `env:"OTEL_EXPORTER_OTLP_ENDPOINT" form:"an http:// or https:// URL" help:"collector of OpenTelemetry that spans of requests, rides and deliveries go to, such as http://collector:4318; empty: none"`
	OTelTracesEndpoint Secret       `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" form:"an http:// or https:// URL" help:"the same with its whole path, such as https://traces.example.org/v1/traces; wins"`
	OTelHeaders        Secret       `env:"OTEL_EXPORTER_OTLP_HEADERS" form:"name=value pairs, comma-separated" help:"header fields for the collector, such as a credential"`
	OTelProtocol       string       `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/json" form:"http/json" help:"how spans are sent; geogate has no other way"`
	OTelExporter       string       `env:"OTEL_TRACES_EXPORTER" envDefault:"otlp" form:"otlp or none" help:"none: no spans, whatever else is set"`
	OTelDisabled       bool         `env:"OTEL_SDK_DISABLED" envDefault:"false" form:"true or false" help:"true: the same"`
	OTelService        string       `env:"OTEL_SERVICE_NAME" envDefault:"geogate" form:"any text" help:"service.name of the spans"`
	OTelSampler        string       `env:"OTEL_TRACES_SAMPLER" envDefault:"parentbased_always_on" form:"always_on, always_off, traceidratio, or parentbased_ and one of these" help:"which requests have spans; parentbased: those that came with a sampled traceparent, too"`
	OTelSamplerArg     string       `env:"OTEL_TRACES_SAMPLER_ARG" form:"a number from 0 to 1" help:"share of the requests that have spans, for traceidratio; empty: 1"`
	OTelDelay          Milliseconds `env:"OTEL_BSP_SCHEDULE_DELAY" envDefault:"5000" form:"milliseconds, 1 to 60000" help:"longest wait of a span until it is sent"`

	LogLevel  zerolog.Level `env:"LOG_LEVEL" envDefault:"info" form:"debug, info, warn or error" help:"least level that is logged"`
	LogFormat LogFormat     `env:"LOG_FORMAT" envDefault:"auto" form:"auto, json or text" help:"auto: text on a terminal, JSON otherwise"`
}

// MaxWorkers is far more chunks than one process makes use of.
const MaxWorkers = 256

// Error is every mistake in the environment at once.
type Error struct {
	Problems []string // each names its variable and the expected form, never a secret
}

func (e *Error) Error() string {
	return "configuration:\n  " + strings.Join(e.Problems, "\n  ")
}

// A Reader reads a variable whose form another package owns. It is called even
// when the variable is empty. Its error says what is wanted and repeats no
// secret.
type Reader func(text string) error

// Load reads the environment through getenv. An empty variable counts as unset.
// The readers, by variable, are called in the order of Config. The error, if
// any, is an *Error.
func Load(getenv func(string) string, readers map[string]Reader) (Config, error) {
	var c Config
	environment := map[string]string{}
	for _, v := range variables() {
		if value := getenv(v.name); value != "" {
			environment[v.name] = value
		}
	}
	var problems []string
	if err := env.ParseWithOptions(&c, env.Options{Environment: environment, FuncMap: forms}); err != nil {
		problems = parseProblems(err, environment)
	}
	for _, p := range append(c.rangeProblems(), readProblems(environment, readers)...) {
		name, _, _ := strings.Cut(p, ":")
		if !slices.ContainsFunc(problems, func(known string) bool { return strings.HasPrefix(known, name) }) {
			problems = append(problems, p) // a variable that could not be read has no value to check
		}
	}
	if !c.TrustedProxies.set && len(c.TrustedProxyCIDRs) == 0 && getenv("DYNO") != "" { // Heroku names every dyno so.
		c.TrustedProxies.Hops = 1
	}
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return c, nil
}

// readProblems calls the readers.
func readProblems(environment map[string]string, readers map[string]Reader) []string {
	var problems []string
	for _, v := range variables() {
		read, found := readers[v.name]
		if !found {
			continue
		}
		if err := read(cmp.Or(environment[v.name], v.fallback)); err != nil {
			problems = append(problems, v.name+": "+strings.ReplaceAll(err.Error(), "\n", "\n  "+v.name+": "))
		}
	}
	return problems
}

// rangeProblems checks what a type alone cannot.
func (c *Config) rangeProblems() []string {
	var problems []string
	add := func(name, problem string) { problems = append(problems, name+": "+problem) }
	if c.Port < 0 || c.Port > 65535 {
		add("PORT", "want a port, 0 to 65535")
	}
	for name, d := range map[string]time.Duration{
		"UPSTREAM_WAIT": c.UpstreamWait, "CACHE_TTL": c.CacheTTL, "CACHE_EMPTY_TTL": c.CacheEmptyTTL,
		"DISPATCH_TIMEOUT": c.DispatchTimeout, "DISPATCH_INTERVAL": c.DispatchInterval,
		"DISPATCH_RETENTION": c.DispatchRetention, "DISPATCH_RIDE_TTL": c.DispatchRideTTL, "DRIVER_TTL": c.DriverTTL,
	} {
		if d == 0 {
			add(name, "want a duration above 0")
		}
	}
	if !(c.ETADetour >= 1 && c.ETADetour <= 10) { // the negation also refuses NaN
		add("ETA_DETOUR", "want a number from 1 to 10")
	}
	if !(c.ETASpeed >= 1 && c.ETASpeed <= 200) {
		add("ETA_SPEED_KMH", "want a number from 1 to 200")
	}
	if c.DispatchMaxPerRider < 0 {
		add("DISPATCH_MAX_PER_RIDER", "want a whole number above 0")
	}
	if c.DispatchMaxDrivers < 0 {
		add("DISPATCH_MAX_DRIVERS", "want a whole number above 0")
	}
	if c.DispatchMaxRides < 0 {
		add("DISPATCH_MAX_RIDES", "want a whole number above 0")
	}
	for name, n := range map[string]int{
		"MAX_CONNECTIONS": c.MaxConnections, "MAX_CONNECTIONS_PER_CLIENT": c.ConnectionsEach,
		"MAX_STREAMS": c.MaxStreams, "MAX_STREAMS_PER_CLIENT": c.StreamsEach,
	} {
		if n < 1 {
			add(name, "want a whole number above 0")
		}
	}
	if c.JobsMaxBytes == 0 {
		add("JOBS_MAX_BYTES", "want a size above 0")
	}
	if c.JobsMaxRows < 1 {
		add("JOBS_MAX_ROWS", "want a whole number above 0")
	}
	for name, n := range map[string]int64{
		"JOBS_MAX": int64(c.JobsMax), "JOBS_MAX_PER_CLIENT": int64(c.JobsMaxPerClient),
		"JOBS_MAX_TOTAL_BYTES": int64(c.JobsMaxTotalBytes), "JOBS_MAX_CLIENT_BYTES": int64(c.JobsMaxClientBytes),
	} {
		if n < 1 {
			add(name, "want more than 0")
		}
	}
	if c.Workers < 0 || c.Workers > MaxWorkers {
		add("WORKERS", fmt.Sprintf("want a whole number from 0 to %d", MaxWorkers))
	}
	if c.TrustedProxies.Hops > 0 && len(c.TrustedProxyCIDRs) > 0 {
		add("TRUSTED_PROXIES", "want either this or TRUSTED_PROXY_CIDRS")
	}
	if c.MapStyleURL != "" && c.MapPMTiles != "" {
		add("MAP_PMTILES", "want either this or MAP_STYLE_URL")
	}
	for name, address := range map[string]string{"AUTH_ISSUER": c.AuthIssuer, "AUTH_JWKS_URL": c.AuthJWKSURL} {
		u, err := url.Parse(address)
		if address != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			add(name, fmt.Sprintf("%q is not an https:// URL", address))
		}
	}
	switch {
	case c.AuthIssuer != "" && c.AuthAudience == "":
		add("AUTH_AUDIENCE", "required with AUTH_ISSUER: without it, a token for any other app of the provider would open this one")
	case c.AuthIssuer == "" && (c.AuthAudience != "" || c.AuthJWKSURL != ""):
		add("AUTH_ISSUER", "required with AUTH_AUDIENCE and AUTH_JWKS_URL")
	}
	if c.OTelProtocol != "http/json" {
		add("OTEL_EXPORTER_OTLP_PROTOCOL", "want http/json, which collectors take on the port of http/protobuf")
	}
	if c.OTelExporter != "otlp" && c.OTelExporter != "none" {
		add("OTEL_TRACES_EXPORTER", "want otlp or none")
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			add("CORS_ORIGINS", fmt.Sprintf("%q is not an origin such as https://app.example.org", origin))
		}
	}
	problems = append(problems, c.fleetProblems()...)
	slices.Sort(problems)
	return problems
}

// A variable is one line of the help text.
type variable struct {
	name, fallback, form, help string
	secret                     bool
}

// variables lists what Load reads, in the order of Config.
func variables() []variable {
	t := reflect.TypeFor[Config]()
	list := make([]variable, t.NumField())
	for i := range list {
		f := t.Field(i)
		list[i] = variable{
			name:     f.Tag.Get("env"),
			fallback: f.Tag.Get("envDefault"),
			form:     f.Tag.Get("form"),
			help:     f.Tag.Get("help"),
			secret:   f.Type == reflect.TypeFor[Secret]() || f.Type == reflect.TypeFor[NATSURL](),
		}
	}
	return list
}

// WriteVariables lists the variables for people: name, default, meaning.
func WriteVariables(w io.Writer) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		fallback := v.fallback
		if fallback == "" {
			fallback = "-"
		}
		fmt.Fprintf(tab, "  %s\t%s\t%s\n", v.name, fallback, v.help)
	}
	_ = tab.Flush()
}

func parseProblems(err error, environment map[string]string) []string {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var problems []string
	for _, err := range all.Errors {
		var field env.ParseError
		if !errors.As(err, &field) {
			problems = append(problems, err.Error())
			continue
		}
		problems = append(problems, parseProblem(field, environment))
	}
	return problems
}

func parseProblem(err env.ParseError, environment map[string]string) string {
	f, _ := reflect.TypeFor[Config]().FieldByName(err.Name)
	name := f.Tag.Get("env")
	i := slices.IndexFunc(variables(), func(v variable) bool { return v.name == name })
	v := variables()[i]
	if v.secret {
		return fmt.Sprintf("%s: want %s", name, v.form)
	}
	return fmt.Sprintf("%s=%q: want %s", name, environment[name], v.form)
}
