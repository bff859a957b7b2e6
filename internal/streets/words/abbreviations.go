package words

import "slices"

// abbreviations lists, by language, how people shorten the words of addresses.
// The full word stands first.
var abbreviations = [][]string{
	// German
	{"strasse", "str"}, {"platz", "pl"}, {"gasse", "g"}, {"allee", "al"}, {"sankt", "st", "skt"}, {"doktor", "dr"},
	{"professor", "prof"}, {"haus", "hs"}, {"bahnhof", "bhf", "bf"}, {"hauptbahnhof", "hbf"}, {"kirche", "ki"},
	// French
	{"rue", "r"}, {"avenue", "av", "ave"}, {"boulevard", "bd", "bld", "blvd", "boul", "bvd"}, {"place", "pl"},
	{"chemin", "ch", "che"}, {"impasse", "imp"}, {"quai", "q"}, {"square", "sq"}, {"route", "rte", "rt"},
	{"allee", "all"}, {"passage", "pass", "psg"}, {"faubourg", "fbg", "fg"}, {"residence", "res"},
	{"saint", "st"}, {"sainte", "ste"}, {"docteur", "dr"}, {"general", "gen", "gal"}, {"marechal", "mal"},
	{"colonel", "col"}, {"commandant", "cdt"}, {"president", "pres", "pdt"}, {"notre", "n"}, {"dame", "d"},
	{"escalier", "esc"}, {"promenade", "prom"}, {"rond", "rd"}, {"descente", "desc"}, {"princesse", "pcesse"},
	// Catalan and Spanish
	{"carrer", "c", "cr", "cl"}, {"calle", "c", "cl"}, {"avinguda", "av", "avda", "avgda", "avd"},
	{"avenida", "av", "avda", "avd", "ave"}, {"placa", "pl", "pca", "plca"}, {"plaza", "pl", "pza", "plza"},
	{"passeig", "pg", "ps"}, {"paseo", "po", "ps", "pso"}, {"passatge", "ptge", "psg"}, {"carretera", "ctra", "cra", "crta", "carr"},
	{"cami", "cmi", "cm"}, {"camino", "cno", "cmno"}, {"travessia", "trav", "tr"}, {"ronda", "rda"}, {"rambla", "rbla"},
	{"urbanitzacio", "urb"}, {"urbanizacion", "urb"}, {"edifici", "ed", "edif"}, {"edificio", "ed", "edif"},
	{"sant", "st", "s"}, {"santa", "sta"}, {"san", "s"}, {"santo", "sto"}, {"doctor", "dr"}, {"poligon", "pol"},
	{"poligono", "pol"}, {"partida", "ptda"}, {"glorieta", "gta"}, {"costanera", "cost"},
	{"mossen", "mn"}, {"mare", "m"}, {"nostra", "ntra"}, {"senyora", "sra"}, {"senora", "sra"},
	// Portuguese
	{"rua", "r"}, {"travessa", "tv", "trav", "tr"}, {"praca", "pc", "pca", "pr"}, {"largo", "lg", "lgo", "l"},
	{"estrada", "estr", "est"}, {"rotunda", "rot"}, {"calcada", "cc", "calc"}, {"alameda", "al", "alam"},
	{"urbanizacao", "urb"}, {"jardim", "jd"}, {"viela", "vl"}, {"escadas", "esc"}, {"doutor", "dr"}, {"doutora", "dra"},
	{"engenheiro", "eng"}, {"padre", "pe", "p"}, {"dom", "d"}, {"dona", "d"}, {"sao", "s"}, {"nossa", "n", "ns"},
	{"senhora", "sra", "sr"}, {"general", "gen"}, {"marechal", "mar"}, {"almirante", "alm"}, {"coronel", "cor", "cel"},
	{"capitao", "cap"}, {"conselheiro", "cons"}, {"comendador", "com"}, {"infante", "inf"}, {"visconde", "visc"},
	{"campo", "cpo"}, {"parque", "pq"}, {"bairro", "b", "bo"},
	// English
	{"street", "st", "str"}, {"road", "rd"}, {"lane", "ln"}, {"drive", "dr"}, {"court", "ct"}, {"highway", "hwy"},
	{"terrace", "ter", "terr"}, {"crescent", "cres", "cr"}, {"parkway", "pkwy"}, {"circle", "cir"}, {"trail", "trl"},
	{"north", "n"}, {"south", "s"}, {"east", "e"}, {"west", "w"}, {"mount", "mt"}, {"fort", "ft"}, {"gardens", "gdns"},
	{"close", "cl"}, {"grove", "gr"}, {"park", "pk"}, {"station", "stn"}, {"center", "ctr"}, {"centre", "ctr"},
	// Italian
	{"via", "v"}, {"viale", "vle"}, {"piazza", "pza", "pzza", "p"}, {"piazzale", "ple", "ple"}, {"corso", "cso"},
	{"vicolo", "vic"}, {"largo", "lgo"}, {"strada", "str"}, {"santi", "ss"}, {"fratelli", "flli"},
	// Dutch, Scandinavian, Polish, Czech, Turkish
	{"straat", "str"}, {"laan", "ln"}, {"plein", "pl"}, {"gracht", "gr"}, {"vagen", "v"}, {"gatan", "g"}, {"veien", "v"},
	{"gate", "gt"}, {"ulica", "ul"}, {"aleja", "al"}, {"aleje", "al"}, {"plac", "pl"}, {"osiedle", "os"},
	{"namesti", "nam"}, {"trida", "tr"}, {"cadde", "cd", "cad"}, {"caddesi", "cd", "cad"}, {"sokak", "sk", "sok"},
	{"sokagi", "sk", "sok"}, {"mahallesi", "mah", "mh"}, {"bulvari", "blv", "bul"},
	// Russian, Ukrainian
	{"улица", "ул"}, {"проспект", "пр", "просп", "пркт"}, {"площадь", "пл"}, {"переулок", "пер"}, {"шоссе", "ш"},
	{"набережная", "наб"}, {"бульвар", "бул", "бр"}, {"проезд", "пр"}, {"вулиця", "вул"}, {"провулок", "пров"}, {"площа", "пл"},
}

