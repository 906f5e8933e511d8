package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/backup"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
	"bestand/preservation/verdict"
	"bestand/retention"
)

// restoringFile stands in a data folder while a restore is not finished, and says what
// it is made of.
const restoringFile = "restoring.json"

// refuseRestoring keeps everything but a restore from a data folder of which a part may
// be missing.
func refuseRestoring(cfg *Config) error {
	if _, err := os.Stat(cfg.path(restoringFile)); err == nil && !cfg.restoring {
		return fmt.Errorf("data folder %s: a restore has not come to its end; run bestand restore again", cfg.Data)
	}
	return nil
}

// restoreCommand brings a backup into an empty data folder and empty buckets.
func restoreCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("restore", stderr)
	passphrase := fs.String("passphrase-file", "", "`file` with the passphrase of the backup")
	newer := fs.String("newer", "", "`folder` of a later backup of the same archive: what was destroyed by then does not come back")
	damaged := fs.Bool("accept-damage", false, "end the restore although objects of the backup are damaged")
	cfg, err := loadConfig(fs, args)
	if err != nil {
		return err
	}
	secret, err := readSecret(*passphrase)
	if err != nil {
		return err
	}
	if fs.NArg() != 1 || secret == "" {
		fs.Usage()
		return usageError{errors.New("the folder of a backup and --passphrase-file are needed")}
	}
	r := restoration{cfg: cfg, stdout: stdout, accept: *damaged}
	defer r.close()
	if err := r.read(fs.Arg(0), *newer, secret); err != nil {
		return err
	}
	if err := r.prepare(); err != nil {
		return noRoom(err)
	}
	cfg.restoring = true
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if err != nil {
		return noRoom(err)
	}
	return errors.Join(noRoom(r.run(ctx, a)), a.close())
}

// noRoom says in words what to do about a restore that has none.
func noRoom(err error) error {
	for _, full := range []error{preservation.ErrFull, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, full) {
			return fmt.Errorf("no room left for the restore: make some and run it again, what is back counts: %w", err)
		}
	}
	return err
}

// restoration is a restore under way.
type restoration struct {
	cfg     *Config
	stdout  io.Writer
	accept  bool // of damage
	folders []*backup.Folder
	mark    restoreMark
	from    *backup.Run
	newer   *backup.Run // nil: none
	secrets []backup.Secret
	anchors []byte // trust anchors of the later backup, as PEM
	again   bool   // it goes on
}

func (r *restoration) close() {
	for _, f := range r.folders {
		f.Close()
	}
}

// read opens the backup and the newer one, and believes both by the keys that the
// passphrase opens.
func (r *restoration) read(dir, newer, passphrase string) error {
	var seal []byte
	var head []byte
	var err error
	if r.from, head, seal, err = r.open(dir); err != nil {
		return err
	}
	r.mark = restoreMark{Backup: digest(head), Copy: r.cfg.copyPlace()}
	if r.secrets, err = r.from.Decrypt(passphrase); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	roots := x509.NewCertPool()
	trust(roots, r.secrets)
	if r.cfg.TrustFile != "" {
		given, err := readCertificates(r.cfg.TrustFile)
		if err != nil {
			return err
		}
		for _, c := range given {
			roots.AddCert(c)
		}
	}
	if err := sealedBy(head, seal, roots, r.from); err != nil || newer == "" {
		return err
	}
	if r.newer, head, seal, err = r.open(newer); err != nil {
		return err
	}
	if r.newer.Made.Before(r.from.Made) {
		return fmt.Errorf("the backup in %s is of %s, and older than the one to restore, of %s", newer, stamp(r.newer.Made), stamp(r.from.Made))
	}
	// Since the first backup the archive may have got another authority. That it is its own
	// says what only the passphrase opens.
	secrets, err := r.newer.Decrypt(passphrase)
	if err != nil && !errors.Is(err, backup.ErrPassphrase) {
		return fmt.Errorf("%s: %w", newer, err)
	}
	other := err != nil
	trust(roots, secrets)
	for _, s := range secrets {
		if s.Name == secretAnchors {
			r.anchors = s.Content
		}
	}
	if err := sealedBy(head, seal, roots, r.newer); err != nil {
		if other {
			err = fmt.Errorf("%w; or make the later backup with the passphrase of the earlier one, which opens the certificates in it", err)
		}
		return fmt.Errorf("%s: %w", newer, err)
	}
	if err := r.newer.Succeeds(r.from, retention.Forgets); err != nil {
		return fmt.Errorf("%s: %w", newer, err)
	}
	r.mark.Newer, r.mark.NewerMade = digest(head), r.newer.Made
	return nil
}

