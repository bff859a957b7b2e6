package gazetteer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"geogate/internal/gazetteer/fold"
	"geogate/internal/gazetteer/packed"
)

// beside are the seats that lie outside of the division that shares their name:
// capitals in a district of their own, towns that lent their name to the land
// around them, and two divisions whose names GeoNames has swapped (Malta).
var beside = map[string]string{
	"mx Mexico City": "Mexico City", "ar Buenos Aires": "Buenos Aires F.D.", "do Santo Domingo": "Nacional",
	"us Columbia": "South Carolina", "us Washington": "District of Columbia", "la Vientiane": "Vientiane Prefecture",
	"tw Taipei": "Taiwan", "mn Sühbaatar": "Selenge Province", "uz Tashkent": "Tashkent", "lv Jelgava": "Jelgava",
	"lv Rēzekne": "Rēzekne", "lv Ventspils": "Ventspils", "ci Yamoussoukro": "Lacs District", "bg Sofia": "Sofia-Capital",
	"ye Sanaa": "Amanat Alasimah", "mt Ta’ Xbiex": "Tarxien", "mt Tarxien": "Ta’ Xbiex", "by Minsk": "Minsk City",
	"ua Kyiv": "Kyiv City", "si Videm": "Municipality of Dobrepolje",
}

// TestSeatsLieInTheDivisionOfTheirName holds that the codes of divisions and
// their names are of one date: with names of another year Huế was in Dak Lak.
func TestSeatsLieInTheDivisionOfTheirName(t *testing.T) {
	g := load(t)
	states := map[string]int{} // by country and name
	for i := range g.file.Areas() {
		if a := g.file.Area(i); a.Level == packed.State {
			states[a.Code+" "+bare(a.Name)] = i
		}
	}
	seats := 0
	for i := range g.file.Places() {
		if f := g.file.PlaceFeature(i); f != packed.PPLA && f != packed.PPLC {
			continue
		}
		seat := g.match(g.file.Areas() + i)
		want, ok := states[seat.CountryCode+" "+bare(seat.Name)]
		if !ok {
			continue
		}
		seats++
		got := "none"
		if state := stateOf(g, i); state != packed.NoArea {
			got = g.file.Area(state).Name
		}
		expected := cmp.Or(beside[seat.CountryCode+" "+seat.Name], g.file.Area(want).Name)
		if got != expected {
			t.Errorf("%s (%s) is in %s, want %s", seat.Name, seat.CountryCode, got, expected)
		}
	}
	t.Logf("%d seats of divisions of their name", seats)
	if seats < 1000 {
		t.Errorf("%d seats: the test is void", seats)
	}
}

// stateOf is the state of place i, or packed.NoArea.
func stateOf(g *Gazetteer, i int) int {
	state := packed.NoArea
	g.ancestors(g.file.Areas()+i, func(area int) bool {
		if g.file.AreaLevel(area) == packed.State {
			state = area
		}
		return true
	})
	return state
}

// bare is the name of a division without the word for what it is.
func bare(name string) string {
	words := strings.Fields(fold.Key(name))
	words = slices.DeleteFunc(words, func(w string) bool {
		switch w {
		case "province", "oblast", "region", "county", "state", "department", "district", "governorate", "prefecture",
			"provincia", "departamento", "departement", "canton", "city", "of", "municipality", "parish", "wilaya":
			return true
		default:
			return false
		}
	})
	return strings.Join(words, " ")
}

// undivided are the countries and territories whose places GeoNames puts into no
// division, or into one without a name, with the share of them that is allowed.
var undivided = map[string]float64{
	"aq": 1, "aw": 1, "bl": 1, "cc": 1, "cw": 1, "cx": 1, "eh": 1, "fk": 1, "gi": 1, "gs": 1, "mf": 1, "mo": 1,
	"nf": 1, "nu": 1, "pn": 1, "sg": 1, "sx": 1, "tc": 1, "va": 1, "vg": 1,
	"ws": 0.15, "bw": 0.09, "pf": 0.08, "hk": 0.08, "ge": 0.04, "me": 0.04, "mk": 0.03,
}

// TestPlacesLieInADivision bounds the share of places without a state. One place
// of a country may always be without.
func TestPlacesLieInADivision(t *testing.T) {
	const allowed = 0.02
	g := load(t)
	all, without := map[string]int{}, map[string]int{}
	for i := range g.file.Places() {
		code := g.file.Area(g.country(g.file.Areas() + i)).Code
		all[code]++
		if stateOf(g, i) == packed.NoArea {
			without[code]++
		}
	}
	share := func(code string) float64 { return float64(without[code]) / float64(all[code]) }
	for _, code := range slices.SortedFunc(maps.Keys(without), func(a, b string) int {
		return cmp.Or(cmp.Compare(share(b), share(a)), cmp.Compare(a, b))
	}) {
		t.Logf("%s: %d of %d places in no division, %.1f %%", code, without[code], all[code], 100*share(code))
		if bound := max(allowed, undivided[code]); without[code] > 1 && share(code) > bound {
			t.Errorf("%s: %.1f %% of the places are in no division, want at most %.1f %%", code, 100*share(code), 100*bound)
		}
	}
}