// endings lists the words that end a compound, and how they are shortened there.
var endings = [][]string{
	{"strasse", "str"}, {"straat", "str"}, {"platz", "pl"}, {"gasse", "g", "ga"}, {"weg", "w"}, {"allee", "al"},
	{"plein", "pl"}, {"gracht", "gr"}, {"gatan", "g"}, {"vagen", "v"},
}

// alternatives has the full words of each short one, and the short ones of
// each full one, and other ways to shorten the same word.
var alternatives = func() map[string][]string {
	m := map[string][]string{}
	add := func(a, b string) {
		if a != b && !slices.Contains(m[a], b) {
			m[a] = append(m[a], b)
		}
	}
	for _, group := range abbreviations {
		for _, a := range group {
			for _, b := range group {
				add(a, b)
			}
		}
	}
	return m
}()

// Alternatives are other ways to write a word of an address: what it is short
// for, and how it is shortened. The caller must not change the list.
func Alternatives(w string) []string { return alternatives[w] }

// Endings calls yield with the ways to spell out a compound whose end is
// shortened: bahnhofstr is bahnhofstrasse.
func Endings(w string, yield func(string)) {
	for _, group := range endings {
		for _, short := range group[1:] {
			if n := len(w) - len(short); n >= 2 && len(w) >= 4 && w[n:] == short {
				yield(w[:n] + group[0])
			}
		}
	}
}

// particles carry little of a name: people leave them out and put them in.
var particles = set("de", "du", "des", "la", "le", "les", "d", "l", "do", "da", "dos", "das", "e", "et", "i", "y", "del", "dels",
	"los", "las", "el", "els", "the", "of", "and", "und", "der", "die", "den", "dem", "von", "van", "di", "della", "delle", "dei", "a", "o", "al", "en", "no", "na")

// Particle reports whether w is an article or a preposition that joins names.
func Particle(w string) bool { return particles[w] }

// numberSigns stand before a house number and mean nothing else.
var numberSigns = set("nr", "no", "num", "numero", "n", "nummer", "hausnummer", "number", "nro", "д", "дом")

// NumberSign reports whether w announces a house number, such as Nr. or nº,
// which folding turns into "no".
func NumberSign(w string) bool { return numberSigns[w] }

func set(list ...string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, w := range list {
		m[w] = true
	}
	return m
}

// CarCodes are the signs of vehicles that people put before a post code, where
// they differ from the code of the country.
var CarCodes = map[string]string{
	"a": "at", "b": "be", "d": "de", "e": "es", "f": "fr", "fl": "li", "h": "hu", "i": "it", "l": "lu", "n": "no",
	"p": "pt", "s": "se", "v": "va", "fin": "fi", "irl": "ie", "slo": "si", "est": "ee", "and": "ad", "rus": "ru", "j": "jp",
}

// Full is the only word that w is short for, or "" when there is none or w
// could be short for several.
func Full(w string) string { return fulls[w] }

var fulls = func() map[string]string {
	m := map[string]string{}
	for _, group := range abbreviations {
		for _, short := range group[1:] {
			if have, ok := m[short]; ok && have != group[0] {
				m[short] = ""
			} else {
				m[short] = group[0]
			}
		}
	}
	return m
}()
