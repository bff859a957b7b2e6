package streets

import (
	"math"

	"geogate/internal/streets/packed"
	"geogate/internal/streets/words"
)

// What parts of a score count.
const (
	slipShare    = 0.72 // of a term that is spelled otherwise
	contextShare = 0.97 // of a term that only says where something lies
	numberShare  = 0.35 // of a house number that the street does not have
	wholeName    = 0.20 // for a name that was asked for in full
	houseFound   = 0.05
	partOfName   = 0.15  // against a point of interest of which only part of the name was asked for
	stopOrPeak   = 0.015 // against stops, peaks and the like beside a place of the same name
	nearby       = 0.05
	inViewbox    = 0.08
)

// rate looks at a candidate closely and keeps it when it explains enough.
func (s *search) rate(c candidate) {
	d := s.file.Doc(c.doc)
	s.rateName(&c, d)
	if c.name == 0 {
		return
	}
	switch d.Kind {
	case packed.Street:
		s.findHouse(&c, d)
	case packed.POI:
		s.poiNumber(&c, d)
	}
	s.score(&c, d)
	// A number that its street lacks leaves the street, however much it weighs.
	if c.covered >= enough || c.full {
		s.results = append(s.results, c)
	}
}

// rateName finds the name of the candidate that explains the question best.
func (s *search) rateName(c *candidate, d packed.Doc) {
	allowed := s.nameable[s.file.PartOf(c.doc)]
	best, name, slip, whole := float32(-1), uint32(0), uint32(0), float32(0)
	n := s.file.NameWords(d.Names)
	first := true
	for n.More() {
		var mask, slipped, last uint32
		var held, all float32
		ordered := float32(0)
		for count := n.Next(); count > 0 && n.More(); count-- {
			w := n.Next()
			weight := float32(1)
			hit, hitSlip := s.altMask(w)
			if hit == 0 {
				if s.unimportant(w) {
					weight = 0.15
				}
				all += weight
				last = 0
				continue
			}
			if p := s.onlyParticles(hit); p {
				weight = 0.15
			}
			all += weight
			if hitSlip {
				held += weight * 0.9
				slipped |= hit &^ mask
			} else {
				held += weight
				slipped &^= hit
			}
			if last != 0 && hit&(last<<1) != 0 {
				ordered += weight
			}
			last = hit
			mask |= hit
		}
		mask &= allowed
		slipped &= mask
		w := float32(0)
		if all > 0 {
			w = (held + 0.1*ordered) / (all * 1.1)
		}
		rank := s.weightOf(mask) - 0.28*s.weightOf(slipped) + 0.3*w
		if !first {
			rank -= 0.01 // the main name goes first
		}
		if rank > best {
			best, name, slip, whole = rank, mask, slipped, w
		}
		first = false
	}
	c.name, c.slip, c.whole = name, slip, whole
}

// altMask are the terms that a word of the file stands for.
func (s *search) altMask(w uint32) (mask uint32, slip bool) {
	b := s.bears.get(w)
	return b.mask, b.mask != 0 && b.slip == b.mask
}

// unimportant tells words that many names hold: leaving them out is no loss.
func (s *search) unimportant(w uint32) bool {
	return s.file.Frequency(w) > 60+s.file.DocCount()/50
}

// particles are the terms that join names, where others name something.
func (s *search) particles() (mask uint32) {
	named := false
	for i := range s.terms {
		t := &s.terms[i]
		if words.Particle(t.text) {
			mask |= 1 << i
		} else {
			named = named || !t.digits
		}
	}
	if !named {
		return 0
	}
	return mask
}

func (s *search) onlyParticles(mask uint32) bool {
	for i := range s.terms {
		if mask&(1<<i) != 0 && !words.Particle(s.terms[i].text) {
			return false
		}
	}
	return true
}

