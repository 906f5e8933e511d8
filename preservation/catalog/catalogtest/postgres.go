// Package catalogtest starts a PostgreSQL server for the tests of those who keep a
// catalog there.
package catalogtest

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// ErrNoPostgres says what to install.
var ErrNoPostgres = errors.New("no PostgreSQL on this machine: install the package postgresql, or set BESTAND_TEST_POSTGRES=postgres://… to a server where databases may be created")

// Server is a PostgreSQL server in a temporary folder, reached through a socket there.
type Server struct {
	URL *url.URL // of the database postgres

	bin, dir string
	as       *syscall.Credential
	process  *exec.Cmd
	ended    chan struct{}
	log      *os.File
}

// Start starts a server. It ends with Stop, and with the test binary.
func Start() (s *Server, err error) {
	s = &Server{ended: make(chan struct{})}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "bestand-pg-"); err != nil {
		return nil, err
	}
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(s.dir, "data")
	// A German collation, as a municipality's server may have it: nothing may rely on byte order.
	out, err := s.Command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=de-DE").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return nil, err
	}
	s.process = s.Command("postgres", "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=400")
	s.process.Stdout, s.process.Stderr = s.log, s.log
	s.process.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	go func() {
		// The server ends with the thread that started it, which others would end.
		runtime.LockOSThread()
		defer close(s.ended)
		err := s.process.Start()
		if started <- err; err == nil {
			s.process.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	s.URL = &url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: "host=" + url.QueryEscape(s.dir)}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		db, err := sql.Open("pgx", s.URL.String())
		if err != nil {
			return nil, err
		}
		err = db.Ping()
		db.Close()
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(s.log.Name())
			s.Stop()
			return nil, fmt.Errorf("postgres does not start: %w\n%s", err, text)
		}
	}
}

// Command is one of the programs that come with the server, such as pg_dump, run by whom
// the server belongs to.
func (s *Server) Command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return c
}

// Database is the URL of a database of the server.
func (s *Server) Database(name string) string {
	u := *s.URL
	u.Path = "/" + name
	return u.String()
}

// Dir is the folder of the server, with its socket.
func (s *Server) Dir() string { return s.dir }

// Stop ends the server at once and removes what it had.
func (s *Server) Stop() {
	s.process.Process.Signal(syscall.SIGQUIT)
	<-s.ended
	s.log.Close()
	os.RemoveAll(s.dir)
}

// binaries is the folder of initdb and postgres, which Debian does not
// put into the path.
func binaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		p, err = filepath.EvalSymlinks(p)
		return filepath.Dir(p), err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, version := "", 0
	for _, p := range found {
		dir := filepath.Dir(p)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil && v > version {
			best, version = dir, v
		}
	}
	if best == "" {
		return "", ErrNoPostgres
	}
	return best, nil
}

// unprivileged is whom the server runs as: PostgreSQL refuses root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
}
