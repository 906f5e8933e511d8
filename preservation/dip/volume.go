package dip

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf8"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// volume is the package of one version with its directory.
type volume struct {
	Source
	entries []aip.Entry
	paths   map[string]int // into entries
}

func open(s Source) (*volume, error) {
	entries, err := s.files()
	if err != nil {
		return nil, err
	}
	v := &volume{Source: s, entries: entries, paths: make(map[string]int, len(entries))}
	for i, e := range entries {
		v.paths[e.Path] = i
	}
	return v, nil
}

// shelf holds the versions of a record, each opened when it is asked for.
type shelf struct {
	newest  *volume
	volumes map[int]*volume
}

func newShelf(s Source) (*shelf, error) {
	v, err := open(s)
	if err != nil {
		return nil, err
	}
	return &shelf{newest: v, volumes: map[int]*volume{s.Package.Record().Version: v}}, nil
}

func (h *shelf) volume(ctx context.Context, version int) (*volume, error) {
	if v := h.volumes[version]; v != nil {
		return v, nil
	}
	if h.newest.Version == nil {
		return nil, fmt.Errorf("no access to version %d", version)
	}
	s, err := h.newest.Version(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", version, err)
	}
	v, err := open(s)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", version, err)
	}
	h.volumes[version] = v
	return v, nil
}

// file finds the bytes of a file of the newest version.
func (h *shelf) file(ctx context.Context, f preservation.File) (item, error) {
	v := h.newest
	if f.HeldIn != 0 {
		var err error
		if v, err = h.volume(ctx, f.HeldIn); err != nil {
			return item{}, err
		}
	}
	i, ok := v.paths[f.Path]
	if !ok || v.entries[i].Digests != f.Digests || v.entries[i].Size != f.Size {
		return item{}, fmt.Errorf("%s: %w", f.Path, preservation.ErrCorrupt)
	}
	return item{Entry: v.entries[i], from: v}, nil
}

// item is a file that goes out: one of a package, or one that is made here.
type item struct {
	aip.Entry // Path is that of the export
	from      *volume
	stored    string                // its path in from
	made      func(io.Writer) error // else; the same bytes every time
}

// at gives a file of a package its path in the export.
func (i item) at(path string) item {
	i.stored, i.Path = i.Entry.Path, path
	return i
}

// write writes the content, and fails in the end if it is not what its digests say.
func (i item) write(ctx context.Context, w io.Writer) error {
	if i.made != nil {
		return i.made(w)
	}
	e := i.Entry
	e.Path = i.stored
	return i.from.copy(ctx, w, e)
}

// own are the files of a package that are not of the record: what describes and proves
// it. Below prefix they keep their paths.
func (v *volume) own(prefix string) ([]item, error) {
	var own []item
	for _, e := range v.entries {
		if e.File == "" {
			own = append(own, item{Entry: e, from: v}.at(prefix+e.Path))
		}
	}
	if v.Evidence != nil {
		own = append(own, text(prefix+"evidence.er", string(v.Evidence)))
	}
	if len(v.Statements) > 0 {
		content, err := v.statements()
		if err != nil {
			return nil, err
		}
		own = append(own, text(prefix+statementsName, string(content)))
	}
	return own, nil
}

// text is a small file.
func text(path, content string) item {
	i, _ := made(path, func(w io.Writer) error { // digests and a Writer of no errors
		_, err := io.WriteString(w, content)
		return err
	})
	return i
}

// made is a file that is written twice, so that it need not be held: now, to know its
// size and its digests, and when its turn comes.
func made(path string, write func(io.Writer) error) (item, error) {
	short, long, sum := sha256.New(), sha512.New(), crc32.NewIEEE()
	var n counter
	if err := write(io.MultiWriter(short, long, sum, &n)); err != nil {
		return item{}, err
	}
	return item{made: write, Entry: aip.Entry{Path: path, Size: int64(n), CRC32: sum.Sum32(),
		Digests: preservation.Digests{SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long.Sum(nil))}}}, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// pack writes files into a ZIP, below a folder if one is named.
func pack(ctx context.Context, z *aip.ZIP, folder string, items ...item) error {
	for _, i := range items {
		write := func(w io.Writer) error { return i.write(ctx, w) }
		if err := z.Add(folder+i.Path, i.Size, i.CRC32, write); err != nil {
			return err
		}
	}
	return nil
}

// placed is a file of the record with its path in an export.
type placed struct {
	Path       string              `json:"path"`
	ID         preservation.FileID `json:"id"`
	Name       string              `json:"name"`
	NameBase64 []byte              `json:"name_base64,omitempty"` // where JSON cannot hold the name
	preservation.Digests
	preservation.File `json:"-"`
}

// place gives all files of a version their paths: a folder for each representation,
// below it the names that the sender gave.
func place(files []preservation.File) []placed {
	taken := map[preservation.Representation]places{}
	all := make([]placed, len(files))
	for i, f := range files {
		p := taken[f.Representation]
		if p == nil {
			p = places{}
			taken[f.Representation] = p
		}
		all[i] = placed{Path: string(f.Representation) + "/" + p.place(f), ID: f.ID, Name: f.Name, Digests: f.Digests, File: f}
		if !utf8.ValidString(f.Name) {
			all[i].NameBase64 = []byte(f.Name)
		}
	}
	return all
}

// namesPath is where an export says what its files were called by their sender.
const namesPath = "names.json"

// names writes one line for every file.
func names(all []placed) func(io.Writer) error {
	return func(w io.Writer) error {
		for i, f := range all {
			before := ",\n"
			if i == 0 {
				before = "[\n"
			}
			line, err := json.Marshal(f)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s%s", before, line); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "\n]\n")
		return err
	}
}
