package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

// Target is a store under test, empty or used by nobody else.
type Target struct {
	Store  preservation.Store
	Purger preservation.Purger

	// Overwrite and Mark do what a Store never does, behind its back: add an
	// unlocked version to a key, and hide a key behind a delete marker. They
	// stand for another client of the same bucket. Without them the tests of
	// such keys are left out.
	Overwrite func(ctx context.Context, key string, body []byte) error
	Mark      func(ctx context.Context, key string) error
}

// Run checks a store against the contract of preservation.Store and Purger.
func Run(t *testing.T, open func(*testing.T) Target) {
	s := suite{Target: open(t), prefix: "suite/" + preservation.NewID(time.Now()) + "/"}
	for _, test := range []struct {
		name string
		run  func(suite, *testing.T)
	}{
		{"put and read", suite.putAndRead},
		{"put never overwrites", suite.neverOverwrites},
		{"one of many puts wins", suite.oneWins},
		{"bad sources leave nothing", suite.badSources},
		{"cancelled put", suite.cancelledPut},
		{"ranges", suite.ranges},
		{"interrupted reader", suite.interruptedReader},
		{"not found", suite.notFound},
		{"lock refuses purge", suite.lockRefusesPurge},
		{"extend", suite.extend},
		{"hold outlasts lock", suite.holdOutlastsLock},
		{"hold with the bytes", suite.holdWithBytes},
		{"purge ends with the lock", suite.purgeAfterLock},
		{"purge all versions", suite.purgeAllVersions},
		{"purge spares held versions", suite.purgeSparesHeld},
		{"list many", suite.listMany},
		{"list order", suite.listOrder},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(s, t)
		})
	}
}

type suite struct {
	Target
	prefix string
}

// Body is n bytes that look random and are the same for the same seed.
func Body(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// Locked are the options to put body under a COMPLIANCE lock of length d.
func Locked(body []byte, d time.Duration) preservation.PutOptions {
	sum := sha256.Sum256(body)
	return preservation.PutOptions{
		Size:        int64(len(body)),
		SHA256:      hex.EncodeToString(sum[:]),
		Lock:        preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(d)},
		ContentType: "application/zip",
	}
}

