package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/search/synthetic"
)

// grown is an archive of synthetic German records that grows as the pipeline
// makes it grow once nothing is left to convert.
type grown struct {
	testing.TB
	*archive
	tenant   *catalog.Tenant
	source   *synthetic.Source
	classes  []string
	sealer   *ingest.Sealer
	original int // bytes of one
	lock     preservation.Lock
	change   func(*preservation.Metadata) // of each record; nil: as they come
}

// grow opens a data folder, which is made if it is not there.
func grow(b testing.TB, dir string) *grown {
	b.Helper()
	g := &grown{TB: b, original: 100 << 10, lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().AddDate(0, 3, 0).UTC().Truncate(24 * time.Hour)}}
	var err error
	g.archive, err = reopened(b, dir)
	g.must(err)
	g.must(g.firstStart(b.Context(), io.Discard))
	g.tenant = g.catalog.Tenant(firstTenant)
	g.must(g.officer.Configure(b.Context(), g.tenant, catalog.Job{}))
	scheme, err := g.officer.Scheme(b.Context(), g.tenant)
	g.must(err)
	for _, c := range scheme.Classes {
		g.classes = append(g.classes, c.Code)
	}
	dictionary, err := os.ReadFile("../../search/dictionary.txt")
	g.must(err)
	stop, err := os.ReadFile("../../search/stopwords.txt")
	g.must(err)
	g.source = synthetic.New(string(dictionary), string(stop))
	p, err := g.pipeline(b.Context())
	g.must(err)
	g.sealer = p.Sealer
	return g
}

// reopened is the data folder as a command of the program opens it.
func reopened(b testing.TB, dir string) (*archive, error) {
	cfg, err := loadConfig(flags("bench", b.Output()), []string{"--data", dir})
	if err != nil {
		return nil, err
	}
	return open(b.Context(), cfg, slog.New(slog.NewTextHandler(b.Output(), &slog.HandlerOptions{Level: slog.LevelError})))
}

func (g *grown) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// end closes the archive.
func (g *grown) end() {
	g.Helper()
	g.must(g.archive.close())
}

// fill adds records until there are n and returns how long that took. Without
// objects there is nothing but the catalog.
func (g *grown) fill(from, n int, objects bool) time.Duration {
	g.Helper()
	begin := time.Now()
	eg, ctx := errgroup.WithContext(g.Context())
	next := atomic.Int64{}
	next.Store(int64(from))
	for range 48 {
		eg.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := g.add(ctx, i, objects); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.must(eg.Wait())
	return time.Since(begin)
}

// add archives the i-th record: an original and its text.
func (g *grown) add(ctx context.Context, i int, objects bool) error {
	r, text := g.source.Record(i, func(r int) string { return g.classes[r%len(g.classes)] })
	r.Tenant = firstTenant
	r.Files = r.Files[:1]
	if g.change != nil {
		g.change(&r.Metadata)
	}
	random := rand.New(rand.NewPCG(uint64(i), 1))
	original := make([]byte, g.original)
	for j := range original {
		original[j] = byte(random.Uint32())
	}
	contents := map[preservation.FileID][]byte{}
	content := func(n int, f *preservation.File, as preservation.Representation, b []byte) {
		short, long := sha256.Sum256(b), sha512.Sum512(b)
		f.ID, f.Representation, f.Size = preservation.NewFileID(n), as, int64(len(b))
		f.Digests = preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}
		f.Path = aip.DataPath(*f)
		contents[f.ID] = b
	}
	content(1, &r.Files[0], preservation.Original, original)
	if objects {
		t := preservation.File{Name: r.Files[0].Name + ".txt", Format: preservation.Format{PUID: "x-fmt/111", MIME: "text/plain"}, DerivedFrom: r.Files[0].ID}
		content(2, &t, preservation.Text, []byte(text))
		r.Files = append(r.Files, t)
	}
	at := r.Received.UTC()
	event := func(id string, kind preservation.EventType) preservation.Event {
		return preservation.Event{ID: id, Type: kind, At: at, Outcome: preservation.Success, Detail: "done", Agent: preservation.Agent{Type: preservation.Software, Name: "growth", Version: "1"}}
	}
	c := catalog.Commit{Record: r, Events: []preservation.Event{event(preservation.NewID(at), preservation.EventReceive), event(preservation.NewID(at), preservation.EventPackage)},
		Pos: map[preservation.FileID]int64{}, Lock: g.lock,
		Package: catalog.RecordObject{Key: preservation.PackageKey(r.ID, 1), Kind: "package", Version: 1, VersionID: "none", Size: 1, SHA256: r.Files[0].SHA256, Stored: at}}
	if objects {
		if err := g.storePackage(ctx, &c, contents); err != nil {
			return err
		}
	}
	if err := g.tenant.CommitRecord(ctx, c); err != nil {
		return err
	}
	return g.receive(ctx, r, c, event(string(r.Submission), preservation.EventStore), objects)
}

