// Package scan asks a ClamAV daemon whether a file carries known malware.
//
// The bytes travel over the daemon's own protocol (INSTREAM, see clamd(8)), so
// that it needs no access to our files and may run on another machine. An
// archive must be able to say later what was checked and what was not:
// without a daemon the outcome is NotScanned with the reason, never silence
// and never "clean".
package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"bestand/preservation"
)

// Outcome is the answer to one scan.
type Outcome string

const (
	Clean      Outcome = "clean"
	Infected   Outcome = "infected"
	NotScanned Outcome = "not scanned" // Reason says why; the file may be anything
)

// Reasons for NotScanned.
const (
	NotConfigured = "not-configured" // the installation has no scanner
	TooLarge      = "too-large"      // the daemon takes no stream of this length (its StreamMaxLength)
	Limits        = "limits"         // the daemon stopped before the end; Signature names its limit
)

// Codes of findings.
const (
	CodeInfected   = "infected"
	CodeNotScanned = "not-scanned"
)

// Result is what the daemon said about one file.
type Result struct {
	Outcome   Outcome
	Signature string // name of the malware when infected, of the daemon's limit when that ended the look
	Reason    string // when not scanned
	Agent     preservation.Agent
}

// Findings returns the result as findings: none when clean.
func (r Result) Findings() []preservation.Finding {
	switch r.Outcome {
	case Infected:
		return []preservation.Finding{{Code: CodeInfected, Severity: preservation.Failed,
			Detail: "malware " + r.Signature + ": the file goes into quarantine"}}
	case NotScanned:
		return []preservation.Finding{{Code: CodeNotScanned, Severity: preservation.Notice,
			Detail: "not scanned for malware: " + r.Reason}}
	}
	return nil
}

// Config says where the daemon listens. The zero Config means there is none.
type Config struct {
	Address string        // "unix:/run/clamav/clamd.ctl" or "tcp:host:3310"; empty: none
	Timeout time.Duration // without any progress; default 60 s
}

// Scanner asks one daemon. It may be used concurrently.
type Scanner struct {
	network, address string
	timeout          time.Duration
	candour          candour
}

// New checks the address, without connecting.
func New(c Config) (*Scanner, error) {
	s := &Scanner{timeout: c.Timeout}
	if s.timeout <= 0 {
		s.timeout = time.Minute
	}
	if c.Address == "" {
		return s, nil
	}
	network, address, _ := strings.Cut(c.Address, ":")
	if (network != "unix" && network != "tcp") || address == "" {
		return nil, fmt.Errorf("scanner address %q: want unix:PATH or tcp:HOST:PORT", c.Address)
	}
	s.network, s.address = network, address
	return s, nil
}

// Configured reports whether there is a daemon to ask.
func (s *Scanner) Configured() bool { return s.network != "" }

// Version asks for the daemon's version and that of its signatures, such as
// "1.4.6/27800/Mon Nov  3 …".
func (s *Scanner) Version(ctx context.Context) (preservation.Agent, error) {
	a := preservation.Agent{Type: preservation.Software, Name: "ClamAV"}
	if !s.Configured() {
		return a, errors.New("scanner version: no scanner is configured")
	}
	answer, err := s.ask(ctx, "zVERSION\x00", nil)
	if err != nil {
		return a, fmt.Errorf("scanner version: %w", err)
	}
	version, ok := strings.CutPrefix(answer, "ClamAV ")
	if !ok || version == "" {
		return a, preservation.Down(preservation.PartScanner, fmt.Errorf("version: %s answered %.100q, which no clamd says", s.address, answer))
	}
	a.Version = version
	return a, nil
}

