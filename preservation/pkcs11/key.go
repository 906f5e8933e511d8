package pkcs11

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"bestand/preservation"
)

const (
	maxLine = 64 << 10 // bytes of an answer
	timeout = 30 * time.Second
)

// Key is a key in a module. It is a crypto.Signer, and may be used by several
// goroutines at once.
type Key struct {
	config  Config
	timeout time.Duration
	public  crypto.PublicKey
	cert    *x509.Certificate
	onlyPSS bool

	mu    sync.Mutex
	child *child // nil while none runs
	final error  // why none is started any more
}

// child is the process that has loaded the module.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte // closed with its output
	said  *tail
}

// Open logs in to a token and finds the key. The error is an ErrSetup, or one of
// starting a process.
func Open(c Config) (*Key, error) {
	k := &Key{config: c, timeout: timeout}
	if err := k.start(); err != nil {
		return nil, err
	}
	return k, nil
}

// Certificate is the one that the token keeps under the key's label; nil when there
// is none.
func (k *Key) Certificate() *x509.Certificate { return k.cert }

// OnlyPSS says that the token lets the key sign by RSASSA-PSS and not by PKCS #1 v1.5
// (CKA_ALLOWED_MECHANISMS).
func (k *Key) OnlyPSS() bool { return k.onlyPSS }

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Sign signs a digest. Its errors are a preservation.Outage: the key can be used
// again when somebody has seen to module and token. A wrong PIN is not tried again,
// because tokens lock themselves.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	b, err := k.sign(digest, opts)
	return b, preservation.Down(preservation.PartKey, err)
}

func (k *Key) sign(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	pss, isPSS := opts.(*rsa.PSSOptions)
	if isPSS && pss.SaltLength != rsa.PSSSaltLengthEqualsHash && pss.SaltLength != opts.HashFunc().Size() {
		return nil, errors.New("RSASSA-PSS is offered with a salt of the digest's length alone")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.child == nil {
		if err := k.start(); err != nil {
			return nil, err
		}
	}
	var s signed
	if err := k.ask(query{digest, opts.HashFunc(), isPSS}, &s); err != nil {
		return nil, err
	}
	if s.Error != "" {
		k.stop() // a session that has ended is not the key's last word
		return nil, fmt.Errorf("PKCS#11: %s", s.Error)
	}
	return s.Signature, nil
}

// Close ends the process.
func (k *Key) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop()
	k.final = errors.New("PKCS#11 key is closed")
	return nil
}

// start runs the child and has it open the key, which must be the one of before.
func (k *Key) start() error {
	if k.final != nil {
		return k.final
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := &child{cmd: exec.Command(self, ChildArg), lines: make(chan []byte), said: &tail{}}
	c.cmd.Stderr = c.said
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("PKCS#11: %w", err)
	}
	go func() { // ends with the child, whose last line stop takes
		defer close(c.lines)
		s := bufio.NewScanner(out)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			c.lines <- bytes.Clone(s.Bytes())
		}
	}()
	k.child = c
	var o opened
	if err := k.ask(k.config, &o); err != nil {
		return err
	}
	if o.Error != "" {
		k.stop()
		err := fmt.Errorf("%w: %s", ErrSetup, o.Error)
		if o.PIN {
			k.final = err
		}
		return err
	}
	public, err := x509.ParsePKIXPublicKey(o.Public)
	if err == nil && o.Certificate != nil {
		k.cert, err = x509.ParseCertificate(o.Certificate)
	}
	if same, ok := public.(interface{ Equal(crypto.PublicKey) bool }); err == nil && k.public != nil && (!ok || !same.Equal(k.public)) {
		err = errors.New("it is another key than before")
	}
	if err != nil {
		k.stop()
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	k.public, k.onlyPSS = public, o.OnlyPSS
	return nil
}

// ask sends one question and waits for its answer. After an error there is no child.
func (k *Key) ask(question, answer any) error {
	b, err := json.Marshal(question)
	if err != nil {
		return err
	}
	c := k.child
	_, err = c.in.Write(append(b, '\n')) // of one that has ended the answer tells
	select {
	case line, ok := <-c.lines:
		if ok && err == nil {
			err = json.Unmarshal(line, answer)
		}
		if ok && err == nil {
			return nil
		}
		k.stop()
		return fmt.Errorf("PKCS#11: the process with the module has ended: %v %s", err, c.said)
	case <-time.After(k.timeout):
		k.stop()
		return fmt.Errorf("PKCS#11: the module has not answered for %s", k.timeout)
	}
}

func (k *Key) stop() {
	c := k.child
	if c == nil {
		return
	}
	k.child = nil
	c.in.Close()
	c.cmd.Process.Kill() // may have ended already
	for range c.lines {
	}
	c.cmd.Wait() // its end says nothing more
}

// tail keeps the end of what a process says.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - 500; n > 0 {
		t.b = t.b[n:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%q", t.b)
}
