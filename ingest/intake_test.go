package ingest_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// counter is where deliveries are handed in: a real catalog and a real object
// store behind an intake with small limits.
type counter struct {
	*testing.T
	*ingest.Intake
	tenant  *catalog.Tenant
	staging *s3.Staging
}

const (
	mostFiles = 3
	mostBytes = 100
)

func newCounter(t *testing.T) *counter {
	t.Helper()
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.CreateTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}, "test"); err != nil {
		t.Fatal(err)
	}
	c := &counter{T: t, tenant: db.Tenant("musterstadt")}
	if c.staging, err = storetest.Client(t, storetest.Embedded(t)).Staging(t.Context(), "staging"); err != nil {
		t.Fatal(err)
	}
	c.Intake = &ingest.Intake{
		Staging: c.staging, MaxFiles: mostFiles, MaxBytes: mostBytes, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Known: func(_ context.Context, _ *catalog.Tenant, class string) (bool, error) {
			if class == "broken" {
				return false, errBroken
			}
			return class == "63.10", nil
		},
	}
	return c
}

var errBroken = errors.New("broken")

// at makes the counter report to a subtest.
func (c *counter) at(t *testing.T) *counter {
	d := *c
	d.T = t
	return &d
}

// request announces files by name.
func request(id string, names ...string) ingest.Request {
	r := ingest.Request{Metadata: preservation.Metadata{Producer: "test", ProducerRecordID: id, Class: "63.10", Title: "Vermerk"}}
	for _, n := range names {
		r.Files = append(r.Files, ingest.Announced{Name: n})
	}
	return r
}

func (c *counter) begin(r ingest.Request) *ingest.Delivery {
	c.Helper()
	d, err := c.Begin(c.Context(), c.tenant, "dms", r)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { d.Abort(c.Context()) })
	return d
}

