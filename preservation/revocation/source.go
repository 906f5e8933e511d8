package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	maxAnswer = 1 << 20 // bytes of a list or an answer: every seal carries it
	timeout   = 30 * time.Second
	keep      = time.Hour // at most, before it is asked for again
	maxKept   = 256
)

// ErrNone: nothing can be had about a certificate, now or later: it names no place
// to ask, or its authority's list is too large to be kept with every seal.
var ErrNone = errors.New("no revocation data to be had")

// Source gets material from the places that certificates name. What it got is
// given again for a while. Its methods may be called concurrently; its fields are
// not changed after first use.
type Source struct {
	HTTP *http.Client // nil means http.DefaultClient
	Now  func() time.Time
	// Own, when set, is asked first: for the newest list of an authority of one's own
	// in DER; nil for any other.
	Own func(issuer *x509.Certificate) ([]byte, error)
	// Anchors complete paths whose end was left out.
	Anchors []*x509.Certificate

	mu   sync.Mutex
	kept map[[32]byte]kept
}

type kept struct {
	Material
	until time.Time
}

// Material returns the certificates of a path, which begins with that of a signer,
// and what their issuers say about them: an OCSP answer where a certificate names a
// responder, else a list. Each has been verified. The error is an ErrNone, or worth
// another try. A certificate that is revoked is no error; Check tells.
func (s *Source) Material(ctx context.Context, path []*x509.Certificate) (m Material, err error) {
	path = s.complete(path)
	m.Certificates = path
	for i, c := range path {
		if SelfSigned(c) || i > 0 && i+1 == len(path) {
			continue
		}
		if len(path) == 1 {
			return m, fmt.Errorf("%s: %w: the certificate of its issuer is not known", c.Subject, ErrNone)
		}
		one, err := s.one(ctx, c, path[i+1])
		if err != nil {
			return m, fmt.Errorf("revocation data of %s: %w", c.Subject, err)
		}
		m.Add(one)
	}
	return m, nil
}

// Lists returns the revocation lists alone, for where nothing else can be kept
// (RFC 5652, 5.1). A certificate that names none has none.
func (s *Source) Lists(ctx context.Context, path []*x509.Certificate) (lists [][]byte, err error) {
	path = s.complete(path)
	for i, c := range path {
		if SelfSigned(c) || i+1 == len(path) {
			continue
		}
		list, err := s.list(ctx, c, path[i+1])
		switch {
		case errors.Is(err, ErrNone) && len(c.CRLDistributionPoints) == 0:
		case err != nil:
			return nil, fmt.Errorf("revocation list for %s: %w", c.Subject, err)
		default:
			lists = union(lists, [][]byte{list})
		}
	}
	return lists, nil
}

func (s *Source) complete(path []*x509.Certificate) []*x509.Certificate {
	if len(path) == 0 {
		return nil
	}
	return Path(path[0], slices.Concat(path[1:], s.Anchors))
}

// one gets what speaks of one certificate, or what it got before.
func (s *Source) one(ctx context.Context, c, issuer *x509.Certificate) (m Material, err error) {
	key, now := sha256.Sum256(c.Raw), s.Now()
	s.mu.Lock()
	k := s.kept[key]
	s.mu.Unlock()
	if now.Before(k.until) {
		return k.Material, nil
	}
	until := now.Add(keep)
	answer, next, err := s.ask(ctx, c, issuer)
	if err == nil {
		m.Answers = [][]byte{answer}
	} else {
		list, wrong := s.list(ctx, c, issuer)
		if wrong != nil {
			if errors.Is(wrong, ErrNone) && !errors.Is(err, ErrNone) {
				return m, err // of the responder, which may answer later
			}
			return m, wrong
		}
		m.Lists = [][]byte{list}
		if l, err := x509.ParseRevocationList(list); err == nil {
			next = l.NextUpdate
		}
	}
	if !next.IsZero() && next.Before(until) {
		until = next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil || len(s.kept) >= maxKept {
		s.kept = map[[32]byte]kept{}
	}
	s.kept[key] = kept{m, until}
	return m, nil
}

// ask gets an OCSP answer and says when the next one comes.
func (s *Source) ask(ctx context.Context, c, issuer *x509.Certificate) (der []byte, next time.Time, err error) {
	err = ErrNone
	query, wrong := ocsp.CreateRequest(c, issuer, nil)
	if wrong != nil {
		return nil, next, fmt.Errorf("%w: %w", ErrNone, wrong)
	}
	for _, url := range c.OCSPServer {
		if !fetchable(url) {
			continue
		}
		if der, err = s.fetch(ctx, url, query); err != nil {
			continue
		}
		a, wrong := answer(der, c, issuer)
		switch {
		case wrong != nil:
			err = fmt.Errorf("%s: %w", url, wrong)
		case a.Status == ocsp.Unknown:
			err = fmt.Errorf("%s: it does not know the certificate", url)
		case !a.NextUpdate.IsZero() && a.NextUpdate.Before(s.Now()):
			err = fmt.Errorf("%s: its answer was for the time until %s", url, a.NextUpdate.UTC().Format(time.RFC3339))
		default:
			return der, a.NextUpdate, nil
		}
	}
	return nil, next, err
}

// list gets a revocation list. Of several places the first that answers is taken.
func (s *Source) list(ctx context.Context, c, issuer *x509.Certificate) ([]byte, error) {
	if s.Own != nil {
		if der, err := s.Own(issuer); der != nil || err != nil {
			return der, err
		}
	}
	err := fmt.Errorf("%w: the certificate names no place where it is to be had", ErrNone)
	for _, url := range c.CRLDistributionPoints {
		if !fetchable(url) {
			continue
		}
		var der []byte
		if der, err = s.fetch(ctx, url, nil); err != nil {
			continue
		}
		list, wrong := x509.ParseRevocationList(der)
		if wrong == nil {
			wrong = list.CheckSignatureFrom(issuer)
		}
		switch {
		case wrong != nil:
			err = fmt.Errorf("%s: %w", url, wrong)
		case !speaksOf(list, c):
			err = fmt.Errorf("%s: %w: the list is not complete for this certificate", url, ErrNone)
		case !list.NextUpdate.IsZero() && list.NextUpdate.Before(s.Now()):
			err = fmt.Errorf("%s: the list was for the time until %s", url, list.NextUpdate.UTC().Format(time.RFC3339))
		default:
			return list.Raw, nil
		}
	}
	return nil, err
}

func fetchable(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
}

const (
	ocspQuery = "application/ocsp-request" // RFC 6960, A.1
	ocspReply = "application/ocsp-response"
)

// fetch gets a list, or with a query the answer to it.
func (s *Source) fetch(ctx context.Context, url string, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if query != nil {
		method, body = http.MethodPost, bytes.NewReader(query)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if query != nil {
		req.Header.Set("Content-Type", ocspQuery)
		req.Header.Set("Accept", ocspReply)
	}
	client := s.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %s", url, resp.Status)
	}
	if typ, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); query != nil && typ != ocspReply {
		return nil, fmt.Errorf("%s: content type %q instead of %s", url, typ, ocspReply)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if len(der) > maxAnswer {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", url, ErrNone, maxAnswer)
	}
	return der, nil
}
