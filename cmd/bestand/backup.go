package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"bestand/preservation"
	"bestand/preservation/backup"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/verdict"
	"bestand/retention"
)

// backupCommand copies an installation into a folder, whether it is stopped or runs.
func backupCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("backup", stderr)
	passphrase := fs.String("passphrase-file", "", "`file` with the passphrase that keys are encrypted with; keep it apart from the backup")
	reread := fs.Bool("reread", false, "also read the copies of former runs, and replace those that are damaged")
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
		return usageError{errors.New("one folder to write to and --passphrase-file are needed")}
	}
	log := newLog(cfg, stderr)
	a, err := open(ctx, cfg, log)
	var patience time.Duration
	if errors.Is(err, errRunning) {
		a, err = beside(ctx, cfg, log)
		patience = untilEnded
	}
	if err != nil {
		return err
	}
	bad, err := a.backup(ctx, fs.Arg(0), secret, *reread, patience, changedFlags(fs), stdout)
	if err = errors.Join(err, a.close()); err == nil && bad > 0 {
		return exitCode(1)
	}
	return err
}

// untilEnded is how long a backup waits for the service to end a destruction that it is
// in the middle of.
const untilEnded = 30 * time.Second

// changedFlags are the settings that are not those of a new installation, as YAML
// for --config.
func changedFlags(fs *flag.FlagSet) []byte {
	all := map[string]string{}
	known := flag.NewFlagSet("", flag.ContinueOnError)
	new(Config).flags(known)
	known.VisitAll(func(f *flag.Flag) {
		if v := fs.Lookup(f.Name).Value.String(); v != f.DefValue && f.Name != "data" {
			all[f.Name] = v
		}
	})
	text, err := yaml.Marshal(all)
	if err != nil {
		panic(err) // a mapping of strings always encodes
	}
	return text
}

// Names of what only the passphrase opens.
const (
	secretSettings = "settings.yaml"
	secretAnchors  = "anchors.pem"
	secretKeys     = "keys/"
)