// staged lists what staging holds.
func (c *counter) staged() (keys []string) {
	c.Helper()
	for o, err := range c.staging.List(c.Context(), "musterstadt/") {
		if err != nil {
			c.Fatal(err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// wantInvalid wants an error to name exactly these fields and codes.
func wantInvalid(t *testing.T, err error, want ...string) {
	t.Helper()
	var i *ingest.Invalid
	if !errors.As(err, &i) {
		t.Fatalf("error %v, want an *Invalid", err)
	}
	var got []string
	for _, p := range i.Problems {
		if p.Detail == "" {
			t.Errorf("%s does not say what to do", p.Field)
		}
		got = append(got, p.Field+" "+p.Code)
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}

func TestBegin(t *testing.T) {
	c := newCounter(t)
	for _, b := range []struct {
		name   string
		change func(*ingest.Request)
		want   []string
	}{
		{"unknown class", func(r *ingest.Request) { r.Metadata.Class = "99" }, []string{"class unknown-class"}},
		{"closed before opened", func(r *ingest.Request) {
			r.Metadata.Opened, r.Metadata.Closed = preservation.DateOf(time.Unix(1e9, 0)), preservation.DateOf(time.Unix(9e8, 0))
		}, []string{"closed before-opened"}},
		{"unknown parent", func(r *ingest.Request) { r.Metadata.Parent = preservation.RecordID(preservation.NewID(time.Now())) }, []string{"parent unknown-record"}},
		{"days that lie ahead", func(r *ingest.Request) {
			then := preservation.DateOf(time.Now()).AddDays(365)
			r.Metadata.Opened, r.Metadata.Closed = then, then
			r.Metadata.Subjects = []preservation.Subject{{Name: "a", Born: preservation.Date{Year: 801, Month: 1, Day: 1}}, {Name: "b", Born: then, Died: then}}
		}, []string{"opened future", "closed future", "subjects[1].born future", "subjects[1].died future"}},
		{"too many files", func(r *ingest.Request) { r.Files = make([]ingest.Announced, mostFiles+1) }, []string{"files too-many"}},
		{"all at once", func(r *ingest.Request) {
			r.Metadata.Class, r.Files = "99", make([]ingest.Announced, mostFiles+1)
		}, []string{"class unknown-class", "files too-many"}},
	} {
		t.Run(b.name, func(t *testing.T) {
			r := request("begin")
			b.change(&r)
			_, err := c.Begin(t.Context(), c.tenant, "dms", r)
			wantInvalid(t, err, b.want...)
		})
	}
	r := request("begin")
	r.Metadata.Class = "broken"
	if _, err := c.Begin(t.Context(), c.tenant, "dms", r); !errors.Is(err, errBroken) || errors.As(err, new(*ingest.Invalid)) {
		t.Errorf("a file plan that cannot be read is %v", err)
	}
}

func TestDelivery(t *testing.T) {
	c := newCounter(t)
	r := request("whole", "../a.txt", "b\xff.txt")
	r.Files[0].Title, r.Files[0].Document = "Anlage", "1"
	sum := func(s string) (string, string) {
		a, b := sha256.Sum256([]byte(s)), sha512.Sum512([]byte(s))
		return hex.EncodeToString(a[:]), hex.EncodeToString(b[:])
	}
	r.Files[0].SHA256, r.Files[0].SHA512 = sum("eins")
	d := c.begin(r)
	for i, content := range []string{"eins", ""} {
		f, err := d.File(t.Context(), r.Files[i].Name, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		a, b := sum(content)
		if f.Name != r.Files[i].Name || f.Size != int64(len(content)) || f.SHA256 != a || f.SHA512 != b || f.Title != r.Files[i].Title || f.Document != r.Files[i].Document {
			t.Errorf("%+v", f)
		}
		if strings.Contains(f.Key, "..") || strings.Contains(f.Key, "txt") {
			t.Errorf("the sender's name is in the key %s", f.Key)
		}
		body, err := c.staging.Open(t.Context(), f.Key, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || string(got) != content {
			t.Errorf("staging holds %q: %v", got, err)
		}
	}
	sub, created, err := d.Commit(t.Context())
	if err != nil || !created || sub.Status != catalog.Received || sub.SubmittedBy != "dms" || len(sub.Files) != 2 {
		t.Fatalf("%+v %v %v", sub, created, err)
	}
	if _, err := c.tenant.JobOf(t.Context(), "process", string(sub.ID)); err != nil {
		t.Errorf("accepted without a job: %v", err)
	}
	steps, err := c.tenant.Steps(t.Context(), sub.ID)
	if err != nil || len(steps) != 1 || steps[0].Type != preservation.EventReceive {
		t.Errorf("steps %+v %v", steps, err)
	}
	d.Abort(t.Context())
	if n := len(c.staged()); n != 2 {
		t.Errorf("%d files in staging after an Abort that came too late", n)
	}
}

// part is a file as it arrives.
type part struct {
	name string
	body io.Reader
}

func parts(names ...string) (all []part) {
	for _, n := range names {
		all = append(all, part{n, strings.NewReader("x")})
	}
	return all
}

// TestDeliveryRefused ends deliveries before they are accepted. Nothing of them
// stays in staging, and nothing in the catalog.
func TestDeliveryRefused(t *testing.T) {
	c := newCounter(t)
	wrong := func(set func(*ingest.Announced, string)) ingest.Request {
		r := request("refused", "a")
		set(&r.Files[0], strings.Repeat("0", 64))
		return r
	}
	full := strings.Repeat("x", mostBytes)
	for _, b := range []struct {
		name  string
		r     ingest.Request
		parts []part
		want  []string
	}{
		{"no file", request("refused"), nil, []string{"files required"}},
		{"a file too few", request("refused", "a", "b"), parts("a"), []string{"files[1] missing"}},
		{"a file too many", request("refused", "a"), parts("a", "b"), []string{"files[1] not-announced"}},
		{"another order", request("refused", "a", "b"), parts("b", "a"), []string{"files[0].name name-mismatch"}},
		{"no name", request("refused"), parts(""), []string{"files[0].name required"}},
		{"other SHA-256", wrong(func(a *ingest.Announced, s string) { a.SHA256 = s }), parts("a"), []string{"files[0].sha256 digest-mismatch"}},
		{"other SHA-512", wrong(func(a *ingest.Announced, s string) { a.SHA512 = s + s }), parts("a"), []string{"files[0].sha512 digest-mismatch"}},
		{"more files than permitted", request("refused"), parts("a", "b", "c", "d"), []string{"files too-many"}},
		{"one byte more than permitted", request("refused"), []part{{"a", strings.NewReader(full + "x")}}, []string{"files too-large"}},
		{"one byte more in the second file", request("refused"), []part{{"a", strings.NewReader(full)}, {"b", strings.NewReader("x")}}, []string{"files too-large"}},
	} {
		t.Run(b.name, func(t *testing.T) {
			c := c.at(t)
			d := c.begin(b.r)
			wantInvalid(t, take(c, d, b.parts), b.want...)
			c.nothing(d)
		})
	}
	for name, fault := range map[string]error{
		"connection cut":     io.ErrUnexpectedEOF,
		"connection refused": errBroken,
	} {
		t.Run(name, func(t *testing.T) {
			c := c.at(t)
			d := c.begin(request("refused"))
			err := take(c, d, append(parts("a"), part{"b", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(fault))}))
			if !errors.Is(err, fault) {
				t.Errorf("error %v, want %v", err, fault)
			}
			c.nothing(d)
		})
	}
	t.Run("exactly what is permitted", func(t *testing.T) {
		c := c.at(t)
		d := c.begin(request("refused"))
		if err := take(c, d, []part{{"a", strings.NewReader(full[1:])}, {"b", strings.NewReader("x")}, {"c", strings.NewReader("")}}); err != nil {
			t.Error(err)
		}
	})
}

// take hands a delivery in, up to the first error.
func take(c *counter, d *ingest.Delivery, all []part) error {
	for _, p := range all {
		if _, err := d.File(c.Context(), p.name, p.body); err != nil {
			return err
		}
	}
	_, _, err := d.Commit(c.Context())
	return err
}

// nothing wants an ended delivery to have left no trace.
func (c *counter) nothing(d *ingest.Delivery) {
	c.Helper()
	d.Abort(c.Context())
	d.Abort(c.Context())
	if left := c.staged(); len(left) > 0 {
		c.Errorf("left in staging: %q", left)
	}
	if _, err := c.tenant.SubmissionBySource(c.Context(), "test", "refused"); !errors.Is(err, catalog.ErrNotFound) {
		c.Errorf("the catalog knows of it: %v", err)
	}
}

func TestDeliveryRepeated(t *testing.T) {
	c := newCounter(t)
	deliver := func(title string, names ...string) (catalog.Submission, bool, error) {
		r := request("again")
		r.Metadata.Title = title
		d := c.begin(r)
		for _, n := range names {
			if _, err := d.File(t.Context(), n, strings.NewReader("Inhalt von "+n)); err != nil {
				t.Fatal(err)
			}
		}
		return d.Commit(t.Context())
	}
	first, created, err := deliver("Vermerk", "a", "b")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	again, created, err := deliver("Vermerk", "a", "b")
	if err != nil || created || again.ID != first.ID || again.RecordID != first.RecordID {
		t.Errorf("the same again: %+v %v %v", again, created, err)
	}
	for name, other := range map[string]func() (catalog.Submission, bool, error){
		"another title": func() (catalog.Submission, bool, error) { return deliver("Anders", "a", "b") },
		"another order": func() (catalog.Submission, bool, error) { return deliver("Vermerk", "b", "a") },
		"one file less": func() (catalog.Submission, bool, error) { return deliver("Vermerk", "a") },
	} {
		_, _, err := other()
		var conflict *catalog.SourceConflict
		if !errors.As(err, &conflict) || conflict.Existing.ID != first.ID {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(c.staged()); n != 2 {
		t.Errorf("%d files in staging, want those of the first delivery", n)
	}
}

// TestDeliveryTwins lets the same delivery come in twice at a time.
func TestDeliveryTwins(t *testing.T) {
	c := newCounter(t)
	for _, twin := range []struct {
		content string
		same    bool
	}{{"Inhalt", true}, {"anderer", false}} {
		id := fmt.Sprint("twin-", twin.same)
		one, two := c.begin(request(id)), c.begin(request(id)) // neither knows of the other yet
		for d, content := range map[*ingest.Delivery]string{one: "Inhalt", two: twin.content} {
			if _, err := d.File(t.Context(), "a", strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
		}
		first, _, err := one.Commit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, created, err := two.Commit(t.Context())
		if twin.same && (err != nil || created || second.ID != first.ID) || !twin.same && !errors.As(err, new(*catalog.SourceConflict)) {
			t.Errorf("%s: %+v %v %v", id, second, created, err)
		}
		one.Abort(t.Context())
		two.Abort(t.Context())
	}
	if n := len(c.staged()); n != 2 {
		t.Errorf("%d files in staging, want one of each accepted delivery", n)
	}
}
