package aip

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"

	"bestand/preservation"
)

// Options of Verify.
type Options struct {
	// VerifySeal checks the seal over the bytes of METS.xml and returns its
	// findings. Without it the seal is only noticed.
	VerifySeal func(mets io.Reader, seal []byte) []preservation.Finding
}

// Codes of the findings of Verify.
const (
	CodeIntact         = "package-intact"          // passed: everything agrees
	CodeNotPackage     = "not-a-package"           // no ZIP, or not one of this format
	CodeUnreadable     = "unreadable"              // bytes could not be read: try again, it says nothing of them
	CodeRoot           = "root-name-mismatch"      // the root folder is not named like the record
	CodeMissing        = "file-missing"            //
	CodeSurplus        = "file-surplus"            // in the ZIP, and METS does not name it
	CodeSize           = "size-mismatch"           //
	CodeDigest         = "digest-mismatch"         // SHA-256, SHA-512 or CRC-32
	CodeHeader         = "header-mismatch"         // of the ZIP entry: other tools may see something else
	CodeMets           = "mets-invalid"            //
	CodePremis         = "premis-invalid"          //
	CodeRecord         = "record-invalid"          //
	CodeMetsMismatch   = "mets-record-mismatch"    // METS and record.json disagree
	CodePremisMismatch = "premis-record-mismatch"  // PREMIS and record.json disagree
	CodeSealMissing    = "seal-missing"            //
	CodeSealUnchecked  = "seal-not-checked"        // notice
	CodeHeldElsewhere  = "held-by-earlier-version" // notice: bytes to be verified in that version's package
)

// clauses say what asks for a check where the finding does not: the standard, or
// FORMAT.md under the name of the format.
var clauses = map[string]string{
	CodeIntact: "PREMIS 3.0, 1.5.2", CodeDigest: "PREMIS 3.0, 1.5.2", CodeSize: "PREMIS 3.0, 1.5.3",
	CodeNotPackage: "bestand-aip/1, Container", CodeHeader: "bestand-aip/1, Container", CodeRoot: "bestand-aip/1, Container",
	CodeMissing: "bestand-aip/1, Files", CodeSurplus: "bestand-aip/1, Files", CodeSealMissing: "bestand-aip/1, Files", CodeSealUnchecked: "bestand-aip/1, Files",
	CodeRecord: "bestand-aip/1, record.json", CodeHeldElsewhere: "bestand-aip/1, Later versions",
	CodePremis: "bestand-aip/1, PREMIS", CodePremisMismatch: "bestand-aip/1, PREMIS",
	CodeMets: "bestand-aip/1, METS", CodeMetsMismatch: "bestand-aip/1, METS",
}

// Verify reads every byte of a package and returns all findings: surplus,
// missing and changed files, both digests of each, METS against PREMIS against
// record.json, the root folder, the seal. It needs nothing but the package.
//
// The findings stand in the order of the checks. There is at least one:
// CodeIntact if nothing failed. CodeUnreadable means that the check could not
// be completed, be it for a failing disk or the end of ctx.
func Verify(ctx context.Context, r io.ReaderAt, size int64, o Options) []preservation.Finding {
	a := &audit{said: map[[3]string]bool{}}
	p, err := openZip(r, size)
	if err != nil {
		a.open(err)
		return a.findings
	}
	a.p, a.actual = p, make(map[string]preservation.Digests, len(p.zip))
	if err := p.load(); err != nil {
		a.fail(CodeRecord, RecordPath, "", "%v", err)
	}
	if !a.content(ctx) {
		return a.findings
	}
	for _, path := range ownPaths {
		if _, ok := p.paths[path]; !ok && path != SealPath {
			a.fail(CodeMissing, path, "CSIPSTR4", "every package has this file")
		}
	}
	mets := a.mets()
	a.record(mets)
	a.actual = nil // of 50,000 files they are 13 MB
	a.premis()
	a.seal(o)
	for _, f := range a.findings {
		if f.Severity == preservation.Failed {
			return a.findings
		}
	}
	a.add(CodeIntact, preservation.Passed, p.root, "", "%d files, %d bytes: sizes and digests are as METS, PREMIS and record.json say",
		len(p.zip), size)
	return a.findings
}

