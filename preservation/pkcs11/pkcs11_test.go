package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
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

	"github.com/miekg/pkcs11"
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
			if pub, ok := k.Public().(*rsa.PublicKey); ok {
				signsByPSS(t, k, pub)
			}
		})
	}
}

func signsByPSS(t *testing.T, k *Key, pub *rsa.PublicKey) {
	t.Helper()
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		w := h.New()
		w.Write([]byte("Akte"))
		digest := w.Sum(nil)
		for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, h.Size()} {
			o := &rsa.PSSOptions{SaltLength: salt, Hash: h}
			sig, err := k.Sign(rand.Reader, digest, o)
			if err == nil {
				err = rsa.VerifyPSS(pub, h, digest, sig, &rsa.PSSOptions{SaltLength: h.Size()})
			}
			if err != nil {
				t.Errorf("%v: %v", h, err)
			}
		}
		if _, err := k.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: h}); err == nil {
			t.Error("signed with a salt of any length")
		}
	}
}

// TestOnlyPSS has keys that their token does not let do everything.
func TestOnlyPSS(t *testing.T) {
	c := token(t, nil)
	for label, allowed := range map[string][]uint{"pss": {pkcs11.CKM_RSA_PKCS_PSS}, "both": {pkcs11.CKM_RSA_PKCS, pkcs11.CKM_RSA_PKCS_PSS}, "any": nil} {
		generate(t, c, label, allowed)
		c.Key = label
		k := open(t, c)
		if k.OnlyPSS() != (label == "pss") {
			t.Errorf("%s: only PSS %v", label, k.OnlyPSS())
		}
		signsByPSS(t, k, k.Public().(*rsa.PublicKey))
		if _, err := k.Sign(nil, make([]byte, 32), crypto.SHA256); (err == nil) == (label == "pss") {
			t.Errorf("%s by PKCS #1 v1.5: %v", label, err)
		}
	}
}

// generate has the token make an RSA key that may be used by certain mechanisms.
func generate(t *testing.T, c Config, label string, allowed []uint) {
	t.Helper()
	p := pkcs11.New(c.Module)
	defer p.Destroy()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.Initialize())
	defer p.Finalize()
	slots, err := p.GetSlotList(true)
	must(err)
	session, err := p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	must(err)
	must(p.Login(session, pkcs11.CKU_USER, c.PIN))
	public := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, label),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})}
	private := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_ID, label),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)}
	if allowed != nil {
		var b []byte
		for _, m := range allowed {
			b = binary.NativeEndian.AppendUint64(b, uint64(m))
		}
		private = append(private, pkcs11.NewAttribute(pkcs11.CKA_ALLOWED_MECHANISMS, b))
	}
	_, _, err = p.GenerateKeyPair(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)}, public, private)
	must(err)
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
