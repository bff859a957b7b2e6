package command

import (
	"github.com/rs/zerolog"

	"geogate/gateway"
	"geogate/internal/command/redisclient"
	"geogate/internal/identity"
)

// identities are the parts that know who calls.
type identities struct {
	keys      *identity.Keys
	authority *identity.Authority
	ledger    *identity.Ledger
}

func openIdentity(s settings, rdb *redisclient.Client, log zerolog.Logger) *identities {
	keys := identity.NewKeys(rdb, log)
	return &identities{
		keys: keys,
		authority: identity.New(keys, identity.Config{
			AdminToken: string(s.AdminToken), Minter: s.minter, Log: log,
			Provider: identity.ProviderConfig{
				Issuer: s.AuthIssuer, Audience: s.AuthAudience, KeySetURL: s.AuthJWKSURL,
				RolesClaim: s.AuthRolesClaim, SubjectClaim: s.AuthSubjectClaim,
			},
		}),
		ledger: identity.NewLedger(rdb, log),
	}
}

// gateway is what the gateway needs of them.
func (i *identities) gateway(s settings) gateway.Identity {
	return gateway.Identity{
		Authority: i.authority, Anonymous: s.anonymous, Ledger: i.ledger,
		Credentials: gateway.Credentials{Keys: i.keys, Minter: s.minter},
		HasAdmin:    s.AdminToken != "",
		BusKey:      string(s.NATSKey),
	}
}
