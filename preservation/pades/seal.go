package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
)

// Options say how a document is sealed.
type Options struct {
	Signer  crypto.Signer       // RSA or ECDSA
	Chain   []*x509.Certificate // the first belongs to Signer, the rest lead to the root
	Stamper cades.Stamper       // level B-T; nil means B-B

	// Name, Reason and Location are shown to readers of the document; empty
	// ones are left out.
	Name, Reason, Location string

	Now      time.Time // the claimed time of signing
	MaxBytes int64     // above it ErrTooLarge; 0 means DefaultMaxBytes

	// Drafter makes the update for the seal: Draft in a process apart. Nil means
	// Draft in this one, which a hostile document can end.
	Drafter Drafter
}

// DefaultMaxBytes bounds the documents that are sealed.
const DefaultMaxBytes = 64 << 20

// Report says what Seal made.
type Report struct {
	Level  string // "B-B" or "B-T"
	Signer string // subject of the certificate
	Size   int64  // of the sealed document, in bytes
	SHA256 string // of the sealed document, lower-case hex
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
	if to, err := os.Stat(out); err == nil && os.SameFile(fi, to) {
		return rep, fmt.Errorf("seal %s: cannot be sealed in its own place", in)
	}
	limit := o.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if fi.Size() > limit {
		return rep, fmt.Errorf("seal %s: %w: %d bytes, at most %d", in, ErrTooLarge, fi.Size(), limit)
	}
	w, err := os.OpenFile(out, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return rep, fmt.Errorf("seal %s: %w", in, err)
	}
	rep, err = seal(ctx, f, fi.Size(), w, o)
	if err = errors.Join(err, w.Close()); err != nil {
		os.Remove(out)
		return Report{}, fmt.Errorf("seal %s: %w", in, err)
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
	if _, err := io.Copy(out, io.NewSectionReader(f, 0, size)); err != nil {
		return rep, err
	}
	form := Form{Name: o.Name, Reason: o.Reason, Location: o.Location, Now: o.Now, Room: signatureRoom}
	for _, c := range o.Chain {
		form.Room += len(c.Raw)
	}
	if o.Stamper != nil {
		form.Room += stampRoom
	}
	for last := false; ; last = true {
		u := update{offset: size}
		if u.bytes, err = draft(ctx, f, size, form); err != nil {
			return rep, err
		}
		if err := u.findHole(); err != nil {
			return rep, err
		}
		cms, err := u.sign(ctx, f, out, o)
		if err != nil {
			return rep, err
		}
		if len(cms) <= u.room() {
			if rep, err = u.finish(cms, out, o); err != nil {
				return rep, err
			}
			return rep, check(ctx, out, rep.Size)
		}
		if last {
			return rep, fmt.Errorf("signature of %d bytes does not fit into %d", len(cms), u.room())
		}
		form.Room = len(cms) + signatureRoom // an unusually large token
	}
}

// sign digests the file around the hole, making sure that the document lies
// unchanged before the update, and returns the signature.
func (u *update) sign(ctx context.Context, in, out io.ReaderAt, o Options) ([]byte, error) {
	h, want := sha256.New(), sha256.New()
	if _, err := io.Copy(want, io.NewSectionReader(in, 0, u.offset)); err != nil {
		return nil, err
	}
	if _, err := io.Copy(h, io.NewSectionReader(out, 0, u.offset)); err != nil {
		return nil, err
	}
	if !bytes.Equal(h.Sum(nil), want.Sum(nil)) {
		return nil, fmt.Errorf("%w: the seal would change its bytes", ErrUnsupported)
	}
	h.Write(u.bytes[:u.from])
	h.Write(u.bytes[u.to:])
	return cades.Sign(ctx, h.Sum(nil), cades.Options{Signer: o.Signer, Chain: o.Chain, Hash: crypto.SHA256, Stamper: o.Stamper})
}

// finish puts the signature into the hole and the update into the file.
func (u *update) finish(cms []byte, out *os.File, o Options) (rep Report, err error) {
	hole := u.bytes[u.from+1 : u.to-1]
	n := hex.Encode(hole, cms)
	for i := n; i < len(hole); i++ {
		hole[i] = '0'
	}
	if _, err := out.WriteAt(u.bytes, u.offset); err != nil {
		return rep, err
	}
	rep = Report{Level: "B-B", Signer: o.Chain[0].Subject.String(), Size: u.offset + int64(len(u.bytes))}
	if o.Stamper != nil {
		rep.Level = "B-T"
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(out, 0, rep.Size)); err != nil {
		return rep, err
	}
	rep.SHA256 = hex.EncodeToString(h.Sum(nil))
	return rep, nil
}

// check reads the sealed file as a stranger would.
func check(ctx context.Context, out *os.File, size int64) error {
	if fi, err := out.Stat(); err != nil || fi.Size() != size {
		return fmt.Errorf("sealed file has not %d bytes: %v", size, err)
	}
	whole := false
	for _, f := range Verify(ctx, out, size, cades.Trust{}) {
		if f.Severity == preservation.Failed {
			return fmt.Errorf("the new seal does not verify: %s: %s", f.Code, f.Detail)
		}
		whole = whole || f.Code == "coverage-whole"
	}
	if !whole {
		return errors.New("the new seal does not cover the file")
	}
	return nil
}
