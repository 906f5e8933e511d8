package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/verdict"
)

// verifyCommand checks packages, receipts and evidence records without any server.
func verifyCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("verify", stderr)
	trust := fs.String("trust", "", "trust anchors `file` (PEM) for seals, time-stamps and receipts")
	algorithms := fs.String("algorithms", "", "`file` (JSON) with a newer table of algorithms and their ends than the program's own, for evidence records")
	asJSON := fs.Bool("json", false, "one JSON line for each file")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return usageError{errors.New("which package?")}
	}
	if err := verdict.Order(fs.Args()); err != nil {
		return usageError{err}
	}
	roots, err := verdict.Anchors(*trust)
	if err != nil {
		return err
	}
	suitable, err := verdict.Algorithms(*algorithms)
	if err != nil {
		return err
	}
	bad, files := 0, fs.Args()
	if verdict.IsEvidence(files[0]) { // the others are what it is about
		files = files[:1]
	}
	for _, path := range files {
		var found []preservation.Finding
		switch {
		case verdict.IsEvidence(path):
			found, err = verdict.Evidence(ctx, path, fs.Args()[1:], roots, suitable)
		case strings.HasSuffix(path, ".jws"):
			found, err = verifyReceipt(path, roots)
		default:
			found, err = verdict.Package(ctx, path, roots)
		}
		if errors.Is(err, verdict.ErrForeign) {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		v := verdict.New(path, roots, found)
		if !v.OK {
			bad++
		}
		if *asJSON {
			err = v.JSON(stdout)
		} else {
			err = v.Text(stdout)
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
