package dip_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
	"bestand/preservation/dip"
	"bestand/preservation/evidence"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// rig is a package with its evidence record.
type rig struct {
	*testing.T
	pkg    []byte
	source dip.Source
	record *evidence.Record
	keys   *pki.PKI
	trust  string // file
}

// newRig packs texts, or a few small ones: one is empty, one the same as another.
func newRig(t *testing.T, texts ...string) *rig {
	t.Helper()
	r := &rig{T: t}
	dir := t.TempDir()
	keys, err := pki.Open(dir, time.Now(), pki.Options{})
	r.must(err)
	r.trust, r.keys = filepath.Join(dir, "ca.pem"), keys

	now := time.Now().UTC()
	agent := preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}
	rec := preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: "musterstadt", Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(now)), Received: now,
		Metadata: preservation.Metadata{Producer: "dms & mehr", Kind: "file", Class: "63.10", Title: "Bauantrag <Lindenstraße>", Confidentiality: "internal"}}
	content := map[preservation.FileID]string{}
	if len(texts) == 0 {
		texts = []string{"Plan", "Bescheid", "", "Plan"}
	}
	for n, text := range texts {
		long := sha512.Sum512([]byte(text))
		f := preservation.File{ID: preservation.NewFileID(n + 1), Representation: preservation.Original, Name: fmt.Sprint("Größe ", n, ".txt"), Size: int64(len(text)),
			Digests: preservation.Digests{SHA256: hex.EncodeToString(digest([]byte(text))), SHA512: hex.EncodeToString(long[:])}}
		f.Path = aip.DataPath(f)
		rec.Files, content[f.ID] = append(rec.Files, f), text
	}
	var b bytes.Buffer
	m, err := aip.Write(t.Context(), &b, aip.Package{Record: rec, Creator: agent,
		Events: []preservation.Event{{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: agent}},
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content[id])), nil
		},
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			return cades.SignReader(ctx, bytes.NewReader(mets), cades.Options{Signer: keys.Seal.Signer, Chain: keys.Seal.Chain, Time: now})
		}})
	r.must(err)
	r.pkg = b.Bytes()

	group, err := m.Group(crypto.SHA256)
	r.must(err)
	other := digest([]byte("another record"))
	tree, err := evidence.NewTree(crypto.SHA256, slices.Concat(other, evidence.GroupDigest(crypto.SHA256, group), other))
	r.must(err)
	r.record = evidence.New(crypto.SHA256, tree.Reduced(1, group), r.stamp(crypto.SHA256, tree.Root()))
	p, err := aip.Open(bytes.NewReader(r.pkg), int64(len(r.pkg)))
	r.must(err)
	r.source = dip.Source{Package: p, Evidence: r.record.Encode(), Statements: said}
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func digest(b []byte) []byte {
	h := crypto.SHA256.New()
	h.Write(b)
	return h.Sum(nil)
}

func (r *rig) save(name string, b []byte) string {
	r.Helper()
	path := filepath.Join(r.TempDir(), name)
	r.must(os.WriteFile(path, b, 0o600))
	return path
}

// oneToOne checks that some data are exactly what the evidence record covers, by its
// first hash list and by the foreign judges.
func (r *rig) oneToOne(data [][]byte) {
	r.Helper()
	var given [][]byte
	var files []string
	for i, d := range data {
		given = append(given, digest(d))
		files = append(files, r.save(fmt.Sprint(i), d))
	}
	slices.SortFunc(given, bytes.Compare)
	if !slices.EqualFunc(given, r.record.Chains[0][0].Tree[0], bytes.Equal) {
		r.Errorf("%d protected objects are not the %d of the first hash list", len(data), len(r.record.Chains[0][0].Tree[0]))
	}
	record := r.save("er", r.source.Evidence)
	for _, l := range judge.Libraries {
		if err := l.Record(r, record, r.trust, time.Now(), true, files...); err != nil {
			r.Errorf("%s: %v", l, err)
		}
	}
}