func (g *grown) storePackage(ctx context.Context, c *catalog.Commit, contents map[preservation.FileID][]byte) error {
	var b bytes.Buffer
	m, err := aip.Write(ctx, &b, aip.Package{Record: c.Record, Events: c.Events, Creator: c.Events[0].Agent,
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(contents[id])), nil
		},
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			return g.sealer.Detached(ctx, mets, catalog.Settings{Seal: "B-B"})
		},
	})
	if err != nil {
		return err
	}
	for _, e := range m.Entries {
		if e.File != "" {
			c.Pos[e.File] = e.Offset
		}
	}
	o, err := g.put(ctx, c.Package.Key, b.Bytes(), c.Lock)
	c.Package = o
	c.Package.Kind, c.Package.Version = "package", 1
	return err
}

func (g *grown) put(ctx context.Context, key string, data []byte, lock preservation.Lock) (catalog.RecordObject, error) {
	bucket, err := g.bucket(ctx, firstTenant)
	if err != nil {
		return catalog.RecordObject{}, err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	o, err := bucket.Put(ctx, key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: digest, Lock: lock, ContentType: "application/octet-stream"})
	return catalog.RecordObject{Key: key, Kind: "event", Version: 1, VersionID: o.VersionID, Size: o.Size, SHA256: digest, Stored: o.Modified}, err
}

// receive adds the receipt and the submission that it ends.
func (g *grown) receive(ctx context.Context, r preservation.Record, c catalog.Commit, stored preservation.Event, objects bool) error {
	receipt := ledger.Receipt{Submission: r.Submission, Version: 1, Fingerprint: "f", SubmittedBy: "growth", Received: r.Received, Package: c.Package.Key, PackageSHA256: c.Package.SHA256}
	object := catalog.RecordObject{Key: preservation.EventKey(r.ID, stored.ID), Kind: "event", Version: 1, VersionID: "none", Size: 1, SHA256: c.Package.SHA256, Stored: r.Received}
	if objects {
		payload, err := json.Marshal(ingest.Receipt{Format: ingest.ReceiptFormat, Tenant: firstTenant, Submission: r.Submission, Time: time.Now(),
			Records: []ingest.ReceiptRecord{{ID: r.ID, Version: 1, Package: ingest.ReceiptPackage{Key: c.Package.Key, VersionID: c.Package.VersionID, Size: c.Package.Size, SHA256: c.Package.SHA256}}}})
		if err != nil {
			return err
		}
		if receipt.JWS, err = g.sealer.JWS(payload); err != nil {
			return err
		}
		body, err := json.Marshal(receipt)
		if err != nil {
			return err
		}
		data, _, err := preservation.EventObject{Record: r.ID, Event: stored, Body: body}.Encode()
		if err != nil {
			return err
		}
		if object, err = g.put(ctx, object.Key, data, c.Lock); err != nil {
			return err
		}
	}
	return g.tenant.RestoreSubmission(ctx, catalog.Submission{ID: r.Submission, Metadata: r.Metadata, Fingerprint: "f", RecordID: r.ID, Version: 1,
		SubmittedBy: "growth", Receipt: receipt.JWS, Received: r.Received, Updated: stored.At}, object, stored)
}
