package objectstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/versity/versitygw/backend/meta"
)

// ErrBusy: another server works on the folder. Stop it first.
var ErrBusy = errors.New("object store folder is in use by another process")

const format = 1

// layout is the content of the file of that name.
type layout struct {
	Format   int    `json:"format"`
	Metadata string `json:"metadata"`
}

// folder is an opened and locked data folder.
type folder struct {
	objects, versions, meta, creating string
	sidecar                           bool
	lock                              *os.File
}

// openFolder creates what is missing, takes the folder's lock and checks its
// format. A predecessor that is just dying is waited for.
func openFolder(dir string, sidecar bool) (*folder, error) {
	f := &folder{
		objects:  filepath.Join(dir, "objects"),
		versions: filepath.Join(dir, "versions"),
		meta:     filepath.Join(dir, "meta"),
		creating: filepath.Join(dir, "creating"),
	}
	for _, d := range []string{f.objects, f.versions, f.meta, f.creating} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	if f.lock, err = lockFile(filepath.Join(dir, "lock"), 5*time.Second); err != nil {
		return nil, err
	}
	f.sidecar = sidecar || !hasAttributes(f.objects) || !hasAttributes(f.versions)
	if err := checkLayout(dir, f.sidecar); err != nil {
		f.lock.Close()
		return nil, err
	}
	return f, nil
}

func lockFile(name string, wait time.Duration) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; time.Sleep(50 * time.Millisecond) {
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		if time.Now().After(end) {
			err = ErrBusy
			break
		}
	}
	file.Close()
	return nil, fmt.Errorf("lock %s: %w", name, err)
}

// hasAttributes reports whether files below dir can carry extended attributes,
// by setting one: some file systems answer a mere question politely.
func hasAttributes(dir string) bool {
	if (meta.XattrMeta{}).Test(dir) != nil {
		return false
	}
	file, err := os.CreateTemp(dir, ".attributes-")
	if err != nil {
		return false
	}
	defer os.Remove(file.Name())
	defer file.Close()
	return (meta.XattrMeta{}).StoreAttribute(file, "", "", "test", []byte("1")) == nil
}

func checkLayout(dir string, sidecar bool) error {
	want := layout{Format: format, Metadata: "xattr"}
	if sidecar {
		want.Metadata = "sidecar"
	}
	name := filepath.Join(dir, "layout")
	raw, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		raw, err = json.Marshal(want)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name+".new", raw, 0o600); err != nil {
			return err
		}
		return os.Rename(name+".new", name) // durable with the first synced request, before which the folder holds nothing
	}
	if err != nil {
		return err
	}
	var have layout
	if err := json.Unmarshal(raw, &have); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if have.Format > format {
		return fmt.Errorf("%s: format %d is newer than this program, which knows %d", dir, have.Format, format)
	}
	if have.Metadata != want.Metadata {
		return fmt.Errorf("%s: written with metadata in %s, but this file system serves %s: restore it with a tool that keeps extended attributes",
			dir, have.Metadata, want.Metadata)
	}
	return nil
}
