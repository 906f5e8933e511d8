package dip_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/srerickson/ocfl-go"
	ocflfs "github.com/srerickson/ocfl-go/fs"

	"bestand/ingest/sip"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/dip"
)

// hostileNames mean harm to file systems, terminals or readers, or look the same to
// one of them.
var hostileNames = []string{
	"Größe 1.txt", "../../etc/passwd", "/absolut", "a//b", "a/./b", "a/", "", ".", "..", "...", "punkt.", "punkt", " blank ", "blank", "nbsp\u00a0", "\u3000",
	"zeile\r\nzwei", "\x00\x01\x1b[2J\x7f\u0085\u2028", "CON", "con.txt", "nul .txt", "COM1", "lpt¹.x", "COMB", `a\b`, `c:\x`, `"*?<>|:`, "100%", "%0a%25", "a%2Fb",
	"u\u0308ber.txt", "über.txt", "gleich.TXT", "gleich.txt", "a\u202etxt.exe", "\xff\xfe nicht UTF-8", "\ufffe", "\ufffd", "‛", "‛C3", "％", "␀", "．．", "~", "-rf", "$(touch x)",
	"ordner", "ordner/datei", "ordner/datei/noch", "data/akte.pdf", "bagit.txt", "METS.xml", strings.Repeat("x", 255), strings.Repeat("\x01", 255), strings.Repeat("ä", 127) + "x",
	strings.Repeat("tief/", 40) + "x", strings.Repeat("lang/", 800) + "x", "\u212a", "k", "<script>&amp;'", "names.json", "doppelt", "doppelt", "f0001", "f0001.txt",
	"Straße.txt", "STRASSE.TXT", "ς", "σ", "ſ", "s", "ﬁ", "fi", "İ", "i\u0307", "MASSE/eins", "Maße/eins",
	strings.Repeat("a", 199) + " " + strings.Repeat("b", 40), strings.Repeat("a", 198) + ". " + strings.Repeat("b", 40),
}

// about is what a sender says of a record.
func about(kind string) preservation.Metadata {
	return preservation.Metadata{Producer: "dms & mehr", ProducerRecordID: "63.10-2014/0815", Kind: kind, Class: "63.10", Title: "Bauantrag <Lindenstraße>", Reference: "63.10-2014/0815",
		Creator: "Bauordnungsamt", Confidentiality: "confidential", Opened: preservation.Date{Year: 2014, Month: 3, Day: 2}, Closed: preservation.Date{Year: 2015, Month: 11, Day: 30}}
}

func record(t *testing.T, kind string, names ...string) dip.Source {
	t.Helper()
	return described(t, about(kind), names...)
}

// draft is a record that gets its versions one after the other.
type draft struct {
	*testing.T
	preservation.Record
	texts map[preservation.FileID]string
}

func newDraft(t *testing.T, m preservation.Metadata) *draft {
	return &draft{T: t, texts: map[preservation.FileID]string{}, Record: preservation.Record{ID: "06f1e2g3h4j5k6m7n8p9q0r1s2", Tenant: "musterstadt", Submission: "06f1e2g3h4j5k6m7n8p9q0r1s3",
		Received: time.Date(2026, 5, 4, 2, 2, 1, 0, time.UTC), Metadata: m}}
}

// add puts a file into the next version.
func (d *draft) add(r preservation.Representation, name, document string, from preservation.FileID) {
	id := preservation.NewFileID(len(d.Files) + 1)
	text := fmt.Sprintf("content of %s %q", id, name)
	short, long := sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
	f := preservation.File{ID: id, Representation: r, Name: name, Document: document, DerivedFrom: from, Size: int64(len(text)), Format: preservation.Format{Name: "Unicode Text", MIME: "text/plain"},
		Digests: preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}}
	f.Path = aip.DataPath(f)
	d.Files, d.texts[id] = append(d.Files, f), text
}

