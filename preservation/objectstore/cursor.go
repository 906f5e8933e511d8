package objectstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/versity/versitygw/backend/posix"
)

// window is the number of names of one folder that a cursor keeps. A folder of
// a million is read eight times, each time for the names that follow.
const window = 128 << 10

// cursor walks the keys of a bucket in the order of their bytes. It goes down
// to where it starts without looking at what lies before, and reads a folder
// once for each window of its names.
//
// What is stored behind it while it walks is not seen, as with any listing.
// What is stored ahead of it is, unless in a folder it is walking already.
type cursor struct {
	root   string // folder of the bucket
	prefix string
	from   string // keys before it are left out
	size   int    // window
	stack  []level
	again  string // comes next, once more
}

// level is a folder between the bucket and where the cursor is.
type level struct {
	path  string   // "" or ends in a slash
	names []string // what is left of the window, in order; folders end in a slash
	last  string   // the name before
	more  bool     // there are names after the window
}

// newCursor stands before the first key that has the prefix and is not less
// than from.
func newCursor(root, prefix, from string) *cursor {
	c := &cursor{root: root, prefix: prefix, from: from, size: window}
	base := prefix[:strings.LastIndexByte(prefix, '/')+1]
	switch {
	case base == "":
		c.stack = []level{{more: true}}
	case canonical(base):
		c.stack = []level{{names: []string{base}}}
	} // or no key can begin so
	return c
}

// canonical reports whether a path of folders is one that a walk comes by.
func canonical(path string) bool {
	name := strings.TrimSuffix(path, "/")
	return filepath.IsLocal(name) && filepath.Clean(name) == name && !strings.ContainsRune(name, 0) &&
		!slices.Contains(strings.Split(name, "/"), posix.MetaTmpDir)
}

// next returns the next key, or "" at the end. It may be gone by now. One that
// ends in a slash is a folder, which need not be an object, and which, as the
// first one, need not be there.
func (c *cursor) next(ctx context.Context) (string, error) {
	if key := c.again; key != "" {
		c.again = ""
		return key, nil
	}
	for len(c.stack) > 0 {
		l := &c.stack[len(c.stack)-1]
		switch {
		case len(l.names) > 0:
		case l.more:
			if err := c.read(ctx, l); err != nil {
				return "", err
			}
			continue
		default:
			c.stack = c.stack[:len(c.stack)-1]
			continue
		}
		l.last, l.names = l.names[0], l.names[1:]
		key := l.path + l.last
		if !strings.HasSuffix(key, "/") {
			return key, nil
		}
		c.stack = append(c.stack, level{path: key, more: true})
		if strings.HasPrefix(key, c.prefix) && key >= c.from {
			return key, nil
		}
	}
	return "", nil
}

// read fills the window with the names that follow. A folder that is gone has none.
func (c *cursor) read(ctx context.Context, l *level) error {
	l.names, l.more = nil, false
	prefix, from, reaches := c.within(l.path)
	if !reaches {
		return nil
	}
	dir, err := os.Open(filepath.Join(c.root, l.path))
	if err != nil {
		return unlessGone(err)
	}
	defer dir.Close()
	var first []string
	for {
		entries, err := dir.ReadDir(1024)
		for _, e := range entries {
			name := e.Name()
			if name == posix.MetaTmpDir {
				continue
			}
			before, within := name < from, strings.HasPrefix(name, prefix)
			if e.IsDir() {
				name += "/"
				before = name < from && !strings.HasPrefix(from, name)
				within = within || strings.HasPrefix(name, prefix) || strings.HasPrefix(prefix, name)
			}
			if before || !within || name <= l.last || l.more && name > first[c.size-1] {
				continue
			}
			if first = append(first, name); len(first) == 2*c.size {
				slices.Sort(first)
				clear(first[c.size:])
				first, l.more = first[:c.size], true
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return unlessGone(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	slices.Sort(first)
	if len(first) > c.size {
		clear(first[c.size:])
		first, l.more = first[:c.size], true
	}
	l.names = slices.Clone(first) // as long as it is
	return nil
}

// within returns what the prefix and the beginning mean for the names in a
// folder, and whether it reaches as far as the beginning at all.
func (c *cursor) within(path string) (prefix, from string, reaches bool) {
	prefix, _ = strings.CutPrefix(c.prefix, path)
	if !strings.HasPrefix(c.prefix, path) {
		prefix = ""
	}
	from, in := strings.CutPrefix(c.from, path)
	if !in {
		return prefix, "", c.from <= path
	}
	return prefix, from, true
}

// unlessGone returns an error unless it says that there is no such file.
func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}
