package objectstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"

	"bestand/preservation"
)

// startTimeout bounds how long the server may take until it listens.
const startTimeout = 20 * time.Second

// drainTimeout bounds how long requests may take that are under way at the end.
const drainTimeout = 10 * time.Second

// Run serves S3 from a folder until ctx ends or the disk fails, and calls ready
// once it listens, with what there is to say about the store. It changes the
// working directory and may be called once per process: see Main.
func Run(ctx context.Context, c Config, ready func([]preservation.Finding)) error {
	if err := c.check(); err != nil {
		return err
	}
	f, err := openFolder(c.Dir, c.Sidecar)
	if err != nil {
		return err
	}
	defer f.lock.Close()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	commit, err := newGroup(func(err error) { stop(err) }, f.objects, f.versions, f.meta)
	if err != nil {
		return err
	}
	be, err := openBackend(f)
	if err != nil {
		return err
	}
	be.commit, be.space = commit, space{dir: c.Dir, reserve: c.Reserve}
	if err := commit.sync(); err != nil { // the folders themselves
		return err
	}

	listening := make(chan struct{})
	ended := make(chan error, 1)
	var active atomic.Int64
	go func() {
		ended <- embedgw.RunVersityGW(ctx, be, &embedgw.Config{
			RootUserAccess:    AccessKey,
			RootUserSecret:    c.SecretKey,
			Region:            Region,
			Ports:             []string{c.Listen},
			SocketPerm:        "0600",
			MaxConnections:    2048,
			MaxRequests:       1024,
			MultipartMaxParts: 10000,
			Quiet:             true,
			KeepAlive:         true,
			DisableACLs:       true,
			S3Options: []s3api.Option{
				s3api.WithOnListen(func() { close(listening) }),
				s3api.WithMiddleware("/", func(c fiber.Ctx) error {
					active.Add(1)
					defer active.Add(-1)
					return c.Next()
				}),
			},
		})
	}()
	select {
	case <-listening:
		ready(f.findings())
	case err := <-ended:
		return err
	case <-time.After(startTimeout):
		return fmt.Errorf("no start within %v", startTimeout)
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
		drain(&active)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// drain returns when no request is being worked on. The server itself would
// wait for idle connections to go away as well.
func drain(active *atomic.Int64) {
	const pause, answer = 10 * time.Millisecond, 50 * time.Millisecond
	for end := time.Now().Add(drainTimeout); active.Load() > 0 && time.Now().Before(end); {
		time.Sleep(pause)
	}
	time.Sleep(answer) // the last answer is written after its handler has returned
}

func openBackend(f *folder) (*durable, error) {
	opts := posix.PosixOpts{
		VersioningDir:       f.versions,
		CopyObjectThreshold: 5 << 30, // of a part
	}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	if err := errors.Join(f.undoCreations(), f.undoCompletions()); err != nil {
		return nil, err
	}
	d := &durable{folder: f}
	var metadata meta.MetadataStorer = meta.XattrMeta{}
	if f.sidecar {
		files, err := meta.NewSideCar(f.meta)
		if err != nil {
			return nil, err
		}
		opts.SideCarDir = f.meta
		d.files, metadata = &files, files
	}
	var err error
	d.Posix, err = posix.New(f.objects, metadata, opts)
	return d, err
}

// findings says what a receipt and the doctor have to admit about the store.
func (f *folder) findings() []preservation.Finding {
	list := []preservation.Finding{{
		Code:     "lock-by-software",
		Severity: preservation.Notice,
		Subject:  filepath.Dir(f.objects),
		Detail:   "The embedded object store enforces locks and holds by software: an administrator of this machine can delete files. Use an external S3 with Object Lock where that is not acceptable.",
	}}
	if f.sidecar {
		list = append(list, preservation.Finding{
			Code:     "no-extended-attributes",
			Severity: preservation.Notice,
			Subject:  filepath.Dir(f.objects),
			Detail:   "The file system has no extended attributes, so locks are kept in files beside the objects and are set just after an object becomes visible. Move the folder to ext4 or xfs.",
		})
	}
	return list
}
