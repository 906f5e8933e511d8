package timestamp

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const maxList = 1 << 20 // bytes of a revocation list: every evidence record carries it

// RevocationLists fetches the revocation lists, in DER, that the certificates in
// a token name (RFC 5280, 4.2.1.13), each signed by the issuer of its
// certificate. A certificate that names none has none. Of several places of one
// list the first that answers is taken.
func RevocationLists(ctx context.Context, client *http.Client, token []byte) (lists [][]byte, err error) {
	t, err := Parse(token)
	if err != nil {
		return nil, err
	}
	path := t.path()
	for i, c := range path {
		if i+1 == len(path) || len(c.CRLDistributionPoints) == 0 {
			continue
		}
		var last error
		found := false
		for _, url := range c.CRLDistributionPoints {
			if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
				continue
			}
			der, err := fetchList(ctx, client, url, path[i+1])
			if last = err; err == nil {
				lists, found = append(lists, der), true
				break
			}
		}
		if !found && last != nil {
			return nil, fmt.Errorf("revocation list for %s: %w", c.Subject, last)
		}
	}
	return lists, nil
}

func fetchList(ctx context.Context, client *http.Client, url string, issuer *x509.Certificate) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if len(der) > maxList {
		return nil, fmt.Errorf("%s: more than %d bytes", url, maxList)
	}
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		err = list.CheckSignatureFrom(issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return list.Raw, nil
}
