package ingest

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"os"
	"time"

	"bestand/preservation/catalog"
)

//go:embed receipt.html
var receiptPage string

var receiptTemplate = template.Must(template.New("receipt").Parse(receiptPage))

// ReceiptPDF renders the receipt of an archived submission for people, as PDF/A
// with the archive's seal, and returns its size. The JWS stays the receipt; this
// is made from it anew each time. convert.ErrMissing when there is no browser to
// print it with.
func (p *Pipeline) ReceiptPDF(ctx context.Context, t *catalog.Tenant, sub catalog.Submission) (io.ReadCloser, int64, error) {
	jws, err := p.NewestReceipt(ctx, t, sub)
	if err != nil {
		return nil, 0, err
	}
	r, err := p.Sealer.ReadReceipt(jws)
	if err != nil {
		return nil, 0, err
	}
	r.ProducerRecordID = cmp.Or(r.ProducerRecordID, sub.Metadata.ProducerRecordID)
	info, err := t.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	zone, err := zoneOf(info)
	if err != nil {
		return nil, 0, err
	}
	r.Received, r.Time, r.Lock.Until = r.Received.In(zone), r.Time.In(zone), r.Lock.Until.In(zone)
	return p.printed(ctx, info, receiptTemplate, map[string]any{"Receipt": r, "Deletion": deletion(r), "Tenant": info.Name, "Seal": p.Sealer.certificate().Subject.CommonName})
}

// deletion says whether the sender may delete its own, and what is missing.
func deletion(r Receipt) string {
	switch {
	case r.SourceDeletion == "allowed":
		return "erlaubt"
	case unusable(r.Problems):
		return "noch nicht: siehe Feststellungen"
	case len(r.Records) > 0 && r.Records[0].Receipt != nil:
		return "noch nicht: maßgeblich sind die Bestätigungen der einzelnen Datensätze"
	}
	return "noch nicht: erst wenn das zweite Exemplar geprüft ist, was eine weitere Bestätigung sagt"
}

// zoneOf is where a tenant's clocks are.
func zoneOf(info catalog.TenantInfo) (*time.Location, error) {
	return time.LoadLocation(cmp.Or(info.Settings.Zone, "Europe/Berlin"))
}

// Print renders a page as PDF/A with the archive's seal, and returns its size. The
// template finds in data also Tenant, Seal, and Local and Day, which write a time as
// the tenant's clocks show it, and its day. convert.ErrMissing when there is no browser to print with.
func (p *Pipeline) Print(ctx context.Context, t *catalog.Tenant, page *template.Template, data map[string]any) (io.ReadCloser, int64, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return nil, 0, err
	}
	zone, err := zoneOf(info)
	if err != nil {
		return nil, 0, err
	}
	data["Tenant"], data["Seal"] = info.Name, p.Sealer.certificate().Subject.CommonName
	data["Local"] = func(at time.Time) string { return at.In(zone).Format("02.01.2006 15:04:05 MST") }
	data["Day"] = func(at time.Time) string { return at.In(zone).Format("02.01.2006") }
	return p.printed(ctx, info, page, data)
}

// printed renders a page as PDF/A with the archive's seal, and returns its size.
func (p *Pipeline) printed(ctx context.Context, info catalog.TenantInfo, t *template.Template, data any) (io.ReadCloser, int64, error) {
	var page bytes.Buffer
	if err := t.Execute(&page, data); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", t.Name(), err)
	}
	dir, err := os.MkdirTemp(p.WorkDir, t.Name()+"-")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	pdf, err := p.Convert.HTML(ctx, &page, dir)
	if err != nil {
		return nil, 0, fmt.Errorf("print %s: %w", t.Name(), err)
	}
	sealed := pdf + ".sealed.pdf"
	if _, err := p.Sealer.PDF(ctx, pdf, sealed, info.Settings); err != nil {
		return nil, 0, fmt.Errorf("seal %s: %w", t.Name(), err)
	}
	b, err := os.ReadFile(sealed)
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), err
}
