package objectstore

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	socketPrefix = "bestand-s3-" // of folders for sockets outside of the data folder
	socketName   = "s3.sock"
	abandoned    = time.Minute // age from which on a folder whose socket nobody answers is nobody's
)

// sweepSockets removes the folders of sockets whose servers were killed: ours, with a
// socket and nothing else in them, that nobody listens on.
func sweepSockets(temporary string, log *slog.Logger) {
	found, _ := filepath.Glob(filepath.Join(temporary, socketPrefix+"*")) // the pattern is well-formed
	for _, dir := range found {
		st, err := os.Lstat(dir)
		if err != nil || !st.IsDir() || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) || time.Since(st.ModTime()) < abandoned {
			continue
		}
		socket := filepath.Join(dir, socketName)
		if c, err := net.DialTimeout("unix", socket, time.Second); err == nil {
			c.Close()
			continue
		} else if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
			continue // busy, say
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("remove the socket of a killed object store", "error", err)
			continue
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("remove the folder of a killed object store", "error", err)
		}
	}
}
