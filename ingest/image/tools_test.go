package image_test

import (
	"bytes"
	"context"
	"fmt"
	stdimage "image"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bestand/ingest/image"
)

// tool returns the path of a foreign program.
func tool(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return p
}

// write converts an image, checks the result with qpdf and, where it can be
// had, with veraPDF, and returns the path of the PDF.
func write(t *testing.T, b []byte, o image.Options) (string, image.Info) {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "source"), filepath.Join(dir, "page.pdf")
	if err := os.WriteFile(src, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := image.Write(context.Background(), f, src, o)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "qpdf"), "--check", dst).CombinedOutput(); err != nil {
		t.Errorf("qpdf: %v\n%s", err, out)
	}
	return dst, info
}

// render draws a page at a resolution.
func render(t *testing.T, pdf string, page int, dpi float64) stdimage.Image {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(tool(t, "pdftocairo"), "-png", "-singlefile", "-r", fmt.Sprint(dpi), "-f", fmt.Sprint(page), "-l", fmt.Sprint(page), pdf, "-")
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("pdftocairo: %v", err)
	}
	img, err := png.Decode(&out)
	if err != nil {
		t.Fatalf("pdftocairo: %v", err)
	}
	return img
}

// same compares pixels with a tolerance of 8-bit steps for the worst of them
// and a thirtieth on average. JPEG needs one: decoders differ at hard edges.
func same(t *testing.T, got, want stdimage.Image, tolerance float64) {
	t.Helper()
	g, w := got.Bounds(), want.Bounds()
	if g.Dx() != w.Dx() || g.Dy() != w.Dy() {
		t.Fatalf("rendered %v, want %v", g.Size(), w.Size())
	}
	worst, sum := 0.0, 0.0
	for y := range g.Dy() {
		for x := range g.Dx() {
			r1, g1, b1, _ := got.At(g.Min.X+x, g.Min.Y+y).RGBA()
			r2, g2, b2, _ := want.At(w.Min.X+x, w.Min.Y+y).RGBA()
			for _, d := range [][2]uint32{{r1, r2}, {g1, g2}, {b1, b2}} {
				v := math.Abs(float64(d[0])-float64(d[1])) / 257
				worst, sum = max(worst, v), sum+v
			}
		}
	}
	if mean := sum / float64(3*g.Dx()*g.Dy()); worst > tolerance || mean > max(tolerance/30, 1) {
		t.Errorf("pixels differ by up to %.1f, %.2f on average; want at most %.1f", worst, mean, tolerance)
	}
}