// audit is one run of Verify.
type audit struct {
	p        *Reader
	actual   map[string]preservation.Digests // of what was read, by path
	signed   bool                            // METS could be read: there is something that the seal is about
	findings []preservation.Finding
	said     map[[3]string]bool // the same thing is said once
}

func (a *audit) fail(code, subject, clause, format string, args ...any) {
	a.add(code, preservation.Failed, subject, clause, format, args...)
}

func (a *audit) add(code string, s preservation.Severity, subject, clause, format string, args ...any) {
	if clause == "" {
		clause = clauses[code]
	}
	f := preservation.Finding{Code: code, Severity: s, Subject: subject, Detail: fmt.Sprintf(format, args...), Clause: clause}
	key := [3]string{f.Code, f.Subject, f.Detail}
	if code == CodeMissing {
		key[2] = ""
	}
	if !a.said[key] {
		a.said[key] = true
		a.findings = append(a.findings, f)
	}
}

func (a *audit) open(err error) {
	if errors.Is(err, ErrInvalid) {
		a.fail(CodeNotPackage, "", "", "%v", err)
		return
	}
	a.fail(CodeUnreadable, "", "", "%v", err)
}

// content reads every entry, its local header included, and keeps the digests.
// It reports whether it came to the end.
func (a *audit) content(ctx context.Context) bool {
	said := map[string]preservation.Digests{} // by record.json: what agrees is kept once
	if a.p.record != nil {
		for _, f := range a.p.record.Files {
			if f.HeldIn == 0 {
				said[f.Path] = f.Digests
			}
		}
	}
	short, long, crc := sha256.New(), sha512.New(), crc32.NewIEEE()
	buf := make([]byte, chunk)
	for _, e := range a.p.zip {
		name := a.p.root + "/" + e.Path
		header := localHeader(name, e.Size, e.CRC32)
		read := make([]byte, len(header))
		if _, err := a.p.at.ReadAt(read, e.Offset-int64(len(header))); err != nil && err != io.EOF {
			a.fail(CodeUnreadable, e.Path, "", "%v", err)
			continue
		}
		if !bytes.Equal(read, header) {
			a.fail(CodeHeader, e.Path, "", "the header before the file differs from the directory of the ZIP")
		}
		short.Reset()
		long.Reset()
		crc.Reset()
		all := io.MultiWriter(short, long, crc)
		var err error
		for off := int64(0); off < e.Size && err == nil; {
			if err := ctx.Err(); err != nil {
				a.fail(CodeUnreadable, e.Path, "", "stopped: %v", err)
				return false
			}
			part := buf[:min(int64(len(buf)), e.Size-off)]
			var n int
			if n, err = a.p.at.ReadAt(part, e.Offset+off); n == len(part) {
				err = nil
			}
			all.Write(part[:n]) // hashes do not fail
			off += int64(n)
		}
		if err != nil {
			a.fail(CodeUnreadable, e.Path, "", "%v", err)
			continue
		}
		if sum := crc.Sum32(); sum != e.CRC32 {
			a.fail(CodeDigest, e.Path, "", "CRC-32 is %08x, the ZIP says %08x", sum, e.CRC32)
		}
		got256, got512 := hex.EncodeToString(short.Sum(nil)), hex.EncodeToString(long.Sum(nil))
		if d := said[e.Path]; d.SHA256 == got256 && d.SHA512 == got512 {
			a.actual[e.Path] = d
		} else {
			a.actual[e.Path] = preservation.Digests{SHA256: got256, SHA512: got512}
		}
	}
	return true
}

