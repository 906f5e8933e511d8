package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"bestand/preservation"
)

// Probe tries out the promises that an archive rests on, in a bucket of its
// own, and says for each whether the store keeps it. A store with a finding of
// severity Failed must not be used. It takes about one second, which is how
// long the locks that it has to see expire are, and removes what it wrote, and what an
// earlier one left that was killed.
func (c *Client) Probe(ctx context.Context) []preservation.Finding {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	// Its locks end within seconds, by the clock of the store: the one that the
	// program acts by, which may be kept back while it is in doubt, says nothing of them.
	own := *c
	p := &probe{client: &own, prefix: probes + preservation.NewID(c.config.Now()) + "/"}
	own.config.Now = func() time.Time { return time.Now().Add(p.ahead) }
	c = &own
	begin := time.Now()
	b, err := c.Bucket(ctx, c.config.ProbeBucket)
	p.note("versioning-and-lock", err, "a bucket with versioning and object lock can be had")
	if err != nil {
		return p.findings
	}
	p.bucket = b
	p.clock(ctx, begin)

	var checks errgroup.Group
	results := make([][]preservation.Finding, 5)
	checks.Go(func() error {
		// Another service may be probing at this moment; no probe takes longer than brief.
		if err := p.tidy(ctx, time.Now().Add(p.ahead-2*brief)); err != nil {
			results[4] = []preservation.Finding{{Code: "store-probe-leftovers", Severity: preservation.Notice, Subject: c.config.ProbeBucket,
				Detail: "What an earlier probe left behind could not be removed: " + err.Error()}}
		}
		return nil
	})
	for i, check := range []check{(*probe).lock, (*probe).hold, (*probe).condition, (*probe).multipart} {
		checks.Go(func() error {
			code, promise, err := p.patiently(ctx, check)
			results[i] = []preservation.Finding{finding(code, promise, c.config.ProbeBucket, err)}
			return nil
		})
	}
	checks.Wait()
	for _, r := range results {
		p.findings = append(p.findings, r...)
	}
	return p.findings
}

// A check tries one promise out.
type check func(*probe, context.Context) (code string, promise string, err error)

// errExpired: the store was too slow for a verdict. The lock had lawfully ended
// when it should have been seen to hold.
var errExpired = errors.New("the store is so slow that a short lock ended before it could be tried")

// patiently repeats a check with longer locks while the store is too slow for it.
func (p *probe) patiently(ctx context.Context, try check) (code, promise string, err error) {
	for i := range 4 {
		q := &probe{client: p.client, bucket: p.bucket, prefix: fmt.Sprintf("%s%d/", p.prefix, i), ahead: p.ahead, slow: p.slow + time.Duration(i*i)*time.Second}
		if code, promise, err = try(q, ctx); !errors.Is(err, errExpired) {
			break
		}
	}
	return code, promise, err
}

type probe struct {
	client   *Client
	bucket   *Bucket
	prefix   string
	ahead    time.Duration // of the store's clock before ours
	slow     time.Duration // of the store: added to locks that are to hold through a few requests
	findings []preservation.Finding
}

func (p *probe) note(code string, err error, promise string) {
	p.findings = append(p.findings, finding(code, promise, p.client.config.ProbeBucket, err))
}

// CodeFull is the code of what could not be tried out for want of room.
const CodeFull = "store-full"

func finding(code, promise, bucket string, err error) preservation.Finding {
	f := preservation.Finding{Code: "store-" + code, Severity: preservation.Passed, Subject: bucket, Detail: "The store keeps its promise: " + promise + "."}
	switch {
	case errors.Is(err, preservation.ErrFull):
		f.Code, f.Severity = CodeFull, preservation.Failed
		f.Detail = fmt.Sprintf("There is no room in the store to see whether %s: %v. Make some and try again.", promise, err)
	case errors.Is(err, context.DeadlineExceeded):
		f.Severity = preservation.Failed
		f.Detail = fmt.Sprintf("The store did not answer in time when it was tried out whether %s: %v. Try again when it is less busy.", promise, err)
	case err != nil:
		f.Severity = preservation.Failed
		f.Detail = fmt.Sprintf("The store does not keep the promise that %s: %v. Do not archive there.", promise, err)
	}
	return f
}

