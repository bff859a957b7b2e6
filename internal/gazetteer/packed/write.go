package packed

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"geogate/internal/geo"
)

// Ring is one closed line of a country's outline, first point repeated at the
// end; a ring within another of the same country is a hole.
type Ring struct {
	Country int // area, or NoArea for a coast; those come last
	Points  []geo.Point
}

// Content is what goes into a file.
type Content struct {
	Date   time.Time
	Places []Place
	Areas  []Area // countries first; a parent before its children
	Rings  []Ring
	// Names leads from folded names to areas by their index and to places by
	// len(Areas) plus their index.
	Names map[string][]Posting
}

// Write packs c. The same content gives the same bytes.
func Write(c Content) ([]byte, error) {
	if len(c.Areas) >= NoArea {
		return nil, fmt.Errorf("pack gazetteer: %d areas are too many", len(c.Areas))
	}
	w := fileWriter{content: c, nameAt: map[string]int{}}
	w.order()
	steps := []func() error{w.places, w.areas, w.ids, w.names, w.rings}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("pack gazetteer: %w", err)
		}
	}
	return w.file(), nil
}

type fileWriter struct {
	content Content
	sorted  []int // places in the order of the spatial index
	place   []int // its inverse
	nameAt  map[string]int
	section [sections][]byte
	keys    int
}

func (w *fileWriter) order() {
	at := make([]vector, len(w.content.Places))
	w.sorted = make([]int, len(at))
	for i, p := range w.content.Places {
		at[i], w.sorted[i] = onSphere(p.Point), i
	}
	arrange(w.sorted, at, 0)
	w.place = make([]int, len(at))
	for to, from := range w.sorted {
		w.place[from] = to
	}
}

// arrange puts the middle element by the axis into the middle, what is smaller
// before it and what is larger behind, and both halves likewise by the next
// axis.
func arrange(order []int, at []vector, axis int) {
	if len(order) < 2 {
		return
	}
	middle := len(order) / 2
	choose(order, middle, func(a, b int) int {
		return cmp.Or(cmp.Compare(at[a][axis], at[b][axis]), cmp.Compare(a, b))
	})
	next := (axis + 1) % 3
	arrange(order[:middle], at, next)
	arrange(order[middle+1:], at, next)
}

// choose is Hoare's selection: afterwards order[k] is what sorting would put
// there.
func choose(order []int, k int, compare func(a, b int) int) {
	low, high := 0, len(order)-1
	for low < high {
		pivot := order[(low+high)/2]
		i, j := low, high
		for i <= j {
			for compare(order[i], pivot) < 0 {
				i++
			}
			for compare(order[j], pivot) > 0 {
				j--
			}
			if i <= j {
				order[i], order[j] = order[j], order[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return
		}
	}
}

func (w *fileWriter) places() error {
	b := make([]byte, 0, placeBytes*len(w.sorted))
	for _, i := range w.sorted {
		p := w.content.Places[i]
		if p.ID <= 0 || p.ID > math.MaxUint32 || p.Population < 0 || p.Population >= abroadBit || !p.Point.Valid() {
			return fmt.Errorf("place %d: id, population or position out of range", p.ID)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(p.ID))
		b = appendDegrees(b, p.Point.Lat, placeUnit)
		b = appendDegrees(b, p.Point.Lon, placeUnit)
		people := uint32(p.Population)
		if p.Abroad {
			people |= abroadBit
		}
		b = binary.LittleEndian.AppendUint32(b, people)
		var err error
		if b, err = w.appendNameRef(b, p.Name); err != nil {
			return err
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(p.Area))
		b = append(b, byte(p.Feature)|fame(p.OtherNames)<<fameShift)
	}
	w.section[placesAt] = b
	return nil
}

// fame of a place by the number of its other names, as [File.Fame] gives it.
func fame(others int) byte {
	return byte(min(maxFame, math.Round(fameUnit*math.Log10(float64(1+others)))))
}

func (w *fileWriter) areas() error {
	b := make([]byte, 0, areaBytes*len(w.content.Areas))
	for _, a := range w.content.Areas {
		b = binary.LittleEndian.AppendUint16(b, uint16(a.Parent))
		b = append(b, byte(a.Level))
		if len(a.Code) != 2 || !a.Point.Valid() {
			return fmt.Errorf("area %q: code or position out of range", a.Name)
		}
		b = append(b, a.Code...)
		var err error
		if b, err = w.appendNameRef(b, a.Name); err != nil {
			return err
		}
		b = appendDegrees(b, a.Point.Lat, placeUnit)
		b = appendDegrees(b, a.Point.Lon, placeUnit)
		b = binary.LittleEndian.AppendUint32(b, uint32(min(a.Population, math.MaxUint32)))
		for _, v := range []float64{math.Floor(a.Box.South * boxUnit), math.Ceil(a.Box.North * boxUnit),
			math.Floor(a.Box.West * boxUnit), math.Ceil(a.Box.East * boxUnit)} {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(v)))
		}
		b = append(b, 0, 0) // to the full width of a row
	}
	w.section[areasAt] = b
	return nil
}

