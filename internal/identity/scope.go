package identity

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is a set of things that a caller may do. The route table says which
// scope a route needs.
type Scope uint16

// The scopes.
const (
	Geocode    Scope = 1 << iota // geocode, and complete addresses as they are typed
	Nearby                       // look for drivers, and for their times on the road
	Ride                         // ask for rides as the subject; read, follow and cancel own rides
	Drive                        // report positions as the subject; own offers; the steps of the own ride
	Bulk                         // bulk jobs, visible to their owner
	Dispatch                     // all of the above for anybody's id; lists and the live map
	Events                       // publish, subscribe, stream
	Administer                   // keys, purge, import, export, mode, metrics
)

const (
	forPeople = Geocode | Nearby | Ride | Drive | Bulk
	allScopes = forPeople | Dispatch | Events | Administer
)

// scopeNames are as credentials, settings and errors spell them, by bit.
var scopeNames = []string{"geocode", "nearby", "ride", "drive", "bulk", "dispatch", "events", "admin"}

// String lists the names, separated by spaces as in RFC 6749.
func (s Scope) String() string {
	var names []string
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// scopeOf returns the scope with a name, and what it implies; 0: there is none.
func scopeOf(name string) Scope {
	i := slices.Index(scopeNames, name)
	switch {
	case i < 0:
		return 0
	case Scope(1)<<i == Dispatch:
		return forPeople | Dispatch
	}
	return 1 << i
}

// ParseAnonymous reads the setting ANONYMOUS: what callers without a credential
// may do. It takes names separated by commas, "none", and "all", which is every
// scope but admin and events.
func ParseAnonymous(text string) (Scope, error) {
	switch text {
	case "none":
		return 0, nil
	case "all":
		return forPeople | Dispatch, nil
	}
	var scopes Scope
	for name := range strings.SplitSeq(text, ",") {
		s := scopeOf(strings.TrimSpace(name))
		if s == 0 {
			return 0, fmt.Errorf("want none, all, or of %s, comma-separated", strings.Join(scopeNames[:7], ", "))
		}
		if s&Administer != 0 {
			return 0, fmt.Errorf("admin needs a credential: want none, all, or of %s", strings.Join(scopeNames[:7], ", "))
		}
		scopes |= s
	}
	return scopes, nil
}

// Role is a bundle of scopes with a name.
type Role string

// The roles.
const (
	Rider         Role = "rider"
	Driver        Role = "driver"
	Operator      Role = "operator"
	Administrator Role = "admin"
)

// Roles are all of them, in the order of growing power.
var Roles = []Role{Rider, Driver, Operator, Administrator}

// Scopes returns what the role may do; nothing for a role that does not exist.
func (r Role) Scopes() Scope {
	switch r {
	case Rider:
		return Geocode | Nearby | Ride
	case Driver:
		return Geocode | Drive
	case Operator:
		return forPeople | Dispatch | Events
	case Administrator:
		return allScopes
	}
	return 0
}