// mets compares METS with the ZIP, and returns it by path.
func (a *audit) mets() map[string]metsRef {
	s, err := a.p.Entry(MetsPath)
	if err != nil {
		return nil // said as a missing file
	}
	a.signed = true
	source := &failing{r: s}
	facts, err := readMets(source)
	if source.err != nil {
		a.signed = false
		a.fail(CodeUnreadable, MetsPath, "", "%v", source.err)
		return nil
	}
	if err != nil {
		a.fail(CodeMets, MetsPath, "", "%v", err)
		return nil
	}
	if facts.Record != a.p.root {
		a.fail(CodeRoot, a.p.root, "CSIPSTR2", "METS.xml is of %q", facts.Record)
	}
	if rec := a.p.record; rec != nil && facts.Version != strconv.Itoa(rec.Version) {
		a.fail(CodeMetsMismatch, MetsPath, "", "version %q, record.json says %d", facts.Version, rec.Version)
	}
	refs := make(map[string]metsRef, len(facts.refs))
	for i, ref := range facts.refs {
		facts.refs[i] = metsRef{}
		if _, twice := refs[ref.Path]; twice {
			a.fail(CodeMets, ref.Path, "CSIP76", "named twice in METS.xml")
		}
		i, ok := a.p.paths[ref.Path]
		if ok {
			ref.Path = a.p.zip[i].Path // kept once, as are digests that agree
		}
		if got := a.actual[ref.Path]; got.SHA256 == ref.Checksum {
			ref.Checksum = got.SHA256
		}
		refs[ref.Path] = ref
		if !ok {
			a.fail(CodeMissing, ref.Path, "CSIP76", "METS.xml names it, the ZIP does not have it")
			continue
		}
		if e := a.p.zip[i]; e.Size != ref.Size {
			a.fail(CodeSize, ref.Path, "CSIP69", "%d bytes, METS.xml says %d", e.Size, ref.Size)
		}
		if ref.ChecksumType != "SHA-256" {
			a.fail(CodeMets, ref.Path, "CSIP72", "checksum type %q", ref.ChecksumType)
		} else if got, ok := a.actual[ref.Path]; ok && got.SHA256 != ref.Checksum {
			a.fail(CodeDigest, ref.Path, "CSIP71", "SHA-256 is %s, METS.xml says %s", got.SHA256, ref.Checksum)
		}
	}
	for _, e := range a.p.zip {
		if _, ok := refs[e.Path]; !ok && e.Path != MetsPath && e.Path != SealPath {
			a.fail(CodeSurplus, e.Path, "CSIP58", "METS.xml does not name it, so nothing vouches for it")
		}
	}
	return refs
}

