package retention

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// JobCertify archives the certificate of a run; its key is the run. It meets the
// pipeline in cmd.
const JobCertify = "certify-run"

// CertificateRule is the rule of the class in which certificates are archived, as the
// sample classification has it: 30 years (SächsArchivG §5(7)).
const CertificateRule = "destruction-proof"

// CertificateFormat names the form of the JSON text. Fields may be added to it, and
// none changes its meaning.
const CertificateFormat = "bestand.disposal-certificate/1"

// Certificate proves what became of the records of a disposal run (Löschnachweis). It
// tells nothing of their content.
type Certificate struct {
	Format       string                `json:"format"`
	Tenant       preservation.TenantID `json:"tenant"`
	Municipality string                `json:"municipality"`
	Run          string                `json:"run"`
	Title        string                `json:"title,omitempty"`
	Status       RunStatus             `json:"status"`
	Proposer     string                `json:"proposer"`
	Proposed     time.Time             `json:"proposed"`
	Deciders     []string              `json:"deciders"`
	Offer        Offer                 `json:"offer,omitzero"`
	Approval     Approval              `json:"approval"`
	Execution    Execution             `json:"execution"`
	Ended        time.Time             `json:"ended"`
	Counts       RunCounts             `json:"counts"`
	// History is everything that people and the archive did to the run until it ended.
	History []Step `json:"history"`
	// ReadBack says what was looked at after each record was purged.
	ReadBack string  `json:"read_back"`
	Backups  Backups `json:"backups"`
}

// Backups says until when copies of what was destroyed may be in backups.
type Backups struct {
	Known bool              `json:"known"`          // how long backups are kept
	Days  int               `json:"days,omitempty"` // that they are kept
	Until preservation.Date `json:"until,omitzero"` // the last of them has expired after this day
}

// readBack is what the Disposer does; see attempt.
const readBack = "every version and delete marker of every object of the record was purged by its version, and a listing afterwards found none; staging, search index and caches had let go of it before its tombstone was written"

// CertifiedRecord is a line of a certificate.
type CertifiedRecord struct {
	Record     preservation.RecordID `json:"record"`
	Class      string                `json:"class"`
	Rule       string                `json:"rule,omitempty"`
	LegalBasis string                `json:"legal_basis,omitempty"`
	Opened     preservation.Date     `json:"opened,omitzero"`
	Closed     preservation.Date     `json:"closed,omitzero"`
	End        preservation.Date     `json:"retention_end,omitzero"`
	Decision   string                `json:"decision,omitempty"`
	DecidedBy  string                `json:"decided_by,omitempty"`
	Answer     string                `json:"answer,omitempty"`
	Transfer   string                `json:"transfer,omitempty"`
	Outcome    string                `json:"outcome"`
	Destroyed  time.Time             `json:"destroyed,omitzero"`
	Versions   int                   `json:"versions,omitempty"`
	Reason     string                `json:"reason,omitempty"`
}

