package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
)

// FuzzUploadHeaders lets the headers of resumable uploads say anything. Each
// answer is one that the interface describes, nothing lies outside the folder of
// who sent it, and no more has arrived than was sent.
func FuzzUploadHeaders(f *testing.F) {
	f.Add("POST", "10", "0", "filename YS50eHQ=", "1.0.0", "", "")
	f.Add("POST", "-1", "", "filename", "1.0.0", "1", "")
	f.Add("POST", "9223372036854775807", "", "a ,b YQ==,,a YQ==", "1.0.0", "", "partial")
	f.Add("PATCH", "", "0", "", "1.0.0", "", "")
	f.Add("PATCH", "5", "18446744073709551616", "", "1.0.0", "", "final;/v1/uploads/a /v1/uploads/b")
	f.Add("HEAD", "", "", "", "0.2.2", "x", "")
	f.Add("DELETE", "", "", "", "1.0.0", "", "")
	root := filepath.Join(f.TempDir(), "uploads")
	up, err := newUploads(root, 1<<20, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	s := &server{log: slog.New(slog.DiscardHandler), uploads: up}
	mux := http.NewServeMux()
	for pattern, h := range s.uploadHandlers() {
		mux.HandleFunc(pattern, h)
	}
	who := context.WithValue(context.Background(), principalKey{}, auth.Principal{Tenant: ours, Actor: "../dms"})
	ask := func(method, path string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(who, method, path, strings.NewReader("0123456789"))
		for k, v := range header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, method, length, offset, metadata, version, deferred, concat string) {
		at := ask("POST", "/v1/uploads", http.Header{"Tus-Resumable": {"1.0.0"}, "Upload-Length": {"100"}}).Header().Get("Location")
		if !strings.HasPrefix(at, "/v1/uploads/") {
			t.Fatalf("Location %q", at)
		}
		header := http.Header{}
		for _, h := range [][2]string{{"Tus-Resumable", version}, {"Upload-Length", length}, {"Upload-Offset", offset}, {"Upload-Metadata", metadata},
			{"Upload-Defer-Length", deferred}, {"Upload-Concat", concat}} {
			if h[1] != "" {
				header.Set(h[0], h[1])
			}
		}
		path := at
		switch method {
		case "POST":
			path = "/v1/uploads"
		case "PATCH":
			header.Set("Content-Type", "application/offset+octet-stream")
		case "HEAD", "DELETE":
		default:
			return
		}
		v := ask(method, path, header)
		if v.Code >= 500 && v.Code != http.StatusNotImplemented {
			t.Errorf("%s: %d %s", method, v.Code, v.Body)
		}
		var p Problem
		if err := json.Unmarshal(v.Body.Bytes(), &p); v.Code >= 400 && (err != nil || p.Status != v.Code) {
			t.Errorf("%s: %d as %q", method, v.Code, v.Body)
		}
		err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			id, _, _ := strings.Cut(filepath.Base(p), ".")
			if rel, _ := filepath.Rel(root, p); strings.Count(rel, "/") != 2 || !uploadID.MatchString(id) {
				t.Errorf("left %s", rel)
			}
			if stat, err := d.Info(); err != nil || filepath.Base(p) == id && stat.Size() > 10 {
				t.Errorf("%d bytes arrived: %v", stat.Size(), err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
	})
}
