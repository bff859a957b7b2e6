package e2e

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"geogate/internal/redistest"
)

// pushServices stand in for Firebase's and Apple's. They check what those check: the
// token of the account, and that it is not made anew for each message; APNs speaks
// HTTP/2 only.
type pushServices struct {
	fcm, apns *httptest.Server
	google    *rsa.PrivateKey
	apple     *ecdsa.PrivateKey

	mu       sync.Mutex
	messages []string // service, device, and what to wake it for
	tokens   int      // that FCM's account was given
	bearers  map[string]bool
	busy     int // answers of APNs that are still 503
	faults   []error
}

func newPushServices(t *testing.T) *pushServices {
	t.Helper()
	s := &pushServices{bearers: map[string]bool{}, busy: 1}
	var err error
	if s.google, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if s.apple, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	fcm := http.NewServeMux()
	fcm.HandleFunc("POST /token", s.token)
	fcm.HandleFunc("POST /v1/projects/town/messages:send", s.byFCM)
	s.fcm = httptest.NewServer(fcm)
	t.Cleanup(s.fcm.Close)
	s.apns = httptest.NewUnstartedServer(http.HandlerFunc(s.byAPNs))
	s.apns.EnableHTTP2 = true
	s.apns.StartTLS()
	t.Cleanup(s.apns.Close)
	return s
}

func (s *pushServices) fault(err error) {
	if err != nil {
		s.faults = append(s.faults, err)
	}
}

