package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"bestand/preservation"
)

// objects yields what was first written under each key below a prefix. An
// archive writes a key once: whatever else lies there was put by somebody else, or is
// the same once more, which then is yielded, because the first was damaged.
func (b *rebuild) objects(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		var first preservation.Object
		var key string
		var versions int
		var others []preservation.Object // than first
		flush := func() bool {
			if o, ok := b.repaired(ctx, first, others); ok && len(others) == versions-1 {
				return yield(o, nil)
			}
			if versions > 1 || key != "" && first.Key == "" {
				b.problem(key, "surplus-version", fmt.Sprintf("%d versions and delete markers of a key that is written once: something wrote here that must not", versions))
			}
			return first.Key == "" || yield(first, nil)
		}
		for o, err := range b.store.Versions(ctx, prefix) {
			if err != nil {
				yield(preservation.Object{}, err)
				return
			}
			if o.Key != key {
				if !flush() {
					return
				}
				first, key, versions, others = preservation.Object{}, o.Key, 0, nil
			}
			versions++
			switch {
			case o.Marker:
			case first.Key == "":
				first = o
			case !o.Modified.After(first.Modified):
				others = append(others, first)
				first = o
			default:
				others = append(others, o)
			}
		}
		flush()
	}
}

// repaired finds among versions that were all stored with the same digest the oldest
// that has it still: it was damaged and written again. ok is false where there is one
// version, or one of other bytes, or where the store keeps no digests.
func (b *rebuild) repaired(ctx context.Context, first preservation.Object, others []preservation.Object) (_ preservation.Object, ok bool) {
	if len(others) == 0 {
		return first, false
	}
	all := append([]preservation.Object{first}, others...)
	slices.SortStableFunc(all, func(a, b preservation.Object) int { return a.Modified.Compare(b.Modified) })
	digest := ""
	var good preservation.Object
	for _, o := range all {
		have, err := b.store.Stat(ctx, o.Key, o.VersionID)
		if err != nil || have.SHA256 == "" || digest != "" && have.SHA256 != digest {
			return first, false
		}
		if digest = have.SHA256; good.Key != "" {
			continue
		}
		if sum, err := preservation.StoredSHA256(ctx, b.store, o); err == nil && sum == digest {
			good = o
		}
	}
	return good, good.Key != ""
}

// small returns an object whole if it can be read. What cannot is a problem
// and ok is false.
func (b *rebuild) small(ctx context.Context, o preservation.Object, most int64) (data []byte, ok bool, err error) {
	data, err = readVersion(ctx, b.store, o, most)
	if errors.Is(err, preservation.ErrUnreadable) {
		b.problem(o.Key, "unreadable-object", err.Error())
		return nil, false, nil
	}
	if err != nil {
		return nil, false, b.unreadable(ctx, o, err)
	}
	return data, true, nil
}

// unreadable tells an object that cannot be read, which is a problem, from a
// store that does not answer, which is an error.
func (b *rebuild) unreadable(ctx context.Context, o preservation.Object, cause error) error {
	if _, err := b.store.Stat(ctx, o.Key, o.VersionID); err != nil && !errors.Is(err, preservation.ErrNotFound) {
		return errors.Join(cause, err)
	}
	b.problem(o.Key, "unreadable-object", cause.Error())
	return nil
}

// read returns a small object whole, the newest version.
func read(ctx context.Context, s preservation.Store, key string, most int64) ([]byte, preservation.Object, error) {
	o, body, err := s.Get(ctx, key, "")
	if err != nil {
		return nil, o, err
	}
	defer body.Close()
	data, err := whole(body, o, most)
	return data, o, err
}

func readVersion(ctx context.Context, s preservation.Store, o preservation.Object, most int64) ([]byte, error) {
	body, err := s.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return whole(body, o, most)
}

func whole(body io.Reader, o preservation.Object, most int64) ([]byte, error) {
	if o.Size > most {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d were expected", o.Key, preservation.ErrUnreadable, o.Size, most)
	}
	return io.ReadAll(io.LimitReader(body, most))
}

// remote reads ranges of an object as they are asked for.
type remote struct {
	ctx context.Context
	s   preservation.Store
	o   preservation.Object
}

// Remote gives random access to the bytes of one object version, one request
// for each read.
func Remote(ctx context.Context, s preservation.Store, o preservation.Object) io.ReaderAt {
	return &remote{ctx, s, o}
}

func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.o.Size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.o.Size-off)
	body, err := r.s.Open(r.ctx, r.o.Key, r.o.VersionID, off, n)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	got, err := io.ReadFull(body, p[:n])
	if err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return got, err
}

// Ahead is Remote for a reader that goes from the beginning to the end in small
// steps: it asks for 8 MiB at a time and holds them.
func Ahead(ctx context.Context, s preservation.Store, o preservation.Object) io.ReaderAt {
	return &blocks{at: Remote(ctx, s, o)}
}

// blocks reads ahead for a reader that goes through an object from its
// beginning to its end in small steps.
type blocks struct {
	at   io.ReaderAt
	mu   sync.Mutex
	off  int64
	held []byte
}

const blockSize = 8 << 20

func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	total := 0
	for total < len(p) {
		at := off + int64(total)
		if at < b.off || at >= b.off+int64(len(b.held)) {
			if cap(b.held) == 0 {
				b.held = make([]byte, 0, blockSize)
			}
			n, err := b.at.ReadAt(b.held[:blockSize], at)
			b.off, b.held = at, b.held[:n]
			if n == 0 {
				if err == nil {
					err = io.ErrNoProgress
				}
				return total, err
			}
		}
		total += copy(p[total:], b.held[at-b.off:])
	}
	return total, nil
}
