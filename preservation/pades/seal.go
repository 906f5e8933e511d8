package pades

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/revocation"
)

// Options say how a document is sealed.
type Options struct {
	Signer  crypto.Signer       // RSA or ECDSA
	Chain   []*x509.Certificate // the first belongs to Signer, the rest lead to the root
	Hash    crypto.Hash         // SHA-256, SHA-384 or SHA-512; 0 means SHA-256
	Stamper cades.Stamper       // level B-T; nil means B-B

	// Revocation, beside a Stamper, gives the validation data of a signer's path:
	// level B-LT. Where it says revocation.ErrNone the document gets level B-T; its
	// other errors are worth another try.
	Revocation Revocation

	// Name, Reason and Location are shown to readers of the document; empty
	// ones are left out.
	Name, Reason, Location string

	Now      time.Time // the claimed time of signing
	MaxBytes int64     // above it ErrTooLarge; 0 means DefaultMaxBytes

	// Drafter makes the update for the seal: Draft in a process apart. Nil means
	// Draft in this one, which a hostile document can end.
	Drafter Drafter
}

// Revocation gives what is to be kept for the validation of a signature whose
// certificate begins the path.
type Revocation func(ctx context.Context, path []*x509.Certificate) (revocation.Material, error)

// DefaultMaxBytes bounds the documents that are sealed.
const DefaultMaxBytes = 64 << 20

// Report says what Seal made.
type Report struct {
	Level Level
	Lower string // why no higher level than B-T could be had; else empty
	Size  int64  // of the sealed document, in bytes
}

const (
	signatureRoom = 3 << 10  // bytes of a CMS besides its certificates
	stampRoom     = 12 << 10 // bytes of a usual time-stamp token with its chain
)

