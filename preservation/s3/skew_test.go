package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// TestClockRefused has a store refuse every request because the clocks differ. That
// is said in words, with what to do, and is an outage: nothing lies with the work.
func TestClockRefused(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t, func(o *objectstore.Options) { o.Listen = "127.0.0.1:0" })
	h := storetest.NewHostile(t, srv.Endpoint())
	access, secret := srv.Credentials()
	c, err := s3.Dial(s3.Config{Endpoint: h.Address, AccessKey: access, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bucket(t.Context(), "stadt")
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("body")
	o, err := b.Put(t.Context(), "a", bytes.NewReader(body), storetest.Locked(body, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	there := time.Now().Add(-40 * time.Minute)
	h.Plan("skew", storetest.Wrong{For: func(*http.Request) bool { return true }, Do: func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		w.Header().Set("Date", there.UTC().Format(http.TimeFormat))
		storetest.Refuse(http.StatusForbidden, "RequestTimeTooSkewed")(w, r, honest)
	}})
	for what, do := range map[string]func() error{
		"list buckets": func() error { _, err := c.Buckets(t.Context()); return err },
		"put": func() error {
			_, err := b.Put(t.Context(), "b", bytes.NewReader(body), storetest.Locked(body, time.Minute))
			return err
		},
		"open": func() error {
			r, err := b.Open(t.Context(), "a", o.VersionID, 0, -1)
			if err == nil {
				r.Close()
			}
			return err
		},
		"extend": func() error {
			return b.Extend(t.Context(), "a", o.VersionID, preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)})
		},
		"list": func() error {
			for _, err := range b.Versions(t.Context(), "") {
				return err
			}
			return nil
		},
		"stat": func() error { _, err := b.Stat(t.Context(), "a", o.VersionID); return err },
	} {
		err := do()
		if !errors.Is(err, preservation.ErrUnavailable) {
			t.Errorf("%s: %v, want an outage", what, err)
		}
		// The answer to HEAD, with which extending begins, has no body for the reason.
		if what != "stat" && what != "extend" && (!errors.Is(err, preservation.ErrClock) || !strings.Contains(fmt.Sprint(err), "set both by NTP")) {
			t.Errorf("%s: %v, want it to name the clock and what to do", what, err)
		}
	}
	if at, ok := c.Clock(); !ok || at.Sub(there).Abs() > time.Minute {
		t.Errorf("the clock of the store is taken for %s, %v, it shows %s", at, ok, there)
	}
	h.Heal("skew")
	if _, err := b.Stat(t.Context(), "a", o.VersionID); err != nil {
		t.Errorf("with the clocks right again: %v", err)
	}
}
