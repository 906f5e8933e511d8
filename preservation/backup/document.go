package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"bestand/preservation"
)

// document reads a configured document. preservation.ErrCorrupt and ErrUnreadable mean that
// it is none any more.
func (r *Run) document(t preservation.TenantID, e Entry) (d preservation.ConfigObject, err error) {
	f, err := r.open(t, e)
	if err != nil {
		return d, err
	}
	defer f.Close()
	if e.Size > preservation.MaxConfigObject {
		return d, fmt.Errorf("%d bytes, at most %d were expected: %w", e.Size, preservation.MaxConfigObject, preservation.ErrUnreadable)
	}
	data, err := io.ReadAll(io.LimitReader(f, preservation.MaxConfigObject))
	if err != nil {
		return d, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return d, fmt.Errorf("the copy %s has SHA-256 %x, stored was %s: %w", f.Name(), sum, e.SHA256, preservation.ErrCorrupt)
	}
	return preservation.DecodeConfigObject(data)
}

// Documents yields the configured documents of a kind. What is damaged is left out:
// bringing it back says so.
func (r *Run) Documents(t preservation.TenantID, kind string) iter.Seq2[preservation.ConfigObject, error] {
	return func(yield func(preservation.ConfigObject, error) bool) {
		for e, err := range r.Entries(t) {
			if err == nil && !strings.HasPrefix(e.Key, documents) {
				continue
			}
			var d preservation.ConfigObject
			if err == nil {
				d, err = r.document(t, e)
			}
			if damaged(err) || err == nil && d.Kind != kind {
				continue
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// damaged tells objects that cannot be had any more from a restore that cannot go on.
func damaged(err error) bool {
	return errors.Is(err, preservation.ErrCorrupt) || errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, fs.ErrNotExist)
}
