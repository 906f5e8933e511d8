package main

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/evidence"
	"bestand/preservation/verdict"
)

func auditCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "verify":
			return auditVerify(ctx, args[1:], stdout, stderr)
		case "export":
			return auditExport(ctx, args[1:], stdout, stderr)
		case "accept-fork":
			return acceptFork(ctx, args[1:], stdout, stderr)
		}
	}
	return usageError{errors.New("want: bestand audit verify|export|accept-fork")}
}

// auditVerify verifies the audit log of a stopped installation, or exported segments
// without any.
func auditVerify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flags("audit verify", stderr)
	trust := set.String("trust", "", "trust anchors `file` (PEM) for seals and time-stamps; without it those of the installation, for exported files none")
	tenant := set.String("tenant", "", "`tenant`, of exported segments that do not name theirs")
	asJSON := set.Bool("json", false, "one JSON line for each segment")
	cfg, err := loadConfig(set, args)
	var usage usageError
	if errors.Is(err, flag.ErrHelp) || errors.As(err, &usage) || err != nil && set.NArg() == 0 {
		return err
	}
	roots, err := verdict.Anchors(*trust)
	if err != nil {
		return err
	}
	bad := 0
	report := func(name string, found []preservation.Finding) error {
		v := verdict.New(name, roots, found)
		if !v.OK {
			bad++
		}
		if *asJSON {
			return v.JSON(stdout)
		}
		return brief(v).Text(stdout)
	}
	if set.NArg() > 0 {
		check := audit.Check{Tenant: preservation.TenantID(*tenant), Roots: roots, At: time.Now()}
		if cfg != nil {
			if check.Suitable, err = verdict.Algorithms(cfg.Algorithms); err != nil {
				return err
			}
		}
		err = verifySegments(set.Args(), check, report)
	} else {
		var a *archive
		if a, err = open(ctx, cfg, newLog(cfg, stderr)); err != nil {
			return err
		}
		if roots == nil {
			roots = a.trust
		}
		err = errors.Join(a.verifyAudit(ctx, roots, report), a.close())
	}
	if err == nil && bad > 0 {
		return exitCode(1)
	}
	return err
}

// brief leaves out how single checks passed, but for what is said of a whole segment.
func brief(v verdict.Verdict) verdict.Verdict {
	v.Findings = slices.DeleteFunc(slices.Clone(v.Findings), func(f preservation.Finding) bool {
		return f.Severity == preservation.Passed && !slices.Contains([]string{audit.CodeEntries, audit.CodeSealed, audit.CodeStamped}, f.Code) ||
			f.Code == "signing-time-claimed"
	})
	return v
}

// auditFiles are the files of an export.
type auditFiles struct {
	segments []string // in the order of their entries
	evidence []string // that were named
}

// collectAudit finds segments below folders and among named files. Seals and evidence
// records beside a segment are found by its name.
func collectAudit(paths []string) (all auditFiles, err error) {
	for _, p := range paths {
		err := filepath.WalkDir(p, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir(), path != p && !strings.HasSuffix(path, ".jsonl"), strings.HasSuffix(path, audit.SealSuffix):
			case verdict.IsEvidence(path):
				all.evidence = append(all.evidence, path)
			default:
				all.segments = append(all.segments, path)
			}
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	first := func(path string) int64 {
		n, _, _ := audit.ParseName(filepath.Base(path))
		return n
	}
	slices.SortStableFunc(all.segments, func(a, b string) int { return cmp.Compare(first(a), first(b)) })
	all.segments = slices.Compact(all.segments)
	if len(all.segments) == 0 {
		err = errors.New("no segment of an audit log: they are called <first>-<last>.jsonl")
	}
	return all, err
}

// verifySegments verifies exported segments. Evidence records that are named belong to
// the segment that they cover.
func verifySegments(paths []string, check audit.Check, report func(string, []preservation.Finding) error) error {
	files, err := collectAudit(paths)
	if err != nil {
		return err
	}
	records := map[string]*evidence.Record{}
	for _, p := range files.evidence {
		if records[p], err = readEvidence(p); err != nil {
			return err
		}
	}
	// What a person accepted as a branch beside the log stands before the entry that says so.
	beside := map[string]bool{}
	for _, p := range files.segments {
		content, err := readUpTo(p, audit.MaxSegment)
		if err != nil {
			return err
		}
		if len(audit.Branches(content)) == 0 {
			continue
		}
		s, _, err := readSegment(p, content, records)
		if err != nil {
			return err
		}
		for _, b := range check.Accepted(s) {
			beside[b.SHA256] = true
		}
	}
	chain, used := audit.Chain{Check: check}, map[string]bool{}
	for _, p := range files.segments {
		content, err := readUpTo(p, audit.MaxSegment)
		if err != nil {
			return err
		}
		s, proof, err := readSegment(p, content, records)
		if err != nil {
			return err
		}
		used[proof] = true
		sum := sha256.Sum256(content)
		s.Beside = beside[hex.EncodeToString(sum[:])]
		if err := report(p, chain.Add(s)); err != nil {
			return err
		}
	}
	for p := range records {
		if used[p] {
			continue
		}
		if err := report(p, []preservation.Finding{{Code: "evidence-unrelated", Severity: preservation.Failed, Detail: "covers none of the segments that were given: one of them was changed, or is missing", Clause: "RFC 4998, 4.3"}}); err != nil {
			return err
		}
	}
	return nil
}

// readSegment reads what lies beside a segment, or covers it among the evidence records that
// were named, and says which record that is.
func readSegment(path string, content []byte, records map[string]*evidence.Record) (s audit.Segment, proof string, err error) {
	s.Name, s.Content = path, content
	if s.Seal, err = readUpTo(path+audit.SealSuffix, audit.MaxSegment); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, "", err
	}
	proof = path + audit.EvidenceSuffix
	if s.Evidence, err = readEvidence(proof); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Fault = err.Error()
	}
	if s.Evidence != nil {
		return s, proof, nil
	}
	for name, r := range records {
		if audit.Covers(r, content) {
			s.Evidence, proof = r, name
			break
		}
	}
	return s, proof, nil
}