// clock measures how far the store's clock is from ours, because a lock ends
// by the store's.
func (p *probe) clock(ctx context.Context, begin time.Time) {
	key := p.prefix + "clock"
	sent := time.Now()
	info, err := p.client.api.PutObject(ctx, p.bucket.name, key, bytes.NewReader([]byte{1}), 1, minio.PutObjectOptions{DisableContentSha256: true})
	var have preservation.Object
	if err == nil {
		have, err = p.client.stat(ctx, p.bucket.name, key, info.VersionID)
	}
	if err == nil {
		err = p.bucket.purge(ctx, key)
	}
	p.slow = min(time.Since(sent), 5*time.Second)
	if err != nil {
		p.note("write", fault(err), "an object can be written, described and removed")
		return
	}
	if d := have.Modified.Sub(sent); d > 2*time.Second || d < -2*time.Second { // the date has whole seconds
		p.ahead = d
	}
	if p.ahead > 5*time.Second || p.ahead < -5*time.Second {
		p.findings = append(p.findings, preservation.Finding{Code: "store-clock", Severity: preservation.Notice, Subject: p.client.config.ProbeBucket,
			Detail: fmt.Sprintf("The clock of the store is %v ahead of this machine's. Locks end by the store's clock: synchronise both.", p.ahead.Round(time.Second))})
	}
}

// probes is where all probes write, each in a folder that is called by its time.
const probes = "probe/"

// tidy removes what probes left before a time that were killed: versions, whose locks
// have ended since, and parts.
func (p *probe) tidy(ctx context.Context, old time.Time) error {
	left := map[string]bool{}
	for v, err := range p.bucket.Versions(ctx, probes) {
		if err != nil {
			return err
		}
		if v.Modified.After(old) {
			continue
		}
		if have, err := p.client.stat(ctx, p.bucket.name, v.Key, v.VersionID); err == nil && have.Hold {
			if err := p.bucket.SetHold(ctx, v.Key, v.VersionID, false); err != nil {
				return err
			}
		}
		left[v.Key] = true
	}
	for key := range left {
		if err := p.bucket.purge(ctx, key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	for u := range p.client.api.ListIncompleteUploads(ctx, p.bucket.name, probes, true) {
		if u.Err != nil {
			return fault(u.Err)
		}
		if u.Initiated.After(old) {
			continue
		}
		if err := p.client.core.AbortMultipartUpload(ctx, p.bucket.name, u.Key, u.UploadID); err != nil && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
			return fmt.Errorf("parts of %s: %w", u.Key, fault(err))
		}
	}
	return nil
}

// soon is the end of a lock that lasts as long as a few requests need, on a store
// that is not slow up to one second more: locks end at whole seconds.
func (p *probe) soon() preservation.Lock {
	l, _ := wholeSeconds(preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(p.ahead + time.Second/2 + 4*p.slow)})
	return l
}

// wait returns when a lock has ended by both clocks.
func (p *probe) wait(ctx context.Context, l preservation.Lock) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(l.Until.Add(-p.ahead)) + 20*time.Millisecond):
		return nil
	}
}

func (p *probe) put(ctx context.Context, name string, body []byte, l preservation.Lock) (preservation.Object, error) {
	sum := sha256.Sum256(body)
	o, err := p.bucket.put(ctx, p.prefix+name, bytes.NewReader(body), preservation.PutOptions{Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Lock: l}, false)
	if err != nil && p.over(l) {
		return o, errExpired // which many a store refuses
	}
	if err != nil {
		return o, fmt.Errorf("write: %w", err)
	}
	return o, nil
}

// over reports whether a lock has ended, or all but, by the store's clock.
func (p *probe) over(l preservation.Lock) bool {
	return time.Now().Add(p.ahead + 50*time.Millisecond).After(l.Until)
}

// kept asks the store, unguarded by our own checks, to remove a version, and
// fails unless it refuses and still has it. A lock without an end has a hold beside it.
func (p *probe) kept(ctx context.Context, o preservation.Object, l preservation.Lock) error {
	err := p.client.api.RemoveObject(ctx, p.bucket.name, o.Key, minio.RemoveObjectOptions{VersionID: o.VersionID})
	if err == nil {
		if p.over(l) {
			return errExpired
		}
		return errors.New("it was removed")
	}
	if _, serr := p.client.stat(ctx, p.bucket.name, o.Key, o.VersionID); serr != nil {
		return fmt.Errorf("removal was refused, but it is gone: %w", serr)
	}
	return nil
}

