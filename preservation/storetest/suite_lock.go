package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"bestand/preservation"
)

// expire waits until an object's lock is over.
func (s suite) expire(t *testing.T, o preservation.Object) {
	t.Helper()
	have, err := s.Store.Stat(t.Context(), o.Key, o.VersionID)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(have.Lock.Until) + 50*time.Millisecond)
}

func (s suite) lockRefusesPurge(t *testing.T) {
	key, body := s.prefix+"locked", []byte("locked")
	o := s.put(t, key, body, time.Minute)
	wantErr(t, "purge", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
	if !bytes.Equal(s.read(t, key, o.VersionID, 0, -1), body) {
		t.Error("bytes differ")
	}
	if list := s.versions(t, key); len(list) != 1 {
		t.Errorf("versions are %+v", list)
	}
	_, err := s.Store.Put(t.Context(), s.prefix+"lock/past", bytes.NewReader(body), Locked(body, -time.Hour))
	if err == nil {
		t.Error("put with a lock in the past: no error")
	}
}

func (s suite) extend(t *testing.T) {
	key := s.prefix + "extended"
	o := s.put(t, key, []byte("x"), time.Minute)
	lockOf := func() preservation.Lock {
		t.Helper()
		have, err := s.Store.Stat(t.Context(), key, o.VersionID)
		if err != nil {
			t.Fatal(err)
		}
		return have.Lock
	}
	before := lockOf()
	for _, test := range []struct {
		name string
		lock preservation.Lock
		want time.Time
	}{
		{"earlier", preservation.Lock{Mode: preservation.Compliance, Until: before.Until.Add(-30 * time.Second)}, before.Until},
		{"the same", before, before.Until},
		{"later", preservation.Lock{Mode: preservation.Compliance, Until: before.Until.Add(time.Minute)}, before.Until.Add(time.Minute)},
		{"later in a weaker mode", preservation.Lock{Mode: preservation.Governance, Until: before.Until.Add(2 * time.Minute)}, before.Until.Add(2 * time.Minute)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := s.Store.Extend(t.Context(), key, o.VersionID, test.lock); err != nil {
				t.Fatal(err)
			}
			if got := lockOf(); got.Mode != preservation.Compliance || !got.Until.Equal(test.want) {
				t.Errorf("lock is %+v, want COMPLIANCE until %s", got, test.want)
			}
		})
	}
}

func (s suite) holdOutlastsLock(t *testing.T) {
	key := s.prefix + "held"
	o := s.put(t, key, []byte("x"), time.Second)
	for range 2 { // twice is once
		if err := s.Store.SetHold(t.Context(), key, o.VersionID, true); err != nil {
			t.Fatal(err)
		}
	}
	have, err := s.Store.Stat(t.Context(), key, o.VersionID)
	if err != nil || !have.Hold {
		t.Fatalf("stat: %+v, %v", have, err)
	}
	s.expire(t, o)
	wantErr(t, "purge of a held object", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
	if _, err := s.Store.Stat(t.Context(), key, o.VersionID); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.SetHold(t.Context(), key, o.VersionID, false); err != nil {
		t.Fatal(err)
	}
	s.purge(t, key)
}

// holdWithBytes: what is put on hold with its bytes is held as if it had been put so later.
func (s suite) holdWithBytes(t *testing.T) {
	key, body := s.prefix+"held-at-once", []byte("x")
	put := Locked(body, time.Second)
	put.Hold = true
	o, err := s.Store.Put(t.Context(), key, bytes.NewReader(body), put)
	if err != nil || !o.Hold {
		t.Fatalf("put: %+v, %v", o, err)
	}
	if have, err := s.Store.Stat(t.Context(), key, o.VersionID); err != nil || !have.Hold || have.Lock.Mode != put.Lock.Mode {
		t.Fatalf("stat: %+v, %v", have, err)
	}
	s.expire(t, o)
	wantErr(t, "purge of a held object", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
	if err := s.Store.SetHold(t.Context(), key, o.VersionID, false); err != nil {
		t.Fatal(err)
	}
	s.purge(t, key)
}

// purge expects a purge to leave nothing, also when repeated.
func (s suite) purge(t *testing.T, key string) {
	t.Helper()
	for range 2 {
		if err := s.Purger.Purge(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		for _, v := range s.versions(t, key) {
			if v.Key == key {
				t.Errorf("left after purge: %+v", v)
			}
		}
	}
	if _, err := s.Store.Stat(t.Context(), key, ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("stat after purge: %v", err)
	}
}

func (s suite) purgeAfterLock(t *testing.T) {
	key := s.prefix + "expired"
	o := s.put(t, key, []byte("x"), time.Second)
	wantErr(t, "purge before the end", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
	s.expire(t, o)
	neighbour := s.put(t, key+".txt", []byte("stays"), time.Minute)
	s.purge(t, key)
	if _, err := s.Store.Stat(t.Context(), neighbour.Key, neighbour.VersionID); err != nil {
		t.Errorf("neighbour: %v", err)
	}
	s.put(t, key, []byte("another life"), time.Second)
}

func (s suite) purgeAllVersions(t *testing.T) {
	if s.Overwrite == nil || s.Mark == nil {
		t.Skip("this store cannot be tampered with")
	}
	for _, marked := range []bool{false, true} {
		t.Run(fmt.Sprintf("marked %t", marked), func(t *testing.T) {
			t.Parallel()
			key := s.prefix + fmt.Sprintf("versions/%t", marked)
			o := s.put(t, key, []byte("first"), time.Second)
			for i := range 5 {
				if err := s.Overwrite(t.Context(), key, []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			want := 6
			if marked {
				if err := s.Mark(t.Context(), key); err != nil {
					t.Fatal(err)
				}
				want++
			}
			list := s.versions(t, key)
			if len(list) != want {
				t.Errorf("%d versions, want %d", len(list), want)
			}
			var latest, markers int
			for _, v := range list {
				if v.Latest {
					latest++
				}
				if v.Marker {
					markers++
					_, err := s.Store.Open(t.Context(), key, v.VersionID, 0, -1)
					wantErr(t, "open of a marker", err, preservation.ErrNotFound)
				}
			}
			if latest != 1 || markers != want-6 {
				t.Errorf("%d latest versions and %d markers", latest, markers)
			}
			if !bytes.Equal(s.read(t, key, o.VersionID, 0, -1), []byte("first")) {
				t.Error("first version differs")
			}
			wantErr(t, "purge with one version locked", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
			s.expire(t, o)
			s.purge(t, key)
		})
	}
}

func (s suite) purgeSparesHeld(t *testing.T) {
	if s.Overwrite == nil {
		t.Skip("this store cannot be tampered with")
	}
	key := s.prefix + "held-version"
	o := s.put(t, key, []byte("first"), time.Second)
	if err := s.Store.SetHold(t.Context(), key, o.VersionID, true); err != nil {
		t.Fatal(err)
	}
	if err := s.Overwrite(t.Context(), key, []byte("second")); err != nil {
		t.Fatal(err)
	}
	s.expire(t, o)
	wantErr(t, "purge with an older version held", s.Purger.Purge(t.Context(), key), preservation.ErrLocked)
	if !bytes.Equal(s.read(t, key, o.VersionID, 0, -1), []byte("first")) {
		t.Error("held version differs")
	}
	if err := s.Store.SetHold(t.Context(), key, o.VersionID, false); err != nil {
		t.Fatal(err)
	}
	s.purge(t, key)
}
