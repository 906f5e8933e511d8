package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/storetest"
)

// TestFault: without plans the wrapper is a store like the one below; with
// plans it goes wrong where they say, and only there.
func TestFault(t *testing.T) {
	b := storetest.Bucket(t)
	t.Run("healthy", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) storetest.Target {
			f := &storetest.Fault{Store: b}
			return storetest.Target{Store: f, Purger: f}
		})
	})
	ctx := t.Context()
	f := &storetest.Fault{Store: b}
	body := []byte("body")
	put := func(key string) error {
		_, err := f.Put(ctx, key, bytes.NewReader(body), storetest.Locked(body, time.Second))
		return err
	}
	read := func(key string) (string, error) {
		r, err := f.Open(ctx, key, "", 0, -1)
		if err != nil {
			return "", err
		}
		defer r.Close()
		got, err := io.ReadAll(r)
		return string(got), err
	}
	lost := errors.New("answer lost")
	f.Add(
		storetest.Plan{Op: storetest.OpPut, Nth: 2},
		storetest.Plan{Op: storetest.OpPut, Nth: 3, Err: lost, After: true},
		storetest.Plan{Op: storetest.OpOpen, Nth: 1, Corrupt: true},
		storetest.Plan{Op: storetest.OpOpen, Nth: 2, Cut: 2},
		storetest.Plan{Op: storetest.OpStat, Delay: time.Hour},
		storetest.Plan{Op: storetest.OpVersions, Nth: 1},
		storetest.Plan{Op: storetest.OpPurge, Nth: 1, Err: preservation.ErrLocked},
	)
	for _, test := range []struct {
		key  string
		want error
	}{{"a", nil}, {"b", storetest.ErrInjected}, {"c", lost}, {"c", preservation.ErrExists}, {"b", nil}} {
		if err := put(test.key); !errors.Is(err, test.want) {
			t.Errorf("put %s: %v, want %v", test.key, err, test.want)
		}
	}
	for _, test := range []struct {
		body string
		want error
	}{{"cody", nil}, {"bo", storetest.ErrInjected}, {"body", nil}} {
		if got, err := read("a"); got != test.body || !errors.Is(err, test.want) {
			t.Errorf("read %q and %v, want %q and %v", got, err, test.body, test.want)
		}
	}
	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := f.Stat(brief, "a", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("delayed stat: %v", err)
	}
	for _, err := range f.Versions(ctx, "") {
		if !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("versions: %v", err)
		}
	}
	if err := f.Purge(ctx, "a"); !errors.Is(err, preservation.ErrLocked) {
		t.Errorf("purge: %v", err)
	}
	f.Heal()
	if _, err := f.Stat(ctx, "a", ""); err != nil {
		t.Error(err)
	}
	if n := f.Calls(storetest.OpPut); n != 5 {
		t.Errorf("%d puts counted", n)
	}
}