// lock: a locked object cannot be removed or have its lock shortened, and can
// be removed when the lock is over. It has no bytes, which has its own pitfalls.
func (p *probe) lock(ctx context.Context) (code, promise string, err error) {
	code, promise = "lock", "a locked object stays until its lock ends, and no longer"
	l := p.soon()
	o, err := p.put(ctx, "lock", nil, l)
	if err != nil {
		return
	}
	if err = p.kept(ctx, o, l); err != nil {
		return
	}
	mode, earlier := minio.Compliance, l.Until.Add(-time.Second/4)
	if serr := p.client.api.PutObjectRetention(ctx, p.bucket.name, o.Key, minio.PutObjectRetentionOptions{
		VersionID: o.VersionID, Mode: &mode, RetainUntilDate: &earlier, GovernanceBypass: true,
	}); serr == nil && !p.over(l) {
		if o, err = p.client.stat(ctx, p.bucket.name, o.Key, o.VersionID); err == nil {
			err = sameLock(o, l)
		}
		if err != nil {
			return
		}
	}
	if err = p.wait(ctx, l); err == nil {
		err = p.bucket.purge(ctx, o.Key)
	}
	return
}

// held stands for a hold, which does not end by itself.
var held = preservation.Lock{Until: time.Unix(1<<33, 0)}

// hold: a legal hold protects an object also after its lock has ended.
func (p *probe) hold(ctx context.Context) (code, promise string, err error) {
	code, promise = "hold", "a legal hold outlasts the lock"
	l := p.soon()
	o, err := p.put(ctx, "hold", []byte("hold"), l)
	if err != nil {
		return
	}
	if err = p.bucket.SetHold(ctx, o.Key, o.VersionID, true); err != nil {
		return
	}
	if err = p.wait(ctx, l); err != nil {
		return
	}
	if err = p.kept(ctx, o, held); err != nil {
		return
	}
	if err = p.bucket.SetHold(ctx, o.Key, o.VersionID, false); err == nil {
		err = p.bucket.purge(ctx, o.Key)
	}
	return
}

// condition: If-None-Match and checksums are honoured.
func (p *probe) condition(ctx context.Context) (code, promise string, err error) {
	code, promise = "conditional-put", "an object is never overwritten, and wrong bytes are refused"
	l := p.soon()
	o, err := p.put(ctx, "condition", []byte("first"), l)
	if err != nil {
		return
	}
	switch _, perr := p.put(ctx, "condition", []byte("second"), l); {
	case perr == nil:
		err = errors.New("a second write was accepted")
		return
	case errors.Is(perr, errExpired):
		err = perr
		return
	case !errors.Is(perr, preservation.ErrExists):
		err = fmt.Errorf("second write: %w", perr)
		return
	}
	wrong := sha256.Sum256([]byte("other bytes"))
	opts := minio.PutObjectOptions{DisableContentSha256: true, UserMetadata: checksum(wrong[:])}
	if _, perr := p.client.api.PutObject(ctx, p.bucket.name, p.prefix+"checksum", bytes.NewReader([]byte("bytes")), 5, opts); perr == nil {
		err = errors.Join(errors.New("bytes with a wrong checksum were accepted"), p.bucket.purge(ctx, p.prefix+"checksum"))
		return
	}
	if err = p.wait(ctx, l); err == nil {
		err = p.bucket.purge(ctx, o.Key)
	}
	return
}

// multipart: an object uploaded in parts is locked like any other.
func (p *probe) multipart(ctx context.Context) (code, promise string, err error) {
	code, promise = "multipart-lock", "an object uploaded in parts is locked as well"
	key := p.prefix + "multipart"
	l := p.soon()
	buf := make([]byte, 5<<20) // the smallest part
	info, err := p.client.multipart(ctx, p.bucket.name, key, bytes.NewReader(make([]byte, len(buf)+1)), inMemory(buf), minio.PutObjectOptions{
		Mode: minio.RetentionMode(l.Mode), RetainUntilDate: l.Until,
	})
	if err != nil {
		if p.over(l) {
			err = errExpired
		}
		return
	}
	o, err := p.client.stat(ctx, p.bucket.name, key, info.VersionID)
	if err == nil {
		err = sameLock(o, l)
	}
	if err == nil {
		err = p.kept(ctx, o, l)
	}
	if err != nil {
		return
	}
	if err = p.wait(ctx, l); err == nil {
		err = p.bucket.purge(ctx, key)
	}
	return
}