// restoreMark says what a restore is made of. With less than it began with it is not
// finished: what was destroyed would be back.
type restoreMark struct {
	Backup    string    `json:"backup"`          // SHA-256 of its head, in hex
	Newer     string    `json:"newer,omitempty"` // likewise, of the later backup
	NewerMade time.Time `json:"newer_made,omitzero"`
	Copy      string    `json:"copy,omitempty"` // where the second copy is
	// LogEnds are the last entries of the audit logs in the backup, by tenant.
	LogEnds map[preservation.TenantID]int64 `json:"log_ends,omitempty"`
}

func digest(head []byte) string {
	sum := sha256.Sum256(head)
	return hex.EncodeToString(sum[:])
}

// goesOn refuses to finish what was begun before with something else. A second copy may
// be gone by now, if a person says so.
func (m restoreMark) goesOn(before restoreMark, copyGone bool) error {
	switch {
	case m.Backup != before.Backup:
		return errors.New("another backup was being restored into it; go on with that one, or empty the folder and the buckets")
	case before.Newer != "" && m.Newer != before.Newer && !m.NewerMade.After(before.NewerMade):
		return fmt.Errorf("the restore was begun with --newer and a backup of %s; go on with that one or with a later one", stamp(before.NewerMade))
	case before.Copy != "" && m.Copy != before.Copy && !copyGone:
		return fmt.Errorf("the restore was begun with the second copy at %s; name it (--copy-endpoint), or say that it is gone (--copy-gone)", before.Copy)
	}
	return nil
}

// trust adds the trust anchors that a backup holds.
func trust(roots *x509.CertPool, secrets []backup.Secret) {
	for _, s := range secrets {
		if s.Name == secretAnchors {
			roots.AppendCertsFromPEM(s.Content)
		}
	}
}

func (r *restoration) open(dir string) (run *backup.Run, head, seal []byte, err error) {
	f, err := backup.Read(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	r.folders = append(r.folders, f)
	return f.Current()
}

// prepare puts keys and catalog into the data folder, which must be empty or that of the
// same restore.
func (r *restoration) prepare() error {
	lock, err := lockFolder(r.cfg.Data)
	if err != nil {
		return err
	}
	defer lock.Close()
	path := r.cfg.path(restoringFile)
	before, err := os.ReadFile(path)
	switch {
	case err == nil:
		var begun restoreMark
		if err := json.Unmarshal(before, &begun); err != nil {
			return fmt.Errorf("%s: %w: empty the folder and the buckets and begin anew", path, err)
		}
		if err := r.mark.goesOn(begun, r.cfg.CopyGone); err != nil {
			return fmt.Errorf("data folder %s: %w", r.cfg.Data, err)
		}
		r.again, r.mark.LogEnds = true, begun.LogEnds
	case !errors.Is(err, os.ErrNotExist):
		return err
	default:
		entries, err := os.ReadDir(r.cfg.Data)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Name() != "lock" {
				return fmt.Errorf("data folder %s is not empty: there is %s; a restore goes into an empty one", r.cfg.Data, e.Name())
			}
		}
	}
	if err := r.writeMark(); err != nil {
		return err
	}
	if err := r.putSecrets(); err != nil {
		return fmt.Errorf("restore keys: %w", err)
	}
	catalog := r.cfg.path("catalog.db")
	if _, err := os.Stat(catalog); err == nil || r.cfg.Catalog != "" {
		return nil
	}
	return r.from.CopyCatalog(catalog)
}

func (r *restoration) writeMark() error {
	mark, err := json.Marshal(r.mark)
	if err != nil {
		return err
	}
	return writeDurably(r.cfg.path(restoringFile), mark)
}

