package cms

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

// TestManyAttributes: a signer with more attributes, or values of them, than anybody needs
// is not read on.
func TestManyAttributes(t *testing.T) {
	set := func(attributes, values int) cryptobyte.String {
		var b cryptobyte.Builder
		for range attributes {
			b.AddASN1(tag.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(OIDSignatureTimeStamp)
				b.AddASN1(tag.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Repeat([]byte{0x30, 0}, values)) })
			})
		}
		return slices.Clone(b.BytesOrPanic())
	}
	for _, good := range [][2]int{{maxAttributes, 0}, {maxAttributes / 2, 1}, {1, maxAttributes - 1}} {
		if all, err := readAttributes(set(good[0], good[1])); err != nil || len(all) != good[0] || len(all[0].Values) != good[1] {
			t.Errorf("%d attributes of %d values: %d, %v", good[0], good[1], len(all), err)
		}
	}
	for _, bad := range [][2]int{{maxAttributes + 1, 0}, {maxAttributes/2 + 1, 1}, {1, maxAttributes}} {
		if _, err := readAttributes(set(bad[0], bad[1])); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d attributes of %d values: %v", bad[0], bad[1], err)
		}
	}
}
