package api

import (
	"archive/zip"
	"context"
	"iter"
	"net/http"

	"bestand/preservation/audit"
)

// ExportAudit hands the audit log out as the bucket holds it.
func (s *server) ExportAudit(ctx context.Context, _ ExportAuditRequestObject) (ExportAuditResponseObject, error) {
	if err := s.audit(ctx, "audit.export", "", nil); err != nil {
		return nil, err
	}
	return auditExport{s.config.Audit(ctx, s.tenant(ctx))}, nil
}

type auditExport struct {
	segments iter.Seq2[audit.Segment, error]
}

// VisitExportAuditResponse writes the ZIP as it is read. An error on the way leaves it
// without its directory, which no reader takes for a whole one.
func (e auditExport) VisitExportAuditResponse(w http.ResponseWriter) error {
	var z *zip.Writer
	for s, err := range e.segments {
		if err != nil {
			return err
		}
		if z == nil {
			z = startZip(w)
		}
		for _, f := range s.Files() {
			to, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate})
			if err == nil {
				_, err = to.Write(f.Content)
			}
			if err != nil {
				return err
			}
		}
	}
	if z == nil { // nothing is there yet
		z = startZip(w)
	}
	return z.Close()
}

func startZip(w http.ResponseWriter) *zip.Writer {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", disposition(false, "audit.zip"))
	return zip.NewWriter(w)
}
