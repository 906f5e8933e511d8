package image

import (
	"bytes"
	"fmt"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// A Word is recognised text and the box around it in pixels of the image as
// it is stored, from the upper left corner.
type Word struct {
	Text                string
	X, Y, Width, Height int
}

// Courier need not be embedded because it is never seen: ISO 19005-2,
// 6.2.11.4.1 excepts fonts that are used in rendering mode 3 only.
const fontDict = "<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding>>"

const courierAdvance = 0.6 // of the size, for every character

// writeWords lays invisible text over the words of a page that is high units
// tall; sx and sy are units a pixel. What WinAnsi cannot write becomes "?".
func writeWords(c *bytes.Buffer, words []Word, sx, sy, high float64) {
	enc := encoding.ReplaceUnsupported(charmap.Windows1252.NewEncoder())
	c.WriteString("q BT 3 Tr\n")
	for _, w := range words {
		s, err := enc.Bytes([]byte(w.Text))
		size := float64(w.Height) * sy
		if err != nil || len(s) == 0 || w.Width <= 0 || size < 0.1 {
			continue
		}
		stretch := 100 * float64(w.Width) * sx / (courierAdvance * size * float64(len(s)))
		fmt.Fprintf(c, "/T %s Tf %s Tz 1 0 0 1 %s %s Tm <%X> Tj\n", num(size), num(stretch),
			num(float64(w.X)*sx), num(high-float64(w.Y+w.Height)*sy+0.2*size), append(s, ' '))
	}
	c.WriteString("ET Q\n")
}