// next packs the next version, an hour after the one before. Its files stay in it.
func (d *draft) next() *aip.Reader {
	d.Helper()
	d.Version++
	d.Received = d.Received.Add(time.Hour)
	agent := preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}
	var b bytes.Buffer
	_, err := aip.Write(d.Context(), &b, aip.Package{Record: d.Record, Creator: agent,
		Events: []preservation.Event{{ID: preservation.NewID(d.Received), Type: preservation.EventReceive, At: d.Received, Outcome: preservation.Success, Agent: agent}},
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(d.texts[id])), nil
		},
		Seal: func(context.Context, []byte) ([]byte, error) { return []byte{0x30, 0}, nil }})
	if err != nil {
		d.Fatal(err)
	}
	p, err := aip.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		d.Fatal(err)
	}
	d.Files = slices.Clone(d.Files)
	for i := range d.Files {
		if d.Files[i].HeldIn == 0 {
			d.Files[i].HeldIn = d.Version
		}
	}
	return p
}

// described is a record with two versions: the second brings a file more and a
// rendition, and leaves the others in the first.
func described(t *testing.T, m preservation.Metadata, names ...string) dip.Source {
	t.Helper()
	d := newDraft(t, m)
	for i, name := range names {
		document := ""
		if i%3 == 0 {
			document = fmt.Sprint(i/6 + 1)
		}
		d.add(preservation.Original, name, document, "")
	}
	first := dip.Source{Package: d.next(), Evidence: []byte("first")}
	d.add(preservation.Preservation, "Größe 1.pdf", d.Files[0].Document, d.Files[0].ID)
	d.add(preservation.Text, "f0001.txt", d.Files[0].Document, d.Files[0].ID)
	d.add(preservation.Original, "Nachtrag.txt", "", "")
	return dip.Source{Package: d.next(), Archive: "Stadt Musterstadt", Agent: preservation.Agent{Name: "bestand", Version: "1.2"}, At: d.Received.Add(23 * time.Hour),
		Until:      preservation.Date{Year: 2035, Month: 12, Day: 31},
		Statements: said,
		Filing:     dip.Filing{ClassTitle: "Baugenehmigungen", Disposition: "B", Years: 20},
		Version: func(_ context.Context, n int) (dip.Source, error) {
			if n != 1 {
				return dip.Source{}, fs.ErrNotExist
			}
			return first, nil
		}}
}

// said is a counter-statement that goes with every export.
var said = []dip.Statement{{Recorded: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Text: "So war es nicht & nie."}}

// written is an export as a ZIP, in a file too.
type written struct {
	*zip.Reader
	path string
}

func export(t *testing.T, name string, write func(context.Context, io.Writer, dip.Source) error, s dip.Source) written {
	t.Helper()
	var b bytes.Buffer
	if err := write(t.Context(), &b, s); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return written{z, path}
}

