package retention

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
)

// vault is a bucket in memory that keeps the contract of Store and Purger by
// the clock of the test, so that years can pass.
type vault struct {
	now func() time.Time

	mu      sync.Mutex
	next    int
	objects []*kept
}

type kept struct {
	preservation.Object
	data []byte
}

func (v *vault) find(key, version string) *kept {
	for _, o := range slices.Backward(v.objects) {
		if o.Key == key && (version == "" || o.VersionID == version) {
			return o
		}
	}
	return nil
}

func (v *vault) Put(_ context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return preservation.Object{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.find(key, "") != nil {
		return preservation.Object{}, preservation.ErrExists
	}
	v.add(key, data, o.Lock)
	have := v.find(key, "")
	have.Hold = o.Hold
	return have.Object, nil
}

// add stores a version without asking whether the key is taken.
func (v *vault) add(key string, data []byte, l preservation.Lock) preservation.Object {
	v.next++
	k := &kept{preservation.Object{Key: key, VersionID: fmt.Sprint(v.next), Size: int64(len(data)), Modified: v.now(), Latest: true, Lock: l}, data}
	v.objects = append(v.objects, k)
	return k.Object
}

func (v *vault) Open(_ context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.find(key, version)
	if k == nil {
		return nil, preservation.ErrNotFound
	}
	data := k.data[off:]
	if length >= 0 {
		data = data[:length]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (v *vault) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	o, err := v.Stat(ctx, key, version)
	if err != nil {
		return o, nil, err
	}
	r, err := v.Open(ctx, key, version, 0, -1)
	return o, r, err
}

func (v *vault) Tail(ctx context.Context, key, version string, length int64) (preservation.Object, io.ReadCloser, error) {
	o, err := v.Stat(ctx, key, version)
	if err != nil {
		return o, nil, err
	}
	r, err := v.Open(ctx, key, version, max(0, o.Size-length), -1)
	return o, r, err
}

func (v *vault) Stat(_ context.Context, key, version string) (preservation.Object, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k := v.find(key, version); k != nil {
		return k.Object, nil
	}
	return preservation.Object{}, preservation.ErrNotFound
}

func (v *vault) Versions(_ context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []preservation.Object
	for _, k := range v.objects {
		if strings.HasPrefix(k.Key, prefix) {
			o := k.Object
			o.Lock, o.Hold = preservation.Lock{}, false // a listing does not tell
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b preservation.Object) int { return cmp.Compare(a.Key, b.Key) })
	return func(yield func(preservation.Object, error) bool) {
		for _, o := range all {
			if !yield(o, nil) {
				return
			}
		}
	}
}

func (v *vault) Extend(_ context.Context, key, version string, l preservation.Lock) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.find(key, version)
	if k == nil {
		return preservation.ErrNotFound
	}
	if l.Until.After(k.Lock.Until) {
		k.Lock = l
	}
	return nil
}

func (v *vault) SetHold(_ context.Context, key, version string, on bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.find(key, version)
	if k == nil {
		return preservation.ErrNotFound
	}
	k.Hold = on
	return nil
}

func (v *vault) Purge(_ context.Context, key string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.objects {
		if k.Key == key && (k.Hold || k.Lock.Until.After(v.now())) {
			return fmt.Errorf("purge %s: %w", key, preservation.ErrLocked)
		}
	}
	v.objects = slices.DeleteFunc(v.objects, func(k *kept) bool { return k.Key == key })
	return nil
}

// drop loses an object, lock or not.
func (v *vault) drop(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects = slices.DeleteFunc(v.objects, func(k *kept) bool { return k.Key == key })
}

// keys lists what the vault holds below a prefix.
func (v *vault) keys(prefix string) (all []string) {
	for o, err := range v.Versions(context.Background(), prefix) {
		if err != nil {
			panic(errors.New("the vault of the test cannot fail"))
		}
		all = append(all, o.Key)
	}
	return all
}

// copyTo puts an object of the vault into another store.
func copyTo(t testing.TB, s preservation.Store, o *kept) {
	t.Helper()
	sum := sha256.Sum256(o.data)
	_, err := s.Put(t.Context(), o.Key, bytes.NewReader(o.data), preservation.PutOptions{
		Size: o.Size, SHA256: hex.EncodeToString(sum[:]), Lock: o.Lock, ContentType: "application/octet-stream",
	})
	if err != nil {
		t.Fatal(err)
	}
}
