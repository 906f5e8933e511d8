package pades

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/revocation"
)

// ArchiveOptions say how a sealed document is archived.
type ArchiveOptions struct {
	Stamper    cades.Stamper
	Revocation Revocation     // for a seal without validation data
	Roots      *x509.CertPool // that the seal must lead to; nil: any
	Hash       crypto.Hash    // of the document for its time-stamp; 0 means SHA-256
	Now        time.Time
}

// Archive writes a copy of a document that Seal has sealed with level B-T or
// higher to the file out, in level B-LTA: validation data where they are missing,
// and a document time-stamp over everything (EN 319 142-1, 5.4.3). The copy has
// been read again and verified.
//
// ErrUnsupported: the document carries no such seal. revocation.ErrNone: its
// validation data cannot be had. Every other error is worth another try.
func Archive(ctx context.Context, in, out string, o ArchiveOptions) (rep Report, err error) {
	f, err := os.Open(in)
	if err != nil {
		return rep, fmt.Errorf("archive seal: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return rep, fmt.Errorf("archive seal: %w", err)
	}
	rep, err = replaceFile(fi, out, func(w *os.File) (Report, error) { return archive(ctx, f, fi.Size(), w, o) })
	if err != nil {
		err = fmt.Errorf("archive seal: %w", err) // the name would be that of a working copy
	}
	return rep, err
}

func archive(ctx context.Context, f *os.File, size int64, out *os.File, o ArchiveOptions) (rep Report, err error) {
	seal, err := readSeal(ctx, f, size, cades.Trust{Roots: o.Roots, At: o.Now})
	if err != nil {
		return rep, err
	}
	if err := copyTo(out, f, size); err != nil {
		return rep, err
	}
	rep = Report{Level: LevelLTA, Size: size}
	if seal.level == LevelT {
		var m revocation.Material
		for _, path := range seal.paths {
			more, err := gather(ctx, o.Revocation, path, o.Now)
			if err != nil {
				return rep, err
			}
			m.Add(more)
		}
		if err := appendMaterial(out, &rep.Size, m); err != nil {
			return rep, err
		}
	}
	before, hash := rep.Size, cmp.Or(o.Hash, crypto.SHA256)
	_, err = fill(out, &rep.Size, stampRoom, func(room int) (update, error) {
		doc, err := readFile(out, before)
		if err != nil {
			return update{}, err
		}
		return doc.addStamp(room)
	}, func(u update) ([]byte, error) {
		h := hash.New()
		if err := copyTo(h, out, u.offset); err != nil {
			return nil, err
		}
		digest, err := u.digest(h)
		if err != nil {
			return nil, err
		}
		return o.Stamper.Stamp(ctx, hash, digest)
	})
	if err != nil {
		return rep, err
	}
	return rep, check(ctx, out, rep)
}

// sealed is what a document says of the seal that it carries.
type sealed struct {
	level Level
	paths [][]*x509.Certificate // of the signer and of those who time-stamped
}

// readSeal reads the seal of a document, behind which nothing was changed.
func readSeal(ctx context.Context, r io.ReaderAt, size int64, t cades.Trust) (s sealed, err error) {
	found, levels := examine(ctx, r, size, t)
	if err := ctx.Err(); err != nil {
		return s, err
	}
	for _, f := range found {
		if f.Severity == preservation.Failed || f.Code == "coverage-partial" {
			return s, fmt.Errorf("%w: %s: %s", ErrUnsupported, f.Code, f.Detail)
		}
	}
	if len(levels) == 0 || levels[0] == "" || levels[0] == LevelB {
		return s, fmt.Errorf("%w: it has no seal with a time-stamp", ErrUnsupported)
	}
	all, _, err := signatures(ctx, r, size, 1)
	if err != nil {
		return s, err
	}
	sd, err := cms.Parse(all[0].contents)
	if err != nil {
		return s, err
	}
	s = sealed{level: levels[0], paths: [][]*x509.Certificate{sd.Issued(sd.Signers[0])}}
	stamps, err := cades.Stamps(all[0].contents)
	for _, t := range stamps {
		s.paths = append(s.paths, t.Path())
	}
	return s, err
}
