package fastlane

import (
	"bytes"
	"strings"

	"geogate/gateway/exchange"
)

// request is a request that the lane understands in full.
type request struct {
	source       exchange.Source
	path, query  string
	host         string
	connection   string
	encodings    [1]string
	language     string
	id           string
	forwardedFor string
	credential   string                 // the Authorization header
	seen         [len(knownFields)]bool // the fields that came
}

// knownFields are the header fields that a request may have, each once: what
// clients of HTTP (Node's sends sec-fetch-mode, Apple's priority) and Heroku's
// router send. Any other may change an answer.
var knownFields = [...]string{
	"host", "connection", "accept-encoding", "accept-language", "x-request-id", "x-forwarded-for", "authorization",
	"user-agent", "accept", "referer", "sec-fetch-mode", "priority",
	"x-forwarded-proto", "x-forwarded-port", "x-request-start", "via", "connect-time", "total-route-time",
}

// parse reads the request that b begins with and returns its length, or 0 when
// it is not one for the lane. Nothing is forgiven: every line ends in CRLF,
// everything is ASCII, and the target is the path of a source, written as
// in the route table, with or without a query.
func (r *request) parse(b []byte, sources map[string]exchange.Source) (size int) {
	end := bytes.Index(b, crlfcrlf)
	if end < 0 {
		return 0
	}
	*r = request{}
	line, fields, _ := strings.Cut(string(b[:end+len("\r\n")]), "\r\n")
	target, isGet := strings.CutPrefix(line, "GET ")
	target, is11 := strings.CutSuffix(target, " HTTP/1.1")
	if !isGet || !is11 || !isASCII(target, '!') || strings.IndexByte(target, '#') >= 0 {
		return 0
	}
	r.path, r.query, _ = strings.Cut(target, "?")
	if r.source = sources[r.path]; r.source == nil {
		return 0
	}
	if strings.Contains(r.query, "access_token") {
		return 0 // refused: a credential does not belong there
	}
	for fields != "" {
		line, fields, _ = strings.Cut(fields, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found || !r.take(name, strings.Trim(value, " \t")) {
			return 0
		}
	}
	if r.host == "" || strings.Trim(r.host, hostAlphabet) != "" || !isKeepAlive(r.connection) {
		return 0
	}
	return end + len(crlfcrlf)
}

// take notes a header field and reports whether the lane knows what to do about
// it.
func (r *request) take(name, value string) bool {
	if !isASCII(value, ' ') {
		return false
	}
	for i, field := range &knownFields {
		if len(name) != len(field) || !strings.EqualFold(name, field) {
			continue
		}
		if r.seen[i] {
			return false
		}
		r.seen[i] = true
		texts := [...]*string{&r.host, &r.connection, &r.encodings[0], &r.language, &r.id, &r.forwardedFor, &r.credential}
		if i < len(texts) {
			*texts[i] = value
		}
		return true
	}
	return false
}

var crlfcrlf = []byte("\r\n\r\n")

const hostAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:"

func isKeepAlive(connection string) bool {
	return connection == "" || strings.EqualFold(connection, "keep-alive")
}

// isASCII reports whether s has nothing but printable characters from first on.
func isASCII(s string, first byte) bool {
	for i := range len(s) {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}