// Scan sends the bytes of r to the daemon. An error means that there was no
// verdict and that another try later may bring one; preservation.ErrUnavailable
// that there is no daemon that could give one now.
func (s *Scanner) Scan(ctx context.Context, r io.Reader) (Result, error) {
	if !s.Configured() {
		return Result{Outcome: NotScanned, Reason: NotConfigured,
			Agent: preservation.Agent{Type: preservation.Software, Name: "none"}}, nil
	}
	agent, err := s.Version(ctx)
	if err != nil {
		return Result{}, err
	}
	answer, err := s.ask(ctx, "zINSTREAM\x00", r)
	if err != nil {
		return Result{}, fmt.Errorf("scan: %w", err)
	}
	res := Result{Agent: agent}
	switch {
	case answer == clean:
		res.Outcome = Clean
	case strings.HasPrefix(answer, "stream: "+exceeded) && strings.HasSuffix(answer, " FOUND"): // no malware, and no verdict
		res.Outcome, res.Reason = NotScanned, Limits
		res.Signature = strings.TrimSuffix(strings.TrimPrefix(answer, "stream: "), " FOUND")
	case strings.HasPrefix(answer, "stream: ") && strings.HasSuffix(answer, " FOUND"):
		res.Outcome = Infected
		res.Signature = strings.TrimSuffix(strings.TrimPrefix(answer, "stream: "), " FOUND")
	case strings.HasPrefix(answer, "INSTREAM size limit exceeded"):
		res.Outcome, res.Reason = NotScanned, TooLarge
	case strings.HasSuffix(answer, " ERROR"): // it works, but not on this file
		return Result{}, fmt.Errorf("scan: the daemon answered %q", answer)
	default:
		return Result{}, preservation.Down(preservation.PartScanner, fmt.Errorf("%s answered %.100q, which is no verdict", s.address, answer))
	}
	return res, nil
}

// ScanFile scans the file at path.
func (s *Scanner) ScanFile(ctx context.Context, path string) (Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return Result{}, fmt.Errorf("scan: %w", err)
	}
	defer f.Close()
	return s.Scan(ctx, f)
}

const (
	clean     = "stream: OK"
	chunk     = 64 << 10
	maxAnswer = 4 << 10
)

// ask sends a command, then r in chunks of four bytes of length and the bytes,
// then a chunk of length 0, and reads the answer up to its NUL.
func (s *Scanner) ask(ctx context.Context, command string, r io.Reader) (string, error) {
	d := net.Dialer{Timeout: s.timeout}
	c, err := d.DialContext(ctx, s.network, s.address)
	if err != nil {
		return "", s.away(ctx, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sendErr := s.send(ctx, c, command, r)
	if sendErr != nil && !errors.Is(sendErr, errHungUp) {
		return "", sendErr
	}
	// A daemon that hung up in mid-stream has said why before. That all is well it
	// cannot have said: it did not see all.
	answer, err := s.answer(ctx, c)
	if sendErr != nil && (err != nil || answer == clean) {
		return "", s.away(ctx, sendErr)
	}
	return answer, s.away(ctx, err)
}

// away says that the daemon is, unless it was the caller who left.
func (s *Scanner) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return preservation.Down(preservation.PartScanner, err)
}

var errHungUp = errors.New("the daemon hung up")

func (s *Scanner) send(ctx context.Context, c net.Conn, command string, r io.Reader) error {
	write := func(b []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.SetWriteDeadline(time.Now().Add(s.timeout))
		if _, err := c.Write(b); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", errHungUp, err)
		}
		return nil
	}
	if err := write([]byte(command)); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	b := make([]byte, 4+chunk)
	for {
		n, err := io.ReadFull(r, b[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(b, uint32(n))
			if err := write(b[:4+n]); err != nil {
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return write([]byte{0, 0, 0, 0})
		default:
			return fmt.Errorf("read: %w", err)
		}
	}
}

func (s *Scanner) answer(ctx context.Context, c net.Conn) (string, error) {
	c.SetReadDeadline(time.Now().Add(s.timeout))
	b, err := bufio.NewReader(io.LimitReader(c, maxAnswer)).ReadBytes(0)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	return strings.TrimSpace(string(b[:len(b)-1])), nil
}