func TestASiC(t *testing.T) {
	r := newRig(t)
	r.source.Statements = said // which came after the evidence, and is no part of it
	var b bytes.Buffer
	r.must(dip.ASiC(t.Context(), &b, r.source))
	if got := string(b.Bytes()[30 : 38+len(dip.ASiCType)]); got != "mimetype"+dip.ASiCType { // EN 319 162-1, A.1
		t.Errorf("the container begins with %q", got)
	}
	kind, records := judge.Container(t, r.save("akte.asice", b.Bytes()), r.trust, time.Now())
	if kind != "ASiC-E" || len(records) != 1 || records[0] != nil {
		t.Errorf("DSS: %s %v", kind, records)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	r.must(err)
	var data [][]byte
	var other bytes.Buffer // the container with a letter of a document changed
	changed := aip.NewZIP(&other)
	for _, f := range z.File {
		c, err := f.Open()
		r.must(err)
		content, err := io.ReadAll(c)
		r.must(err)
		if f.Name != "mimetype" && !strings.HasPrefix(f.Name, "META-INF/") {
			data = append(data, content)
		}
		if f.Method != zip.Store || strings.HasPrefix(f.Name, "META-INF/evidencerecord") && !bytes.Equal(content, r.source.Evidence) {
			t.Errorf("%s: %d bytes, method %d", f.Name, len(content), f.Method)
		}
		content = bytes.Replace(content, []byte("Bescheid"), []byte("Bescheit"), 1)
		r.must(changed.Add(f.Name, int64(len(content)), crc32.ChecksumIEEE(content), func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		}))
	}
	r.must(changed.Close())
	r.oneToOne(data)
	if _, records := judge.Container(t, r.save("changed.asice", other.Bytes()), r.trust, time.Now()); len(records) != 1 || records[0] == nil {
		t.Errorf("DSS accepts a changed document: %v", records)
	}
	r.refusesDamage(dip.ASiC)
}

// TestMemory exports a large file without holding it.
func TestMemory(t *testing.T) {
	const size, room = 32 << 20, 4 << 20
	r := newRig(t, strings.Repeat("x", size))
	for name, write := range map[string]func(context.Context, io.Writer, dip.Source) error{"ASiC": dip.ASiC, "XAIP": dip.XAIP, "BagIt": dip.BagIt, "OCFL": dip.OCFL, "xdomea": dip.Xdomea} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.must(write(t.Context(), io.Discard, r.source))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > room {
			t.Errorf("%s took %d bytes of memory in all for %d", name, took, size)
		}
	}
}