// findHouse looks for the house numbers of the question in a street, and takes
// the house that explains most: the other number may be its post code.
func (s *search) findHouse(c *candidate, d packed.Doc) {
	if d.HouseCount == 0 {
		return
	}
	best, exact := float32(-1), c.where&^c.vague
	street := c.where
	for _, n := range s.numbers {
		if n.mask&c.name != 0 {
			continue
		}
		s.file.Numbered(d.House, d.HouseCount, n.hash, func(i uint32) {
			h := s.file.House(i)
			here, vague := s.whereabouts(h.Context)
			where := here | street
			rank := s.weightOf(here) + 2*s.weightOf(where|n.mask)
			if words.Number(s.file.String(s.file.Object(h.Object).Number)) == n.text {
				rank += 0.05
			}
			if s.query.Viewbox != nil && inBox(s.query.Viewbox, h.Lat, h.Lon) {
				rank += 0.1
			}
			if rank > best {
				best = rank
				c.house, c.number, c.where, c.vague = i+1, n.mask, where, where&^(exact|here&^vague)
			}
		})
	}
}

// poiNumber compares the number in the address of a point of interest.
func (s *search) poiNumber(c *candidate, d packed.Doc) {
	if len(s.numbers) == 0 {
		return
	}
	o := s.file.Object(d.Object)
	if o.Number == 0 {
		return
	}
	have := words.Number(s.file.String(o.Number))
	for _, n := range s.numbers {
		if n.text == have && n.mask&c.name == 0 {
			c.number = n.mask
			return
		}
	}
}

// score adds up what the candidate explains and how well.
func (s *search) score(c *candidate, d packed.Doc) {
	var sum, got float32
	phrases, explained := uint32(0), uint32(0)
	c.full = true
	for i := range s.terms {
		bit := uint32(1) << i
		t := &s.terms[i]
		sum += t.weight
		phrases |= 1 << min(t.phrase, 31)
		share := float32(0)
		switch {
		case c.number&bit != 0:
			share = 1
		case c.name&bit != 0 && c.slip&bit == 0:
			share = 1
		case c.where&bit != 0:
			share = contextShare
			if c.vague&bit != 0 {
				share = slipShare
			}
		case c.name&bit != 0:
			share = slipShare
		case t.digits && t.role&asNumber != 0 && d.Kind == packed.Street:
			share = numberShare
		}
		got += t.weight * share
		c.full = c.full && (share >= contextShare || share == numberShare)
		if share > 0 {
			explained |= 1 << min(t.phrase, 31)
		}
	}
	c.covered = got / sum
	// A part between commas that nothing explains is another town, or another
	// thing altogether.
	c.covered -= 0.15 * float32(ones(phrases&^explained))
	c.score = c.covered + wholeName*c.whole
	if c.house != 0 {
		c.score += houseFound
	}
	switch d.Kind {
	case packed.Area:
		c.score += 0.03 + 0.001*float32(30-d.Rank)
	case packed.Street:
		c.score += 0.02
		if d.HouseCount > 0 {
			c.score += 0.002
		}
	case packed.PostCode:
		c.score += 0.01
	case packed.POI:
		// Part of a name is seldom meant for the whole of it.
		c.score -= partOfName * (1 - c.whole)
		if s.poiLayer(d) == Other {
			c.score -= stopOrPeak
		}
	}
	c.score += 0.02 * float32(d.Importance) / math.MaxUint16
	c.score += c.near
}

// nearness is what a score gains where somebody asks from.
func (s *search) nearness(d packed.Doc) (bonus float32) {
	if b := s.query.Viewbox; b != nil && inBox(b, d.Lat, d.Lon) {
		bonus = inViewbox
	}
	if p := s.query.Near; p != nil {
		lat, lon := (p.Lat-float64(d.Lat)*1e-7)*111, (p.Lon-float64(d.Lon)*1e-7)*111*math.Cos(p.Lat*math.Pi/180)
		bonus += nearby / (1 + float32(math.Hypot(lat, lon))/5)
	}
	return bonus
}
