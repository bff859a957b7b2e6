// Package outbound is how geogate asks servers of others, whatever they serve:
// geocoders and routers alike.
//
//   - A [Server] sends a question and takes nothing but a bounded answer.
//   - A [Guard] stands before one server: circuit breaker, budget, retries, and
//     the pauses that the server asks for.
//   - A [Charge] says who pays for the calls that a request causes.
//   - An [Error] says what went wrong, and never shows the URL.
//   - The options of UPSTREAMS and ROUTER that mean the same in both are read
//     here.
package outbound
