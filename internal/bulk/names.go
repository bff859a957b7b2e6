package bulk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxName is the longest name of a column in bytes of JSON. It is a name, not
	// a cell.
	maxName = 1 << 10
	// maxNames bounds all names of a job together in bytes of JSON. They are in
	// every row of a result but CSV, and in Redis once.
	maxNames = 64 << 10
	// maxAsked is how many columns make up a question. Each is looked for among
	// maxColumns names: 50,000 comparisons at worst, a millisecond.
	maxAsked = 50
)

// nameList makes names of columns, each different from the others, and bounds
// them. A name that is taken gets the next free number; because the number only
// grows, a thousand equal names take a thousand steps.
type nameList struct {
	names []string
	lens  []int // in JSON
	index map[string]int
	next  map[string]int // the number to try next, by name
	bytes int            // of all names in JSON
}

func newNameList() *nameList {
	return &nameList{index: map[string]int{}, next: map[string]int{}}
}

// add appends name, or what it is changed to because it is taken.
func (l *nameList) add(name string) error {
	unique := name
	for _, taken := l.index[unique]; taken; _, taken = l.index[unique] {
		n := max(l.next[name], 2)
		l.next[name] = n + 1
		unique = name + "_" + strconv.Itoa(n)
	}
	n := jsonLen(unique)
	if n > maxName {
		return &InputError{
			"name_too_long", fmt.Sprintf("column %d has a name of more than %d bytes", len(l.names)+1, maxName),
			"is the first line a header? header=0 says that it is not",
		}
	}
	if l.bytes += n; l.bytes > maxNames {
		return &InputError{"names_too_long", fmt.Sprintf("the names of the columns have more than %d bytes together", maxNames), "shorten them"}
	}
	l.index[unique] = len(l.names)
	l.names = append(l.names, unique)
	l.lens = append(l.lens, n)
	return nil
}

// addColumn appends the name of a column that has none.
func (l *nameList) addColumn() error { return l.add("column_" + strconv.Itoa(len(l.names)+1)) }

// addHeader appends the names of the columns of a CSV file whose first record is
// given.
func (l *nameList) addHeader(first []string, header bool) error {
	for _, cell := range first {
		var err error
		if name := strings.TrimSpace(cell); header && name != "" {
			err = l.add(name)
		} else {
			err = l.addColumn()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addressNames are what people call a column of addresses, in the languages of Excel;
// commas separate them. Case, accents and the signs between words do not matter.
//
//nolint:misspell // not all of it is English
var addressNames = []struct{ language, names string }{
	{"Afrikaans, Dutch, Polish, Turkish", "adres, volledig adres, pełny adres, açık adres"},
	{"Albanian, Croatian, Czech, Romanian, Serbian, Slovak", "adresa, plná adresa, puna adresa, adresa completă"},
	{"Amharic", "አድራሻ"},
	{"Arabic", "العنوان, عنوان"},
	{"Armenian", "հասցե"},
	{"Assamese, Bengali", "ঠিকনা, ঠিকানা"},
	{"Azerbaijani", "ünvan"},
	{"Basque", "helbidea"},
	{"Belarusian, Bulgarian, Russian, Ukrainian", "адрес, адрас, адреса, полный адрес, повна адреса"},
	{"Catalan, Galician", "adreça, enderezo"},
	{"Chinese", "地址, 住址, 详细地址, 詳細地址"},
	{"Danish, French, German, Norwegian", "adresse, anschrift, postanschrift, postadresse, adresse complète, adresse postale, vollständige adresse"},
	{"English", "address, addr, full address, mailing address, postal address, street address"},
	{"Estonian", "aadress"},
	{"Filipino, Indonesian, Malay", "tirahan, alamat, alamat lengkap"},
	{"Finnish", "osoite, katuosoite"},
	{"Georgian", "მისამართი"},
	{"Greek", "διεύθυνση"},
	{"Gujarati", "સરનામું"},
	{"Hebrew", "כתובת"},
	{"Hindi, Marathi, Nepali", "पता, पत्ता, ठेगाना"},
	{"Hungarian", "cím, lakcím, teljes cím"},
	{"Icelandic", "heimilisfang"},
	{"Irish, Scottish Gaelic, Welsh", "seoladh, seòladh, cyfeiriad"},
	{"Italian, Maltese", "indirizzo, indirizzo completo, indirizz"},
	{"Japanese", "住所, アドレス"},
	{"Kannada", "ವಿಳಾಸ"},
	{"Kazakh, Kyrgyz, Mongolian, Tajik", "мекенжай, мекенжайы, дарек, хаяг, суроға"},
	{"Khmer", "អាសយដ្ឋាន"},
	{"Korean", "주소"},
	{"Lao, Thai", "ທີ່ຢູ່, ที่อยู่"},
	{"Latvian, Lithuanian", "adrese, adresas"},
	{"Malayalam", "വിലാസം, മേൽവിലാസം"},
	{"Persian", "نشانی, آدرس"},
	{"Portuguese", "endereço, endereço completo, morada"},
	{"Punjabi", "ਪਤਾ"},
	{"Sinhala", "ලිපිනය"},
	{"Slovenian", "naslov"},
	{"Spanish", "dirección, dirección completa, dirección postal, domicilio"},
	{"Swahili", "anwani"},
	{"Swedish, Luxembourgish", "adress, gatuadress"},
	{"Tamil", "முகவரி"},
	{"Telugu", "చిరునామా"},
	{"Urdu", "پتہ"},
	{"Uzbek", "manzil"},
	{"Vietnamese", "địa chỉ"},
}

var addressWords = func() map[string]bool {
	set := map[string]bool{}
	for _, row := range addressNames {
		for name := range strings.SplitSeq(row.names, ",") {
			set[foldName(name)] = true
		}
	}
	return set
}()

// maxFolded is far above the bytes of any name in the table.
const maxFolded = 100

// isAddressName reports whether a column of this name holds addresses.
func isAddressName(name string) bool { return len(name) <= maxFolded && addressWords[foldName(name)] }

// foldName makes names equal that differ in case, accents or the signs between words.
func foldName(name string) string {
	letters := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case strings.ContainsRune("_-.:*", r):
			return ' '
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	return strings.Join(strings.Fields(letters), " ")
}

// columnWords are other names that a header uses and an address does not consist of.
var columnWords = setOf(`
	q query
	street strasse straße str rue calle via road housenumber house_number hausnummer hausnr number nr no
	city town ort stadt ville ciudad comune village municipality gemeinde place location
	state region province county district kanton canton land country countrycode country_code
	zip zipcode zip_code postcode postal_code postalcode plz cp
	lat latitude lon lng long longitude x y coordinates id name kunde customer firma company`)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

func isColumnWord(cell string) bool {
	return columnWords[strings.ToLower(strings.TrimSpace(cell))] || isAddressName(cell)
}

func namesColumn(cells []string) bool { return slices.ContainsFunc(cells, isColumnWord) }

// Names of the columns that are asked for when the client names none.
var (
	questionNames  = []string{"q", "query"}
	latitudeNames  = []string{"lat", "latitude", "y"}
	longitudeNames = []string{"lon", "lng", "long", "longitude", "x"}
)

// questionColumn is the column whose name says that it holds what is asked for; -1: none.
func questionColumn(columns []string) int {
	if i := firstNamed(columns, questionNames); i >= 0 {
		return i
	}
	return slices.IndexFunc(columns, isAddressName)
}
