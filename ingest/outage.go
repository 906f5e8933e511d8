package ingest

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	// workReserve is what must be free in the work folder before a submission is
	// begun, and workShare how many times its size beside: the fetched files and
	// the package of them.
	workReserve = 32 << 20
	workShare   = 2

	// stampPause is how long nothing is converted after a signature, a time-stamp or
	// their validation data could not be had: the work would be for nothing.
	stampPause = 15 * time.Second
)

// ready reports, before any work is done on a submission, what would make it
// useless: a *preservation.Outage.
func (p *Pipeline) ready(sub catalog.Submission, set catalog.Settings) error {
	if err := p.room(sub); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if sub.Frozen == nil && p.Sealer.stamper(set) != nil && p.Now().Before(p.stampless.until) {
		return p.stampless.err
	}
	return nil
}

// room asks for room in the work folder. A converter that runs into a full disk
// does not say so: it leaves nothing, or half a rendition, as it does of a file
// that it cannot read.
func (p *Pipeline) room(sub catalog.Submission) error {
	need := int64(workReserve)
	if sub.Frozen != nil {
		need = sub.Frozen.Size + 1<<20
	} else {
		for _, f := range sub.Files {
			need += workShare * f.Size
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(p.WorkDir, &st); err != nil {
		return preservation.Down(preservation.PartDisk, fmt.Errorf("work folder: %w", err))
	}
	free := int64(st.Bavail) * st.Bsize
	if st.Blocks > 0 && free < need || st.Files > 0 && st.Ffree < 1000 {
		return preservation.Down(preservation.PartDisk, fmt.Errorf("%w: %d MiB and %d files are free in the work folder, %d MiB are needed",
			preservation.ErrFull, free>>20, st.Ffree, (need+1<<20-1)>>20))
	}
	return nil
}

// outage says of an error that it is one of this machine, and remembers that no
// complete seals can be had.
func (p *Pipeline) outage(err error) error {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, e) {
			err = preservation.Down(preservation.PartDisk, fmt.Errorf("%w: %w", preservation.ErrFull, err))
		}
	}
	for _, e := range []error{syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			err = preservation.Down(preservation.PartDisk, err)
		}
	}
	var o *preservation.Outage
	if errors.As(err, &o) && slices.Contains([]preservation.Part{preservation.PartTSA, preservation.PartRevocation, preservation.PartKey}, o.Part) {
		p.mu.Lock()
		p.stampless.until, p.stampless.err = p.Now().Add(stampPause), o
		p.mu.Unlock()
	}
	return err
}
