package objectstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/s3response"
)

// BenchmarkListing lists empty objects in one folder in pages of a thousand, and
// has the backend answer ten of the same pages.
func BenchmarkListing(b *testing.B) {
	for _, n := range []int{20_000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := openTestIn(b, false)
			fill(b, filepath.Join(d.folder.objects, "b", "cfg"), n)
			page := func(by func(*s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error), key, version string) s3response.ListVersionsResult {
				out, err := by(ask("b", "cfg/", key, version, 1000))
				if err != nil {
					b.Fatal(err)
				}
				return out
			}
			mine := func(in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
				return d.ListObjectVersions(b.Context(), in)
			}
			theirs := func(in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
				return d.Posix.ListObjectVersions(b.Context(), in)
			}
			for b.Loop() {
				var ours, backends time.Duration
				seen, pages, compared := 0, 0, 0
				key, version := "", ""
				for more := true; more; pages++ {
					start := time.Now()
					out := page(mine, key, version)
					ours += time.Since(start)
					seen += len(out.Versions)
					if pages%max(n/10_000, 1) == 0 && len(out.Versions) > 0 {
						start = time.Now()
						compared += len(page(theirs, key, version).Versions)
						backends += time.Since(start)
					}
					key, version, more = aws.ToString(out.NextKeyMarker), aws.ToString(out.NextVersionIdMarker), *out.IsTruncated
				}
				if seen != n {
					b.Fatalf("%d objects are listed of %d", seen, n)
				}
				own, other := float64(ours.Microseconds())/float64(seen), float64(backends.Microseconds())/float64(compared)
				b.ReportMetric(own, "µs/object")
				b.ReportMetric(other, "backend-µs/object")
				b.ReportMetric(own/other, "ratio")
			}
		})
	}
}

// fill makes objects as the backend would, but for their number's sake faster.
func fill(b *testing.B, dir string, n int) {
	b.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range n {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%08d.json", i)))
		if err != nil {
			b.Fatal(err)
		}
		for name, value := range map[string]string{"etag": `"d41d8cd98f00b204e9800998ecf8427e"`, "version-id": fmt.Sprintf("01M81CJFSGBY61WP92%08d", i), "checksums": `{"Algorithm":"CRC64NVME","Type":"FULL_OBJECT"}`} {
			if err := (meta.XattrMeta{}).StoreAttribute(file, "", "", name, []byte(value)); err != nil {
				b.Fatal(err)
			}
		}
		if err := file.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
