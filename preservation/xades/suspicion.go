package xades

import (
	"bytes"
	"io"
	"regexp"
	"strings"
)

// marks are what a document with XML signatures has, one of them at least, in every
// encoding that agrees with ASCII: names of elements know no other way to be written,
// unless they stand in an entity.
var marks = []string{"Signature", "xmldsig", "<!ENTITY"}

// Suspect says whether a document of any size may have XML signatures, for Verify to
// judge: what it does not suspect has none.
func Suspect(r io.Reader) (bool, error) {
	b := make([]byte, 64<<10)
	for kept, first := 0, true; ; {
		n, err := r.Read(b[kept:])
		if err != nil && err != io.EOF {
			return false, err
		}
		// Without its zeros UTF-16 and UTF-32 is ASCII where that can say it.
		n = kept + copy(b[kept:], bytes.ReplaceAll(b[kept:kept+n], []byte{0}, nil))
		for _, m := range marks {
			if bytes.Contains(b[:n], []byte(m)) {
				return true, nil
			}
		}
		if first && (n >= 200 || err == io.EOF) {
			if first = false; foreign(b[:n]) {
				return true, nil
			}
		}
		if err == io.EOF {
			return false, nil
		}
		if !first {
			kept = copy(b, b[max(0, n-20):n]) // a mark may stand on the border
		} else {
			kept = n
		}
	}
}

// agreeing are encodings that agree with ASCII once their zeros are gone.
var agreeing = regexp.MustCompile(`^(utf-(8|16|16le|16be|32|32le|32be)|us-ascii|ascii|iso-8859-\d+|windows-125\d)$`)

var declared = regexp.MustCompile(`^[^<]{0,4}<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)["']`)

// foreign says whether the start of a document may hide what it says from a search.
func foreign(start []byte) bool {
	if bytes.HasPrefix(start, []byte("\x4c\x6f\xa7\x94")) { // "<?xm" in EBCDIC (XML 1.0, F.1)
		return true
	}
	m := declared.FindSubmatch(start)
	return m != nil && !agreeing.MatchString(strings.ToLower(string(m[1])))
}
