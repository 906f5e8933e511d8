package proof

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/ledger"
	"bestand/preservation/timestamp"
)

// ReportFormat names the form of a report. Members are only ever added to it.
const ReportFormat = "bestand-evidence-report/1"

// Report says what the evidence of one version of a record is worth: every check
// with its clause, for people and for programs. It proves nothing by itself; the
// evidence record does.
type Report struct {
	Format   string                 `json:"format"` // ReportFormat
	Tenant   preservation.TenantID  `json:"tenant"`
	Record   preservation.RecordID  `json:"record_id"`
	Version  int                    `json:"version"`
	Title    string                 `json:"title"`
	Made     time.Time              `json:"made"`
	Passed   bool                   `json:"passed"`          // no finding failed
	Since    time.Time              `json:"proven_since"`    // when the first time-stamp was made
	Until    *time.Time             `json:"proven_until"`    // when the last one has to be renewed at the latest, as far as its algorithms are known; nil: no end is in sight
	Evidence ReportEvidence         `json:"evidence_record"` //
	Chains   [][]ReportStamp        `json:"chains"`          // RFC 4998, 5.1
	Files    []ReportFile           `json:"files"`           // all in the package, METS and its seal among them
	Findings []preservation.Finding `json:"findings"`        // of every check, passed ones included
}

// ReportEvidence names the evidence record that was judged.
type ReportEvidence struct {
	Size    int      `json:"size"`
	SHA256  string   `json:"sha256"`
	Digests []string `json:"digest_algorithms"`
}

// ReportStamp is one archive time-stamp.
type ReportStamp struct {
	Kind         string              `json:"kind"` // first | time-stamp-renewal | hash-tree-renewal
	Time         time.Time           `json:"time"`
	Digest       string              `json:"digest_algorithm"`
	Authority    string              `json:"authority"`
	Policy       string              `json:"policy"` // of the authority, an object identifier
	Serial       string              `json:"serial"`
	SHA256       string              `json:"sha256"`     // of the token in DER
	Lists        int                 `json:"hash_lists"` // of the reduced hash tree; 0: the token covers the data directly
	Certificates []ReportCertificate `json:"certificates"`
	Algorithms   []ReportSuitability `json:"algorithms"`
	Until        *time.Time          `json:"proves_until"` // by its certificates and those algorithms that are known; nil: no end is in sight
}

// ReportCertificate is one that a token carries.
type ReportCertificate struct {
	Subject string    `json:"subject"`
	Issuer  string    `json:"issuer"`
	Serial  string    `json:"serial"`
	From    time.Time `json:"not_before"`
	Until   time.Time `json:"not_after"`
}

// ReportSuitability is until when an algorithm that a token rests on is suitable.
type ReportSuitability struct {
	Name  string     `json:"name"`
	Known bool       `json:"known"`          // the table of algorithms has it
	Until *time.Time `json:"suitable_until"` // nil: no end is in sight, or it is not known
}

// ReportFile is a file that the evidence record covers.
type ReportFile struct {
	Path string              `json:"path"`
	ID   preservation.FileID `json:"id,omitempty"`   // of a file of the record
	Name string              `json:"name,omitempty"` // as the sender wrote it
	Size int64               `json:"size"`
	preservation.Digests
}

