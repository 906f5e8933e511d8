package timestamp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/digitorus/timestamp"

	"bestand/preservation"
)

const (
	queryType = "application/timestamp-query" // RFC 3161, 3.4
	replyType = "application/timestamp-reply"

	maxReply       = 1 << 20 // bytes
	defaultTimeout = 30 * time.Second
)

// Tolerance is how far the time in a token may be from the clock of this machine:
// one of both is wrong otherwise, and a seal would say two times.
const Tolerance = 10 * time.Minute

// ErrRefused: the authority answered and gave no token. Asking again in the
// same way is pointless; every other error of a Client is worth another try.
var ErrRefused = errors.New("time-stamp refused")

// Client asks an authority for time-stamps over HTTP. It does not retry: the
// queue of its caller does. The fields are not changed after first use.
type Client struct {
	URL     string
	HTTP    *http.Client          // nil means http.DefaultClient
	Timeout time.Duration         // of one request; 0 means 30 seconds
	Policy  asn1.ObjectIdentifier // asked for when set

	// User and Password are sent as basic authentication when set.
	User, Password string

	// Now, when set, is the clock that a token must agree with to Tolerance.
	Now func() time.Time

	// Roots, when set, must lead to the authority's certificate.
	Roots *x509.CertPool
}

// Stamp returns a token in DER over the digest. It has been checked: it
// answers this request, its imprint and signature match, its certificate is
// for time-stamping and leads to Roots where these are set. An authority that
// gives no such token, whatever the reason, is preservation.ErrUnavailable.
func (c *Client) Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	token, err := c.stamp(ctx, h, digest)
	if err != nil && ctx.Err() == nil {
		err = preservation.Down(preservation.PartTSA, err)
	}
	return token, err
}

func (c *Client) stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	if !h.Available() || h.Size() != len(digest) {
		return nil, fmt.Errorf("time-stamp: %v with %d bytes", h, len(digest))
	}
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("time-stamp: %w", err)
	}
	query, err := (&timestamp.Request{HashAlgorithm: h, HashedMessage: digest, Certificates: true, Nonce: nonce, TSAPolicyOID: c.Policy}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("time-stamp request: %w", err)
	}
	reply, err := c.post(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("time-stamp from %s: %w", c.URL, err)
	}
	token, err := granted(reply)
	if err != nil {
		return nil, fmt.Errorf("time-stamp from %s: %w", c.URL, err)
	}
	if token.Nonce == nil || token.Nonce.Cmp(nonce) != 0 {
		return nil, fmt.Errorf("time-stamp from %s: the token answers another request", c.URL)
	}
	if token.Signer() == nil {
		return nil, fmt.Errorf("time-stamp from %s: the token carries no readable certificate", c.URL)
	}
	for _, f := range failures(token.Check(h, digest, Trust{Roots: c.Roots}, "time-stamp")) {
		return nil, fmt.Errorf("time-stamp from %s: %s: %s", c.URL, f.Code, f.Detail)
	}
	if c.Now != nil {
		if away := token.Time.Sub(c.Now()); away > Tolerance || away < -Tolerance {
			return nil, fmt.Errorf("time-stamp from %s: %w: the token says %s, this machine %s: set the clock that is wrong",
				c.URL, preservation.ErrClock, token.Time.UTC().Format(time.RFC3339), c.Now().UTC().Format(time.RFC3339))
		}
	}
	return token.Raw, nil
}

func (c *Client) post(ctx context.Context, query []byte) ([]byte, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(query))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", queryType)
	req.Header.Set("Accept", replyType)
	if c.User != "" {
		req.SetBasicAuth(c.User, c.Password)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	if typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || typ != replyType {
		return nil, fmt.Errorf("content type %q instead of %s", resp.Header.Get("Content-Type"), replyType)
	}
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, err
	}
	if len(reply) > maxReply {
		return nil, fmt.Errorf("answer of more than %d bytes", maxReply)
	}
	return reply, nil
}

// granted takes the token out of a TimeStampResp (RFC 3161, 2.4.2).
func granted(reply []byte) (*Token, error) {
	var resp struct {
		Status struct {
			Status int
			Text   []asn1.RawValue `asn1:"optional"`
			Fail   asn1.BitString  `asn1:"optional"`
		}
		Token asn1.RawValue `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(reply, &resp); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("malformed answer: %v", err)
	}
	if resp.Status.Status > 1 { // neither granted nor grantedWithMods
		var text []string
		for _, t := range resp.Status.Text {
			text = append(text, string(t.Bytes))
		}
		return nil, fmt.Errorf("%w: status %d, failure bits %x, %q", ErrRefused, resp.Status.Status, resp.Status.Fail.Bytes, strings.Join(text, " "))
	}
	if len(resp.Token.FullBytes) == 0 {
		return nil, errors.New("answer without token")
	}
	return Parse(resp.Token.FullBytes)
}
