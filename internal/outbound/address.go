package outbound

import (
	"net/url"
	"strings"
)

// An Address is where a server is.
type Address struct {
	Base   string // scheme, user information, host and path, without a trailing slash
	Host   string // lower case, without the port
	Shown  string // scheme, host and path: without what is secret
	Secret string // query of the URL, where API keys are
}

// ParseAddress reads an http or https URL; false: it is none.
func ParseAddress(text string) (Address, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return Address{}, false
	}
	a := Address{Host: strings.ToLower(u.Hostname()), Secret: u.RawQuery}
	base := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	a.Base = base.String()
	base.User = nil
	a.Shown = base.String()
	return a, true
}

// UserAgent is what servers see of geogate: its version, and the contact of the
// operator where there is one.
func UserAgent(version, contact string) string {
	if version == "" {
		version = "dev"
	}
	if contact == "" {
		return "geogate/" + version
	}
	return "geogate/" + version + " (+" + contact + ")"
}