// TestRenewed has the exports of a record judged whose time-stamp and hash tree were
// renewed: under SHA-512 by now.
func TestRenewed(t *testing.T) {
	r := newRig(t)
	r.renew()
	var b bytes.Buffer
	r.must(dip.ASiC(t.Context(), &b, r.source))
	kind, records := judge.Container(t, r.save("akte.asice", b.Bytes()), r.trust, time.Now())
	if kind != "ASiC-E" || len(records) != 1 || records[0] != nil {
		t.Errorf("DSS: %s %v", kind, records)
	}
	b.Reset()
	r.must(dip.XAIP(t.Context(), &b, r.source))
	x := parse(t, b.Bytes())
	record := r.save("er", decode(t, x.object("er")))
	var files []string
	for i, id := range x.Protected {
		files = append(files, r.save(fmt.Sprint(i), decode(t, x.object(id))))
	}
	for _, l := range judge.Libraries {
		if err := l.Record(t, record, r.trust, time.Now(), true, files...); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
}

// renew renews the time-stamp of the evidence record and then its hash tree.
func (r *rig) renew() {
	r.Helper()
	time.Sleep(10 * time.Millisecond) // tokens follow one another
	before := [][]byte{evidence.TokenDigest(crypto.SHA256, r.record.Chains[0][0].Token)}
	tree, err := evidence.NewTree(crypto.SHA256, evidence.GroupDigest(crypto.SHA256, before))
	r.must(err)
	r.record.Renew(tree.Reduced(0, before), r.stamp(crypto.SHA256, tree.Root()))
	time.Sleep(10 * time.Millisecond)
	const next = crypto.SHA512
	m, err := r.source.Package.Manifest()
	r.must(err)
	group, err := m.Group(next)
	r.must(err)
	chains := r.record.ChainsDigest(next, 1)
	for i := range group {
		group[i] = evidence.Renewed(next, group[i], chains)
	}
	tree, err = evidence.NewTree(next, evidence.GroupDigest(next, group))
	r.must(err)
	r.record.RenewHashTree(next, tree.Reduced(0, group), r.stamp(next, tree.Root()))
	r.source.Evidence = r.record.Encode()
}

// stamp is a token with the revocation list of its authority.
func (r *rig) stamp(h crypto.Hash, digest []byte) []byte {
	r.Helper()
	authority, err := timestamp.NewAuthority(timestamp.Config{Signer: r.keys.TSA.Signer, Chain: r.keys.TSA.Chain})
	r.must(err)
	token, err := authority.Stamp(r.Context(), h, digest)
	r.must(err)
	crl, err := r.keys.CRL(time.Now())
	r.must(err)
	token, err = timestamp.Freeze(token, crl)
	r.must(err)
	return token
}

// refusesDamage has a package exported in which a byte has changed.
func (r *rig) refusesDamage(write func(context.Context, io.Writer, dip.Source) error) {
	r.Helper()
	damaged := bytes.Clone(r.pkg)
	damaged[bytes.Index(damaged, []byte("Bescheid"))] ^= 1
	p, err := aip.Open(bytes.NewReader(damaged), int64(len(damaged)))
	r.must(err)
	if err := write(r.Context(), io.Discard, dip.Source{Package: p, Evidence: r.source.Evidence}); !errors.Is(err, preservation.ErrCorrupt) {
		r.Errorf("a damaged package is exported: %v", err)
	}
}

func TestXAIP(t *testing.T) {
	r := newRig(t)
	for name, until := range map[string]preservation.Date{"9999-12-31": {}, "2035-12-31": {Year: 2035, Month: 12, Day: 31}} {
		r.source.Until = until
		var b bytes.Buffer
		r.must(dip.XAIP(t.Context(), &b, r.source))
		path := r.save("akte.xml", b.Bytes())
		if _, err := exec.LookPath("xmllint"); err != nil {
			if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Skip("xmllint is not installed")
		}
		if out, err := exec.Command("xmllint", "--nonet", "--noout", "--schema", "testdata/xaip/tr-esor-xaip-v1.3.xsd", path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		x := parse(t, b.Bytes())
		if x.Retention != name || x.Canonical.Algorithm != "http://www.w3.org/2001/10/xml-exc-c14n#" {
			t.Errorf("retention %s, canonicalisation %s", x.Retention, x.Canonical.Algorithm)
		}
		if !bytes.Equal(decode(t, x.object("er")), r.source.Evidence) {
			t.Error("the evidence record is another")
		}
		var data [][]byte
		for _, id := range x.Protected {
			data = append(data, decode(t, x.object(id)))
		}
		r.oneToOne(data)
	}
	r.refusesDamage(dip.XAIP)
}

// xaip is what a reader of an XAIP looks at (BSI TR-03125-F).
type xaip struct {
	Retention string   `xml:"packageHeader>versionManifest>preservationInfo>retentionPeriod"`
	Protected []string `xml:"packageHeader>versionManifest>packageInfoUnit>protectedObjectPointer"`
	Canonical struct {
		Algorithm string `xml:"Algorithm,attr"`
	} `xml:"packageHeader>CanonicalizationMethod"`
	Metadata []struct {
		ID      string `xml:"metaDataID,attr"`
		Content string `xml:"binaryMetaData"`
	} `xml:"metaDataSection>metaDataObject"`
	Data []struct {
		ID      string `xml:"dataObjectID,attr"`
		Content string `xml:"binaryData"`
	} `xml:"dataObjectsSection>dataObject"`
	Credentials []struct {
		ID        string `xml:"credentialID,attr"`
		Signature string `xml:"SignatureObject>Base64Signature"`
		Evidence  string `xml:"evidenceRecord>asn1EvidenceRecord"`
	} `xml:"credentialsSection>credential"`
}

func parse(t *testing.T, b []byte) (x xaip) {
	t.Helper()
	if err := xml.Unmarshal(b, &x); err != nil {
		t.Fatal(err)
	}
	return x
}

// object is the base64 of what an identifier names.
func (x xaip) object(id string) string {
	for _, o := range x.Metadata {
		if o.ID == id {
			return o.Content
		}
	}
	for _, o := range x.Data {
		if o.ID == id {
			return o.Content
		}
	}
	for _, o := range x.Credentials {
		if o.ID == id {
			return o.Signature + o.Evidence
		}
	}
	return "?"
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
