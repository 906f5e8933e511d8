package objectstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
)

// Options say how to start the server.
type Options struct {
	// Dir is the data folder, created when missing.
	Dir string
	// Command starts the child: a program that calls Main, and its arguments.
	// The default is this program with the one argument "objectstore".
	Command []string
	// Env is added to the child's environment, which is otherwise nearly empty.
	Env []string
	// Listen is an address on the loopback interface, with port 0 for a free
	// one. The default is a Unix socket that only this user can open.
	Listen string
	// Reserve is how many bytes of the disk to keep free: 0 means 64 MiB, less
	// than 0 none.
	Reserve int64
	// Sidecar keeps metadata in files even where extended attributes work.
	Sidecar bool
	// Log receives starts, crashes and what the child prints. The default is
	// slog.Default.
	Log *slog.Logger
}

// Server is a supervised embedded server. It survives crashes of the child:
// address and credentials stay the same as long as the Server lives.
type Server struct {
	config  Config
	options Options
	log     *slog.Logger
	socket  string // folder to remove at the end, if it is a temporary one

	quit  chan struct{} // closed by Stop
	ended chan struct{} // closed when the child is gone for good
	once  sync.Once

	mu       sync.Mutex
	child    *child
	restarts int
	findings []preservation.Finding
}

// Supervise starts the server and returns when it listens. ctx bounds the
// start only; Stop ends the server. It fails with ErrBusy when another
// process serves the folder.
func Supervise(ctx context.Context, o Options) (*Server, error) {
	for tries := 5; ; tries-- {
		s, err := supervise(ctx, o)
		if err == nil {
			return s, nil
		}
		// A free port may be gone by the time the child listens.
		taken := strings.HasSuffix(o.Listen, ":0") && strings.Contains(err.Error(), unix.EADDRINUSE.Error())
		if !taken || tries == 0 {
			return nil, fmt.Errorf("object store: %w", err)
		}
	}
}

func supervise(ctx context.Context, o Options) (*Server, error) {
	s, err := newServer(o)
	if err != nil {
		return nil, err
	}
	first := make(chan error, 1)
	go s.run(first)
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return nil, errors.Join(err, s.Stop(stop))
	}
	if err := s.share(); err != nil {
		s.log.Warn("others cannot read beside this program, such as a backup", "error", err)
	}
	return s, nil
}

func newServer(o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if len(o.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		o.Command = []string{self, "objectstore"}
	}
	s := &Server{
		config: Config{
			Dir:       dir,
			Listen:    o.Listen,
			SecretKey: rand.Text() + rand.Text(),
			Reserve:   o.Reserve,
			Sidecar:   o.Sidecar,
		},
		options: o,
		log:     o.Log,
		quit:    make(chan struct{}),
		ended:   make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	switch {
	case o.Listen == "":
		return s, s.chooseSocket()
	case strings.HasSuffix(o.Listen, ":0"):
		s.config.Listen, err = freePort(o.Listen)
	}
	return s, err
}

// chooseSocket puts the socket below the data folder, or, where the path is
// too long for one (108 bytes) or could be taken for host:port, below a
// temporary folder.
func (s *Server) chooseSocket() error {
	dir := filepath.Join(s.config.Dir, "run")
	if len(dir) > 90 || strings.Contains(dir, ":") {
		sweepSockets(os.TempDir(), s.log)
		var err error
		if dir, err = os.MkdirTemp("", socketPrefix); err != nil {
			return err
		}
		s.socket = dir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	s.config.Listen = filepath.Join(dir, socketName)
	return nil
}

func freePort(address string) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Endpoint is where the server listens, in the form that package s3 takes:
// "unix:" and the path of a socket, or host:port for plain HTTP.
func (s *Server) Endpoint() string {
	if filepath.IsAbs(s.config.Listen) {
		return "unix:" + s.config.Listen
	}
	return s.config.Listen
}

// Credentials are the key pair of the server's only account.
func (s *Server) Credentials() (accessKey, secretKey string) {
	return AccessKey, s.config.SecretKey
}

// Findings says what receipts and the doctor have to admit about the store.
func (s *Server) Findings() []preservation.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]preservation.Finding(nil), s.findings...)
}

// PID is the child's process id, 0 while there is none.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return 0
	}
	return s.child.cmd.Process.Pid
}

// Restarts counts how often the child was started again.
func (s *Server) Restarts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

// Stop lets requests in progress finish and ends the child; when ctx ends
// first, it kills it. Nothing acknowledged is lost either way. Stopping twice
// is allowed.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() { close(s.quit) })
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	if s.child != nil {
		s.child.cmd.Process.Kill()
	}
	s.mu.Unlock()
	select {
	case <-s.ended:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("object store: child does not end")
	}
}

// lines is a writer that logs what the child prints, line by line.
type lines struct {
	log  func(msg string, args ...any)
	rest []byte
}

var _ io.Writer = (*lines)(nil)

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := strings.Cut(string(l.rest), "\n")
		if !found && len(l.rest) < 4096 {
			return len(p), nil
		}
		l.rest = []byte(rest)
		if line = strings.TrimSpace(colour.ReplaceAllString(line, "")); line != "" {
			l.log("object store says", "line", line)
		}
	}
}
