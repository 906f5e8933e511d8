package api

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	tus "github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	"golang.org/x/exp/slog" // tusd's idea of a logger

	"bestand/api/auth"
	"bestand/preservation"
)

// uploads keeps resumable uploads (tus 1.0.0) until a submission names them or
// they expire: in a folder for each tenant, and in it for each actor, since what
// others are sending does not exist for anybody.
type uploads struct {
	root    string
	now     func() time.Time
	handler *tus.UnroutedHandler
}

// uploadLife is how long an upload stays after its last byte.
const uploadLife = 7 * 24 * time.Hour

func newUploads(root string, maxBytes int64, now func() time.Time) (*uploads, error) {
	u := &uploads{root: root, now: now}
	composer := tus.NewStoreComposer()
	composer.UseCore(u)
	composer.UseTerminater(u)
	composer.UseLengthDeferrer(u)
	memorylocker.New().UseIn(composer)
	var err error
	u.handler, err = tus.NewUnroutedHandler(tus.Config{
		StoreComposer:              composer,
		BasePath:                   "/v1/uploads/",
		MaxSize:                    maxBytes,
		DisableDownload:            true,
		Cors:                       &tus.CorsConfig{Disable: true},
		NetworkTimeout:             bodyWindow,
		PreFinishResponseCallback:  u.finished,
		PreUploadTerminateCallback: u.terminated,
		Logger:                     slog.New(slog.NewTextHandler(io.Discard, nil)), // the access log has it
	})
	return u, err
}

var uploadID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// NewUpload implements tus.DataStore in the folder of whoever asks.
func (u *uploads) NewUpload(ctx context.Context, info tus.FileInfo) (tus.Upload, error) {
	folder := u.folder(principal(ctx))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return filestore.New(folder).NewUpload(ctx, info)
}

// GetUpload implements tus.DataStore: those of others are in other folders.
func (u *uploads) GetUpload(ctx context.Context, id string) (tus.Upload, error) {
	if !uploadID.MatchString(id) {
		return nil, tus.ErrNotFound
	}
	return filestore.New(u.folder(principal(ctx))).GetUpload(ctx, id)
}

// AsTerminatableUpload implements tus.TerminaterDataStore.
func (u *uploads) AsTerminatableUpload(up tus.Upload) tus.TerminatableUpload {
	return filestore.FileStore{}.AsTerminatableUpload(up)
}

// AsLengthDeclarableUpload implements tus.LengthDeferrerDataStore.
func (u *uploads) AsLengthDeclarableUpload(up tus.Upload) tus.LengthDeclarableUpload {
	return filestore.FileStore{}.AsLengthDeclarableUpload(up)
}

// folder is named by the actor's digest, since an actor may be called anything.
func (u *uploads) folder(who auth.Principal) string {
	sum := sha256.Sum256([]byte(who.Actor))
	return filepath.Join(u.root, string(who.Tenant), hex.EncodeToString(sum[:16]))
}

// finished makes an upload durable before its last bytes are acknowledged.
func (u *uploads) finished(e tus.HookEvent) (tus.HTTPResponse, error) {
	_, err := u.settle(u.folder(principal(e.Context)), e.Upload.ID)
	return tus.HTTPResponse{}, err
}