// logEnds notes with which entry the audit log of each tenant ends in the backup, before
// anything later comes to it.
func (r *restoration) logEnds(ctx context.Context, a *archive) error {
	if r.mark.LogEnds != nil {
		return nil
	}
	ends := map[preservation.TenantID]int64{}
	for _, t := range r.from.Tenants {
		last, err := a.catalog.Tenant(t.ID).AuditLatest(ctx, 0, "", 1)
		if err != nil {
			return err
		}
		for _, e := range last {
			ends[t.ID] = e.Seq
		}
		for e, err := range r.from.Entries(t.ID) {
			if err != nil {
				return err
			}
			if _, to, ok := audit.ParseName(path.Base(e.Key)); ok && strings.HasPrefix(e.Key, audit.Prefix) {
				ends[t.ID] = max(ends[t.ID], to)
			}
		}
	}
	r.mark.LogEnds = ends
	return r.writeMark()
}

// laterAnchors are the trust anchors of a later backup from which a restore took what
// came to records: the archive may have got another authority since.
const laterAnchors = "anchors-of-later-backup.pem"

// settingsFile is where a restore leaves the settings that the backup was made with.
const settingsFile = "settings-of-backup.yaml"

func (r *restoration) putSecrets() error {
	// Keys are opened as a whole: the folder gets its name when all are there.
	keys, tmp := r.cfg.path("keys"), r.cfg.path("keys.restoring")
	_, err := os.Stat(keys)
	there := err == nil
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	for _, s := range r.secrets {
		path := ""
		name, key := strings.CutPrefix(s.Name, secretKeys)
		switch {
		case key:
			path = filepath.Join(tmp, filepath.Base(name))
		case s.Name == secretSettings:
			path = r.cfg.path(settingsFile)
		case s.Name == tokenFile:
			path = r.cfg.path(tokenFile)
		default:
			continue
		}
		if err := writeDurably(path, s.Content); err != nil {
			return err
		}
	}
	if r.anchors != nil {
		if err := writeDurably(r.cfg.path(laterAnchors), r.anchors); err != nil {
			return err
		}
	}
	if there {
		return os.RemoveAll(tmp)
	}
	if err := os.Rename(tmp, keys); err != nil {
		return err
	}
	return syncFolder(keys)
}

// decides reports whether documents of a kind that came after the backup belong to a
// restore: what they say about destruction holds.
func decides(kind string) bool { return kind == replica.KindCopy || retention.Decides(kind) }

