package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"bestand/preservation"
)

// openFiles watches over the files of a SQLite database. SQLite goes on with the
// files that it has open when somebody removes or replaces them: whatever is
// committed then is gone at the next start. So nothing is acknowledged unless
// the files are still those that were opened.
type openFiles struct {
	path string
	pin  *sql.Conn // open for as long as the catalog: the last one to close removes the log
	have map[string]os.FileInfo
}

// watch takes note of the files. The schema has been looked at, so that all of
// them are there.
func watch(ctx context.Context, path string, reader *sql.DB) (*openFiles, error) {
	pin, err := reader.Conn(ctx)
	if err != nil {
		return nil, err
	}
	p := &openFiles{path: path, pin: pin, have: map[string]os.FileInfo{}}
	if err := pin.QueryRowContext(ctx, `SELECT 1 FROM sqlite_schema LIMIT 1`).Scan(new(int)); err != nil { // now its log is open
		return nil, errors.Join(err, pin.Close())
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if p.have[end], err = os.Stat(path + end); err != nil {
			return nil, errors.Join(err, pin.Close())
		}
	}
	return p, nil
}

// check fails when a file is not there any more, or another one in its place.
func (p *openFiles) check() error {
	for _, end := range []string{"", "-wal", "-shm"} {
		now, err := os.Stat(p.path + end)
		switch {
		case err != nil:
			return preservation.Down(preservation.PartCatalog, fmt.Errorf("%w; put it back, or stop the service and run bestand rebuild", err))
		case !os.SameFile(now, p.have[end]):
			return preservation.Down(preservation.PartCatalog, fmt.Errorf("%s was replaced while it was in use; put the former one back, or restart the service", p.path+end))
		}
	}
	return nil
}

func (p *openFiles) close() error { return p.pin.Close() }
