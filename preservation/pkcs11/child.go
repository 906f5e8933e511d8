//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// Child loads the module that the first line of stdin names and signs what the
// others ask for. It ends with its input.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	in, out := json.NewDecoder(stdin), json.NewEncoder(stdout)
	var c Config
	if in.Decode(&c) != nil {
		return 1
	}
	context, key, certificate, err := load(c)
	if err != nil {
		out.Encode(opened{Error: err.Error(), PIN: errors.Is(err, errPIN)}) // nobody is there to be told otherwise
		return 1
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		out.Encode(opened{Error: err.Error()})
		return 1
	}
	o := opened{Public: public, OnlyPSS: onlyPSS(context, key)}
	if certificate != nil {
		o.Certificate = certificate.Raw
	}
	if out.Encode(o) != nil {
		return 1
	}
	for {
		var q query
		if err := in.Decode(&q); err != nil {
			if err == io.EOF {
				return 0
			}
			return 1
		}
		var s signed
		var err error
		var opts crypto.SignerOpts = q.Hash
		if q.PSS {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: q.Hash}
		}
		if s.Signature, err = key.Sign(rand.Reader, q.Digest, opts); err != nil {
			s.Error = err.Error()
		}
		if out.Encode(s) != nil {
			return 1
		}
	}
}

var errPIN = errors.New("PIN refused")

// load opens the key. Its errors tell an operator what to change.
func load(c Config) (*crypto11.Context, crypto.Signer, *x509.Certificate, error) {
	labels, err := tokens(c.Module)
	if err != nil {
		return nil, nil, nil, err
	}
	same := 0
	for _, l := range labels {
		if l == c.Token {
			same++
		}
	}
	if same != 1 {
		return nil, nil, nil, fmt.Errorf("module %s has %d tokens %q; it has %q", c.Module, same, c.Token, labels)
	}
	context, err := crypto11.Configure(&crypto11.Config{Path: c.Module, TokenLabel: c.Token, Pin: c.PIN, MaxSessions: 4})
	var code pkcs11.Error
	switch {
	case errors.As(err, &code) && (code == pkcs11.CKR_PIN_INCORRECT || code == pkcs11.CKR_PIN_LEN_RANGE || code == pkcs11.CKR_PIN_INVALID):
		return nil, nil, nil, fmt.Errorf("%w: the PIN of token %q is wrong: correct the file before the token locks itself", errPIN, c.Token)
	case errors.As(err, &code) && code == pkcs11.CKR_PIN_LOCKED:
		return nil, nil, nil, fmt.Errorf("%w: the PIN of token %q is locked: unlock it with the vendor's tool", errPIN, c.Token)
	case err != nil:
		return nil, nil, nil, fmt.Errorf("token %q: %w", c.Token, err)
	}
	keys, err := context.FindKeyPairs(nil, []byte(c.Key))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("token %q: %w", c.Token, err)
	}
	if len(keys) != 1 {
		return nil, nil, nil, fmt.Errorf("token %q has %d keys %q with their public halves; want one", c.Token, len(keys), c.Key)
	}
	certificate, err := context.FindCertificate(nil, []byte(c.Key), nil)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("certificate %q on token %q: %w", c.Key, c.Token, err)
	}
	return context, keys[0], certificate, nil
}

// onlyPSS reads which mechanisms a token allows for an RSA key. Most name none, which
// allows all.
func onlyPSS(context *crypto11.Context, key crypto.Signer) bool {
	if _, ok := key.Public().(*rsa.PublicKey); !ok {
		return false
	}
	allowed, err := context.GetAttribute(key, crypto11.CkaAllowedMechanisms)
	if err != nil || allowed == nil {
		return false // a token without this attribute
	}
	pss := false
	for word := range slices.Chunk(allowed.Value, strconv.IntSize/8) { // CK_ULONG of this machine
		var mechanism uint64
		if len(word) == 8 {
			mechanism = binary.NativeEndian.Uint64(word)
		} else if len(word) == 4 {
			mechanism = uint64(binary.NativeEndian.Uint32(word))
		}
		if mechanism == pkcs11.CKM_RSA_PKCS {
			return false
		}
		pss = pss || mechanism == pkcs11.CKM_RSA_PKCS_PSS
	}
	return pss
}

// tokens lists the labels of the tokens that a module has.
func tokens(module string) (labels []string, err error) {
	p := pkcs11.New(module)
	if p == nil {
		return nil, fmt.Errorf("%s cannot be loaded: it is no PKCS#11 module for this machine", module)
	}
	defer p.Destroy()
	if err := p.Initialize(); err != nil {
		return nil, fmt.Errorf("module %s: %w", module, err)
	}
	defer p.Finalize()
	slots, err := p.GetSlotList(true)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", module, err)
	}
	for _, s := range slots {
		if info, err := p.GetTokenInfo(s); err == nil {
			labels = append(labels, strings.TrimRight(info.Label, " \x00"))
		}
	}
	return labels, nil
}