// Seal writes the document in the file in, sealed, to the file out, which is
// replaced when it exists. The bytes of the document stand unchanged at its
// beginning. The sealed file has been read again and verified when Seal
// returns without error; after an error there is no file out.
//
// ErrTooLarge, ErrSigned and ErrUnsupported are final for a document. Every
// other error is worth another try, as when the time-stamping authority does
// not answer.
func Seal(ctx context.Context, in, out string, o Options) (rep Report, err error) {
	f, err := os.Open(in)
	if err != nil {
		return rep, fmt.Errorf("seal: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return rep, fmt.Errorf("seal: %w", err)
	}
	limit := o.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if fi.Size() > limit {
		return rep, fmt.Errorf("seal %s: %w: %d bytes, at most %d", in, ErrTooLarge, fi.Size(), limit)
	}
	rep, err = replaceFile(fi, out, func(w *os.File) (Report, error) { return seal(ctx, f, fi.Size(), w, o) })
	if err != nil {
		err = fmt.Errorf("seal %s: %w", in, err)
	}
	return rep, err
}

// replaceFile has a file out written, which cannot be the one that is read. After
// an error there is no such file.
func replaceFile(in os.FileInfo, out string, write func(*os.File) (Report, error)) (rep Report, err error) {
	if to, err := os.Stat(out); err == nil && os.SameFile(in, to) {
		return rep, errors.New("the copy cannot have its own place")
	}
	w, err := os.OpenFile(out, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return rep, err
	}
	rep, err = write(w)
	if err = errors.Join(err, w.Close()); err != nil {
		os.Remove(out)
		return Report{}, err
	}
	return rep, nil
}

func seal(ctx context.Context, f *os.File, size int64, out *os.File, o Options) (rep Report, err error) {
	if o.Signer == nil || len(o.Chain) == 0 {
		return rep, errors.New("key or certificate is missing")
	}
	signed, err := Signed(ctx, f, size)
	if err != nil {
		return rep, err
	}
	if signed {
		return rep, ErrSigned
	}
	draft := o.Drafter
	if draft == nil {
		draft = func(_ context.Context, in io.ReaderAt, size int64, f Form) ([]byte, error) { return Draft(in, size, f) }
	}
	o.Hash = cmp.Or(o.Hash, crypto.SHA256)
	h := o.Hash.New()
	if err := copyTo(io.MultiWriter(out, h), f, size); err != nil {
		return rep, err
	}
	rep = Report{Level: LevelB, Size: size}
	if o.Stamper != nil {
		rep.Level = LevelT
	}
	var m revocation.Material
	if o.Stamper != nil && o.Revocation != nil {
		// Before the time-stamp, which may cost something and would be for nothing.
		if m, err = gather(ctx, o.Revocation, o.Chain, o.Now); errors.Is(err, revocation.ErrNone) {
			rep.Lower = err.Error()
		} else if err != nil {
			return rep, err
		}
	}
	form := Form{Name: o.Name, Reason: o.Reason, Location: o.Location, Now: o.Now, Room: signatureRoom}
	for _, c := range o.Chain {
		form.Room += len(c.Raw)
	}
	if o.Stamper != nil {
		form.Room += stampRoom
	}
	cms, err := fill(out, &rep.Size, form.Room, func(room int) (u update, err error) {
		form.Room = room
		u.offset = size
		if u.bytes, err = draft(ctx, f, size, form); err == nil {
			err = u.findHole()
		}
		return u, err
	}, func(u update) ([]byte, error) { return u.sign(ctx, h, o) })
	if err != nil {
		return rep, err
	}
	if o.Stamper != nil && o.Revocation != nil && rep.Lower == "" {
		if err := prolong(ctx, out, &rep, cms, m, o); err != nil {
			return rep, err
		}
	}
	return rep, check(ctx, out, rep)
}

// copyTo copies a document of so many bytes.
func copyTo(w io.Writer, r io.ReaderAt, size int64) error {
	_, err := io.CopyBuffer(w, io.NewSectionReader(r, 0, size), make([]byte, min(size+1, 1<<20)))
	return err
}

// gather gets the validation data of a path, none of whose certificates may have
// been revoked.
func gather(ctx context.Context, get Revocation, path []*x509.Certificate, now time.Time) (revocation.Material, error) {
	m, err := get(ctx, path)
	if err == nil {
		if f := m.Check(m.Certificates, now, now, ""); f.Severity == preservation.Failed {
			err = errors.New(f.Detail)
		}
	}
	return m, err
}

// prolong puts the validation data of the seal and of its time-stamp behind it.
func prolong(ctx context.Context, out *os.File, rep *Report, cms []byte, m revocation.Material, o Options) error {
	stamps, err := cades.Stamps(cms)
	if err != nil {
		return err
	}
	for _, t := range stamps {
		more, err := gather(ctx, o.Revocation, t.Path(), o.Now)
		if errors.Is(err, revocation.ErrNone) {
			rep.Lower = err.Error()
			return nil
		}
		if err != nil {
			return err
		}
		m.Add(more)
	}
	rep.Level = LevelLT
	return appendMaterial(out, &rep.Size, m)
}

// appendMaterial puts validation data behind a document of so many bytes.
func appendMaterial(out *os.File, size *int64, m revocation.Material) error {
	f, err := readFile(out, *size)
	if err != nil {
		return err
	}
	b, err := f.addMaterial(m)
	if err != nil {
		return err
	}
	if _, err := out.WriteAt(b, *size); err != nil {
		return err
	}
	*size += int64(len(b))
	return nil
}

// fill puts a signature into the room that an update leaves for it, and the update
// behind a document of so many bytes. A signature that does not fit has the update
// made once more.
func fill(out *os.File, size *int64, room int, draw func(room int) (update, error), sign func(update) ([]byte, error)) ([]byte, error) {
	for last := false; ; last = true {
		u, err := draw(room)
		if err != nil {
			return nil, err
		}
		der, err := sign(u)
		if err != nil {
			return nil, err
		}
		if len(der) <= u.room() {
			hole := u.bytes[u.from+1 : u.to-1]
			n := hex.Encode(hole, der)
			copy(hole[n:], bytes.Repeat([]byte{'0'}, len(hole)-n))
			if _, err := out.WriteAt(u.bytes, u.offset); err != nil {
				return nil, err
			}
			*size = u.offset + int64(len(u.bytes))
			return der, nil
		}
		if last {
			return nil, fmt.Errorf("signature of %d bytes does not fit into %d", len(der), u.room())
		}
		room = len(der) + signatureRoom // an unusually large token
	}
}

// sign returns the signature over the document, which before has digested, and the
// update around its hole.
func (u *update) sign(ctx context.Context, before hash.Hash, o Options) ([]byte, error) {
	digest, err := u.digest(before)
	if err != nil {
		return nil, err
	}
	return cades.Sign(ctx, digest, cades.Options{Signer: o.Signer, Chain: o.Chain, Hash: o.Hash, Stamper: o.Stamper})
}

// digest is that of the document, which before has digested, and of the update
// around its hole.
func (u *update) digest(before hash.Hash) ([]byte, error) {
	h, err := before.(hash.Cloner).Clone() // as all of the standard library can
	if err != nil {
		return nil, err
	}
	h.Write(u.bytes[:u.from])
	h.Write(u.bytes[u.to:])
	return h.Sum(nil), nil
}

// check reads the sealed file as a stranger would.
func check(ctx context.Context, out *os.File, rep Report) error {
	if fi, err := out.Stat(); err != nil || fi.Size() != rep.Size {
		return fmt.Errorf("sealed file has not %d bytes: %v", rep.Size, err)
	}
	found, levels := examine(ctx, out, rep.Size, cades.Trust{})
	for _, f := range found {
		if f.Severity == preservation.Failed || f.Code == "coverage-partial" {
			return fmt.Errorf("the new seal does not verify: %s: %s", f.Code, f.Detail)
		}
	}
	if len(levels) == 0 || levels[0] != rep.Level {
		return fmt.Errorf("the new seal has levels %v instead of %s", levels, rep.Level)
	}
	return nil
}