// Certificate returns the certificate of a run that has ended, without its records.
// backupDays is how long the installation keeps backups; 0 means that nobody knows.
// ErrConflict while the run goes on, or when nothing came of it.
func (o *Officer) Certificate(ctx context.Context, t *catalog.Tenant, id string, backupDays int) (Certificate, error) {
	r, err := readRun(ctx, t.View(), id)
	if err != nil {
		return Certificate{}, err
	}
	counts, err := t.View().CountItems(ctx, id)
	if err != nil {
		return Certificate{}, err
	}
	n := Count(counts)
	if r.Open() || n.Destroyed+n.Transferred == 0 && r.Status == RunCancelled {
		return Certificate{}, fmt.Errorf("disposal run %s is %s, and there is nothing to certify: %w", id, r.Status, catalog.ErrConflict)
	}
	info, err := t.Info(ctx)
	if err != nil {
		return Certificate{}, err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{Format: CertificateFormat, Tenant: t.ID(), Municipality: info.Name, Run: r.ID, Title: r.Title, Status: r.Status,
		Proposer: r.Proposer, Proposed: r.Proposed, Deciders: r.Deciders, Offer: r.Offer, Approval: r.Approval, Execution: r.Execution, Ended: r.Ended,
		Counts: n, ReadBack: readBack,
		History: slices.DeleteFunc(slices.Clone(r.History), func(s Step) bool { return s.Act == actCertificate })} // which comes later
	if backupDays > 0 {
		c.Backups = Backups{Known: true, Days: backupDays, Until: preservation.DateOf(r.Ended.In(policy.zone())).AddDays(backupDays)}
	}
	return c, nil
}

// Allowed are the steps in which somebody let the run go on that had stopped itself for
// the number of its records.
func (c *Certificate) Allowed() []Step {
	return slices.DeleteFunc(slices.Clone(c.History), func(s Step) bool {
		key, _, _ := ReasonKey(s.Note)
		return s.Act != actStarted || key != reasonAllowed
	})
}

// CertifiedRecords yields the records of a run in their order, but for those that were
// never taken into it. Of those that are left or taken over it says what they were when
// they were listed.
func (o *Officer) CertifiedRecords(ctx context.Context, t *catalog.Tenant, run string) iter.Seq2[CertifiedRecord, error] {
	f := catalog.ItemFilter{Run: run, States: []string{catalog.ItemOpen, catalog.ItemDestroyed, catalog.ItemTransferred, catalog.ItemLeft}}
	return func(yield func(CertifiedRecord, error) bool) {
		var after preservation.RecordID
		rules, err := o.Schedule(ctx, t)
		for {
			var items []catalog.RunItem
			if err == nil {
				items, err = t.View().RunItems(ctx, f, after, page)
			}
			if err != nil {
				yield(CertifiedRecord{}, err)
				return
			}
			for _, i := range items {
				after = i.Record
				c, err := certified(ctx, t, rules, &i)
				if !yield(c, err) || err != nil {
					return
				}
			}
			if len(items) < page {
				return
			}
		}
	}
}

func certified(ctx context.Context, t *catalog.Tenant, rules *Schedule, i *catalog.RunItem) (CertifiedRecord, error) {
	c := CertifiedRecord{Record: i.Record, Class: i.Class, Rule: i.Rule, Opened: i.Opened, Closed: i.Closed, End: i.Ended, Decision: i.Decision, DecidedBy: i.DecidedBy, Answer: i.Answer,
		Transfer: i.Transfer, Outcome: i.State, Versions: i.Version, Reason: i.Reason}
	if i.State != catalog.ItemDestroyed {
		c.LegalBasis = rules.basis(i.Rule)
		return c, nil
	}
	g, err := t.Tombstone(ctx, i.Record)
	if errors.Is(err, catalog.ErrNotFound) {
		return c, fmt.Errorf("%w: record %s of disposal run %s has no tombstone", preservation.ErrCorrupt, i.Record, i.Run)
	}
	c.Rule, c.LegalBasis, c.Opened, c.Closed, c.End = g.Rule, g.LegalBasis, g.Opened, g.Closed, g.End
	c.Destroyed, c.Versions, c.Reason = g.Destroyed, g.Versions, g.Reason
	return c, err
}

// Write writes the certificate with its records as JSON.
func (c *Certificate) Write(w io.Writer, records iter.Seq2[CertifiedRecord, error]) error {
	head, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head[:len(head)-1], `,"records":[`...)); err != nil {
		return err
	}
	comma := ""
	for r, err := range records {
		if err != nil {
			return err
		}
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, comma+"\n"+string(line)); err != nil {
			return err
		}
		comma = ","
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

//go:embed certificate.html
var certificatePage string

var certificateTemplate = template.Must(template.New("certificate").Parse(certificatePage))

// printedRecords is how many records a certificate lists on paper. All are in the JSON.
const printedRecords = 2000

