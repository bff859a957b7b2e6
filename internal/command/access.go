package command

import (
	"strings"

	"geogate/internal/command/doctor"
	"geogate/internal/identity"
)

// anonymousMay says what callers without a credential may do.
func anonymousMay(s settings) string {
	if s.anonymous == 0 {
		return "may do nothing without a credential (ANONYMOUS)"
	}
	return "may do " + strings.ReplaceAll(s.anonymous.String(), " ", ", ") + " without a credential (ANONYMOUS)"
}

// trusted reports whether programs on this machine may do everything.
func trusted(s settings) bool { return s.redis == nil && s.AdminToken == "" }

// credentialsOf lists the kinds of credential that are taken.
func credentialsOf(s settings) string {
	kinds := []string{"keys"}
	if s.AdminToken != "" {
		kinds = append(kinds, "ADMIN_TOKEN")
	}
	if s.AuthIssuer != "" {
		kinds = append(kinds, "tokens of "+s.AuthIssuer)
	}
	if s.TokenSecret != "" {
		kinds = append(kinds, "tokens of POST /admin/tokens")
	}
	return strings.Join(kinds, ", ")
}

// examineAccess says what is open to whom, and warns where that is more than a
// server on the internet should open.
func examineAccess(s settings) []doctor.Finding {
	anybody := doctor.Finding{Check: "anybody", Verdict: doctor.Healthy, Detail: anonymousMay(s)}
	if s.anonymous&(identity.Drive|identity.Dispatch) != 0 {
		anybody.Verdict = doctor.Warned
		anybody.Hint = "whoever reaches this geogate moves any driver: leave drive and dispatch out of ANONYMOUS, unless a backend of yours stands in front"
	}
	findings := []doctor.Finding{anybody, {Check: "credentials", Verdict: doctor.Healthy, Detail: credentialsOf(s)}}
	switch {
	case trusted(s):
		findings = append(findings, doctor.Finding{
			Check: "this machine", Verdict: doctor.Healthy, Detail: "programs on it may do everything (built-in Redis, no ADMIN_TOKEN)",
		})
	case s.AdminToken == "":
		findings = append(findings, doctor.Finding{
			Check: "admin", Verdict: doctor.Healthy, Detail: "open to keys with the role admin",
			Hint: "geogate keys create --role admin --subject me, or set ADMIN_TOKEN",
		})
	}
	return findings
}
