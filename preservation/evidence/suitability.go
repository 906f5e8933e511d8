package evidence

import (
	_ "embed"
	"encoding/json"
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
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("table of algorithms: %w", err)
	}
	if s.Format != suitabilityFormat {
		return nil, fmt.Errorf("table of algorithms: format %q, this program reads %q", s.Format, suitabilityFormat)
	}
	for _, list := range [][]Suitable{s.Digest, s.Signature} {
		for i := range list {
			l := &list[i]
			if l.Until == "" {
				continue
			}
			day, err := time.Parse(time.DateOnly, l.Until)
			if err != nil {
				return nil, fmt.Errorf("table of algorithms: %s: until: %w", l.Name, err)
			}
			l.end = day.AddDate(0, 0, 1)
		}
	}
	return &s, nil
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
