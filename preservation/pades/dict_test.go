package pades

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// FuzzDict: whatever follows "<<", the dictionary holds no more than was there,
// and reading ends in time that grows with the length alone.
func FuzzDict(f *testing.F) {
	for _, s := range []string{
		"<</Type/Sig/ByteRange [0 10 20 30]/Contents<3003020101>/M(D:20260102030405Z)>>",
		"<</A#20B/C#zz/D(\\(\\)\\\r\n\\053\\999)/E<4142 4>/F<</G[1 2<<>>]>>/H 1 0 R/I true>>",
		"<</A" + strings.Repeat("[<<", 100), "<<" + strings.Repeat("(", 50), "<</A<fe", "%<<\n<</A%x\r/B>>", "<</A/B/A/C>>", "<</", "<<(\xfe\xff\x00a\xd8\x00)>>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		begin := time.Now()
		room := 0
		for k, v := range parseDict(b) {
			room += len(k) + len(v)
			decodeText(v)
		}
		if room > len(b) {
			t.Errorf("%d bytes in %d", room, len(b))
		}
		if _, more, err := signatures(t.Context(), bytes.NewReader(b), int64(len(b)), 3); err != nil {
			t.Error(err, more)
		}
		if ranges, ok := parseRanges(b); ok && len(ranges) > len(b) {
			t.Errorf("%d numbers in %d bytes", len(ranges), len(b))
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%d bytes took %s", len(b), took)
		}
	})
}
