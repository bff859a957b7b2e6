package exchange

import "strings"

// Bearer returns the credential of an Authorization header (RFC 6750, 2.1). ok is
// false for another scheme, and for no credential at all.
func Bearer(header string) (credential string, ok bool) {
	scheme, credential, _ := strings.Cut(header, " ")
	credential = strings.Trim(credential, " ")
	return credential, strings.EqualFold(scheme, "Bearer") && credential != "" && !strings.ContainsAny(credential, " ,")
}
