package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// target is a bucket of its own as the suite wants it.
func target(t *testing.T, c *s3.Client) storetest.Target {
	t.Helper()
	b, err := c.Bucket(t.Context(), "suite-"+preservation.NewID(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Target{Store: b, Purger: b, Overwrite: b.Overwrite, Mark: b.Mark}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t)
	storetest.Run(t, func(t *testing.T) storetest.Target { return target(t, storetest.Client(t, srv)) })
}

func TestEmbeddedInParts(t *testing.T) {
	t.Parallel()
	c := storetest.Client(t, storetest.Embedded(t))
	c.LimitSingle(1)
	storetest.Run(t, func(t *testing.T) storetest.Target { return target(t, c) })
}

func TestEmbeddedSidecar(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t, func(o *objectstore.Options) { o.Sidecar = true })
	storetest.Run(t, func(t *testing.T) storetest.Target { return target(t, storetest.Client(t, srv)) })
}

// TestMinIO runs everything on the endpoint named by BESTAND_TEST_S3, such as
// http://key:secret@127.0.0.1:9000.
func TestMinIO(t *testing.T) {
	c := external(t)
	t.Run("governance", func(t *testing.T) { testGovernance(t, external(t), external(t)) })
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Target { return target(t, c) })
	})
	t.Run("staging", func(t *testing.T) { testStaging(t, c) })
	t.Run("probe", func(t *testing.T) { testProbe(t, c) })
	t.Run("parts", func(t *testing.T) {
		c := external(t)
		c.LimitSingle(1)
		storetest.Run(t, func(t *testing.T) storetest.Target { return target(t, c) })
	})
}

func external(t *testing.T) *s3.Client {
	t.Helper()
	where := os.Getenv("BESTAND_TEST_S3")
	if where == "" {
		t.Skip("BESTAND_TEST_S3 names no endpoint")
	}
	u, err := url.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	c, err := s3.Dial(s3.Config{Endpoint: u.Scheme + "://" + u.Host, AccessKey: u.User.Username(), SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testProbe(t *testing.T, c *s3.Client) {
	begin := time.Now()
	findings := c.Probe(t.Context())
	t.Logf("took %v", time.Since(begin))
	passed := 0
	for _, f := range findings {
		t.Logf("%s %s: %s", f.Severity, f.Code, f.Detail)
		switch f.Severity {
		case preservation.Failed:
			t.Errorf("%s: %s", f.Code, f.Detail)
		case preservation.Passed:
			passed++
		}
	}
	if passed != 5 {
		t.Errorf("%d promises kept, want 5", passed)
	}
	b, err := c.Bucket(t.Context(), "bestand-probe")
	if err != nil {
		t.Fatal(err)
	}
	for v, err := range b.Versions(t.Context(), "probe/") {
		t.Errorf("left behind: %+v, %v", v, err)
	}
}

func TestProbe(t *testing.T) { testProbe(t, storetest.Client(t, storetest.Embedded(t))) }

func TestGovernance(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t)
	testGovernance(t, storetest.Client(t, srv), storetest.Client(t, srv))
}

// testGovernance: a GOVERNANCE lock gives way only to a client that was told
// so, can become COMPLIANCE, and then gives way to nobody.
func testGovernance(t *testing.T, plain, bypassing *s3.Client) {
	bypassing.BypassGovernance()
	name := "governance-" + preservation.NewID(time.Now())
	b, err := plain.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := bypassing.Bucket(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("body")
	put := func(key string) preservation.Object {
		t.Helper()
		o := storetest.Locked(body, time.Minute)
		o.Lock.Mode = preservation.Governance
		obj, err := b.Put(t.Context(), key, bytes.NewReader(body), o)
		if err != nil {
			t.Fatal(err)
		}
		return obj
	}
	wantLocked := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, preservation.ErrLocked) {
			t.Errorf("%s: %v", what, err)
		}
	}
	governed := put("governed")
	wantLocked("purge", b.Purge(t.Context(), "governed"))
	if err := b.SetHold(t.Context(), "governed", governed.VersionID, true); err != nil {
		t.Fatal(err)
	}
	wantLocked("bypassing purge of a held object", admin.Purge(t.Context(), "governed"))
	if err := b.SetHold(t.Context(), "governed", governed.VersionID, false); err != nil {
		t.Fatal(err)
	}
	if err := admin.Purge(t.Context(), "governed"); err != nil {
		t.Errorf("bypassing purge: %v", err)
	}
	o := put("stronger")
	until := time.Now().Add(30 * time.Second) // earlier than it is
	if err := b.Extend(t.Context(), "stronger", o.VersionID, preservation.Lock{Mode: preservation.Compliance, Until: until}); err != nil {
		t.Fatal(err)
	}
	have, err := b.Stat(t.Context(), "stronger", o.VersionID)
	if err != nil || have.Lock.Mode != preservation.Compliance || have.Lock.Until.Before(o.Lock.Until) {
		t.Errorf("lock is %+v, was %+v (%v)", have.Lock, o.Lock, err)
	}
	wantLocked("bypassing purge of a COMPLIANCE lock", admin.Purge(t.Context(), "stronger"))
}

func TestNoStore(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"127.0.0.1:1", "unix:/nowhere/s3.sock"} {
		c, err := s3.Dial(s3.Config{Endpoint: endpoint, AccessKey: "key", SecretKey: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := c.Bucket(t.Context(), "tenant"); err == nil {
			t.Error("no error")
		}
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%s: took %v to fail", endpoint, d)
		}
	}
}

func TestBucketRefused(t *testing.T) {
	c := storetest.Client(t, storetest.Embedded(t))
	ctx := t.Context()
	if _, err := c.Staging(ctx, "staging"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bucket(ctx, "tenant"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bucket(ctx, "staging"); err == nil {
		t.Error("a bucket without lock was taken for a store")
	}
	if _, err := c.Staging(ctx, "tenant"); err == nil {
		t.Error("a bucket with versions was taken for staging")
	}
	names, err := c.Buckets(ctx)
	if err != nil || fmt.Sprint(names) != "[staging tenant]" {
		t.Errorf("buckets are %v, %v", names, err)
	}
}