// terminated removes what settle put beside an upload that is given up.
func (u *uploads) terminated(e tus.HookEvent) (tus.HTTPResponse, error) {
	err := os.Remove(filepath.Join(u.folder(principal(e.Context)), e.Upload.ID+".sums"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return tus.HTTPResponse{}, err
}

// settle syncs a complete upload to the disk and notes its digests beside it.
func (u *uploads) settle(folder, id string) (sums preservation.Digests, err error) {
	path := filepath.Join(folder, id)
	f, err := os.Open(path)
	if err != nil {
		return sums, err
	}
	defer f.Close()
	if sums, err = digest(f); err != nil {
		return sums, err
	}
	text, err := json.Marshal(sums)
	if err != nil {
		return sums, err
	}
	if err := os.WriteFile(path+".part", text, 0o600); err != nil {
		return sums, err
	}
	// What describes it is as durable as its bytes: tusd has synced neither.
	for _, p := range []string{path, path + ".info", path + ".part"} {
		if err := syncFile(p); err != nil {
			return sums, err
		}
	}
	if err := os.Rename(path+".part", path+".sums"); err != nil {
		return sums, err
	}
	return sums, errors.Join(syncFile(folder), syncFile(filepath.Dir(folder)), syncFile(u.root))
}

// syncFile brings a file, or the names in a folder, to the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func digest(r io.Reader) (sums preservation.Digests, err error) {
	a, b := sha256.New(), sha512.New()
	_, err = io.Copy(io.MultiWriter(a, b), r)
	return preservation.Digests{SHA256: hex.EncodeToString(a.Sum(nil)), SHA512: hex.EncodeToString(b.Sum(nil))}, err
}

// upload is a finished one, to be read.
type upload struct {
	*os.File
	sums preservation.Digests
}

// compare reports whether what was read is what had arrived.
func (u *upload) compare(have preservation.Digests) error {
	if have != u.sums {
		return fmt.Errorf("upload %s changed on disk: %w", filepath.Base(u.Name()), preservation.ErrCorrupt)
	}
	return nil
}

// open opens a finished upload of an actor. A fault says what is wrong with it.
func (u *uploads) open(who auth.Principal, id string) (*upload, error) {
	unknown := kind{422, "unknown-upload", ""}.because("there is no such upload")
	if !uploadID.MatchString(id) {
		return nil, unknown
	}
	path := filepath.Join(u.folder(who), id)
	info, err := os.ReadFile(path + ".info")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown
	}
	var about tus.FileInfo
	if err == nil {
		err = json.Unmarshal(info, &about)
	}
	if err != nil {
		return nil, fmt.Errorf("upload %s: %w", id, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("upload %s: %w", id, err)
	}
	stat, err := f.Stat()
	if err == nil && (about.SizeIsDeferred || stat.Size() != about.Size) {
		err = kind{422, "unfinished-upload", ""}.because("%d bytes have arrived, the upload is not finished", stat.Size())
	}
	up := &upload{File: f}
	if err == nil {
		up.sums, err = u.sums(u.folder(who), id)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return up, nil
}

// sums reads the digests noted when the upload was finished. They are missing
// when the program died between the last byte and the note.
func (u *uploads) sums(folder, id string) (sums preservation.Digests, err error) {
	text, err := os.ReadFile(filepath.Join(folder, id+".sums"))
	if errors.Is(err, fs.ErrNotExist) {
		return u.settle(folder, id)
	}
	if err == nil {
		err = json.Unmarshal(text, &sums)
	}
	return sums, err
}

// expire removes the uploads of all tenants that received nothing for uploadLife.
func (u *uploads) expire(ctx context.Context) error {
	before := u.now().Add(-uploadLife)
	var all error
	err := filepath.WalkDir(u.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		// A crash leaves bytes without a description, and the other way round.
		name, _, _ := strings.Cut(d.Name(), ".")
		if d.IsDir() || !uploadID.MatchString(name) {
			return nil
		}
		bytes := filepath.Join(filepath.Dir(path), name)
		stat, err := os.Stat(bytes)
		if errors.Is(err, fs.ErrNotExist) {
			stat, err = os.Stat(path)
		}
		if err == nil && stat.ModTime().After(before) {
			return nil
		}
		for _, p := range []string{bytes, bytes + ".sums", bytes + ".part", bytes + ".info"} {
			if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				all = errors.Join(all, err)
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // there was no upload yet
	}
	return errors.Join(err, all)
}

// serveUploads puts tusd behind the rows of the table that are its own.
func (s *server) serveUploads(t table) {
	for pattern, h := range s.uploadHandlers() {
		t.HandleFunc(pattern, h)
	}
}

// uploadHandlers are the handlers of resumable uploads by pattern.
func (s *server) uploadHandlers() map[string]http.HandlerFunc {
	h := s.uploads.handler
	all := map[string]http.HandlerFunc{
		"OPTIONS /v1/uploads":     func(http.ResponseWriter, *http.Request) {}, // tusd's middleware answers
		"POST /v1/uploads":        h.PostFile,
		"HEAD /v1/uploads/{id}":   h.HeadFile,
		"PATCH /v1/uploads/{id}":  h.PatchFile,
		"DELETE /v1/uploads/{id}": h.DelFile,
	}
	for pattern, f := range all {
		inner := http.StripPrefix("/v1/uploads", h.Middleware(f))
		all[pattern] = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upload-Checksum") != "" { // whoever sends it relies on its being compared
				s.fail(w, r, badParameter.in(fieldError("Upload-Checksum", "unsupported", "the checksum extension is not offered: name sha256 in the submission")))
				return
			}
			answer := &tusAnswer{ResponseWriter: w}
			inner.ServeHTTP(answer, r)
			if answer.status != 0 {
				s.fail(w, r, answer.fault())
			}
		}
	}
	return all
}

// tusAnswer keeps back tusd's errors, which are lines of text, and makes
// Location a path: only the client knows by which name it reached us.
type tusAnswer struct {
	http.ResponseWriter
	status int // of an error kept back
	text   strings.Builder
}

// Unwrap lets http.ResponseController reach the connection.
func (w *tusAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tusAnswer) WriteHeader(status int) {
	if status >= 400 {
		w.status = status
		return
	}
	if u, err := url.Parse(w.Header().Get("Location")); err == nil && u.Path != "" {
		w.Header().Set("Location", u.Path)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *tusAnswer) Write(b []byte) (int, error) {
	if w.status == 0 {
		return w.ResponseWriter.Write(b)
	}
	w.text.Write(b[:min(len(b), 500)])
	return len(b), nil
}

func (w *tusAnswer) fault() error {
	detail := strings.TrimSpace(w.text.String())
	switch w.status {
	case http.StatusNotFound, http.StatusGone:
		return notFound.because("")
	case http.StatusRequestEntityTooLarge:
		return tooLarge.because("%s", detail)
	case http.StatusUnsupportedMediaType:
		return wrongType.because("%s", detail)
	case http.StatusInternalServerError:
		if strings.Contains(detail, "no space left") {
			return full.because("the upload can be resumed later")
		}
		return errors.New("tus: " + detail)
	}
	return kind{w.status, "tus", http.StatusText(w.status)}.because("%s", detail)
}
