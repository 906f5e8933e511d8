package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
)

// verdictOf is what verify says about one file.
type verdictOf struct {
	Path     string                 `json:"path"`
	OK       bool                   `json:"ok"`
	Trusted  bool                   `json:"trusted"` // judged against trust anchors
	Findings []preservation.Finding `json:"findings"`
}

// verifyCommand checks packages, receipts and evidence records without any server.
func verifyCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("verify", stderr)
	trust := fs.String("trust", "", "trust anchors `file` (PEM) for seals, time-stamps and receipts")
	asJSON := fs.Bool("json", false, "one JSON line for each file")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return usageError{errors.New("which package?")}
	}
	if slices.ContainsFunc(fs.Args()[1:], isEvidence) {
		return usageError{errors.New("an evidence record comes first, and behind it the files that it is about; one record at a time")}
	}
	roots, err := readPool(*trust)
	if err != nil {
		return err
	}
	bad, files := 0, fs.Args()
	if isEvidence(files[0]) { // the others are what it is about
		files = files[:1]
	}
	for _, path := range files {
		v := verdictOf{Path: path, OK: true, Trusted: roots != nil}
		if isEvidence(path) {
			v.Findings, err = verifyEvidence(ctx, path, fs.Args()[1:], roots)
		} else {
			v.Findings, err = verifyFile(ctx, path, roots)
		}
		if err != nil {
			return err
		}
		for _, f := range v.Findings {
			v.OK = v.OK && f.Severity != preservation.Failed
		}
		if !v.OK {
			bad++
		}
		if *asJSON {
			err = json.NewEncoder(stdout).Encode(v)
		} else {
			err = v.print(stdout)
		}
		if err != nil {
			return err
		}
	}
	if bad > 0 {
		return exitCode(1)
	}
	return nil
}

func (v verdictOf) print(w io.Writer) error {
	word := "intact"
	switch {
	case !v.OK:
		word = "NOT INTACT"
	case !v.Trusted:
		word = "consistent, but anybody could have made it: give --trust to have seals and time-stamps judged"
	}
	fmt.Fprintf(w, "%s: %s\n", legible(v.Path), word)
	for _, f := range v.Findings {
		subject, clause := "", ""
		if f.Subject != "" {
			subject = legible(f.Subject) + ": "
		}
		if f.Clause != "" {
			clause = " [" + f.Clause + "]"
		}
		if _, err := fmt.Fprintf(w, "  %-7s %s: %s%s%s\n", f.Severity, f.Code, subject, legible(f.Detail), clause); err != nil {
			return err
		}
	}
	return nil
}

func verifyFile(ctx context.Context, path string, roots *x509.CertPool) ([]preservation.Finding, error) {
	if strings.HasSuffix(path, ".jws") {
		return verifyReceipt(path, roots)
	}
	f, size, err := openSized(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return aip.Verify(ctx, f, size, aip.Options{VerifySeal: sealCheck(roots)}), nil
}

// sealCheck verifies the CAdES signature over METS.
func sealCheck(roots *x509.CertPool) func(mets, seal []byte) []preservation.Finding {
	return func(mets, seal []byte) []preservation.Finding {
		return cades.Verify(seal, bytes.NewReader(mets), cades.Trust{Roots: roots, At: time.Now()})
	}
}

// maxReceipt is the most bytes of a receipt: former ones named each of 50,000
// files.
const maxReceipt = 128 << 20

func verifyReceipt(path string, roots *x509.CertPool) ([]preservation.Finding, error) {
	jws, err := readUpTo(path, maxReceipt)
	if err != nil {
		return nil, err
	}
	if len(jws) > maxReceipt {
		return []preservation.Finding{{Code: "receipt-invalid", Severity: preservation.Failed, Subject: path, Detail: fmt.Sprintf("no receipt has more than %d bytes", maxReceipt)}}, nil
	}
	if roots == nil {
		return []preservation.Finding{{Code: "receipt-unjudged", Severity: preservation.Failed, Subject: path, Detail: "a receipt proves nothing without a trust anchor: give --trust"}}, nil
	}
	payload, err := ingest.VerifyJWS(strings.TrimSpace(string(jws)), roots)
	if err != nil {
		return []preservation.Finding{{Code: "receipt-invalid", Severity: preservation.Failed, Subject: path, Detail: err.Error(), Clause: "RFC 7515, 5.2"}}, nil
	}
	var r ingest.Receipt
	if err := json.Unmarshal(payload, &r); err != nil || r.Format != ingest.ReceiptFormat || len(r.Records) == 0 {
		return []preservation.Finding{{Code: "receipt-invalid", Severity: preservation.Failed, Subject: path, Detail: "signed, but no receipt of this archive"}}, nil
	}
	return []preservation.Finding{{Code: "receipt-valid", Severity: preservation.Passed, Subject: path, Clause: "RFC 7515, 5.2",
		Detail: fmt.Sprintf("record %s, package SHA-256 %s, signed at %s", r.Records[0].ID, r.Records[0].Package.SHA256, r.Time.Format("2006-01-02 15:04:05 MST"))}}, nil
}