// knowsCopies wants the configuration to name every second copy that the backups tell of,
// and the catalog, which is not in the backup where it is elsewhere than in the data folder.
func (r *restoration) knowsCopies(ctx context.Context, a *archive, t preservation.TenantID) error {
	if a.cfg.CopyGone {
		return nil
	}
	var docs []preservation.ConfigObject
	for _, run := range []*backup.Run{r.from, r.newer} {
		if run == nil {
			continue
		}
		for d, err := range run.Documents(t, replica.KindCopy) {
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
	}
	places, err := replica.Told(docs)
	if err != nil {
		return err
	}
	if err := a.names(places); err != nil {
		return err
	}
	return a.knowsCopies(ctx, a.catalog.Tenant(t))
}

// run brings the objects back, then the catalog to what they say.
func (r *restoration) run(ctx context.Context, a *archive) error {
	restore := &backup.Restore{Run: r.from, Newer: r.newer, Stays: retention.IsProof, Decides: decides, Now: a.now}
	if a.second != nil {
		restore.Second = func(ctx context.Context, t preservation.TenantID) (preservation.Store, error) {
			return a.second.bucket(ctx, t)
		}
	}
	for _, t := range r.from.Tenants {
		if err := r.knowsCopies(ctx, a, t.ID); err != nil {
			return fmt.Errorf("tenant %s: %w", t.ID, err)
		}
	}
	for _, t := range r.from.Tenants {
		store, err := a.bucket(ctx, t.ID)
		if err != nil {
			return err
		}
		if stray, err := restore.Stray(ctx, t.ID, store, r.again); err != nil {
			return err
		} else if stray != "" {
			return fmt.Errorf("bucket %s is not empty: there is %s; a restore goes into empty ones: empty the data folder as well, and name others (--s3-bucket-prefix). bestand rebuild restores the catalog of buckets that live", a.bucketName(t.ID), stray)
		}
	}
	if err := r.logEnds(ctx, a); err != nil {
		return err
	}
	bad, later := 0, map[preservation.TenantID]bool{}
	for _, t := range r.from.Tenants {
		store, err := a.bucket(ctx, t.ID)
		if err != nil {
			return err
		}
		tenant := a.catalog.Tenant(t.ID)
		start := time.Now()
		done, err := restore.Bucket(ctx, t.ID, store, func(moved []backup.Moved) error {
			return tenant.Update(ctx, func(x *catalog.Tx) error {
				for _, m := range moved {
					if err := x.ObjectMoved(m.Record, m.Key, m.VersionID); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return fmt.Errorf("tenant %s: %w", t.ID, err)
		}
		fmt.Fprintf(r.stdout, "%s: %d objects with %d bytes are back and read back in %s; %d of destroyed records stay away\n",
			t.ID, done.Objects, done.Bytes, time.Since(start).Round(time.Millisecond), done.Destroyed)
		if done.Lost > 0 {
			fmt.Fprintf(r.stdout, "  %d of them were gone from their bucket when the backup was made\n", done.Lost)
		}
		later[t.ID] = done.Newer > 0 || done.Grown > 0
		if done.Newer > 0 {
			fmt.Fprintf(r.stdout, "  versions of classification, rules, holds and permits that are later than the backup: %d\n", done.Newer)
		}
		if done.Grown > 0 {
			fmt.Fprintf(r.stdout, "  versions and events of its records that are later than the backup: %d\n", done.Grown)
		}
		if done.Audit > 0 {
			fmt.Fprintf(r.stdout, "  %d segments and seals of the audit log are later than the backup\n", done.Audit)
		}
		unfinished, err := tenant.ForgetUnfinished(ctx)
		if err != nil {
			return fmt.Errorf("tenant %s: %w", t.ID, err)
		}
		if unfinished > 0 {
			fmt.Fprintf(r.stdout, "  %d submissions were not archived when the catalog was copied: of which there is no receipt their senders have to send again\n", unfinished)
		}
		for _, f := range done.Failed {
			fmt.Fprintf(r.stdout, "  %-7s %s: %s: %s\n", f.Severity, f.Code, verdict.Legible(f.Subject), f.Detail)
		}
		bad += len(done.Failed)
	}
	if bad > 0 && !r.accept {
		return fmt.Errorf("%d objects of the backup are damaged or missing, or later ones beside it; everything else is back. Put sound copies there and run this again, or end it with --accept-damage", bad)
	}
	// It destroys in the catalog what has a tombstone, adds what came after the catalog was
	// copied, and evaluates all by the rules and holds that came back.
	problems, err := a.rebuild(ctx, nil, false, r.stdout)
	if err != nil {
		return err
	}
	rebuilt := unread(problems)
	if rebuilt != nil && !r.accept {
		return rebuilt
	}
	for _, t := range r.from.Tenants {
		tenant := a.catalog.Tenant(t.ID)
		if err := replica.SurveyAgain(ctx, tenant); err != nil {
			return err
		}
		begun, err := tenant.View().Disposals(ctx, time.Time{}, "", 10_000)
		if err != nil {
			return err
		}
		for _, w := range begun {
			fmt.Fprintf(r.stdout, "  record %s is back: its destruction had begun and had not ended; the service goes on with it, or calls it off\n", w.Record)
		}
		sealed, err := tenant.View().AuditKnown(ctx)
		if err != nil {
			return err
		}
		entry := audit.Restored(t.ID, r.from.Made, r.mark.LogEnds[t.ID], sealed)
		entry.Detail["damaged"], entry.Detail["later"] = fmt.Sprint(bad), fmt.Sprint(later[t.ID])
		if err := tenant.Audit(ctx, entry); err != nil {
			return err
		}
	}
	mark := r.cfg.path(restoringFile)
	if err := os.Remove(mark); err != nil {
		return err
	}
	if err := syncFolder(mark); err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "restored to the state of %s; bestand check holds everything against each other once more. The settings of then stand in %s\n",
		stamp(r.from.Made), r.cfg.path(settingsFile))
	if bad > 0 {
		rebuilt = errors.Join(rebuilt, fmt.Errorf("%d objects are not back, as you have accepted", bad))
	}
	return rebuilt
}
