package ingest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ArchivedCopy returns a copy of a PDF that this archive has sealed, in level B-LTA.
// It is a file without a name, which is gone when it is closed. Errors as for
// pades.Archive.
func (p *Pipeline) ArchivedCopy(ctx context.Context, pdf io.Reader) (*os.File, error) {
	dir, err := os.MkdirTemp(p.WorkDir, "copy-")
	if err != nil {
		return nil, fmt.Errorf("work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
	if _, err := save(in, pdf); err != nil {
		return nil, err
	}
	if err := p.Sealer.Archive(ctx, in, out); err != nil {
		return nil, err
	}
	return os.Open(out)
}
