package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
)

var (
	// ErrNone: there is no finished backup in the folder.
	ErrNone = errors.New("no finished backup")
	// ErrBusy: another run works on the folder.
	ErrBusy = errors.New("another run works on this backup")
	// ErrFull: the backup has no room. Make some and run again: what is copied counts.
	ErrFull = errors.New("no room left in the backup: make some and run it again, what is copied counts")
)

// Format is the form of the folder.
const Format = "bestand-backup/1"

// Names of the files of a run.
const (
	headName    = "backup.json"
	sealName    = "backup.json.p7s"
	CatalogName = "catalog.db"
	SecretsName = "secrets.age"
)

// Head says what belongs to a backup.
type Head struct {
	Format  string       `json:"format"`
	Made    time.Time    `json:"made"`
	Program string       `json:"program"` // version that made it
	Tenants []TenantHead `json:"tenants"`
	Catalog *FileHead    `json:"catalog,omitempty"`
	Secrets FileHead     `json:"secrets"`
}

// TenantHead names the manifest of a tenant.
type TenantHead struct {
	ID      preservation.TenantID `json:"id"`
	Objects int                   `json:"objects"`
	Bytes   int64                 `json:"bytes"`
	FileHead
}

// FileHead names a file of a run.
type FileHead struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Folder is a folder of backups. One run at a time works on it.
type Folder struct {
	dir  string
	lock *os.File
}

// Open takes a folder for this process alone, and makes it where it is missing. It
// refuses one that holds anything else.
func Open(dir string) (*Folder, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "runs")); err != nil {
			return nil, fmt.Errorf("%s holds something else than a backup", dir)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o700); err != nil {
		return nil, Full(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, Full(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", dir, ErrBusy)
	}
	return &Folder{dir, f}, nil
}

// Read opens a folder of which nothing is changed: it may be on a medium that cannot be
// written.
func Read(dir string) (*Folder, error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return &Folder{dir: dir}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, fmt.Errorf("%s: %w", dir, ErrBusy)
	}
	return &Folder{dir, f}, nil
}

// Close lets go of the folder.
func (f *Folder) Close() error {
	if f.lock == nil {
		return nil
	}
	return f.lock.Close()
}

// Run is one state of the archive in a folder.
type Run struct {
	Head
	folder *Folder
	id     string
}

// Path is the place of a file of the run.
func (r *Run) Path(name string) string { return filepath.Join(r.folder.dir, "runs", r.id, name) }

func manifestName(t preservation.TenantID) string { return string(t) + ".jsonl" }

// Begin makes a new run, which does not count until it is committed.
func (f *Folder) Begin(now time.Time) (*Run, error) {
	r := &Run{folder: f, id: preservation.NewID(now)}
	return r, Full(os.Mkdir(r.Path(""), 0o700))
}

// Current returns the run that counts, with its seal and the bytes that this covers. Its
// files have the digests that its head names; whose seal it is, the caller judges.
func (f *Folder) Current() (r *Run, head, seal []byte, err error) {
	id, err := os.ReadFile(filepath.Join(f.dir, "current"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, fmt.Errorf("%s: %w", f.dir, ErrNone)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	r = &Run{folder: f, id: strings.TrimSpace(string(id))}
	if !filepath.IsLocal(r.id) {
		return nil, nil, nil, fmt.Errorf("%s: current names %q: %w", f.dir, r.id, preservation.ErrCorrupt)
	}
	if head, err = os.ReadFile(r.Path(headName)); err != nil {
		return nil, nil, nil, err
	}
	if seal, err = os.ReadFile(r.Path(sealName)); err != nil {
		return nil, nil, nil, err
	}
	if err := json.Unmarshal(head, &r.Head); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w: %w", r.Path(headName), preservation.ErrCorrupt, err)
	}
	if r.Format != Format {
		return nil, nil, nil, fmt.Errorf("%s: format %q, this program reads %q", r.Path(headName), r.Format, Format)
	}
	return r, head, seal, r.check()
}

// check compares the files of a run with its head.
func (r *Run) check() (err error) {
	compare := func(name string, want FileHead) {
		have, fault := headOf(r.Path(name))
		if fault == nil && have != want {
			fault = fmt.Errorf("%s: %w: take another copy of the backup", r.Path(name), preservation.ErrCorrupt)
		}
		err = errors.Join(err, fault)
	}
	for _, t := range r.Tenants {
		if !t.ID.Valid() {
			return fmt.Errorf("%s: tenant %q: %w", r.Path(headName), t.ID, preservation.ErrCorrupt)
		}
		compare(manifestName(t.ID), t.FileHead)
	}
	if r.Catalog != nil {
		compare(CatalogName, *r.Catalog)
	}
	compare(SecretsName, r.Secrets)
	return err
}

func headOf(path string) (FileHead, error) {
	f, err := os.Open(path)
	if err != nil {
		return FileHead{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return FileHead{n, hex.EncodeToString(h.Sum(nil))}, err
}

// Commit makes a run the one that counts. seal signs its head.
func (r *Run) Commit(program string, now time.Time, seal func(head []byte) ([]byte, error)) (err error) {
	r.Format, r.Program, r.Made = Format, program, now.UTC()
	if r.Secrets, err = headOf(r.Path(SecretsName)); err != nil {
		return err
	}
	switch c, err := headOf(r.Path(CatalogName)); {
	case err == nil:
		r.Catalog = &c
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	head, err := json.MarshalIndent(r.Head, "", "  ")
	if err != nil {
		return err
	}
	p7s, err := seal(head)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(r.Path(headName), head, 0o600), os.WriteFile(r.Path(sealName), p7s, 0o600)); err != nil {
		return Full(err)
	}
	// All that was written is on disk before it counts.
	if err := r.folder.sync(); err != nil {
		return err
	}
	next := filepath.Join(r.folder.dir, "current.new")
	if err := os.WriteFile(next, []byte(r.id+"\n"), 0o600); err != nil {
		return Full(err)
	}
	if err := r.folder.sync(); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(r.folder.dir, "current")); err != nil {
		return Full(err)
	}
	return r.folder.sync()
}

// sync has everything on disk that was written below the folder.
func (f *Folder) sync() error {
	d, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return Full(unix.Syncfs(int(d.Fd())))
}

// Sweep removes every copy that the run which counts does not name, and all other runs.
// It is the only way in which copies go: those of destroyed records, and what runs that
// were cut off have left. It returns how many files it removed.
func (r *Run) Sweep() (removed int, err error) {
	named := map[[16]byte]bool{}
	for _, t := range r.Tenants {
		for e, err := range r.Entries(t.ID) {
			if err != nil {
				return 0, err
			}
			named[mark(e.place(t.ID))] = true
		}
	}
	root := filepath.Join(r.folder.dir, "objects")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name, err := filepath.Rel(root, path); err != nil || named[mark(name)] {
			return err
		}
		removed++
		return os.Remove(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return removed, err
	}
	runs, err := os.ReadDir(filepath.Join(r.folder.dir, "runs"))
	for _, d := range runs {
		if d.Name() != r.id {
			err = errors.Join(err, os.RemoveAll(filepath.Join(r.folder.dir, "runs", d.Name())))
		}
	}
	return removed, errors.Join(err, r.folder.sync())
}

func mark(place string) (m [16]byte) {
	h := sha256.Sum256([]byte(place))
	copy(m[:], h[:])
	return m
}

// Full says in words what to do when there is no room.
func Full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