func (w written) read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := w.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unzip unpacks by the program of that name.
func (w written) unzip(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tool(t, "unzip", "-q", w.path, "-d", dir)
	return dir
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(name + " is not installed")
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// bagit is where preservation/dip/judge/install.sh puts the judge of bags.
const bagit = "/usr/local/lib/bestand/bagit/bagit.py"

// foldedTwice fails for a folder with paths that differ by capitals or composition alone.
const foldedTwice = `
import os, sys, unicodedata
seen = {}
for folder, folders, files in os.walk(sys.argv[1]):
    for name in folders + files:
        path = os.path.join(folder, name)
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
        if key in seen:
            sys.exit("%r is %r" % (path, seen[key]))
        seen[key] = path
`

func TestBagIt(t *testing.T) {
	for name, names := range map[string][]string{"plain": {"Bauantrag.docx", "Pläne/Lageplan 1.pdf"}, "hostile": hostileNames} {
		t.Run(name, func(t *testing.T) {
			s := record(t, "file", names...)
			w := export(t, "bag.zip", dip.BagIt, s)
			folder := dip.BagItFolder(s.Package.Record().ID)
			dir := filepath.Join(w.unzip(t), folder)
			named(t, w.read(t, folder+"/names.json"), s.Package.Record(), func(path string) []byte {
				b, err := os.ReadFile(filepath.Join(dir, path))
				if err != nil {
					t.Error(err)
				}
				return b
			})
			for _, sum := range []string{"sha256", "sha512"} {
				for _, list := range []string{"manifest-", "tagmanifest-"} {
					tool(t, "sh", "-c", "cd "+dir+" && "+sum+"sum --strict --quiet -c "+list+sum+".txt")
				}
			}
			if _, err := os.Stat(bagit); err != nil && os.Getenv("BESTAND_REQUIRE_TOOLS") != "1" {
				t.Skip("bagit.py is not installed: run make setup")
			}
			tool(t, "/usr/bin/python3", bagit, "--validate", "--quiet", dir)
			tool(t, "/usr/bin/python3", "-c", foldedTwice, dir)
		})
	}
	s := record(t, "file", "a.txt", "b.txt")
	w := export(t, "bag.zip", dip.BagIt, s)
	for _, want := range []string{"Source-Organization: Stadt Musterstadt\n", "External-Identifier: 06f1e2g3h4j5k6m7n8p9q0r1s2\n", "Bagging-Date: 2026-05-05\n", "Payload-Oxum: 139.5\n", "Title: Bauantrag <Lindenstraße>\n"} {
		if info := string(w.read(t, dip.BagItFolder(s.Package.Record().ID)+"/bag-info.txt")); !strings.Contains(info, want) {
			t.Errorf("no %s in\n%s", want, info)
		}
	}
}

// named holds names.json against the record: every file has one path, where its bytes
// are, and the name that its sender gave, which the path tells as well unless it is
// one that no file system takes.
func named(t *testing.T, list []byte, r preservation.Record, content func(path string) []byte) {
	t.Helper()
	var lines []struct {
		Path   string
		ID     preservation.FileID
		Name   string
		Base64 []byte `json:"name_base64"`
	}
	if err := json.Unmarshal(list, &lines); err != nil {
		t.Fatal(err)
	}
	if len(lines) != len(r.Files) {
		t.Errorf("%d of %d files", len(lines), len(r.Files))
	}
	for _, l := range lines {
		f, _ := r.File(l.ID)
		name := l.Name
		if l.Base64 != nil {
			name = string(l.Base64)
		}
		if name != f.Name {
			t.Errorf("%s is called %q instead of %q", l.ID, name, f.Name)
		}
		if sum := sha256.Sum256(content(l.Path)); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%q: other bytes", l.Path)
		}
		path := strings.TrimPrefix(strings.TrimPrefix(l.Path, "data/"), string(f.Representation)+"/")
		told := illegible(path) == f.Name || illegible(strings.TrimPrefix(path, string(f.ID)+"/")) == f.Name
		if long := len(f.Name) > 120; !told && (!long || !strings.HasPrefix(path, string(f.ID))) {
			t.Errorf("%q became %q", f.Name, path)
		}
	}
}

