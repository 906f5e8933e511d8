package main

import (
	"context"
	"io"

	"bestand/preservation/catalog"
	"bestand/retention"
)

// statementPDF prints an access statement, with the archive's seal.
func (s *service) statementPDF(ctx context.Context, t *catalog.Tenant, statement retention.AccessStatement) (io.ReadCloser, int64, error) {
	page, data := statement.Page()
	return s.pipeline.Print(ctx, t, page, data)
}
