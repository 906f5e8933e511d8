package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/preservation/pades"
	"bestand/preservation/revocation"
)

// GetFile returns the bytes of a file, straight out of the package.
func (s *server) GetFile(ctx context.Context, request GetFileRequestObject) (GetFileResponseObject, error) {
	t, p := s.tenant(ctx), request.Params
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if err := s.contained(ctx, e, request.FileID); err != nil {
		return nil, err
	}
	f, at, err := t.File(ctx, request.ID, request.FileID)
	if err != nil {
		return nil, err
	}
	store, err := s.config.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	detail := map[string]string{"file": string(f.ID)}
	if p.Seal != "" {
		detail["seal"] = string(p.Seal)
	}
	if err := s.audit(ctx, "file.read", string(request.ID), detail); err != nil {
		return nil, err
	}
	full, bare := mediaOf(f.Format.MIME)
	c := &content{
		open: func(off, length int64) (io.ReadCloser, error) {
			return store.Open(ctx, at.Key, at.VersionID, at.Pos+off, length)
		},
		size: f.Size, sha256: f.SHA256, media: full, name: strings.ToValidUTF8(f.Name, "_"),
		inline: p.Disposition == GetFileParamsDispositionInline && shown[bare], head: headOnly(ctx),
		ifNoneMatch: p.IfNoneMatch, ifRange: p.IfRange, rangeSpec: p.Range,
	}
	if p.Seal == "" {
		return c, nil
	}
	if f.Representation != preservation.Preservation || bare != "application/pdf" {
		return nil, conflict.because("only PDF renditions that were made here have a seal")
	}
	return s.archivedCopy(ctx, c)
}

// archivedCopy is a copy in level B-LTA of a sealed PDF.
func (s *server) archivedCopy(ctx context.Context, c *content) (GetFileResponseObject, error) {
	if c.head {
		return nil, wrongMethod.because("a copy is made for GET")
	}
	r, err := c.read(0, c.size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f, err := s.config.ArchivedCopy(ctx, r)
	if errors.Is(err, pades.ErrUnsupported) || errors.Is(err, revocation.ErrNone) {
		return nil, conflict.because("no copy in level B-LTA: %v", err)
	}
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &copied{content: &content{
		open: func(off, length int64) (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(f, off, length)), nil
		},
		size: size, sha256: hex.EncodeToString(h.Sum(nil)), media: c.media, name: c.name, inline: c.inline,
	}, file: f}, nil
}

// copied is content in a file that is not needed any more afterwards.
type copied struct {
	*content
	file *os.File
}

// VisitGetFileResponse writes the answer of GET …/files/{file_id}?seal=….
func (c *copied) VisitGetFileResponse(w http.ResponseWriter) error {
	return errors.Join(c.write(w), c.file.Close())
}

// GetPackage returns the archival package as it is stored, or in another form.
func (s *server) GetPackage(ctx context.Context, request GetPackageRequestObject) (GetPackageResponseObject, error) {
	t, p := s.tenant(ctx), request.Params
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if err := s.contained(ctx, e, ""); err != nil {
		return nil, err
	}
	version := 0
	if p.Version != nil {
		version = *p.Version
	}
	place, sent, err := s.handingOver(ctx, e, version, cmp.Or(p.Profile, GetPackageParamsProfileAip), p.Disposal)
	if err != nil {
		return nil, err
	}
	if p.Profile != "" && p.Profile != GetPackageParamsProfileAip {
		return s.export(ctx, e, version, p.Profile, place, sent)
	}
	o, err := s.storedPackage(ctx, e.ID, version)
	if err != nil {
		return nil, err
	}
	store, err := s.config.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "package.read", string(e.ID), nil); err != nil {
		return nil, err
	}
	return &content{
		open: func(off, length int64) (io.ReadCloser, error) {
			return store.Open(ctx, o.Key, o.VersionID, off, length)
		},
		size: o.Size, sha256: o.SHA256, media: "application/zip", name: string(e.ID) + ".zip", head: headOnly(ctx), sent: sent,
		ifNoneMatch: p.IfNoneMatch, ifRange: p.IfRange, rangeSpec: p.Range,
	}, nil
}

// handingOver says for which disposal run a package is fetched, if for one, and notes in
// the end that it was sent whole; nil when it is for none.
func (s *server) handingOver(ctx context.Context, e catalog.Entry, version int, profile GetPackageParamsProfile, run string) (place dip.Handover, sent func() error, err error) {
	if run == "" {
		return place, nil, nil
	}
	if version != 0 && version != e.Version {
		return place, nil, conflict.because("version %d is not the newest, which is handed over: leave version out", version)
	}
	t, actor := s.tenant(ctx), principal(ctx).Actor
	place.Run = run
	if place.Number, place.Total, err = s.config.Officer.MayExport(ctx, t, run, e.ID); err != nil {
		return place, nil, err
	}
	r, err := s.config.Officer.Run(ctx, t, run)
	if err != nil {
		return place, nil, err
	}
	place.Receiver = r.Offer.Authority
	return place, func() error {
		// The client has all of it, and may hang up.
		return s.config.Officer.Exported(context.WithoutCancel(ctx), t, run, e.ID, e.Version, string(profile), actor)
	}, nil
}