// signed checks a JSON Web Token and returns its claims.
func signed(token string, verify func(text, signature []byte) bool) (claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("token %q", token)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !verify([]byte(parts[0]+"."+parts[1]), signature) {
		return nil, fmt.Errorf("signature of %q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	return claims, errors.Join(err, json.Unmarshal(text, &claims))
}

func (s *pushServices) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims, err := signed(r.FormValue("assertion"), func(text, signature []byte) bool {
		sum := sha256.Sum256(text)
		return rsa.VerifyPKCS1v15(&s.google.PublicKey, crypto.SHA256, sum[:], signature) == nil
	})
	s.fault(err)
	if claims["scope"] != "https://www.googleapis.com/auth/firebase.messaging" || claims["iss"] != "relay@town.example" {
		s.fault(fmt.Errorf("claims %v", claims))
	}
	s.tokens++
	_, _ = io.WriteString(w, `{"access_token":"granted","expires_in":3600}`)
}

func (s *pushServices) byFCM(_ http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body struct {
		Message struct {
			Token   string
			Data    map[string]string
			Android struct{ Priority, TTL string }
		}
	}
	s.fault(json.NewDecoder(r.Body).Decode(&body))
	if r.Header.Get("Authorization") != "Bearer granted" || body.Message.Android.Priority != "HIGH" || !strings.HasSuffix(body.Message.Android.TTL, "s") {
		s.fault(fmt.Errorf("message %+v, %v", body, r.Header))
	}
	s.messages = append(s.messages, "fcm "+body.Message.Token+" "+body.Message.Data["request_id"])
}

func (s *pushServices) byAPNs(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "bearer ")
	claims, err := signed(bearer, func(text, signature []byte) bool {
		sum := sha256.Sum256(text)
		return len(signature) == 64 &&
			ecdsa.Verify(&s.apple.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	})
	s.fault(err)
	var body struct {
		RequestID string `json:"request_id"`
	}
	s.fault(json.NewDecoder(r.Body).Decode(&body))
	if r.ProtoMajor != 2 || claims["iss"] != "TEAM" || r.Header.Get("Apns-Topic") != "example.town" || r.Header.Get("Apns-Expiration") == "" {
		s.fault(fmt.Errorf("HTTP/%d, claims %v, %v", r.ProtoMajor, claims, r.Header))
	}
	s.bearers[bearer] = true
	if s.busy--; s.busy >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.messages = append(s.messages, "apns "+strings.TrimPrefix(r.URL.Path, "/3/device/")+" "+body.RequestID)
}

// TestPushRelay runs the relay of docs/mobile.md as it stands there: an offer wakes the
// phone of the driver who got it, once, also when the service is busy at first, and nothing
// that geogate did not sign wakes anybody.
func TestPushRelay(t *testing.T) {
	t.Parallel()
	s := newPushServices(t)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	account, err := json.Marshal(map[string]string{
		"project_id": "town", "client_email": "relay@town.example", "private_key": string(pkcs8(s.google)), "token_uri": s.fcm.URL + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	vars := settings("REDIS_URL", "redis://"+redistest.Start(t).Addr, "ADMIN_TOKEN", adminToken, "WEBHOOK_ALLOW_CIDRS", "127.0.0.0/8", "WEBHOOK_RETRIES", "100ms,200ms",
		"DISPATCH_OFFER_TTL", "20s")
	g := start(t, vars)
	port := freePort(t)
	relay := fmt.Sprintf("http://127.0.0.1:%d/event", port)
	subscriber := decode[struct{ ID, Secret string }](t, g.post(t, "/events/subscribers",
		fmt.Sprintf(`{"url":%q,"types":["request.offered"]}`, relay), "Authorization", "Bearer "+adminToken), http.StatusCreated)

	cmd := exec.CommandContext(t.Context(), "node", write("relay.cjs", relayOfTheGuide(t)))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+subscriber.Secret, fmt.Sprint("PORT=", port), "OFFER_SECONDS=20",
		"DEVICES="+write("devices.json", []byte(`{"android":{"platform":"android","token":"aa"},"iphone":{"platform":"ios","token":"bb"}}`)),
		"FCM_URL="+s.fcm.URL, "FCM_ACCOUNT="+write("account.json", account),
		"APNS_URL="+s.apns.URL, "APNS_KEY="+write("key.p8", pkcs8(s.apple)), "APNS_KEY_ID=KEY", "APNS_TEAM=TEAM", "APNS_TOPIC=example.town",
		"NODE_EXTRA_CA_CERTS="+write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.apns.Certificate().Raw})))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the relay says:\n%s", out.String())
		}
	})
	eventually(t, patience, "the relay listens", func() error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = conn.Close()
		}
		return err
	})

	g.track(t, "android", 10, 10)
	g.track(t, "iphone", 20, 20)
	g.track(t, "nobody's phone", 30, 30)
	var want []string
	for _, ask := range []struct {
		at      int
		message string
	}{{30, ""}, {10, "fcm aa "}, {20, "apns bb "}, {-20, ""}} {
		r := decode[ride](t, g.post(t, "/v2/search", fmt.Sprintf(`{"lat":%d,"lng":%d}`, ask.at, ask.at)), http.StatusOK)
		if ask.message == "" {
			continue
		}
		want = append(want, ask.message+r.RequestID)
		eventually(t, patience, "the phone rings", func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if got := strings.Join(s.messages, "\n"); got != strings.Join(want, "\n") {
				return fmt.Errorf("messages %q, want %q", s.messages, want)
			}
			return nil
		})
	}
	forged, err := s.fcm.Client().Post(relay, "application/json", strings.NewReader(`{"type":"request.offered","data":{"driver":{"id":"android"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _ = forged.Body.Close(); forged.StatusCode != http.StatusUnauthorized {
		t.Errorf("an event without a signature: %d, want 401", forged.StatusCode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 || s.tokens != 1 || len(s.bearers) != 1 {
		t.Errorf("faults %v, %d tokens of FCM and %d of APNs, want one each", s.faults, s.tokens, len(s.bearers))
	}
}

// relayOfTheGuide is the program in docs/mobile.md: its longest block of JavaScript.
func relayOfTheGuide(t *testing.T) []byte {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "mobile.md"))
	if err != nil {
		t.Fatal(err)
	}
	longest := ""
	for _, part := range strings.Split(string(page), "```js\n")[1:] {
		if code, _, found := strings.Cut(part, "```"); found && len(code) > len(longest) {
			longest = code
		}
	}
	return []byte(longest)
}