// record compares record.json with the ZIP and with METS.
func (a *audit) record(refs map[string]metsRef) {
	rec := a.p.record
	if rec == nil {
		return
	}
	if string(rec.ID) != a.p.root {
		a.fail(CodeRoot, a.p.root, "CSIPSTR2", "record.json is of %q", rec.ID)
	}
	held, known := map[int]int{}, map[string]bool{}
	for _, f := range rec.Files {
		if f.HeldIn != 0 {
			held[f.HeldIn]++
			continue
		}
		known[f.Path] = true
		i, ok := a.p.paths[f.Path]
		if !ok {
			a.fail(CodeMissing, f.Path, "", "record.json names it as %s, the ZIP does not have it", f.ID)
			continue
		}
		if e := a.p.zip[i]; e.Size != f.Size {
			a.fail(CodeSize, f.Path, "", "%d bytes, record.json says %d", e.Size, f.Size)
		}
		if got, ok := a.actual[f.Path]; ok {
			if got.SHA256 != f.SHA256 {
				a.fail(CodeDigest, f.Path, "", "SHA-256 is %s, record.json says %s", got.SHA256, f.SHA256)
			}
			if got.SHA512 != f.SHA512 {
				a.fail(CodeDigest, f.Path, "", "SHA-512 is %s, record.json says %s", got.SHA512, f.SHA512)
			}
		}
		if ref, ok := refs[f.Path]; refs != nil && (!ok || ref.Size != f.Size || ref.Checksum != f.SHA256) {
			a.fail(CodeMetsMismatch, f.Path, "CSIP71", "METS.xml lacks it, or has another size or SHA-256 than record.json")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(refs)) {
		if dataPattern.MatchString(path) && !known[path] {
			a.fail(CodeMetsMismatch, path, "", "METS.xml names it, record.json does not")
		}
	}
	for _, version := range slices.Sorted(maps.Keys(held)) {
		a.add(CodeHeldElsewhere, preservation.Notice, string(rec.ID), "",
			"%d files are in the package of version %d: verify that too", held[version], version)
	}
}

// premis compares PREMIS with record.json.
func (a *audit) premis() {
	rec := a.p.record
	if _, ok := a.p.paths[PremisPath]; !ok || rec == nil {
		return
	}
	files := make(map[preservation.FileID]*preservation.File, len(rec.Files))
	for i := range rec.Files {
		files[rec.Files[i].ID] = &rec.Files[i]
	}
	described := make(map[preservation.FileID]bool, len(rec.Files))
	facts, err := a.p.premis(func(d premisFile) {
		f, ok := files[d.id]
		switch {
		case described[d.id]:
			a.fail(CodePremis, string(d.id), "PREMIS 3.0 1.1", "described twice")
		case !ok:
			a.fail(CodePremisMismatch, string(d.id), "PREMIS 3.0 1.1", "PREMIS describes it, record.json does not have it")
		default:
			a.described(f, d)
		}
		described[d.id] = true
	})
	if err != nil {
		a.fail(CodePremis, PremisPath, "", "%v", err)
		return
	}
	if facts.record != string(rec.ID) {
		a.fail(CodePremisMismatch, PremisPath, "PREMIS 3.0 1.1", "it describes %q", facts.record)
	}
	if err := checkEvents(facts.events, rec); err != nil {
		a.fail(CodePremis, PremisPath, "", "%v", err)
	}
	for _, f := range rec.Files {
		if !described[f.ID] {
			a.fail(CodePremisMismatch, string(f.ID), "PREMIS 3.0 1.1", "PREMIS does not describe it")
		}
	}
}

// described compares what PREMIS says of a file with record.json.
func (a *audit) described(f *preservation.File, d premisFile) {
	location := locationHere + " " + f.Path
	if f.HeldIn != 0 {
		location = locationEarlier + " " + heldLocation(f)
	}
	for _, c := range []struct {
		what, clause string
		same         bool
	}{
		{"size", "PREMIS 3.0 1.5.3", d.size == f.Size},
		{"SHA-256", "PREMIS 3.0 1.5.2", d.sha256 == f.SHA256},
		{"SHA-512", "PREMIS 3.0 1.5.2", d.sha512 == f.SHA512},
		{"original name", "PREMIS 3.0 1.6", d.name == f.Name},
		{"format", "PREMIS 3.0 1.5.4", d.puid == xmlSeen(f.Format.PUID)},
		{"place", "PREMIS 3.0 1.7", d.location == location},
		{"source", "PREMIS 3.0 1.13", d.source == f.DerivedFrom},
	} {
		if !c.same {
			a.fail(CodePremisMismatch, string(f.ID), c.clause, "PREMIS and record.json give another %s", c.what)
		}
	}
}

func (a *audit) seal(o Options) {
	s, err := a.p.Entry(SealPath)
	switch {
	case err != nil:
		a.fail(CodeSealMissing, SealPath, "", "the package has no seal: nothing vouches for METS.xml")
		return
	case o.VerifySeal == nil:
		a.add(CodeSealUnchecked, preservation.Notice, SealPath, "", "the seal is there and was not checked")
		return
	case !a.signed:
		return // said as missing or unreadable
	}
	seal := make([]byte, s.Size())
	if _, err := s.ReadAt(seal, 0); err != nil && err != io.EOF {
		a.fail(CodeUnreadable, SealPath, "", "%v", err)
		return
	}
	m, err := a.p.Entry(MetsPath)
	if err != nil {
		return // said as missing
	}
	mets := &failing{r: m} // read once more, rather than held all the while
	found := o.VerifySeal(mets, seal)
	if mets.err != nil {
		a.fail(CodeUnreadable, MetsPath, "", "%v", mets.err)
		return
	}
	a.findings = append(a.findings, found...)
}

// failing remembers why a reader failed, which a decoder hides among its own errors.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
