package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	tidyDepth = 64    // levels of folders that are kept
	ownRights = 0o700 // of a folder
)

// tidy makes a folder that a hostile program wrote to one that can be worked
// with: only regular files with one name, and folders, all of them open to their
// owner. A link could lead to a secret, a pipe would block whoever opens it, a
// folder without rights could not be removed, nor could one too deep for a path.
func tidy(dir string) error {
	if st, err := os.Lstat(dir); err != nil || st.Mode()&ownRights != ownRights {
		if err = errors.Join(err, os.Chmod(dir, ownRights)); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := tidier{root: root}
	if err := t.folder(".", 0); err != nil {
		return err
	}
	for i := 0; i < len(t.deep); i++ { // grows while it runs
		if err := t.folder(t.deep[i], 0); err != nil {
			return err
		}
		if err := root.RemoveAll(t.deep[i]); err != nil {
			return err
		}
	}
	return nil
}

type tidier struct {
	root *os.Root
	deep []string // folders that were too deep, now at the top, to be removed
}

func (t *tidier) folder(name string, depth int) error {
	f, err := t.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1000)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := t.entry(filepath.Join(name, e.Name()), depth+1); err != nil {
				return err
			}
		}
	}
}

func (t *tidier) entry(name string, depth int) error {
	st, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) { // moved to the top meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	switch links := st.Sys().(*syscall.Stat_t).Nlink; {
	case st.IsDir():
		if st.Mode()&ownRights != ownRights {
			if err := t.root.Chmod(name, ownRights); err != nil {
				return err
			}
		}
		if depth <= tidyDepth {
			return t.folder(name, depth)
		}
		top := fmt.Sprintf(".deep-%d", len(t.deep)+1)
		if err := t.root.RemoveAll(top); err != nil { // what the program called so
			return err
		}
		t.deep = append(t.deep, top)
		return t.root.Rename(name, top)
	case !st.Mode().IsRegular(), links > 1:
		return t.root.Remove(name)
	case st.Mode()&0o600 != 0o600 || st.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0:
		return t.root.Chmod(name, 0o600)
	}
	return nil
}
