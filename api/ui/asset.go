package ui

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed asset
var assetFiles embed.FS

// assets serves what pages need beside HTML. The address of each holds a digest of
// all, so that browsers may keep them for ever.
type assets struct {
	digest string
	files  map[string]asset
}

type asset struct {
	media         string
	plain, packed []byte // packed is nil where that gains nothing
}

func openAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}}
	var all bytes.Buffer
	err := fs.WalkDir(assetFiles, "asset", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := assetFiles.ReadFile(name)
		if err != nil {
			return err
		}
		all.WriteString(name)
		all.Write(b)
		f := asset{plain: b}
		switch path.Ext(name) {
		case ".woff2":
			f.media = "font/woff2"
		case ".svg":
			f.media = "image/svg+xml"
		case ".css":
			f.media = "text/css; charset=utf-8"
		case ".js":
			f.media = "text/javascript; charset=utf-8"
		default:
			f.media = "text/plain; charset=utf-8"
		}
		if packed := squeeze(b); len(packed) < len(b)*9/10 {
			f.packed = packed
		}
		a.files[strings.TrimPrefix(name, "asset/")] = f
		return nil
	})
	a.digest = short(all.Bytes())
	return a, err
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed+4) // a level that there is
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// url is where an asset is.
func (a *assets) url(name string) string { return "/asset/" + a.digest + "/" + name }

// ServeHTTP answers with an asset, under the digest of a former version too.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	digest, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/asset/"), "/")
	f, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Vary", "Accept-Encoding")
	if digest == a.digest {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.plain
	if f.packed != nil && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	w.Write(body)
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}
