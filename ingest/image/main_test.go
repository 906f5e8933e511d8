package image_test

import (
	"os"
	"testing"

	"bestand/ingest/image"
)

// TestMain makes the test program the child that reads images, as the product is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == image.ChildArg {
		os.Exit(image.Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}
