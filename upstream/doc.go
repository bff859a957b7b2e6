// Package upstream asks geocoders. It turns a client's request into the one
// canonical request that is sent and cached, sends it to the first provider of
// an ordered chain that can answer, and judges what comes back.
//
// What it promises:
//
//   - A [Request] is exactly what travels: its Key is a function of the bytes
//     sent upstream and of nothing else, so two requests with one key cannot
//     have different answers.
//   - An [Answer] has been checked: status, content type, and a body that
//     parses as the format that was asked for. Everything else is an [Error].
//   - Nothing of the client travels: no headers, cookies or addresses.
//   - Budgets and the terms of public providers hold whatever the callers do.
package upstream
