package objectstore

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is one process of the server.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ready chan error // one value: nil when it listens
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	calm       = time.Minute // a child that lived this long was well
)

// run starts the child, and again whenever it ends, until Stop. It keeps its
// thread: the kernel kills the child when the thread that started it ends.
func (s *Server) run(first chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(s.ended)
	defer s.clean()
	for pause, started := firstPause, false; ; {
		begin := time.Now()
		err := s.serve(func(err error) {
			if !started {
				first <- err
			}
			started = started || err == nil
		})
		select {
		case <-s.quit:
			return
		default:
		}
		if !started {
			return
		}
		if time.Since(begin) > calm {
			pause = firstPause
		}
		s.log.Error("object store ended, starting it again", "error", err, "pause", pause)
		select {
		case <-s.quit:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
	}
}

// serve runs one child to its end. It reports once whether the child listens.
func (s *Server) serve(report func(error)) error {
	c, err := s.start()
	if err != nil {
		report(err)
		return err
	}
	s.mu.Lock()
	s.child = c
	s.mu.Unlock()
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()

	ready := c.ready
	quit := s.quit
	var kill <-chan time.Time
	starting := time.After(startTimeout + 10*time.Second)
	for {
		select {
		case err := <-ready:
			report(err)
			ready, starting = nil, nil
			if err == nil {
				s.log.Info("object store listens", "address", s.config.Listen, "pid", c.cmd.Process.Pid)
			}
		case <-starting:
			c.cmd.Process.Kill()
		case <-quit:
			c.stdin.Close()
			quit, kill = nil, time.After(stopTimeout)
		case <-kill:
			c.cmd.Process.Kill()
		case err := <-ended:
			s.mu.Lock()
			s.child = nil
			s.mu.Unlock()
			c.stdin.Close()
			if ready != nil { // its last words may still be unread
				if rerr := <-ready; rerr != nil {
					err = rerr
				}
				report(errors.Join(err, errors.New("ended before it listened")))
			}
			return err
		}
	}
}

// stopTimeout is how long requests in progress may take after Stop.
const stopTimeout = 15 * time.Second

func (s *Server) start() (*child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	cmd := exec.Command(s.options.Command[0], s.options.Command[1:]...)
	cmd.Env = append(environment(), s.options.Env...)
	cmd.ExtraFiles = []*os.File{w} // descriptor reportFD
	cmd.Stdout = &lines{log: s.log.Debug}
	cmd.Stderr = &lines{log: s.log.Warn}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		err = json.NewEncoder(stdin).Encode(s.config)
	}
	if err != nil {
		r.Close()
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		return nil, fmt.Errorf("start: %w", err)
	}
	c := &child{cmd: cmd, stdin: stdin, ready: make(chan error, 1)}
	go func() {
		defer r.Close()
		c.ready <- s.await(r)
		io.Copy(io.Discard, r)
	}()
	return c, nil
}

// await reads the child's report.
func (s *Server) await(r io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(r, 1<<20)).ReadBytes('\n')
	if err != nil {
		return errors.New("child ended without a word")
	}
	var rep report
	if err := json.Unmarshal(line, &rep); err != nil {
		return fmt.Errorf("read the child's report: %w", err)
	}
	switch {
	case rep.Busy:
		return ErrBusy
	case rep.Error != "":
		return errors.New(rep.Error)
	}
	s.mu.Lock()
	s.findings = rep.Findings
	s.mu.Unlock()
	return nil
}

func (s *Server) clean() {
	if err := s.unshare(); err != nil {
		s.log.Warn("the end of the object store", "error", err)
	}
	if s.socket != "" {
		os.RemoveAll(s.socket)
	}
}

// environment is what the child may see: settings of the Go runtime and where
// things are, none of the program's own configuration and secrets.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