func readEvidence(path string) (*evidence.Record, error) {
	der, err := readUpTo(path, evidence.MaxSize)
	if err != nil {
		return nil, err
	}
	r, err := evidence.Decode(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// auditExport writes the audit log with what proves it into a folder: from a service
// by its interface, or from a stopped installation.
func auditExport(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flags("audit export", stderr)
	var c client
	set.StringVar(&c.server, "server", "", "`URL` of a running archive; without it the installation in --data, which must be stopped")
	set.StringVar(&c.caFile, "ca-file", "", "certificates `file` (PEM) to trust instead of the system's")
	token := set.String("token-file", "", "`file` with the API token of an auditor")
	tenant := set.String("tenant", "musterstadt", "`tenant`, without --server")
	cfg, err := loadConfig(set, args)
	if err != nil {
		return err
	}
	if set.NArg() != 1 || (c.server == "") != (*token == "") {
		set.Usage()
		return usageError{errors.New("one folder to write to is needed, and --server with --token-file or neither")}
	}
	dir, n := set.Arg(0), 0
	keep := func(f audit.File) error {
		n++
		return writeExported(dir, f)
	}
	if c.server != "" {
		err = c.exportAudit(ctx, *token, dir, keep)
	} else {
		err = exportStopped(ctx, cfg, preservation.TenantID(*tenant), stderr, keep)
	}
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%d files in %s; bestand audit verify --trust CA.pem %s checks them\n", n, dir, dir)
	}
	return err
}

func (c *client) exportAudit(ctx context.Context, tokenFile, dir string, keep func(audit.File) error) (err error) {
	if c.token, err = readSecret(tokenFile); err != nil {
		return err
	}
	if err := c.init(); err != nil {
		return err
	}
	resp, err := c.call(ctx, "GET", "/v1/audit/export", "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".audit-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := io.Copy(f, resp.Body)
	if err != nil {
		return fmt.Errorf("the answer was cut off; ask again: %w", err)
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return fmt.Errorf("the answer was cut off; ask again: %w", err)
	}
	for _, e := range z.File {
		r, err := e.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(r, audit.MaxSegment))
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if err := keep(audit.File{Name: e.Name, Content: data}); err != nil {
			return err
		}
	}
	return nil
}

func exportStopped(ctx context.Context, cfg *Config, tenant preservation.TenantID, stderr io.Writer, keep func(audit.File) error) error {
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if errors.Is(err, errRunning) {
		return fmt.Errorf("%w; ask it instead, with --server and --token-file", err)
	}
	if err != nil {
		return err
	}
	defer a.close()
	t := a.catalog.Tenant(tenant)
	if _, err := t.Info(ctx); err != nil {
		return err
	}
	for s, err := range a.newNotary().Segments(ctx, t) {
		if err != nil {
			return err
		}
		for _, f := range s.Files() {
			if err := keep(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeExported writes a file of an export under its key, below a folder.
func writeExported(dir string, f audit.File) error {
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	if !filepath.IsLocal(f.Name) || !strings.HasPrefix(f.Name, audit.Prefix) {
		return fmt.Errorf("%q is no name in an audit log", f.Name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeDurably(path, f.Content)
}

// verifyAudit verifies the audit logs of all tenants.
func (a *archive) verifyAudit(ctx context.Context, roots *x509.CertPool, report func(string, []preservation.Finding) error) error {
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return err
	}
	n := a.newNotary()
	for _, info := range tenants {
		named := func(name string, found []preservation.Finding) error { return report(string(info.ID)+": "+name, found) }
		if err := n.VerifyAudit(ctx, a.catalog.Tenant(info.ID), roots, named); err != nil {
			return fmt.Errorf("tenant %s: %w", info.ID, err)
		}
	}
	return nil
}
