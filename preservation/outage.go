package preservation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// ErrUnavailable: a part of the archive cannot do its work now. Nothing lies with
// the work itself: try it again, however long it takes.
var ErrUnavailable = errors.New("not available now")

// Part names a part of the archive that can be away while the rest works.
type Part string

const (
	PartStore   Part = "the object store"
	PartCatalog Part = "the catalog"
	PartDisk    Part = "the disk of the archive"
	PartScanner Part = "the malware scanner"
	PartTSA     Part = "the time-stamping service"
	// PartRevocation: those who say whether certificates were revoked.
	PartRevocation Part = "the revocation service"
	PartKey        Part = "the seal key"
	PartMachine    Part = "this machine" // too busy, or out of processes
)

const (
	unavailable = " is not available"
	full        = " has no room"
)

// Outage is the error of a part that cannot do its work now. It is an
// ErrUnavailable, and what Err is: ErrFull for want of room.
type Outage struct {
	Part Part
	Err  error
}

// Down says that a part is not available because of err; nil when that is nil.
// What is known as an outage already stays one of the part it names.
func Down(p Part, err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) {
		return err
	}
	return &Outage{Part: p, Err: err}
}

func (o *Outage) Error() string {
	state := unavailable
	if errors.Is(o.Err, ErrFull) {
		state = full
	}
	return string(o.Part) + state + ": " + o.Err.Error()
}

// codes are the parts by names for programs.
var codes = map[Part]string{
	PartStore: "store", PartCatalog: "catalog", PartDisk: "disk", PartScanner: "scanner", PartTSA: "tsa",
	PartRevocation: "revocation", PartKey: "key", PartMachine: "machine",
}

// Code is the name of the part for programs.
func (p Part) Code() string { return codes[p] }

// Parts lists the parts that can be away, in the order of their codes.
func Parts() []Part {
	return slices.SortedFunc(maps.Keys(codes), func(a, b Part) int { return strings.Compare(codes[a], codes[b]) })
}

// TellsOutage reports whether a text is that of an Outage, or begins with it, as it was
// stored or sent.
func TellsOutage(text string) bool {
	_, ok := OutageOf(text)
	return ok
}

// OutageOf returns the part that such a text calls away.
func OutageOf(text string) (Part, bool) {
	for p := range codes {
		if state, of := strings.CutPrefix(text, string(p)); of && (strings.HasPrefix(state, unavailable) || strings.HasPrefix(state, full)) {
			return p, true
		}
	}
	return "", false
}

// Unwrap gives the sentinel and the cause.
func (o *Outage) Unwrap() []error { return []error{ErrUnavailable, o.Err} }

// OfOne reports whether what a store answered for one object says nothing of the others,
// as far as that can be told: it lists what is below a prefix all the same.
func OfOne(ctx context.Context, s Store, prefix string, err error) bool {
	var o *Outage
	if ctx.Err() != nil || !errors.As(err, &o) || o.Part != PartStore || errors.Is(err, ErrFull) || errors.Is(err, ErrClock) {
		return false
	}
	for _, err := range s.Versions(ctx, prefix) {
		return err == nil
	}
	return false
}
