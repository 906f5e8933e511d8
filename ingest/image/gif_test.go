package image

import (
	stdimage "image"
	"image/color"
	"testing"
)

// A frame that is smaller than the screen stays where it is.
func TestFrameOnScreen(t *testing.T) {
	green := color.NRGBA{0, 255, 0, 255}
	frame := stdimage.NewPaletted(stdimage.Rect(2, 0, 4, 2), color.Palette{green})
	whole := onScreen(frame, 6, 3)
	if whole.Bounds() != stdimage.Rect(0, 0, 6, 3) {
		t.Fatalf("bounds %v", whole.Bounds())
	}
	for y := range 3 {
		for x := range 6 {
			if inside := x >= 2 && x < 4 && y < 2; inside != (whole.At(x, y) == green) {
				t.Errorf("%d,%d: %v", x, y, whole.At(x, y))
			}
		}
	}
	if full := stdimage.NewPaletted(stdimage.Rect(0, 0, 6, 3), color.Palette{green}); onScreen(full, 6, 3) != stdimage.Image(full) {
		t.Error("a whole frame was copied")
	}
}
