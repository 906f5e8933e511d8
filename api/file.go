package api

import (
	"context"
	"io"
	"strings"
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
	if err := s.audit(ctx, "file.read", string(request.ID), map[string]string{"file": string(f.ID)}); err != nil {
		return nil, err
	}
	full, bare := mediaOf(f.Format.MIME)
	return &content{
		open: func(off, length int64) (io.ReadCloser, error) {
			return store.Open(ctx, at.Key, at.VersionID, at.Pos+off, length)
		},
		size: f.Size, sha256: f.SHA256, media: full, name: strings.ToValidUTF8(f.Name, "_"),
		inline: p.Disposition == GetFileParamsDispositionInline && shown[bare], head: headOnly(ctx),
		ifNoneMatch: p.IfNoneMatch, ifRange: p.IfRange, rangeSpec: p.Range,
	}, nil
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
	if p.Profile != "" && p.Profile != GetPackageParamsProfileAip {
		return s.export(ctx, e, version, p.Profile)
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
		size: o.Size, sha256: o.SHA256, media: "application/zip", name: string(e.ID) + ".zip", head: headOnly(ctx),
		ifNoneMatch: p.IfNoneMatch, ifRange: p.IfRange, rangeSpec: p.Range,
	}, nil
}
