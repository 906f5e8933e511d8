package evidence

import (
	"bytes"
	"crypto"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"bestand/preservation/timestamp"
)

// Suitability says until when algorithms prove anything: a dated table in the
// sense of RFC 5698, which policy and not mathematics decides. It is data: an
// installation may bring a newer one than that of its program.
type Suitability struct {
	Format   string     `json:"format"`   // "bestand-algorithms/1"
	Reviewed string     `json:"reviewed"` // day on which people last looked at it
	Source   string     `json:"source"`   // the catalogues that it follows
	Digest   []Suitable `json:"digest"`
	// Signature lists each algorithm by rising key size; a line holds for keys
	// of at least so many bits, up to the next.
	Signature []Suitable `json:"signature"`
}

// Suitable is one line of the table.
type Suitable struct {
	Name  string `json:"name"`
	Bits  int    `json:"bits,omitempty"`
	Until string `json:"until,omitempty"` // last day, as 2006-01-02 in UTC; empty means that no end is in sight

	end time.Time
}

const suitabilityFormat = "bestand-algorithms/1"

//go:embed suitability.json
var builtIn []byte

// BuiltIn is the table that comes with the program.
var BuiltIn = sync.OnceValue(func() *Suitability {
	s, err := decodeSuitability(builtIn)
	if err != nil {
		panic(err)
	}
	return s
})

// ReadSuitability reads a table of at most a megabyte.
func ReadSuitability(r io.Reader) (*Suitability, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("table of algorithms: %w", err)
	}
	return decodeSuitability(b)
}

func decodeSuitability(b []byte) (*Suitability, error) {
	var s Suitability
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a list by another name would go unread
	err := d.Decode(&s)
	if err == nil && d.More() {
		err = errors.New("something follows the object")
	}
	if err == nil && s.Format != suitabilityFormat {
		err = fmt.Errorf("format %q, this program reads %q", s.Format, suitabilityFormat)
	}
	if err == nil {
		err = errors.Join(complete("digest", s.Digest, false), complete("signature", s.Signature, true))
	}
	if err != nil {
		return nil, fmt.Errorf("table of algorithms: %w", err)
	}
	return &s, nil
}

// complete checks a list, which is the more certain the less can be read into it, and
// reads its days. Lists of signatures have key sizes.
func complete(what string, list []Suitable, keys bool) error {
	if len(list) == 0 {
		return fmt.Errorf("%s: the list is empty; nothing would be suitable", what)
	}
	most := map[string]int{} // bits of an algorithm so far
	for i := range list {
		l := &list[i]
		before, again := most[l.Name]
		switch {
		case l.Name == "":
			return fmt.Errorf("%s: line %d has no name", what, i+1)
		case keys && l.Bits <= 0:
			return fmt.Errorf("%s: %s: bits: want the least size of keys", what, l.Name)
		case !keys && l.Bits != 0:
			return fmt.Errorf("%s: %s: bits: a digest algorithm has no keys", what, l.Name)
		case again && l.Bits == before:
			return fmt.Errorf("%s: %s is there twice", what, l.Name)
		case l.Bits < before:
			return fmt.Errorf("%s: %s: bits: %d follow %d; sort the lines by rising size", what, l.Name, l.Bits, before)
		}
		most[l.Name] = l.Bits
		if l.Until == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, l.Until)
		if err != nil {
			return fmt.Errorf("%s: %s: until: %w", what, l.Name, err)
		}
		l.end = day.AddDate(0, 0, 1)
	}
	return nil
}

// Until returns the instant from which on an algorithm proves nothing any
// more, zero when none is in sight, and whether the table knows the algorithm.
func (s *Suitability) Until(a timestamp.Algorithm) (end time.Time, known bool) {
	list := s.Digest
	if a.Bits > 0 {
		list = s.Signature
	}
	for _, l := range list {
		if l.Name == a.Name && l.Bits <= a.Bits {
			end, known = l.end, true
		}
	}
	return end, known
}

// Choose returns the digest algorithm of what is made now: the one that is wanted while it
// is suitable beyond an instant, else the first of some others without an end in sight, or
// the one that lasts longest.
func (s *Suitability) Choose(beyond time.Time, wanted crypto.Hash, others ...crypto.Hash) crypto.Hash {
	best, last := wanted, time.Time{}
	for i, h := range append([]crypto.Hash{wanted}, others...) {
		end, known := s.Until(timestamp.Algorithm{Name: h.String()})
		switch {
		case !known:
		case end.IsZero() || i == 0 && end.After(beyond):
			return h
		case end.After(last):
			best, last = h, end
		}
	}
	return best
}
