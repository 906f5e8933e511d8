package api

import (
	"context"
	"io"
	"net/http"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
)

// export is a package in another form, made while it is sent.
type export struct {
	write func(io.Writer) error
	media string
	name  string
	head  bool         // only the headers were asked for
	sent  func() error // called once all of it was sent; nil: nobody wants to know
}

// forms are what packages can be brought into.
var forms = map[GetPackageParamsProfile]struct {
	media  string
	name   func(dip.Source) string
	write  func(context.Context, io.Writer, dip.Source) error
	proven bool // its purpose is the evidence record
}{
	GetPackageParamsProfileAsic:   {dip.ASiCType, named(".asice"), dip.ASiC, true},
	GetPackageParamsProfileBagit:  {dip.BagItType, named(".bagit.zip"), dip.BagIt, false},
	GetPackageParamsProfileOcfl:   {dip.OCFLType, named(".ocfl.zip"), dip.OCFL, false},
	GetPackageParamsProfileXaip:   {dip.XAIPType, named(".xaip.xml"), dip.XAIP, true},
	GetPackageParamsProfileXdomea: {dip.XdomeaType, func(s dip.Source) string { return dip.XdomeaName(s) + ".zip" }, dip.Xdomea, false},
}

// named names an export by its record.
func named(suffix string) func(dip.Source) string {
	return func(s dip.Source) string { return string(s.Package.Record().ID) + suffix }
}

// export prepares a version in the form of a profile; 0 is the newest version.
func (s *server) export(ctx context.Context, e catalog.Entry, version int, profile GetPackageParamsProfile, place dip.Handover, sent func() error) (GetPackageResponseObject, error) {
	if version == 0 {
		version = e.Version
	}
	if version > e.Version {
		return nil, notFound.because("the newest version of the record is %d", e.Version)
	}
	form := forms[profile]
	source, err := s.config.Export(ctx, s.tenant(ctx), e.ID, version)
	if err != nil {
		return nil, s.orDestroyed(ctx, e.ID, err)
	}
	if source.Filing.Parents, err = s.readable(ctx, source.Filing.Parents); err != nil {
		return nil, err
	}
	source.Handover = place
	if form.proven && source.Evidence == nil {
		return nil, noEvidence.because("no evidence batch has covered version %d of the record yet", version)
	}
	if err := s.audit(ctx, "package.read", string(e.ID), map[string]string{"profile": string(profile)}); err != nil {
		return nil, err
	}
	return &export{media: form.media, name: form.name(source), head: headOnly(ctx), sent: sent,
		write: func(w io.Writer) error { return form.write(ctx, w, source) }}, nil
}

// readable are those of a record's parents, the outermost first, that the caller may
// read as well: up to the first that is refused, or is being destroyed.
func (s *server) readable(ctx context.Context, parents []preservation.Record) ([]preservation.Record, error) {
	for i, p := range slices.Backward(parents) {
		_, err := s.record(ctx, p.ID)
		if err == nil {
			continue
		}
		switch problemOf(err).Status {
		case http.StatusForbidden, http.StatusNotFound, http.StatusGone:
			return parents[i+1:], nil
		}
		return nil, err
	}
	return parents, nil
}

// VisitGetPackageResponse writes the answer of GET …/package?profile=….
func (x *export) VisitGetPackageResponse(w http.ResponseWriter) error {
	if x.head {
		x.begin(w)
		return nil
	}
	if err := x.write(&begun{w: w, begin: x.begin}); err != nil || x.sent == nil {
		return err
	}
	return x.sent()
}

func (x *export) begin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Type", x.media)
	h.Set("Content-Disposition", disposition(false, x.name))
	h.Set("Content-Security-Policy", "default-src 'none'")
	w.WriteHeader(http.StatusOK)
}

// begun sends the headers before the first bytes: what fails earlier is still
// answered as a problem.
type begun struct {
	w     http.ResponseWriter
	begin func(http.ResponseWriter)
}

func (b *begun) Write(p []byte) (int, error) {
	if b.begin != nil {
		b.begin(b.w)
		b.begin = nil
	}
	return b.w.Write(p)
}
