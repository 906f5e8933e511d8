package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Entry is one version of one object of a bucket.
type Entry struct {
	Key         string                `json:"key"`
	VersionID   string                `json:"version_id"`
	Size        int64                 `json:"size"`
	SHA256      string                `json:"sha256"`
	ContentType string                `json:"content_type,omitempty"`
	Modified    time.Time             `json:"modified"`
	LockMode    preservation.LockMode `json:"lock_mode,omitempty"`
	LockUntil   time.Time             `json:"lock_until,omitzero"`
	Hold        bool                  `json:"hold,omitempty"`
	// Lost: it is gone from its bucket, and nothing says why.
	Lost bool `json:"lost,omitempty"`
	// Intent: the object says that its record is about to be destroyed, which does not
	// prove that it was.
	Intent bool `json:"intent,omitempty"`
	// Purging are the packages that the record had when its intent was written.
	Purging []string `json:"purging,omitempty"`
	// Tombstone is the proof that the record of the object was destroyed.
	Tombstone *catalog.Tombstone `json:"tombstone,omitempty"`
	// Vouches is the key of the package that a receipt vouches for.
	Vouches string `json:"vouches,omitempty"`

	late    bool // it came behind the listing of events before
	trigger bool // it tells that something was reported of which retention depends; set when it is copied
}

// place is where the copy lies below objects/.
func (e Entry) place(t preservation.TenantID) string {
	return filepath.Join(string(t), filepath.FromSlash(path.Dir(e.Key)), e.SHA256[:16]+"-"+path.Base(e.Key))
}

func (e Entry) valid() error {
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != sha256.Size || !usable(e.Key) {
		return fmt.Errorf("entry %q with SHA-256 %q: %w", e.Key, e.SHA256, preservation.ErrCorrupt)
	}
	return nil
}

// usable reports whether a key is one that can be a path.
func usable(key string) bool {
	return filepath.IsLocal(filepath.FromSlash(key)) && path.Clean(key) == key && !strings.ContainsRune(key, 0) && len(path.Base(key)) < 230
}

// recordOf returns the record whose object has a key.
func recordOf(key string) (preservation.RecordID, bool) {
	if id, _, ok := preservation.ParsePackageKey(key); ok {
		return id, true
	}
	id := preservation.RecordID(path.Base(path.Dir(key)))
	return id, id.Valid() && strings.HasPrefix(key, preservation.EventPrefix(id))
}

const maxLine = 1 << 20

// Entries yields the manifest of a tenant in the order of keys.
func (r *Run) Entries(t preservation.TenantID) iter.Seq2[Entry, error] {
	return r.list(manifestName(t))
}

// list yields the entries in a file of the run.
func (r *Run) list(name string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, err := os.Open(r.Path(name))
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var e Entry
			err := json.Unmarshal(lines.Bytes(), &e)
			if err == nil {
				err = e.valid()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		if lines.Err() != nil {
			yield(Entry{}, lines.Err())
		}
	}
}

// manifest writes entries of a tenant.
type manifest struct {
	file *os.File
	buf  *bufio.Writer
	enc  *json.Encoder
	head TenantHead
}

func (r *Run) newList(t preservation.TenantID, name string) (*manifest, error) {
	f, err := os.OpenFile(r.Path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, Full(err)
	}
	b := bufio.NewWriter(f)
	return &manifest{f, b, json.NewEncoder(b), TenantHead{ID: t}}, nil
}

func (m *manifest) add(e Entry) error {
	m.head.Objects++
	m.head.Bytes += e.Size
	return Full(m.enc.Encode(e))
}

func (m *manifest) close() (err error) {
	if err := m.buf.Flush(); err != nil {
		m.file.Close()
		return Full(err)
	}
	if err := m.file.Close(); err != nil {
		return Full(err)
	}
	m.head.FileHead, err = headOf(m.file.Name())
	return err
}

// Tombstones adds the tombstones that a run knows of a tenant, by record.
func (r *Run) Tombstones(t preservation.TenantID, to map[preservation.RecordID]catalog.Tombstone) error {
	for e, err := range r.Entries(t) {
		if err != nil {
			return err
		}
		if e.Tombstone != nil {
			to[e.Tombstone.Record] = *e.Tombstone
		}
	}
	return nil
}

// has reports whether a run knows a tenant.
func (r *Run) has(t preservation.TenantID) bool {
	for _, h := range r.Tenants {
		if h.ID == t {
			return true
		}
	}
	return false
}

// open opens the copy of an entry; its size is compared here, its digest by whoever
// reads it.
func (r *Run) open(t preservation.TenantID, e Entry) (*os.File, error) {
	f, err := os.Open(filepath.Join(r.folder.dir, "objects", e.place(t)))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != e.Size {
		err = fmt.Errorf("%s has %d bytes instead of %d: %w", f.Name(), st.Size(), e.Size, preservation.ErrCorrupt)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// intact reports whether the copy of an entry is there: with its size, or with its
// bytes.
func (r *Run) intact(t preservation.TenantID, e Entry, read bool) bool {
	f, err := r.open(t, e)
	if err != nil {
		return false
	}
	defer f.Close()
	if !read {
		return true
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == e.SHA256
}
