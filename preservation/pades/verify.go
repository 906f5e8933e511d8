package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/timestamp"
)

// Signed reports whether a PDF carries a filled signature field or document
// time-stamp, good or broken. It takes bytes of anybody and reads the file
// once; the error is one of reading or of ctx.
func Signed(ctx context.Context, r io.ReaderAt, size int64) (bool, error) {
	found, more, err := signatures(ctx, r, size, 1)
	return len(found) > 0 || more, err
}

// Verify checks every signature and document time-stamp of a PDF and returns a
// finding for each check, passed ones included; the signatures stand when none
// is of Severity Failed. A PDF without signature gives none. It takes bytes of
// anybody, reads them once for every signature, and stops with ctx.
//
// A change that was appended after a signature is a notice: the signature
// still proves the revision that it covers. Validation data and time-stamps as
// this package adds them are no change.
func Verify(ctx context.Context, r io.ReaderAt, size int64, t cades.Trust) []preservation.Finding {
	found, _ := examine(ctx, r, size, t)
	return found
}

// examine is Verify, and returns the level of every signature.
func examine(ctx context.Context, r io.ReaderAt, size int64, t cades.Trust) (found []preservation.Finding, levels []Level) {
	defer func() {
		if p := recover(); p != nil {
			found = append(found, finding("verification-aborted", preservation.Failed, "", fmt.Sprint(p), ""))
		}
	}()
	all, more, err := signatures(ctx, r, size, maxSignatures)
	store := false
	if len(all) > 0 {
		t.Material, store = takeStore(r, size, t.Material)
	}
	var checks [][]preservation.Finding
	for i, s := range all {
		checks = append(checks, s.verify(ctx, r, size, t, fmt.Sprintf("signature %d", i+1)))
	}
	for i, s := range all {
		found = append(found, checks[i]...)
		l := s.level(checks[i], store)
		if l == LevelLT && i+1 < len(all) && all[len(all)-1].archives(checks[len(all)-1]) {
			l = LevelLTA
		}
		if levels = append(levels, l); l != "" {
			found = append(found, finding("level", preservation.Passed, fmt.Sprintf("signature %d", i+1), "PAdES "+string(l), "EN 319 142-1, 6"))
		}
	}
	if more {
		found = append(found, finding("signatures-too-many", preservation.Failed, "", fmt.Sprintf("only the first %d were checked", len(all)), ""))
	}
	if err != nil {
		found = append(found, finding("content-unreadable", preservation.Failed, "", err.Error(), ""))
	}
	return found, levels
}

func (s *signature) verify(ctx context.Context, r io.ReaderAt, size int64, t cades.Trust, subject string) (found []preservation.Finding) {
	add := func(code string, sev preservation.Severity, detail, clause string) {
		found = append(found, finding(code, sev, subject, detail, clause))
	}
	if s.problem != "" {
		add("byterange-invalid", preservation.Failed, s.problem, "ISO 32000-2, 12.8.1")
		return found
	}
	add("byterange-valid", preservation.Passed, "the range left out is the signature alone", "ISO 32000-2, 12.8.1")
	switch rest, err := s.uncovered(r, size); {
	case err != nil:
		add("content-unreadable", preservation.Failed, err.Error(), "")
	case rest > 0:
		end := s.ranges[2] + s.ranges[3]
		if data, stamps := additions(ctx, r, end, size); data+stamps > 0 {
			add("coverage-extended", preservation.Passed, fmt.Sprintf("covers the whole file but what was added for its validation: %d times data, %d time-stamps", data, stamps), "EN 319 142-1, 5.4")
			break
		}
		add("coverage-partial", preservation.Notice, fmt.Sprintf("%d bytes were appended after it and are not covered", rest), "ISO 32000-2, 12.8.1")
	default:
		add("coverage-whole", preservation.Passed, "covers the whole file", "ISO 32000-2, 12.8.1")
	}
	if m := s.dict["M"]; m != "" {
		add("signing-time-claimed", preservation.Notice, "the document claims "+clip(decodeText(m)), "ISO 32000-2, 12.8.1")
	}
	var checks []preservation.Finding
	switch filter := s.dict["SubFilter"]; filter {
	case "ETSI.CAdES.detached", "adbe.pkcs7.detached":
		checks = cades.Verify(s.contents, s.content(ctx, r), t)
	case "adbe.pkcs7.sha1":
		checks = s.verifySHA1(ctx, r, t)
	case "ETSI.RFC3161":
		checks = s.verifyToken(ctx, r, t)
	default:
		unknown := preservation.Failed
		if t.Optional {
			unknown = preservation.Notice
		}
		add("subfilter-unsupported", unknown, fmt.Sprintf("signature format %q: check it with another verifier", clip(filter)), "ISO 32000-2, 12.8.3")
	}
	for _, f := range checks {
		f.Subject = strings.TrimSuffix(subject+", "+f.Subject, ", ")
		found = append(found, f)
	}
	return found
}

