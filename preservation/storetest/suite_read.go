package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"bestand/preservation"
)

func (s suite) ranges(t *testing.T) {
	const size = 1 << 20
	key, body := s.prefix+"ranges", Body(6, size)
	o := s.put(t, key, body, time.Minute)
	for _, test := range []struct{ off, length, from, to int64 }{
		{0, -1, 0, size},
		{0, 0, 0, 0},
		{0, 1, 0, 1},
		{0, size, 0, size},
		{0, size + 1000, 0, size},
		{1, 1, 1, 2},
		{1000, 5000, 1000, 6000},
		{size - 1, -1, size - 1, size},
		{size - 10, 100, size - 10, size},
		{size, -1, size, size},
		{size, 10, size, size},
	} {
		t.Run(fmt.Sprintf("%d+%d", test.off, test.length), func(t *testing.T) {
			if got := s.read(t, key, o.VersionID, test.off, test.length); !bytes.Equal(got, body[test.from:test.to]) {
				t.Errorf("got %d bytes, want %d", len(got), test.to-test.from)
			}
		})
	}
	for _, length := range []int64{1, 5000, size, size + 1000} {
		have, r, err := s.Store.Tail(t.Context(), key, o.VersionID, length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, body[max(0, size-length):]) || have.Size != size || have.VersionID != o.VersionID ||
			have.Lock.Mode != o.Lock.Mode || !have.Lock.Until.Equal(o.Lock.Until) {
			t.Errorf("the last %d: got %d bytes, %v, of %+v, want %+v", length, len(got), err, have, o)
		}
	}
	for _, r := range [][2]int64{{-1, 5}, {0, -2}, {size + 1, 1}} {
		if rc, err := s.Store.Open(t.Context(), key, "", r[0], r[1]); err == nil {
			rc.Close()
			t.Errorf("open at %d+%d: no error", r[0], r[1])
		}
	}
}

func (s suite) interruptedReader(t *testing.T) {
	key, body := s.prefix+"interrupted", Body(7, 8<<20)
	s.put(t, key, body, time.Minute)
	for range 20 { // more than a connection pool forgives
		r, err := s.Store.Open(t.Context(), key, "", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Store.Open(ctx, key, "", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %d bytes and error %v", n, err)
	}
	if !bytes.Equal(s.read(t, key, "", 0, -1), body) {
		t.Error("bytes differ")
	}
}

func (s suite) notFound(t *testing.T) {
	there := s.put(t, s.prefix+"there", []byte("x"), time.Minute)
	other := s.put(t, s.prefix+"other", []byte("x"), time.Minute)
	for _, test := range []struct{ name, key, version string }{
		{"no such key", s.prefix + "missing", ""},
		{"no such key and version", s.prefix + "missing", there.VersionID},
		{"version of another key", there.Key, other.VersionID},
		{"no version at all", there.Key, "nonsense"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.Store.Stat(t.Context(), test.key, test.version)
			wantErr(t, "stat", err, preservation.ErrNotFound)
			r, err := s.Store.Open(t.Context(), test.key, test.version, 0, -1)
			wantErr(t, "open", err, preservation.ErrNotFound)
			if err == nil {
				r.Close()
			}
			err = s.Store.SetHold(t.Context(), test.key, test.version, true)
			wantErr(t, "hold", err, preservation.ErrNotFound)
			err = s.Store.Extend(t.Context(), test.key, test.version, preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)})
			wantErr(t, "extend", err, preservation.ErrNotFound)
		})
	}
	if err := s.Purger.Purge(t.Context(), s.prefix+"missing"); err != nil {
		t.Errorf("purge of a key that does not exist: %v", err)
	}
	if list := s.versions(t, s.prefix+"missing"); len(list) != 0 {
		t.Errorf("versions are %+v", list)
	}
}

// listMany lists more versions than fit on a page.
func (s suite) listMany(t *testing.T) {
	const objects, writers = 1050, 16
	prefix := s.prefix + "many/"
	errs := make(chan error)
	for w := range writers {
		go func() {
			for i := w; i < objects; i += writers {
				body := []byte{byte(i)}
				key := fmt.Sprintf("%s%02d/%04d", prefix, i%7, i)
				if _, err := s.Store.Put(t.Context(), key, bytes.NewReader(body), Locked(body, time.Minute)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	want := objects
	if s.Overwrite != nil {
		for i := range 30 { // versions on both sides of the page's end
			if err := s.Overwrite(t.Context(), fmt.Sprintf("%s%02d/%04d", prefix, (980+i)%7, 980+i), []byte("again")); err != nil {
				t.Fatal(err)
			}
			want++
		}
	}
	seen := map[string]bool{}
	last := ""
	for _, v := range s.versions(t, prefix) {
		if id := v.Key + "\x00" + v.VersionID; seen[id] {
			t.Errorf("%s %s is listed twice", v.Key, v.VersionID)
		} else {
			seen[id] = true
		}
		if v.Key < last {
			t.Errorf("%s is listed after %s", v.Key, last)
		}
		last = v.Key
	}
	if len(seen) != want {
		t.Errorf("%d versions, want %d", len(seen), want)
	}
	n := 0
	for _, err := range s.Store.Versions(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n = 0
	var failed error
	for _, err := range s.Store.Versions(ctx, prefix) {
		if failed = err; err != nil {
			break
		}
		if n++; n == 10 {
			cancel()
		}
	}
	wantErr(t, fmt.Sprintf("listing cancelled after 10 ended after %d", n), failed, context.Canceled)
}

func (s suite) listOrder(t *testing.T) {
	prefix := s.prefix + "order/"
	want := []string{"a-b", "a.txt", "a/b", "a/c/d", "a0", "b", "ä"}
	for _, i := range []int{3, 0, 6, 5, 2, 4, 1} {
		s.put(t, prefix+want[i], []byte("x"), time.Minute)
	}
	var got []string
	for _, v := range s.versions(t, prefix) {
		got = append(got, v.Key[len(prefix):])
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order is %q, want %q", got, want)
	}
	if list := s.versions(t, prefix+"a"); len(list) != 5 {
		t.Errorf("prefix a has %d versions, want 5", len(list))
	}
}