// illegible is what a path stood for.
func illegible(path string) string {
	var b strings.Builder
	runes := []rune(path)
	hexDigit := func(i int) bool { return i < len(runes) && strings.ContainsRune("0123456789ABCDEF", runes[i]) }
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '‛' && hexDigit(i+1) && hexDigit(i+2):
			c, _ := hex.DecodeString(string(runes[i+1 : i+3]))
			b.Write(c)
			i += 2
		case r == '‛' && i+1 < len(runes) && runes[i+1] != '/':
			b.WriteRune(runes[i+1])
			i++
		case r == '‛': // an empty part
		case r >= 0x2400 && r < 0x2420:
			b.WriteRune(r - 0x2400)
		case r == '␡':
			b.WriteRune(0x7f)
		case r == '␠':
			b.WriteRune(' ')
		case r == '．':
			b.WriteRune('.')
		case r > 0xFF00 && r < 0xFF60 && strings.ContainsRune(`\:*?"<>|%`, r-0xFEE0):
			b.WriteRune(r - 0xFEE0)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestBagItAgain has our own ingest take a bag that was exported.
func TestBagItAgain(t *testing.T) {
	s := record(t, "file", hostileNames...)
	w := export(t, "bag.zip", dip.BagIt, s)
	p, err := (&sip.Reader{}).Open(t.Context(), w.path, "bag.zip", t.TempDir())
	if err != nil {
		var refusal *sip.Refusal
		errors.As(err, &refusal)
		t.Fatalf("%v %+v", err, refusal)
	}
	u := p.Units[0]
	if m := u.Metadata; m.Producer != "Stadt Musterstadt" || m.ProducerRecordID != "06f1e2g3h4j5k6m7n8p9q0r1s2" || m.Title != "Bauantrag <Lindenstraße>" || m.Class != "63.10" || m.Creator != "Bauordnungsamt" ||
		m.Opened.String() != "2014-03-02" || m.Closed.String() != "2015-11-30" || m.Reference != "63.10-2014/0815" {
		t.Errorf("%+v", m)
	}
	have := map[string]int{}
	for _, f := range u.Files {
		have[f.SHA512+" "+illegible(strings.TrimPrefix(f.Name, "data/original/"))]++
	}
	for _, f := range s.Package.Record().Files {
		if f.Representation == preservation.Original && len(f.Name) < 100 && f.Name != "doppelt" && have[f.SHA512+" "+f.Name] == 0 && have[f.SHA512+" "+string(f.ID)+"/"+f.Name] == 0 {
			t.Errorf("%q is lost", f.Name)
		}
	}
}

func TestOCFL(t *testing.T) {
	for name, names := range map[string][]string{"plain": {"Bauantrag.docx", "Pläne/Lageplan 1.pdf"}, "hostile": hostileNames} {
		t.Run(name, func(t *testing.T) {
			s := record(t, "file", names...)
			w := export(t, "ocfl.zip", dip.OCFL, s)
			folder := dip.OCFLFolder(s.Package.Record().ID)
			if v := ocfl.ValidateObject(t.Context(), ocflfs.NewWrapFS(w), folder); v.Err() != nil || v.WarnErr() != nil {
				t.Errorf("ocfl-go: %v, %v", v.Err(), v.WarnErr())
			}
			o, err := ocfl.NewObject(t.Context(), ocflfs.NewWrapFS(w), folder)
			if err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 2; n++ {
				v, err := s.Version(t.Context(), n)
				if n == 2 {
					v, err = s, nil
				}
				if err != nil {
					t.Fatal(err)
				}
				state, err := o.VersionFS(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				read := func(path string) []byte {
					b, err := fs.ReadFile(state, path)
					if err != nil {
						t.Error(err)
					}
					return b
				}
				named(t, read("names.json"), v.Package.Record(), read)
				read("aip/METS.xml.p7s")
			}
			stored := map[string]bool{}
			for _, f := range w.File {
				if strings.Contains(f.Name, "/content/") {
					b := string(w.read(t, f.Name))
					if stored[b] {
						t.Errorf("%s is stored twice", f.Name)
					}
					stored[b] = true
				}
			}
		})
	}
}

// TestOCFLVersions exports a record of many versions without inventories that outgrow it.
func TestOCFLVersions(t *testing.T) {
	const versions, files = 80, 10
	d := newDraft(t, about("file"))
	all := make([]dip.Source, versions)
	for n := range all {
		for range files {
			d.add(preservation.Original, "Anlage.txt", "", "")
		}
		all[n] = dip.Source{Package: d.next()}
	}
	s := all[versions-1]
	s.Version = func(_ context.Context, n int) (dip.Source, error) { return all[n-1], nil }
	w := export(t, "ocfl.zip", dip.OCFL, s)
	folder := dip.OCFLFolder(s.Package.Record().ID)
	var inventories uint64
	for _, f := range w.File {
		if strings.HasSuffix(f.Name, "inventory.json") {
			inventories += f.UncompressedSize64
		}
	}
	if most := uint64(48 << 20); inventories > most {
		t.Errorf("%d bytes of inventories", inventories)
	}
	for _, n := range []int{1, 2, 3, versions} { // those of ordinary records are all there
		w.read(t, fmt.Sprintf("%s/v%d/inventory.json", folder, n))
	}
	v := ocfl.ValidateObject(t.Context(), ocflfs.NewWrapFS(w), folder)
	if v.Err() != nil {
		t.Errorf("ocfl-go: %v", v.Err())
	}
	for _, warning := range v.WarnErrors() {
		var hint *ocfl.ValidationError
		if !errors.As(warning, &hint) || hint.Code != "W010" {
			t.Errorf("ocfl-go: %v", warning)
		}
	}
}

// TestDamage finds in every form that a byte of a package is another.
func TestDamage(t *testing.T) {
	r := newRig(t)
	for _, write := range []func(context.Context, io.Writer, dip.Source) error{dip.BagIt, dip.OCFL, dip.Xdomea} {
		r.refusesDamage(write)
	}
	s := record(t, "file", "a.txt") // what an earlier version holds
	version := s.Version
	for name, wrong := range map[string]func(context.Context, int) (dip.Source, error){
		"away":  func(context.Context, int) (dip.Source, error) { return dip.Source{}, fs.ErrNotExist },
		"other": func(context.Context, int) (dip.Source, error) { return dip.Source{Package: r.source.Package}, nil },
	} {
		s.Version = wrong
		for _, write := range []func(context.Context, io.Writer, dip.Source) error{dip.BagIt, dip.OCFL, dip.Xdomea} {
			var b bytes.Buffer
			if err := write(t.Context(), &b, s); err == nil {
				t.Errorf("%s: exported", name)
			}
			if _, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil {
				t.Errorf("%s: a whole ZIP", name)
			}
		}
	}
	s.Version = version
	ended, end := context.WithCancel(t.Context())
	end()
	if err := dip.BagIt(ended, io.Discard, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestReclassified has exports say in which class a record stands now, by whose rule it
// is kept, and beside it which one it came with.
func TestReclassified(t *testing.T) {
	s := record(t, "case", "a.txt")
	s.Filing.Class, s.Filing.ClassTitle = "01.10", "Satzungen"
	w := export(t, "x.zip", dip.Xdomea, s)
	validate(t, w, dip.XdomeaName(s)+".xml")
	message := string(w.read(t, dip.XdomeaName(s)+".xml"))
	for _, want := range []string{"<xdomea:Aktenplaneinheit><xdomea:Kennzeichen>01.10</xdomea:Kennzeichen><xdomea:Inhaltsangabe>Satzungen<",
		"<xdomea:Name>Class as received</xdomea:Name><xdomea:Wert>63.10<"} {
		if !strings.Contains(message, want) {
			t.Errorf("no %s", want)
		}
	}
	info := string(export(t, "bag.zip", dip.BagIt, s).read(t, dip.BagItFolder(s.Package.Record().ID)+"/bag-info.txt"))
	if !strings.Contains(info, "Class: 01.10\nClass-As-Received: 63.10\n") {
		t.Error(info)
	}
	s.Filing.Class = ""
	info = string(export(t, "bag.zip", dip.BagIt, s).read(t, dip.BagItFolder(s.Package.Record().ID)+"/bag-info.txt"))
	if !strings.Contains(info, "Class: 63.10\n") || strings.Contains(info, "As-Received") {
		t.Error(info)
	}
}
