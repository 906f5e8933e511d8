package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bestand/preservation"
)

// client speaks to the API of an archive as a producer does.
type client struct {
	server string
	token  string
	caFile string
	accept string // media type of answers, where there is a choice
	http   *http.Client
}

type localFile struct {
	path string
	name string
	size int64
}

// submission is what the CLI shows of one.
type submission struct {
	ID       string                 `json:"id"`
	Status   string                 `json:"status"`
	Record   string                 `json:"record_id"`
	Problems []preservation.Finding `json:"problems"`
	Records  []part                 `json:"records"`
	Waiting  struct {
		Reason string `json:"reason"` // empty when it does not
	} `json:"waiting"`
}

// part is one record of a package.
type part struct {
	Record string `json:"record_id,omitempty"`
	Status string `json:"status"`
}

func (c *client) init() error {
	u, err := url.Parse(c.server)
	if err != nil || u.Host == "" {
		return usageError{fmt.Errorf("--server %q is not a URL", c.server)}
	}
	c.server = strings.TrimRight(c.server, "/")
	t := http.DefaultTransport.(*http.Transport).Clone()
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: no certificate in it", c.caFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	c.http = &http.Client{Transport: t}
	return nil
}

// call sends one request. An answer of 400 and above is an error that says what
// the archive said.
func (c *client) call(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.accept != "" {
		req.Header.Set("Accept", c.accept)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Field  string `json:"field"`
			Code   string `json:"code"`
			Detail string `json:"detail"`
		} `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil {
		return nil, &answerError{status: resp.StatusCode, said: "the archive answered " + resp.Status}
	}
	msg := p.Detail
	if msg == "" {
		msg = p.Title
	}
	refused := &answerError{status: resp.StatusCode}
	for _, e := range p.Errors {
		msg += fmt.Sprintf("; %s: %s", e.Field, e.Detail)
		refused.fields = append(refused.fields, [2]string{e.Field, e.Code})
	}
	refused.said = fmt.Sprintf("%d %s", resp.StatusCode, msg)
	return nil, refused
}

// answerError is an answer of 400 and above.
type answerError struct {
	status int
	said   string
	fields [][2]string // names and codes of what is wrong
}

// has reports whether a field was refused with a code.
func (e *answerError) has(field, code string) bool {
	return slices.Contains(e.fields, [2]string{field, code})
}

func (e *answerError) Error() string { return e.said }

// submit streams a delivery. The digests are computed first, so that the archive
// can tell that it received what lies here.
func (c *client) submit(ctx context.Context, d *delivery, progress io.Writer) (s submission, repeated bool, err error) {
	if d.metadata == nil {
		return c.send(ctx, nil, "package", d.files, progress)
	}
	m := maps.Clone(d.metadata)
	announced, _ := m["files"].([]any)
	files := make([]any, len(d.files))
	for i, f := range d.files {
		entry := map[string]any{}
		if i < len(announced) {
			if a, ok := announced[i].(map[string]any); ok {
				entry = maps.Clone(a)
			}
		}
		entry["name"] = f.name
		if entry["sha256"], entry["sha512"], err = digests(f.path); err != nil {
			return s, false, err
		}
		files[i] = entry
	}
	m["files"] = files
	meta, err := json.Marshal(m)
	if err != nil {
		return s, false, err
	}
	return c.send(ctx, meta, "file", d.files, progress)
}

// send streams a form: the metadata, if any, and the files under a part's name.
func (c *client) send(ctx context.Context, meta []byte, name string, files []localFile, progress io.Writer) (s submission, repeated bool, err error) {
	r, w := io.Pipe()
	mw := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeParts(mw, meta, name, files, progress)) }()
	resp, err := c.call(ctx, http.MethodPost, "/v1/submissions", mw.FormDataContentType(), r)
	r.CloseWithError(io.ErrClosedPipe)
	if err != nil {
		return s, false, err
	}
	defer resp.Body.Close()
	return s, resp.StatusCode == http.StatusOK, decode(resp.Body, &s)
}

func decode(r io.Reader, v any) error {
	if err := json.NewDecoder(io.LimitReader(r, 64<<20)).Decode(v); err != nil {
		return fmt.Errorf("answer of the archive: %w", err)
	}
	return nil
}

func writeParts(mw *multipart.Writer, meta []byte, name string, files []localFile, progress io.Writer) error {
	if meta != nil {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="metadata"`}, "Content-Type": {"application/json"}}
		part, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		if _, err := part.Write(meta); err != nil {
			return err
		}
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, f := range files {
		called := f.name
		if strings.ContainsFunc(called, unicode.IsControl) {
			if meta == nil || !utf8.ValidString(called) {
				return fmt.Errorf("%s: a header cannot carry the control characters of this name; rename it", f.path)
			}
			called = "" // the metadata have it
		}
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"; filename="` + quote.Replace(called) + `"`}, "Content-Type": {"application/octet-stream"}}
		part, err := mw.CreatePart(h)
		if err != nil {
			return err
		}
		in, err := os.Open(f.path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.MultiWriter(part, progress), in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return mw.Close()
}

func digests(path string) (sha, sha2 string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer in.Close()
	a, b := sha256.New(), sha512.New()
	if _, err := io.Copy(io.MultiWriter(a, b), in); err != nil {
		return "", "", err
	}
	return hex.EncodeToString(a.Sum(nil)), hex.EncodeToString(b.Sum(nil)), nil
}

// await polls a submission until it has ended. Each reason for which it has to wait is told
// while that lasts: a part of the archive that is away, or the next attempt after a fault.
func (c *client) await(ctx context.Context, id string, tell func(reason string)) (submission, error) {
	pause := 100 * time.Millisecond
	for {
		resp, err := c.call(ctx, http.MethodGet, "/v1/submissions/"+url.PathEscape(id), "", nil)
		if err != nil {
			return submission{}, err
		}
		var s submission
		err = decode(resp.Body, &s)
		resp.Body.Close()
		if err != nil {
			return s, err
		}
		if s.Status != "received" && s.Status != "processing" {
			return s, nil
		}
		if s.Waiting.Reason != "" {
			tell(s.Waiting.Reason)
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 2*time.Second)
	}
}

func (c *client) receipt(ctx context.Context, id string) ([]byte, error) {
	resp, err := c.call(ctx, http.MethodGet, "/v1/submissions/"+url.PathEscape(id)+"/receipt", "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, 64<<20))
}