func (s suite) put(t *testing.T, key string, body []byte, lock time.Duration) preservation.Object {
	t.Helper()
	o, err := s.Store.Put(t.Context(), key, bytes.NewReader(body), Locked(body, lock))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (s suite) read(t *testing.T, key, version string, off, length int64) []byte {
	t.Helper()
	r, err := s.Store.Open(t.Context(), key, version, off, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s suite) versions(t *testing.T, prefix string) []preservation.Object {
	t.Helper()
	var list []preservation.Object
	for v, err := range s.Store.Versions(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func (s suite) putAndRead(t *testing.T) {
	for _, test := range []struct {
		name, key string
		size      int
	}{
		{"no bytes", "zero", 0},
		{"one byte", "one", 1},
		{"a mebibyte", "mebi", 1 << 20},
		{"twenty mebibytes", "twenty.zip", 20 << 20},
		{"odd key", "ü/Straße + Größe (1)=ä&?#%25 ' \"~.pdf", 10},
		{"long key", strings.Repeat("folder/", 20) + strings.Repeat("n", 200), 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, body := s.prefix+"put/"+test.key, Body(1, test.size)
			until := time.Now().Add(2 * time.Minute)
			o := s.put(t, key, body, 2*time.Minute)
			if o.Key != key || o.VersionID == "" || o.Size != int64(test.size) {
				t.Errorf("put returned %+v", o)
			}
			have, err := s.Store.Stat(t.Context(), key, o.VersionID)
			if err != nil {
				t.Fatal(err)
			}
			if have.Size != int64(test.size) || have.ContentType != "application/zip" || have.Hold {
				t.Errorf("stat returned %+v", have)
			}
			if d := time.Since(have.Modified); d > 5*time.Minute || d < -5*time.Minute {
				t.Errorf("modified %v ago", d)
			}
			if have.Lock.Mode != preservation.Compliance || have.Lock.Until.Before(until) || have.Lock.Until.After(until.Add(2*time.Second)) {
				t.Errorf("lock is %+v, want at least until %s", have.Lock, until)
			}
			if !bytes.Equal(s.read(t, key, o.VersionID, 0, -1), body) || !bytes.Equal(s.read(t, key, "", 0, -1), body) {
				t.Error("bytes differ")
			}
			list := s.versions(t, key)
			if len(list) != 1 || list[0].Key != key || list[0].VersionID != o.VersionID || !list[0].Latest || list[0].Marker || list[0].Size != int64(test.size) {
				t.Errorf("versions are %+v", list)
			}
		})
	}
}

func (s suite) neverOverwrites(t *testing.T) {
	for _, size := range []int{0, 10, 3 << 20} {
		key := s.prefix + "exists/" + string(rune('a'+size%7))
		first, second := Body(1, size), Body(2, size+1)
		o := s.put(t, key, first, time.Minute)
		_, err := s.Store.Put(t.Context(), key, bytes.NewReader(second), Locked(second, time.Minute))
		wantErr(t, "second put", err, preservation.ErrExists)
		_, err = s.Store.Put(t.Context(), key, bytes.NewReader(first), Locked(first, time.Minute))
		wantErr(t, "repeated put", err, preservation.ErrExists)
		if list := s.versions(t, key); len(list) != 1 || list[0].VersionID != o.VersionID {
			t.Errorf("versions are %+v", list)
		}
		if !bytes.Equal(s.read(t, key, "", 0, -1), first) {
			t.Error("bytes differ")
		}
	}
}

func (s suite) oneWins(t *testing.T) {
	const writers = 16
	key := s.prefix + "race"
	type result struct {
		writer uint64
		object preservation.Object
		err    error
	}
	results := make(chan result)
	for i := range uint64(writers) {
		go func() {
			body := Body(i, 64<<10)
			o, err := s.Store.Put(t.Context(), key, bytes.NewReader(body), Locked(body, time.Minute))
			results <- result{i, o, err}
		}()
	}
	var won []result
	for range writers {
		switch r := <-results; {
		case r.err == nil:
			won = append(won, r)
		case !errors.Is(r.err, preservation.ErrExists):
			t.Errorf("loser's error: %v", r.err)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d of %d puts won", len(won), writers)
	}
	if !bytes.Equal(s.read(t, key, "", 0, -1), Body(won[0].writer, 64<<10)) {
		t.Error("bytes are not the winner's")
	}
	if list := s.versions(t, key); len(list) != 1 || list[0].VersionID != won[0].object.VersionID {
		t.Errorf("versions are %+v", list)
	}
}

func (s suite) badSources(t *testing.T) {
	errSource := errors.New("the client went away")
	body := Body(3, 2<<20)
	for _, test := range []struct {
		name   string
		source func() io.Reader
		want   error
	}{
		{"other bytes", func() io.Reader { return bytes.NewReader(Body(4, len(body))) }, preservation.ErrCorrupt},
		{"too short", func() io.Reader { return bytes.NewReader(body[:len(body)-1]) }, io.ErrUnexpectedEOF},
		{"too long", func() io.Reader { return io.MultiReader(bytes.NewReader(body), strings.NewReader("x")) }, nil},
		{"failing", func() io.Reader {
			return io.MultiReader(bytes.NewReader(body[:1<<20]), failing{errSource})
		}, errSource},
		{"failing at the end", func() io.Reader { return io.MultiReader(bytes.NewReader(body), failing{errSource}) }, errSource},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := s.prefix + "bad/" + test.name
			_, err := s.Store.Put(t.Context(), key, test.source(), Locked(body, time.Minute))
			if err == nil {
				t.Fatal("no error")
			}
			if test.want != nil {
				wantErr(t, "put", err, test.want)
			}
			if list := s.versions(t, key); len(list) != 0 {
				t.Errorf("versions are %+v", list)
			}
			s.put(t, key, body, time.Minute) // the same call with good bytes goes through
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (s suite) cancelledPut(t *testing.T) {
	key, body := s.prefix+"cancelled", Body(5, 4<<20)
	ctx, cancel := context.WithCancel(t.Context())
	source := io.MultiReader(bytes.NewReader(body[:1<<20]), call{cancel}, bytes.NewReader(body[1<<20:]))
	_, err := s.Store.Put(ctx, key, source, Locked(body, time.Minute))
	wantErr(t, "put", err, context.Canceled)
	_, err = s.Store.Put(t.Context(), key, bytes.NewReader(body), Locked(body, time.Minute))
	if err != nil && !errors.Is(err, preservation.ErrExists) {
		t.Errorf("put after a cancelled one: %v", err)
	}
	if !bytes.Equal(s.read(t, key, "", 0, -1), body) {
		t.Error("bytes differ")
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := s.Store.Stat(ctx, key, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("stat: %v", err)
	}
}

// call runs a function when it is read, and ends.
type call struct{ f func() }

func (c call) Read([]byte) (int, error) { c.f(); return 0, io.EOF }
