package timestamp

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades/cms"
	"github.com/digitorus/timestamp"
	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

const maxQuery = 64 << 10 // bytes

// accuracy is what the tokens state: the clock is a server's, kept by NTP.
const accuracy = time.Second

// DefaultPolicy stands in the tokens of an Authority that has no policy of its
// own. It lies in the arc that X.660 keeps for examples, and promises nothing.
var DefaultPolicy = asn1.ObjectIdentifier{2, 999, 3161, 1}

// ErrClock: the clock went back by more than the accuracy that the tokens
// state. Wait until it has caught up, or set it right.
var ErrClock = errors.New("the clock went back")

// Authority is a time-stamping authority of one's own. It is not a qualified
// one: it proves the order of events within this installation, and to others
// only as much as they trust its operator.
//
// The times in its tokens strictly ascend, in milliseconds. It may be used by
// several goroutines at once.
type Authority struct {
	policy asn1.ObjectIdentifier
	now    func() time.Time
	digest func(crypto.PublicKey) crypto.Hash

	mu     sync.Mutex
	signer crypto.Signer
	chain  []*x509.Certificate
	last   time.Time
}

// Config describes an Authority.
type Config struct {
	Signer crypto.Signer
	Chain  []*x509.Certificate   // the first belongs to Signer and is for time-stamping alone
	Policy asn1.ObjectIdentifier // nil means DefaultPolicy
	Now    func() time.Time      // nil means time.Now
	// Digest chooses the algorithm under which a key signs the next token, SHA-256, SHA-384
	// or SHA-512; nil means the one that goes with the key.
	Digest func(crypto.PublicKey) crypto.Hash
}

// NewAuthority returns an Authority, or an error when its certificate is not
// one for time-stamping.
func NewAuthority(c Config) (*Authority, error) {
	a := &Authority{policy: c.Policy, now: c.Now, digest: c.Digest}
	if err := a.Renew(c.Signer, c.Chain); err != nil {
		return nil, err
	}
	if a.policy == nil {
		a.policy = DefaultPolicy
	}
	if a.now == nil {
		a.now = time.Now
	}
	if a.digest == nil {
		a.digest = cms.HashFor
	}
	return a, nil
}

// Renew gives the Authority another key, with which it makes all further tokens. The
// chain is as in Config.
func (a *Authority) Renew(signer crypto.Signer, chain []*x509.Certificate) error {
	if signer == nil || len(chain) == 0 {
		return errors.New("time-stamping authority: key or certificate is missing")
	}
	if err := timeStamping(chain[0]); err != nil {
		return fmt.Errorf("time-stamping authority: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signer, a.chain = signer, chain
	return nil
}

// Certificate is that of the key in use.
func (a *Authority) Certificate() *x509.Certificate { return a.Chain()[0] }

// Chain is that certificate with its issuers, as given to Config or Renew.
func (a *Authority) Chain() []*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chain
}

// Stamp returns a token in DER over the digest, with the certificates.
func (a *Authority) Stamp(_ context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	if h.Size() < 32 || cms.OIDOf(h) == nil || h.Size() != len(digest) {
		return nil, fmt.Errorf("time-stamp: %w: %v with %d bytes", cms.ErrUnsupported, h, len(digest))
	}
	return a.token(&timestamp.Request{HashAlgorithm: h, HashedMessage: digest, Certificates: true})
}

// ServeHTTP answers time-stamp queries (RFC 3161, 3.4).
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a time-stamp query", http.StatusMethodNotAllowed)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), queryType) {
		http.Error(w, "content type must be "+queryType, http.StatusUnsupportedMediaType)
		return
	}
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
	if err != nil {
		http.Error(w, "query cannot be read", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", replyType)
	w.Write(a.Respond(query))
}

// Respond answers one TimeStampReq with a TimeStampResp, both in DER.
func (a *Authority) Respond(query []byte) []byte {
	req, err := timestamp.ParseRequest(query)
	switch {
	case err != nil:
		return rejection(timestamp.BadDataFormat)
	case req.HashAlgorithm.Size() < 32 || cms.OIDOf(req.HashAlgorithm) == nil:
		return rejection(timestamp.BadAlgorithm)
	case len(req.HashedMessage) != req.HashAlgorithm.Size():
		return rejection(timestamp.BadDataFormat)
	case req.TSAPolicyOID != nil && !req.TSAPolicyOID.Equal(a.policy):
		return rejection(timestamp.UnacceptedPolicy)
	case len(req.Extensions) > 0:
		return rejection(timestamp.UnacceptedExtension)
	}
	token, err := a.token(req)
	switch {
	case errors.Is(err, ErrClock):
		return rejection(timestamp.TimeNotAvailable)
	case err != nil:
		return rejection(timestamp.SystemFailure)
	}
	var b cryptobyte.Builder
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(timestamp.Granted)) })
		b.AddBytes(token)
	})
	return b.BytesOrPanic()
}

func rejection(why timestamp.FailureInfo) []byte {
	b, err := timestamp.CreateErrorResponse(timestamp.Rejection, why)
	if err != nil {
		panic(err) // constants only
	}
	return b
}

func (a *Authority) token(req *timestamp.Request) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	at, err := a.tick()
	if err != nil {
		return nil, preservation.Down(preservation.PartTSA, err)
	}
	a.mu.Lock()
	signer, chain := a.signer, a.chain
	a.mu.Unlock()
	info := a.info(req, serial, at)
	h := a.digest(signer.Public())
	sum := h.New()
	sum.Write(info)
	s := cms.Signing{
		ContentType: cms.OIDTSTInfo, Content: info, Digest: sum.Sum(nil), Hash: h,
		Signer: signer, Certificate: chain[0],
	}
	if req.Certificates {
		s.Certificates = chain
	}
	return cms.Sign(s)
}

// tick returns the time for the next token: now, or a millisecond after the
// last one while that is within the stated accuracy.
func (a *Authority) tick() (time.Time, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now().UTC().Truncate(time.Millisecond)
	next := now
	if !next.After(a.last) {
		next = a.last.Add(time.Millisecond)
	}
	if next.Sub(now) >= accuracy {
		return time.Time{}, ErrClock
	}
	a.last = next
	return next, nil
}

func (a *Authority) info(req *timestamp.Request, serial *big.Int, at time.Time) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1ObjectIdentifier(a.policy)
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(cms.OIDOf(req.HashAlgorithm))
				b.AddASN1NULL()
			})
			b.AddASN1OctetString(req.HashedMessage)
		})
		b.AddASN1BigInt(serial)
		// RFC 3161, 2.4.2: seconds always, a fraction without trailing zeros.
		b.AddASN1(tag.GeneralizedTime, func(b *cryptobyte.Builder) {
			b.AddBytes([]byte(at.Format("20060102150405.999") + "Z"))
		})
		b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(accuracy / time.Second)) })
		if req.Nonce != nil {
			b.AddASN1BigInt(req.Nonce)
		}
	})
	return b.BytesOrPanic()
}