// secrets are the keys and settings of the installation.
func (a *archive) secrets(settings []byte) ([]backup.Secret, error) {
	anchors := a.keys.Anchor()
	if last := a.seal.Chain[len(a.seal.Chain)-1]; !last.Equal(a.keys.CA.Certificate()) {
		anchors = append(anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: last.Raw})...)
	}
	later, err := os.ReadFile(a.cfg.path(laterAnchors))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	anchors = append(anchors, later...)
	all := []backup.Secret{{Name: secretSettings, Content: settings}, {Name: secretAnchors, Content: anchors}}
	add := func(name, path string) error {
		content, err := os.ReadFile(path)
		if err == nil {
			all = append(all, backup.Secret{Name: name, Content: content})
		}
		return err
	}
	keys, err := os.ReadDir(a.cfg.path("keys"))
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if strings.HasPrefix(k.Name(), ".") || !k.Type().IsRegular() { // a list that is being replaced
			continue
		}
		if err := add(secretKeys+k.Name(), filepath.Join(a.cfg.path("keys"), k.Name())); err != nil {
			return nil, err
		}
	}
	if err := add(tokenFile, a.cfg.path(tokenFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return all, nil
}

// backup brings a folder to the state of the archive and returns how much is wrong with
// what it found.
func (a *archive) backup(ctx context.Context, dir, passphrase string, reread bool, patience time.Duration, settings []byte, stdout io.Writer) (bad int, err error) {
	folder, err := backup.Open(dir)
	if err != nil {
		return 0, err
	}
	defer folder.Close()
	before, err := a.lastBackup(folder)
	if err != nil {
		return 0, err
	}
	run, err := folder.Begin(a.now())
	if err != nil {
		return 0, err
	}
	// The catalog comes first: what it names stands in the buckets already.
	whole, err := a.catalog.Snapshot(ctx, run.Path(backup.CatalogName))
	if err != nil {
		return 0, backup.Full(err)
	}
	secrets, err := a.secrets(settings)
	if err == nil {
		err = run.Encrypt(passphrase, secrets)
	}
	if err != nil {
		return 0, err
	}
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	mirror := &backup.Mirror{Run: run, Before: before, Remains: retention.Remains, Begun: retention.Begun, Stays: retention.IsProof, Reread: reread, Patience: patience, Now: a.now,
		Forgotten: func(ctx context.Context, t preservation.TenantID, d preservation.ConfigObject) (bool, error) {
			return retention.Forgotten(ctx, a.catalog.Tenant(t), d)
		}}
	var done []*catalog.Tenant
	for _, info := range tenants {
		store, err := a.bucket(ctx, info.ID)
		if err != nil {
			return bad, err
		}
		n, err := a.mirror(ctx, mirror, info.ID, store, stdout)
		if bad += n; err != nil {
			return bad, err
		}
		done = append(done, a.catalog.Tenant(info.ID))
	}
	if before != nil {
		for _, t := range before.Tenants {
			if slices.ContainsFunc(tenants, func(i catalog.TenantInfo) bool { return i.ID == t.ID }) {
				continue
			}
			n, err := a.mirror(ctx, mirror, t.ID, nil, stdout)
			if bad += n; err != nil {
				return bad, err
			}
		}
	}
	err = run.Commit(programVersion(), a.now(), func(head []byte) ([]byte, error) {
		return cades.SignReader(ctx, bytes.NewReader(head), cades.Options{Signer: a.seal.Signer, Chain: a.seal.Chain, Time: a.now()})
	})
	if err != nil {
		return bad, err
	}
	removed, err := run.Sweep()
	if err != nil {
		return bad, fmt.Errorf("the backup is whole, but what it no longer needs was not removed; run it again: %w", err)
	}
	for _, t := range done {
		if err := t.Audit(ctx, catalog.AuditEntry{Actor: "cli", Action: "tenant.backup", Object: string(t.ID())}); err != nil {
			return bad, err
		}
	}
	fmt.Fprintf(stdout, "%s is whole, %d copies removed\n", dir, removed)
	if !whole {
		fmt.Fprintln(stdout, "the catalog is on PostgreSQL: a restore rebuilds it from the buckets, without tokens; pg_dump before each backup keeps these")
	}
	return bad, nil
}

// mirror brings the copies of one tenant to the state of its bucket; nil when that is
// gone.
func (a *archive) mirror(ctx context.Context, m *backup.Mirror, id preservation.TenantID, store preservation.Store, stdout io.Writer) (bad int, err error) {
	r, err := m.Bucket(ctx, id, store)
	if err != nil {
		return len(r.Failed), fmt.Errorf("tenant %s: %w", id, err)
	}
	fmt.Fprintf(stdout, "%s: %d objects, %d of them new with %d bytes, %d of destroyed records left out\n", id, r.Objects, r.Copied, r.Bytes, r.Removed)
	if r.Deleted > 0 {
		fmt.Fprintf(stdout, "  %d documents whose time had come are deleted here too\n", r.Deleted)
	}
	for _, f := range slices.Concat(r.Failed, r.Notices) {
		fmt.Fprintf(stdout, "  %-7s %s: %s: %s\n", f.Severity, f.Code, verdict.Legible(f.Subject), f.Detail)
	}
	return len(r.Failed), nil
}

// lastBackup is the run of a folder that counts, nil when there is none. It must be one of
// this installation.
func (a *archive) lastBackup(folder *backup.Folder) (*backup.Run, error) {
	run, head, seal, err := folder.Current()
	if errors.Is(err, backup.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return run, sealedBy(head, seal, a.trust, run)
}

// sealedBy refuses a run that another installation has sealed, or that was changed.
func sealedBy(head, seal []byte, roots *x509.CertPool, run *backup.Run) error {
	for _, f := range cades.Verify(seal, bytes.NewReader(head), cades.Trust{Roots: roots, At: run.Made}) {
		if f.Severity == preservation.Failed {
			return fmt.Errorf("the backup of %s is not that of this installation, or was changed: %s: %s. If the installation had another authority then, name its certificate with --trust-file", stamp(run.Made), f.Code, f.Detail)
		}
	}
	return nil
}
