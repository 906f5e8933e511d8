package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation/objectstore"
	"bestand/preservation/storetest"
)

// outside serves an installation whose object store is a service of its own,
// reached through a proxy that can go wrong.
func outside(t *testing.T, flags ...string) (*installation, *storetest.Hostile) {
	t.Helper()
	in := install(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store, err := objectstore.Supervise(ctx, objectstore.Options{Dir: filepath.Join(in.dir, "objects"), Listen: "127.0.0.1:0", Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the folder is removed, after the service has ended
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := store.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if in.cmd != nil {
			in.stop(t)
		}
	})
	h := storetest.NewHostile(t, store.Endpoint())
	access, secret := store.Credentials()
	file := filepath.Join(in.dir, "s3-secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	in.flags = append([]string{"--s3-endpoint", h.Address, "--s3-access-key", access, "--s3-secret-file", file, "--s3-secure=false"}, flags...)
	return in.serve(t), h
}

// municipality adds a tenant and returns its administrator.
func (c *caller) municipality(t *testing.T, id string) *caller {
	t.Helper()
	var made struct{ Token string }
	c.post("/v1/tenants", map[string]any{"id": id, "name": id, "admin": "verwaltung"}).want(t, 201).decode(t, &made)
	return &caller{T: t, url: c.url, token: made.Token}
}

// held lists the versions that the store has of the objects of a tenant below a prefix.
func (in *installation) heldOf(t *testing.T, tenant, prefix string) (files []string) {
	t.Helper()
	for _, where := range []string{"objects", "versions"} {
		root := filepath.Join(in.dir, "objects", where, "bestand-"+tenant, prefix)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && e.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// waits waits until a submission says that it waits, for what is named.
func (c *caller) waits(id, what string) {
	c.Helper()
	var s status
	eventually(c.T, "the submission says that it waits for "+what, func() bool {
		s = status{}
		c.get("/v1/submissions/"+id).want(c.T, 200).decode(c.T, &s)
		if s.Status != "received" && s.Status != "processing" {
			c.Fatalf("waiting for %s it became %s: %+v", what, s.Status, s.Problems)
		}
		return strings.Contains(s.Waiting.Reason, what)
	})
	c.get("/v1/submissions/"+id+"/receipt").refused(c.T, 404, "receipt-pending", "")
}

// away wants a request to be refused with a problem that says what is away, and
// when to come again.
func (r reply) away(t *testing.T, what string) {
	t.Helper()
	var p struct{ Code, Detail string }
	json.Unmarshal(r.body, &p)
	full := r.StatusCode == 507 && p.Code == "store-full"
	if !full && (r.StatusCode != 503 || p.Code != "unavailable") || r.Header.Get("Retry-After") == "" || !full && !strings.Contains(p.Detail, what) {
		t.Errorf("%s %s: status %d, Retry-After %q: %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.Header.Get("Retry-After"), r.body)
	}
}

// inBucket is for requests about the objects of a tenant.
func inBucket(tenant, method, prefix, query string) func(*http.Request) bool {
	return storetest.Request(method, "/bestand-"+tenant+"/"+prefix, query)
}

func inStaging(tenant, method string) func(*http.Request) bool {
	return storetest.Request(method, "/bestand-staging/"+tenant+"/", "")
}

// header changes what an answer says beside its body.
func header(f func(http.Header)) func(http.ResponseWriter, *http.Request, http.Handler) {
	return storetest.Change(func(h http.Header, body []byte) []byte { f(h); return body })
}

// TestStoreAway has a store refuse, hang, lose, alter and deny, each for a
// municipality of its own, all at once. Nothing is acknowledged that is not there
// and locked, and everything goes on by itself when the store does.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	in, h := outside(t, "--s3-timeout", "4s", "--workers", "12")
	admin := in.admin(t)
	const store = "the object store"
	t.Run("faults", func(t *testing.T) {
		for _, f := range []struct {
			name  string
			wrong func(tenant string) storetest.Wrong
			taken bool   // the delivery is accepted
			waits string // its processing waits for this
		}{
			{"staging-slows-down", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inStaging(id, "PUT"), Do: storetest.Refuse(503, "SlowDown")}
			}, false, ""},
			{"staging-resets", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inStaging(id, "PUT"), Do: storetest.Reset}
			}, false, ""},
			{"staging-hangs", func(id string) storetest.Wrong { return storetest.Wrong{For: inStaging(id, "PUT"), Do: storetest.Hang} }, false, ""},
			{"staging-is-full", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inStaging(id, "PUT"), Do: storetest.Refuse(507, "InsufficientStorage")}
			}, false, ""},
			{"staging-loses", func(id string) storetest.Wrong { return storetest.Wrong{For: inStaging(id, "PUT"), Do: storetest.Lose} }, false, ""},
			{"staging-alters", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inStaging(id, "GET"), Do: storetest.Change(flipped)}
			}, true, "differs from what was stored"},
			{"listing-omits", func(id string) storetest.Wrong {
				return storetest.Wrong{For: func(r *http.Request) bool {
					return r.Method == "GET" && strings.HasPrefix(r.URL.Query().Get("prefix"), id+"/")
				}, Do: storetest.Change(emptyListing)}
			}, true, ""},
			{"store-slows-down", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Refuse(503, "SlowDown")}
			}, true, store},
			{"store-denies-access", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Refuse(403, "AccessDenied")}
			}, true, store},
			{"store-is-full", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Refuse(507, "InsufficientStorage")}
			}, true, "has no room"},
			{"store-hangs", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Hang}
			}, true, store},
			{"store-resets", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Reset}
			}, true, store},
			{"store-loses", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Lose}
			}, true, "is not there"},
			{"store-stores-and-fails", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Deny}
			}, true, ""},
			{"store-stores-and-resets", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: storetest.Vanish}
			}, true, ""},
			{"etag-is-wrong", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "aip/", "-"), Do: header(func(h http.Header) { h.Set("ETag", `"00000000000000000000000000000000"`) })}
			}, true, ""},
			{"read-back-alters", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "GET", "aip/", "-"), Do: storetest.Change(flipped)}
			}, true, "differs from what was stored"},
			{"read-back-is-short", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "GET", "aip/", "-"), Do: storetest.Change(func(_ http.Header, b []byte) []byte { return b[:len(b)/2] })}
			}, true, "differs from what was stored"},
			{"read-back-breaks", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "GET", "aip/", "-"), Do: storetest.Break}
			}, true, store},
			{"read-back-drips", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "GET", "aip/", "-"), Do: storetest.Drip(20 * time.Millisecond)}
			}, true, store},
			{"lock-is-gone", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "", "aip/", "-"), Do: header(func(h http.Header) {
					h.Del("X-Amz-Object-Lock-Mode")
					h.Del("X-Amz-Object-Lock-Retain-Until-Date")
				})}
			}, true, "lock is"},
			{"lock-is-short", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "", "aip/", "-"), Do: header(func(h http.Header) {
					if h.Get("X-Amz-Object-Lock-Mode") != "" {
						h.Set("X-Amz-Object-Lock-Retain-Until-Date", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
					}
				})}
			}, true, "lock is"},
			{"receipt-is-refused", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "evt/", "-"), Do: storetest.Refuse(500, "InternalError")}
			}, true, store},
			{"receipt-is-lost", func(id string) storetest.Wrong {
				return storetest.Wrong{For: inBucket(id, "PUT", "evt/", "-"), Do: storetest.Lose}
			}, true, "is not there"},
		} {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				id := f.name
				c := (&caller{T: t, url: admin.url, token: admin.token}).municipality(t, id)
				h.Plan(id, f.wrong(id))
				metadata, files := about(id, "63.10", "Vermerk"), []sent{file("daten.bin", blob(id))}
				r := c.send(metadata, files...)
				var sub status
				if f.taken {
					sub.ID = r.accepted(t)
				} else {
					r.away(t, store)
				}
				switch {
				case f.waits != "":
					c.waits(sub.ID, f.waits)
				case f.taken:
					eventually(t, "it went wrong", func() bool { return h.Met(id) > 0 })
				}
				h.Heal(id)
				if !f.taken {
					sub = c.again(metadata, files...)
				}
				s := c.await(sub.ID)
				if s.Status != "archived" || h.Met(id) == 0 {
					t.Fatalf("went wrong %d times: %+v", h.Met(id), s)
				}
				c.verified(s.RecordID)
				for _, prefix := range []string{"aip", "evt"} {
					if held := in.heldOf(t, id, prefix); len(held) != 1 {
						t.Errorf("the store holds %q", held)
					}
				}
			})
		}
	})

	// Nothing answers at all, for the whole of the service.
	h.Plan("all", storetest.Wrong{For: func(*http.Request) bool { return true }, Do: storetest.Reset})
	metadata, files := about("all", "63.10", "Vermerk"), []sent{file("daten.bin", blob("all"))}
	admin.send(metadata, files...).away(t, store)
	admin.get("/readyz").want(t, 503)
	h.Heal("all")
	eventually(t, "it is ready again", func() bool { return admin.get("/readyz").StatusCode == 200 })
	if s := admin.await(admin.again(metadata, files...).ID); s.Status != "archived" {
		t.Errorf("%+v", s)
	}
	in.sweep(t)
	in.audit(t)
}

func flipped(_ http.Header, body []byte) []byte {
	if len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	return body
}

// emptyListing takes every entry out of a listing.
func emptyListing(_ http.Header, body []byte) []byte {
	for _, tag := range []string{"Contents", "Version", "Upload"} {
		for {
			from, to := bytes.Index(body, []byte("<"+tag+">")), bytes.Index(body, []byte("</"+tag+">"))
			if from < 0 || to < from {
				break
			}
			body = slices.Concat(body[:from], body[to+len(tag)+3:])
		}
	}
	return body
}