func (w *fileWriter) ids() error {
	byID := make([]int, len(w.sorted))
	for i := range byID {
		byID[i] = i
	}
	id := func(i int) int64 { return w.content.Places[w.sorted[i]].ID }
	slices.SortFunc(byID, func(a, b int) int { return cmp.Compare(id(a), id(b)) })
	for n, i := range byID {
		if n > 0 && id(byID[n-1]) == id(i) {
			return fmt.Errorf("place %d comes twice", id(i))
		}
		w.section[idsAt] = binary.LittleEndian.AppendUint32(w.section[idsAt], uint32(i))
	}
	return nil
}

func (w *fileWriter) names() error {
	names := slices.Sorted(maps.Keys(w.content.Names))
	before := ""
	for i, name := range names {
		if i%blockKeys == 0 {
			before = ""
			w.section[blocksAt] = binary.LittleEndian.AppendUint32(w.section[blocksAt], uint32(len(w.section[keysAt])))
		}
		w.section[keysAt] = appendName(w.section[keysAt], before, name, w.postings(w.content.Names[name]))
		before = name
	}
	w.keys = len(names)
	return nil
}

// postings translates places into their new order and keeps the best kind of
// each.
func (w *fileWriter) postings(all []Posting) []Posting {
	moved := make([]Posting, len(all))
	for i, p := range all {
		if p.Ref >= len(w.content.Areas) {
			p.Ref = len(w.content.Areas) + w.place[p.Ref-len(w.content.Areas)]
		}
		moved[i] = p
	}
	slices.SortFunc(moved, func(a, b Posting) int {
		return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.CompactFunc(moved, func(a, b Posting) bool { return a.Ref == b.Ref })
}

func (w *fileWriter) rings() error {
	for _, ring := range w.content.Rings {
		if len(ring.Points) < 4 || len(ring.Points) > math.MaxUint16 {
			return fmt.Errorf("ring of area %d has %d points", ring.Country, len(ring.Points))
		}
		start := len(w.section[pointsAt])
		box := Box{South: 90, North: -90, West: 180, East: -180}
		var x, y int64
		for _, p := range ring.Points {
			box = Box{min(box.South, p.Lat), max(box.North, p.Lat), min(box.West, p.Lon), max(box.East, p.Lon)}
			toX, toY := int64(math.Round(p.Lon*ringUnit)), int64(math.Round(p.Lat*ringUnit))
			w.section[pointsAt] = binary.AppendVarint(w.section[pointsAt], toX-x)
			w.section[pointsAt] = binary.AppendVarint(w.section[pointsAt], toY-y)
			x, y = toX, toY
		}
		b := w.section[ringsAt]
		for _, v := range []float64{box.South, box.North, box.West, box.East} {
			b = appendDegrees(b, v, ringUnit)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(start))
		b = binary.LittleEndian.AppendUint16(b, uint16(ring.Country))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(ring.Points)))
		w.section[ringsAt] = b
	}
	return nil
}

func (w *fileWriter) file() []byte {
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.content.Date.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.keys))
	end := headerBytes
	for _, s := range w.section {
		end += len(s)
		b = binary.LittleEndian.AppendUint32(b, uint32(end))
	}
	b = append(b, make([]byte, digestBytes)...)
	for _, s := range w.section {
		b = append(b, s...)
	}
	digest := sha256.Sum256(b)
	copy(b[digestAt:], digest[:digestBytes])
	return b
}

func (w *fileWriter) appendNameRef(b []byte, name string) ([]byte, error) {
	if name == "" || len(name) > math.MaxUint8 {
		return nil, fmt.Errorf("name %q: %d bytes", name, len(name))
	}
	at, ok := w.nameAt[name]
	if !ok {
		at = len(w.section[namesAt])
		w.nameAt[name] = at
		w.section[namesAt] = append(w.section[namesAt], name...)
	}
	return append(binary.LittleEndian.AppendUint32(b, uint32(at)), byte(len(name))), nil
}

func appendDegrees(b []byte, v, unit float64) []byte {
	return binary.LittleEndian.AppendUint32(b, uint32(int32(math.Round(v*unit))))
}