// Report reads the package of a version back from the store and holds it against
// its evidence record. ErrPending when no stamp covers it yet.
func (n *Notary) Report(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (Report, error) {
	r, err := n.Record(ctx, t, id, version)
	if err != nil {
		return Report{}, err
	}
	store, o, err := n.Package(ctx, t, id, version)
	if err != nil {
		return Report{}, err
	}
	content := ledger.Ahead(ctx, store, o)
	p, err := aip.Open(content, o.Size)
	if err != nil {
		return Report{}, err
	}
	m, err := p.Manifest()
	if err != nil {
		return Report{}, err
	}
	der, rec, now := r.Encode(), p.Record(), n.Now().UTC()
	sum := sha256.Sum256(der)
	report := Report{Format: ReportFormat, Tenant: t.ID(), Record: id, Version: version, Title: rec.Title, Made: now,
		Evidence: ReportEvidence{Size: len(der), SHA256: hex.EncodeToString(sum[:])}}
	for _, a := range r.Digests {
		report.Evidence.Digests = append(report.Evidence.Digests, a.String())
	}
	if err := report.addChains(r, n.table()); err != nil {
		return Report{}, err
	}
	names := make(map[preservation.FileID]string, len(rec.Files))
	for _, f := range rec.Files {
		names[f.ID] = f.Name
	}
	var objects []evidence.Object
	for _, e := range m.Entries {
		report.Files = append(report.Files, ReportFile{Path: e.Path, ID: e.File, Name: names[e.File], Size: e.Size, Digests: e.Digests})
		objects = append(objects, evidence.Object{Name: e.Path, Digest: func(h crypto.Hash) ([]byte, error) { return fileDigest(p, e.Path, e.Digests, h) }})
	}
	report.Findings = r.Verify(objects, evidence.Check{Trust: timestamp.Trust{Roots: n.Roots}, At: now, Group: true, Suitable: n.Suitable})
	sealed := now
	if n.Roots != nil && !failed(report.Findings) {
		sealed = report.Since // the package is proven to be as old, and its seal with it
	}
	// The digests of the record's files are those that the package names; here its
	// bytes are read and compared with them.
	report.Findings = append(report.Findings, aip.Verify(ctx, content, o.Size, aip.Options{VerifySeal: func(mets io.Reader, seal []byte) []preservation.Finding {
		return cades.Verify(seal, mets, cades.Trust{Roots: n.Roots, At: sealed})
	}})...)
	report.Passed = !failed(report.Findings)
	return report, ctx.Err()
}

// failed reports whether one of some findings failed.
func failed(all []preservation.Finding) bool {
	return slices.ContainsFunc(all, func(f preservation.Finding) bool { return f.Severity == preservation.Failed })
}

func (r *Report) addChains(record *evidence.Record, suitable *evidence.Suitability) error {
	for c, chain := range record.Chains {
		var stamps []ReportStamp
		for i, a := range chain {
			token, err := timestamp.Parse(a.Token)
			if err != nil {
				return err
			}
			s := ReportStamp{Kind: "time-stamp-renewal", Time: token.Time.UTC(), Digest: a.Digest.String(), Policy: token.Policy.String(),
				Serial: token.Serial.String(), Lists: len(a.Tree), Certificates: []ReportCertificate{}, Algorithms: []ReportSuitability{}}
			switch {
			case i == 0 && c == 0:
				s.Kind, r.Since = "first", s.Time
			case i == 0:
				s.Kind = "hash-tree-renewal"
			}
			sum := sha256.Sum256(a.Token)
			s.SHA256 = hex.EncodeToString(sum[:])
			if signer := token.Signer(); signer != nil {
				s.Authority = signer.Subject.String()
			}
			for _, cert := range token.Certificates() {
				s.Certificates = append(s.Certificates, certificate(cert))
			}
			s.Until = end(token.Expires())
			for _, rests := range token.Algorithms() {
				until, known := suitable.Until(rests)
				line := ReportSuitability{Name: rests.String(), Known: known, Until: end(until)}
				if line.Until != nil && (s.Until == nil || line.Until.Before(*s.Until)) {
					s.Until = line.Until
				}
				s.Algorithms = append(s.Algorithms, line)
			}
			r.Until = s.Until
			stamps = append(stamps, s)
		}
		r.Chains = append(r.Chains, stamps)
	}
	return nil
}

func certificate(c *x509.Certificate) ReportCertificate {
	return ReportCertificate{Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.String(), From: c.NotBefore.UTC(), Until: c.NotAfter.UTC()}
}

// end is nil for a time that is not known or not in sight.
func end(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
