package gazetteer

import (
	"testing"

	"geogate/internal/geo"
)

// TestReverseOfEveryTownIsInItsCountry asks for the very middle of each town
// above 1,000 people.
func TestReverseOfEveryTownIsInItsCountry(t *testing.T) {
	g := load(t)
	towns, abroad := 0, 0
	for i := range g.file.Places() {
		if g.file.Population(i) < 1000 {
			continue
		}
		towns++
		if g.file.Abroad(i) {
			abroad++
		}
		town := g.match(g.file.Areas() + i)
		m, ok := g.Reverse(town.Point, 18)
		if !ok || m.CountryCode != town.CountryCode {
			t.Errorf("Reverse(%v) = %q (%s), want %q (%s, %d people)", town.Point, m.Name, m.CountryCode, town.Name, town.CountryCode, town.Population)
		}
	}
	t.Logf("%d towns above 1,000 people, %d of them outside of the outline of their country", towns, abroad)
}

// TestReverseAlongBorders asks for points in the streets of towns that face one
// another over a border or a river, most of them close to it.
func TestReverseAlongBorders(t *testing.T) {
	tests := []struct {
		name     string
		lat, lon float64
		country  string
	}{
		{"Windsor, by the river", 42.3190, -83.0400, "ca"},
		{"Windsor, the bridge", 42.3060, -83.0740, "ca"},
		{"Detroit, by the river", 42.3285, -83.0440, "us"},
		{"San Ysidro", 32.5520, -117.0430, "us"},
		{"San Ysidro, the border station", 32.5445, -117.0300, "us"},
		{"Tijuana, the centre", 32.5330, -117.0370, "mx"},
		{"Ceuta", 35.8890, -5.3190, "es"},
		{"Fnideq", 35.8490, -5.3570, "ma"},
		{"Melilla", 35.2920, -2.9380, "es"},
		{"Beni Ensar", 35.2660, -2.9280, "ma"},
		{"Dakhla", 23.6848, -15.9570, "eh"},
		{"El Paso, downtown", 31.7600, -106.4880, "us"},
		{"Juárez, downtown", 31.7390, -106.4850, "mx"},
		{"Laredo", 27.5050, -99.5070, "us"},
		{"Nuevo Laredo", 27.4900, -99.5070, "mx"},
		{"Niagara Falls, New York", 43.0950, -79.0500, "us"},
		{"Niagara Falls, Ontario", 43.0900, -79.0850, "ca"},
		{"Sault Ste. Marie, Michigan", 46.4950, -84.3460, "us"},
		{"Sault Ste. Marie, Ontario", 46.5120, -84.3360, "ca"},
		{"Strasbourg, by the Rhine", 48.5730, 7.7920, "fr"},
		{"Kehl, by the Rhine", 48.5740, 7.8070, "de"},
		{"Konstanz, the old town", 47.6610, 9.1750, "de"},
		{"Kreuzlingen", 47.6500, 9.1750, "ch"},
		{"Basel, by the Rhine", 47.5600, 7.5900, "ch"},
		{"Weil am Rhein", 47.5930, 7.6100, "de"},
		{"Geneva", 46.2044, 6.1432, "ch"},
		{"Annemasse", 46.1930, 6.2360, "fr"},
		{"Frankfurt (Oder)", 52.3460, 14.5500, "de"},
		{"Słubice", 52.3480, 14.5620, "pl"},
		{"Görlitz", 51.1560, 14.9880, "de"},
		{"Zgorzelec", 51.1520, 15.0020, "pl"},
		{"Salzburg", 47.8000, 13.0450, "at"},
		{"Freilassing", 47.8400, 12.9780, "de"},
		{"Bratislava, Petržalka", 48.1130, 17.1130, "sk"},
		{"Kittsee", 48.0920, 17.0650, "at"},
		{"Komárno", 47.7630, 18.1280, "sk"},
		{"Komárom", 47.7400, 18.1190, "hu"},
		{"Gorizia", 45.9410, 13.6220, "it"},
		{"Nova Gorica", 45.9560, 13.6480, "si"},
		{"Giurgiu", 43.8930, 25.9660, "ro"},
		{"Ruse", 43.8490, 25.9540, "bg"},
		{"Narva", 59.3770, 28.1850, "ee"},
		{"Ivangorod", 59.3700, 28.2200, "ru"},
		{"Tornio", 65.8480, 24.1450, "fi"},
		{"Haparanda", 65.8350, 24.1290, "se"},
		{"Irun", 43.3390, -1.7890, "es"},
		{"Hendaye", 43.3590, -1.7740, "fr"},
		{"Tui", 42.0470, -8.6440, "es"},
		{"Valença", 42.0270, -8.6420, "pt"},
		{"Gibraltar", 36.1407, -5.3536, "gi"},
		{"La Línea", 36.1680, -5.3480, "es"},
		{"Monaco", 43.7384, 7.4246, "mc"},
		{"the Vatican", 41.9029, 12.4534, "va"},
		{"Rome, beside it", 41.9040, 12.4650, "it"},
		{"Aachen, Vaalserquartier", 50.7800, 6.0400, "de"},
		{"Vaals", 50.7710, 6.0180, "nl"},
		{"Kinshasa, by the river", -4.3050, 15.3060, "cd"},
		{"Brazzaville, by the river", -4.2750, 15.2850, "cg"},
		{"Foz do Iguaçu", -25.5400, -54.5850, "br"},
		{"Ciudad del Este", -25.5100, -54.6150, "py"},
		{"Puerto Iguazú", -25.5990, -54.5750, "ar"},
		{"Cúcuta", 7.8900, -72.5050, "co"},
		{"San Antonio del Táchira", 7.8150, -72.4430, "ve"},
		{"Rivera", -30.9050, -55.5500, "uy"},
		{"Johor Bahru", 1.4620, 103.7640, "my"},
		{"Woodlands", 1.4370, 103.7860, "sg"},
		{"Shenzhen, Luohu", 22.5400, 114.1170, "cn"},
		{"Sheung Shui", 22.5020, 114.1280, "hk"},
		{"Zhuhai, Gongbei", 22.2200, 113.5500, "cn"},
		{"Macau", 22.2000, 113.5450, "mo"},
		{"Vientiane", 17.9630, 102.6140, "la"},
		{"Nong Khai", 17.8780, 102.7420, "th"},
		{"Dandong", 40.1240, 124.3900, "cn"},
		{"Sinuiju", 40.1000, 124.4000, "kp"},
		{"Blagoveshchensk", 50.2700, 127.5300, "ru"},
		{"Heihe", 50.2420, 127.4900, "cn"},
		{"Livingstone", -17.8500, 25.8600, "zm"},
		{"Victoria Falls", -17.9300, 25.8300, "zw"},
		{"Lomé, Kodjoviakopé", 6.1240, 1.2060, "tg"},
		{"Aflao", 6.1190, 1.1850, "gh"},
		{"Goma", -1.6800, 29.2280, "cd"},
		{"Gisenyi", -1.6980, 29.2570, "rw"},
		{"Eilat", 29.5570, 34.9510, "il"},
		{"Aqaba", 29.5310, 35.0050, "jo"},
		{"Amritsar", 31.6330, 74.8720, "in"},
		{"Lahore", 31.5580, 74.3500, "pk"},
	}
	g := load(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := geo.Point{Lat: tt.lat, Lon: tt.lon}
			for _, zoom := range []int{3, 10, 18} {
				if m, ok := g.Reverse(p, zoom); !ok || m.CountryCode != tt.country {
					t.Errorf("Reverse(%v, %d) = %q (%s), want %s", p, zoom, m.Name, m.CountryCode, tt.country)
				}
			}
		})
	}
}