// Page is the certificate for people: a template and what it shows. digest is the
// SHA-256 of the JSON text, which has every record: who seals the page seals all of them.
func (c *Certificate) Page(records iter.Seq2[CertifiedRecord, error], digest string) (*template.Template, map[string]any, error) {
	var listed []CertifiedRecord
	more := 0
	for r, err := range records {
		if err != nil {
			return nil, nil, err
		}
		if len(listed) < printedRecords {
			listed = append(listed, r)
		} else {
			more++
		}
	}
	return certificateTemplate, map[string]any{"Certificate": c, "Records": listed, "More": more, "All": len(listed) + more, "Digest": digest,
		"Act":     GermanAct,
		"Outcome": GermanState,
		"Grounds": c.grounds,
		"Period":  germanPeriod,
		"Said":    GermanReason,
		"Date":    germanDate}, nil
}

func germanDate(d preservation.Date) string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%02d.%02d.%04d", d.Day, d.Month, d.Year)
}

// germanPeriod is from when to when a record was written (Laufzeit).
func germanPeriod(opened, closed preservation.Date) string {
	switch {
	case opened.IsZero() && closed.IsZero():
		return ""
	case opened.IsZero():
		return "bis " + germanDate(closed)
	case closed.IsZero():
		return "ab " + germanDate(opened)
	}
	return germanDate(opened) + "–" + germanDate(closed)
}

// grounds says in German why a record was destroyed, which its tombstone says in the
// words of [Run.reason]; of others what the run noted.
func (c *Certificate) grounds(r CertifiedRecord) string {
	if r.Outcome == catalog.ItemTransferred {
		return "übergeben: " + GermanReason(r.Transfer) + "; eine Kopie bleibt für das Archiv"
	}
	if r.Outcome != catalog.ItemDestroyed || r.Decision == "" {
		return GermanReason(r.Reason)
	}
	parts := []string{"Frist beendet, Entscheidung " + r.Decision + " durch " + r.DecidedBy}
	offered := "angeboten am " + germanDate(c.Offer.Offered) + " an " + c.Offer.Authority
	switch {
	case r.Transfer != "":
		parts = append(parts, "übergeben: "+GermanReason(r.Transfer))
	case r.Answer == NoAnswer:
		parts = append(parts, offered+", keine Antwort bis "+germanDate(c.Offer.Deadline))
	case r.Answer != "":
		parts = append(parts, offered+", Antwort "+r.Answer)
	}
	return strings.Join(append(parts, "freigegeben durch "+c.Approval.By), "; ")
}

// CertifyRun notes which record holds the certificate of a run.
func (o *Officer) CertifyRun(ctx context.Context, t *catalog.Tenant, id string, record preservation.RecordID) (Run, error) {
	return o.act(ctx, t, id, System, func(ctx context.Context, e *edit, r *Run) error {
		if r.Open() {
			return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
		}
		if r.Certificate == record {
			return nil
		}
		return e.enter(ctx, r, Entry{Act: actCertificate, Record: record})
	})
}

// noCertificateClass says what a certificate waits for.
const noCertificateClass = "no class of the classification names the rule " + CertificateRule + ", by which the certificate is kept 30 years: add one"

// CertificateWaits says why a run that has ended has no certificate in the archive and
// gets none until somebody does something; nothing otherwise.
func (o *Officer) CertificateWaits(ctx context.Context, t *catalog.Tenant, r Run) (string, error) {
	if r.Open() || r.Certificate != "" || r.Status == RunCancelled && r.Execution.Begun.IsZero() { // of that there is nothing to certify
		return "", nil
	}
	schedule, err := o.Schedule(ctx, t)
	if err != nil {
		return "", err
	}
	if _, ok := schedule.CertificateClass(); ok {
		return "", nil
	}
	return noCertificateClass, nil
}

// CertificateClass is the class in which certificates are archived: the first one that
// names CertificateRule. ok is false when there is none.
func (s *Schedule) CertificateClass() (code string, ok bool) {
	for _, c := range s.scheme.Classes {
		if c.Rule == CertificateRule {
			return c.Code, true
		}
	}
	return "", false
}
