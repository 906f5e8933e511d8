package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test program the child, as the product is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildArg {
		os.Exit(Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

const module = "/usr/lib/softhsm/libsofthsm2.so"

// token makes a token of SoftHSM with the given keys, by their labels.
func token(t *testing.T, keys map[string]crypto.Signer) Config {
	t.Helper()
	if _, err := exec.LookPath("softhsm2-util"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("softhsm2 is required (BESTAND_REQUIRE_TOOLS=1) and not installed")
		}
		t.Skip("softhsm2 is not installed")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte("directories.tokendir = "+dir+"\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "conf"))
	util := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
			t.Fatalf("softhsm2-util %v: %v\n%s", args, err, out)
		}
	}
	util("--init-token", "--free", "--label", "archiv", "--so-pin", "87654321", "--pin", "123456")
	id := 'A'
	for label, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "key.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		util("--import", file, "--token", "archiv", "--label", label, "--id", "0"+string(id), "--pin", "123456")
		id++
	}
	return Config{Module: module, Token: "archiv", PIN: "123456"}
}

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t *testing.T, c Config) *Key {
	t.Helper()
	k, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func TestSign(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	keys := map[string]crypto.Signer{"rsa": rsaKey, "p256": p256, "p384": p384}
	c := token(t, keys)
	digest := sha256.Sum256([]byte("Akte"))
	for label, key := range keys {
		t.Run(label, func(t *testing.T) {
			c.Key = label
			k := open(t, c)
			if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public()) {
				t.Fatal("another key")
			}
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					sig, err := k.Sign(rand.Reader, digest[:], crypto.SHA256)
					if err != nil {
						t.Error(err)
						return
					}
					switch pub := k.Public().(type) {
					case *rsa.PublicKey:
						err = rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig)
					case *ecdsa.PublicKey:
						if !ecdsa.VerifyASN1(pub, digest[:], sig) {
							err = errors.New("signature does not verify")
						}
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
}

func TestSetup(t *testing.T) {
	good := token(t, map[string]crypto.Signer{"siegel": ecKey(t, elliptic.P256())})
	good.Key = "siegel"
	for _, c := range []struct {
		name string
		with func(*Config)
		want string
	}{
		{"no module", func(c *Config) { c.Module = "/usr/lib/none.so" }, "cannot be loaded"},
		{"no library", func(c *Config) { c.Module = "/etc/passwd" }, "cannot be loaded"},
		{"no such token", func(c *Config) { c.Token = "anderes" }, `it has ["archiv"`},
		{"no such key", func(c *Config) { c.Key = "anderer" }, `has 0 keys "anderer"`},
		{"wrong PIN", func(c *Config) { c.PIN = "000000" }, "PIN of token \"archiv\" is wrong"},
	} {
		bad := good
		c.with(&bad)
		if _, err := Open(bad); !errors.Is(err, ErrSetup) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The process with the module may end or hang: a signature fails, the next is made.
func TestProcessEnds(t *testing.T) {
	c := token(t, map[string]crypto.Signer{"siegel": ecKey(t, elliptic.P256())})
	c.Key = "siegel"
	k := open(t, c)
	digest := sha256.Sum256([]byte("Akte"))
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGKILL, syscall.SIGSTOP} {
		k.timeout = time.Second
		k.child.cmd.Process.Signal(s)
		if _, err := k.Sign(nil, digest[:], crypto.SHA256); err == nil && s == syscall.SIGSTOP {
			t.Errorf("%s: signed", s)
		}
		k.timeout = timeout
		if _, err := k.Sign(nil, digest[:], crypto.SHA256); err != nil {
			t.Errorf("after %s: %v", s, err)
		}
	}
	// The PIN was changed meanwhile: it is tried once.
	k.config.PIN = "000000"
	k.stop()
	for range 3 {
		if _, err := k.Sign(nil, digest[:], crypto.SHA256); !errors.Is(err, ErrSetup) {
			t.Errorf("got %v", err)
		}
	}
	if k.final == nil {
		t.Error("a wrong PIN is tried again")
	}
}
