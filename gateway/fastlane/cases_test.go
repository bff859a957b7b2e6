package fastlane_test

import (
	"strings"

	"geogate/gateway/gatewaytest"
)

// unasked is a question that nothing has asked before.
const unasked = "nowhere-"

// laneCases are requests and how many of them the lane answers itself.
var laneCases = []struct {
	name     string
	sent     string
	answered int
}{
	{"plain hit", plainHit, 1},
	{"as wrk sends it", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: 127.0.0.1:1\r\nUser-Agent: wrk\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\r\n", 1},
	{"as Node sends it", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nhost: x\r\nconnection: keep-alive\r\naccept: */*\r\naccept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\naccept-encoding: br, gzip, deflate\r\n\r\n", 1},
	{"lower case fields", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nhost: x\r\naccept:*/*\r\n\r\n", 1},
	{"language in the header", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept-Language: \t de \r\n\r\n", 1},
	{"gzip", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip\r\n\r\n", 1},
	{"request id", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc-1\r\n\r\n", 1},
	{"three in a row", plainHit + plainHit + plainHit, 3},
	{"a miss between hits", plainHit + "GET /search?q=" + unasked + " HTTP/1.1\r\nHost: x\r\n\r\n" + plainHit, 1},
	{"a post between hits", plainHit + "POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" + plainHit, 1},
	{"head", "HEAD " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"options", "OPTIONS /search HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"HTTP/1.0", "GET " + gatewaytest.Vaduz + " HTTP/1.0\r\nHost: x\r\n\r\n", 0},
	{"HTTP/1.0, kept alive", "GET " + gatewaytest.Vaduz + " HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", 0},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
	{"close", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 0},
	{"upgrade", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 0},
	{"body", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd", 0},
	{"body of length 0", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 0},
	{"chunks", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
	{"length and chunks", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
	{"expect", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", 0},
	{"unmet expectation", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 0},
	{"absolute form", "GET http://x" + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"two slashes", "GET /" + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"escaped path", "GET /s%65arch?q=vaduz&format=jsonv2 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"fragment", "GET " + gatewaytest.Vaduz + "#x HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"not ASCII", "GET /search?q=z\xfcrich HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"not ASCII in a field", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\r\n\r\n", 0},
	{"no host", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nAccept: */*\r\n\r\n", 0},
	{"two hosts", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 0},
	{"bad host", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: a b\r\n\r\n", 0},
	{"space before the colon", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost : x\r\n\r\n", 0},
	{"folded field", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept: a\r\n b\r\n\r\n", 0},
	{"bare line feeds", "GET " + gatewaytest.Vaduz + " HTTP/1.1\nHost: x\n\n", 0},
	{"bare carriage return", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept: a\rb\r\n\r\n", 0},
	{"repeated field", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nAccept-Language: de\r\nAccept-Language: en\r\n\r\n", 0},
	{"unknown field", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nX-Whatever: 1\r\n\r\n", 0},
	{"through a router", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nVia: 1.1 vegur\r\n\r\n", 1},
	{"directive", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nCache-Control: only-if-cached\r\n\r\n", 0},
	{"validator", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n", 0},
	{"origin", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n", 0},
	{"callback", "GET " + gatewaytest.Vaduz + "&json_callback=f HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"debug", "GET " + gatewaytest.Vaduz + "&debug=1 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"bad request", "GET /search?layer=nonsense HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint", ownHit, 1},
	{"own endpoint, in turn with the other", ownHit + plainHit + ownHit, 3},
	{"own endpoint, with gzip", "GET /api?q=vaduz HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", 1},
	{"own endpoint, written otherwise", "GET /api?limit=10&q=%56aduz HTTP/1.1\r\nHost: x\r\n\r\n", 1},
	{"own endpoint, by a point", ownPoint, 1},
	{"own endpoint, a point in two names", "GET /api?lat=47.14&lng=9.52&lon=9.52 HTTP/1.1\r\nHost: x\r\n\r\n", 1},
	{"own endpoint, nothing found", ownNothing, 1},
	{"own endpoint, no place at a point", ownNoPlace, 1},
	{"own endpoint, unknown parameter", "GET /api?q=vaduz&x=1 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint, repeated parameter", "GET /api?q=vaduz&q=vaduz HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint, malformed", "GET /api?q=%zz HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint, limit out of range", "GET /api?q=vaduz&limit=51 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint, nothing asked", "GET /api HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"own endpoint, head", "HEAD /api?q=vaduz HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"unknown path", "GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 0},
	{"empty line first", "\r\n" + plainHit, 0},
	{"long head", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + strings.Repeat("a", 4096) + "\r\n\r\n", 0},
	{"head over the limit", "GET " + gatewaytest.Vaduz + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + strings.Repeat("a", 2*16<<10) + "\r\n\r\n", 0},
	{"no HTTP", "hello\r\n\r\n", 0},
	{"space in the target", "GET /search?q=a b HTTP/1.1\r\nHost: x\r\n\r\n", 0},
}
