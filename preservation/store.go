package preservation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of a Store. Everything else that a Store returns is a fault worth
// another try later.
var (
	// ErrExists: the key is taken. Compare its bytes; adopt or give up, never overwrite.
	ErrExists = errors.New("object exists")
	// ErrNotFound: there is no such object or version.
	ErrNotFound = errors.New("object not found")
	// ErrLocked: a lock or a legal hold forbids it. Wait for Object.RetainUntil or the release.
	ErrLocked = errors.New("object is locked")
	// ErrCorrupt: the store does not hold what was sent. Stop and alarm; never retry silently.
	ErrCorrupt = errors.New("object differs from what was stored")
	// ErrFull: the store has no room. Nothing was kept of the attempt.
	ErrFull = errors.New("store is full")
	// ErrClock: the clock of this machine cannot be right. Set it, or have a person
	// confirm it; nothing was done.
	ErrClock = errors.New("the clock is in doubt")
)

// LockMode is an S3 Object Lock mode.
type LockMode string

const (
	Unlocked   LockMode = ""
	Governance LockMode = "GOVERNANCE"
	Compliance LockMode = "COMPLIANCE"
)

// Lock forbids the deletion of one object version until an instant.
type Lock struct {
	Mode  LockMode
	Until time.Time
}

// Object is one version of one object.
type Object struct {
	Key         string
	VersionID   string
	Size        int64
	Modified    time.Time
	Latest      bool
	Marker      bool // a delete marker, which holds no bytes
	Lock        Lock
	Hold        bool
	ContentType string
	// SHA256 is the digest in lower-case hex that the store noted when it took the
	// bytes, not of what it has now. Stat fills it in where the store keeps one.
	SHA256 string
}

// PutOptions says how an object is stored.
type PutOptions struct {
	Size        int64  // bytes that the reader will deliver; -1 when unknown (staging only)
	SHA256      string // lower-case hex; the store verifies it while writing where it can, and on read-back. Empty with Size -1
	Lock        Lock   // zero in a bucket without lock
	Hold        bool   // a legal hold beside the lock, from the first moment
	ContentType string

	// Digest gives the SHA-256 of what has been read, of a caller that computes it
	// anyway, for a reader of unknown size. Nil: it is computed once more.
	Digest func() []byte
}

// Store keeps objects immutably in one bucket with versioning and Object Lock.
//
// All methods may be called concurrently. An object is durable when the call
// that wrote it has returned without error: it survives a power cut of the
// store. A call that failed, or whose context ended, may have written or not;
// calling again is always safe.
//
// There is no delete here on purpose: see Purger.
type Store interface {
	// Put writes a new object, reads it back by version, and compares digest
	// and lock before it returns. It never overwrites: ErrExists when the key
	// is taken, ErrCorrupt when the read-back differs, ErrFull when there is
	// no room.
	Put(ctx context.Context, key string, r io.Reader, o PutOptions) (Object, error)

	// Open reads length bytes from off of one version; length -1 reads to the
	// end, an empty version the newest. The caller closes the reader.
	Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error)

	// Get is Stat and Open of a whole version in one: what it describes is what
	// it reads. The caller closes the reader.
	Get(ctx context.Context, key, version string) (Object, io.ReadCloser, error)

	// Tail is Get of the last length bytes, at least one, or of all where there are
	// fewer. The Object is the whole version.
	Tail(ctx context.Context, key, version string, length int64) (Object, io.ReadCloser, error)

	// Stat describes one version with its lock and hold; an empty version is the newest.
	Stat(ctx context.Context, key, version string) (Object, error)

	// Versions lists every version and delete marker below a prefix in the
	// order of keys. Lock and Hold are not filled in.
	Versions(ctx context.Context, prefix string) iter.Seq2[Object, error]

	// Extend moves the end of a version's lock later. An earlier end is
	// left as it is, without error.
	Extend(ctx context.Context, key, version string, l Lock) error

	// SetHold puts a legal hold on a version or takes it off.
	SetHold(ctx context.Context, key, version string, on bool) error
}

// StoredSHA256 reads one version whole and returns its SHA-256 in lower-case hex.
func StoredSHA256(ctx context.Context, s Store, o Object) (string, error) {
	body, err := s.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Superseded reports whether an older version of a key is one that was damaged, after
// which a Mender wrote the same bytes again: both were stored with the same digest.
func Superseded(ctx context.Context, s Store, old, newest Object) (bool, error) {
	if newest.Marker {
		return false, nil
	}
	a, err := s.Stat(ctx, old.Key, old.VersionID)
	if err == nil {
		var b Object
		if b, err = s.Stat(ctx, newest.Key, newest.VersionID); err == nil {
			return a.SHA256 != "" && a.SHA256 == b.SHA256, nil
		}
	}
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return false, err
}

// Purger destroys objects. The deletion gateway (retention.Dispose) is its only
// user in the product; every other package gets a Store.
type Purger interface {
	// Purge removes every version and every delete marker of a key,
	// non-current ones first, and reads back that none is left. ErrLocked when
	// one of them is locked or held; what was already removed stays removed,
	// and calling again goes on. A key that does not exist is not an error.
	Purge(ctx context.Context, key string) error
}

// Mender writes an object again that is damaged or lost. The one that is damaged
// stays, under its lock, as the evidence of the damage. Package fixity is its only
// user in the product.
type Mender interface {
	// Replace is Put, also where the key is taken: as a new version, which is then
	// the newest.
	Replace(ctx context.Context, key string, r io.Reader, o PutOptions) (Object, error)
}