// verifySHA1 checks the old format in which the CMS encloses the SHA-1 digest
// of the document (ISO 32000-1, 12.8.3.3.1).
func (s *signature) verifySHA1(ctx context.Context, r io.ReaderAt, t cades.Trust) []preservation.Finding {
	sd, err := cms.Parse(s.contents)
	if err != nil {
		return []preservation.Finding{finding("cms-malformed", preservation.Failed, "", err.Error(), "RFC 5652, 5.1")}
	}
	h := sha1.New()
	if _, err := io.Copy(h, s.content(ctx, r)); err != nil {
		return []preservation.Finding{finding("content-unreadable", preservation.Failed, "", err.Error(), "")}
	}
	found := []preservation.Finding{finding("algorithm-weak", preservation.Notice, "", "the document was signed by its SHA-1 digest, which no longer proves anything by itself", "SOG-IS ACM")}
	if !bytes.Equal(h.Sum(nil), sd.Content) {
		found = append(found, finding("digest-mismatch", preservation.Failed, "", "the document is not what was signed", "ISO 32000-1, 12.8.3.3.1"))
	}
	return append(found, cades.Verify(s.contents, bytes.NewReader(sd.Content), t)...)
}

// verifyToken checks a document time-stamp (EN 319 142-1, 5.4.3).
func (s *signature) verifyToken(ctx context.Context, r io.ReaderAt, t cades.Trust) []preservation.Finding {
	tok, err := timestamp.Parse(s.contents)
	if err != nil {
		return []preservation.Finding{finding("timestamp-malformed", preservation.Failed, "", err.Error(), "RFC 3161, 2.4.2")}
	}
	h := tok.Hash
	if h == 0 {
		h = crypto.SHA256 // the imprint will not match
	}
	w := h.New()
	if _, err := io.Copy(w, s.content(ctx, r)); err != nil {
		return []preservation.Finding{finding("content-unreadable", preservation.Failed, "", err.Error(), "")}
	}
	roots := t.Stamps
	if roots == nil {
		roots = t.Roots
	}
	tok.Include(t.Material.Certificates)
	found := tok.Check(h, w.Sum(nil), timestamp.Trust{Roots: roots, Optional: t.Optional}, "")
	if t.Optional {
		found = append(found, tok.CheckRevocation(t.Material, roots, t.At, ""))
	}
	return found
}

// content returns the bytes under the signature.
func (s *signature) content(ctx context.Context, r io.ReaderAt) io.Reader {
	return contextReader{ctx, io.MultiReader(
		io.NewSectionReader(r, s.ranges[0], s.ranges[1]),
		io.NewSectionReader(r, s.ranges[2], s.ranges[3]))}
}

// uncovered returns how many bytes follow the covered ones, white space at the
// end of the file not counted.
func (s *signature) uncovered(r io.ReaderAt, size int64) (int64, error) {
	end := s.ranges[2] + s.ranges[3]
	rest := size - end
	if rest > 16 {
		return rest, nil
	}
	b, err := readRange(r, end, size)
	for _, c := range b {
		if !isSpace(c) {
			return rest, err
		}
	}
	return 0, err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

func finding(code string, sev preservation.Severity, subject, detail, clause string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: clause}
}

// clip bounds text of others in a finding.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
