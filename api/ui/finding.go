package ui

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	xlanguage "golang.org/x/text/language"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// findingsOf are the findings about a file, each code once. What failed is past where
// there is a valid rendition by now.
func findingsOf(events []preservation.Event, file preservation.FileID, renditions []api.File) (all []preservation.Event) {
	mended, known := false, map[string]bool{}
	for _, r := range renditions {
		mended = mended || r.Representation == preservation.Preservation && r.Verdict == preservation.VerdictValid
	}
	for _, e := range events {
		if e.Code == "" || e.Outcome == preservation.Success || known[e.Code] || mended && e.Outcome == preservation.Failure {
			continue
		}
		for _, f := range e.Files {
			if f == file && !known[e.Code] {
				known[e.Code] = true
				all = append(all, e)
			}
		}
	}
	return all
}

// remedy says what somebody can do about a finding; "" where nothing is to be done.
func (l *language) remedy(code string) string {
	if strings.HasPrefix(code, "limit-") {
		code = "limit"
	}
	return l.words["remedy."+code].text
}

// archiveStamp is how a verification names an archive time-stamp of an evidence record.
var archiveStamp = regexp.MustCompile(`^chain (\d+), archive time-stamp (\d+)$`)

// stampAt names in words what part of an evidence record a finding is about; "" for any
// other subject.
func (l *language) stampAt(subject string) string {
	m := archiveStamp.FindStringSubmatch(subject)
	if m == nil {
		return ""
	}
	return l.t("proof.place", m[2], m[1])
}

// details are sentences of the archive that have words in each language. What stands in
// brackets are values that the words take.
var details = []struct {
	form *regexp.Regexp
	key  string
}{
	{sentence(`no known malware.*`), "detail.clean"},
	{sentence(`not scanned: not-configured`), "detail.no-scanner"},
	{sentence(`stored as .*`), "detail.stored"},
	{sentence(`Valid PDF/A-(.*?)\.?`), "detail.pdfa"},
	{sentence(`signature: (.*)`), "detail.signature"},
	{sentence(`SHA-256 and SHA-512.*`), "detail.digests"},
	{sentence(`Well-formed XML\..*`), "detail.xml"},
	{sentence(regexp.QuoteMeta(preservation.HoldSet) + `.*`), "detail.held"},
	{sentence(regexp.QuoteMeta(preservation.HoldReleased) + `.*`), "detail.released"},
	{sentence(`a certificate of the time-stamping authority ends.*`), "detail.certificate"},
	{sentence(`(\d+) files, (\d+) bytes received and durably staged`), "detail.received"},
	{sentence(`(PRONOM .*)`), "detail.as-is"},
	{sentence(`(\d+) pages, of which (\d+) hold the coded image data unchanged; the others were packed again without loss\.`), "detail.image"},
	{sentence(`Compared with the source: (\d+) pages of (\d+|an unknown number), (\d+) letters of (\d+|an unknown number)\.`), "detail.compared"},
	{sentence(`Converted to tagged PDF/A-(\w+), filter (\S+)\. Comments in the margin are not printed\.`), "detail.converted"},
	{sentence(`(PAdES B-\w+|CAdES B-\w+), by (.*)`), "detail.sealed"},
	{sentence(`(\S+) with (\d+) files`), "detail.packed"},
	{sentence(`At most (\d+) kB\.`), "detail.most"},
	{sentence(`processing restricted`), "detail.restricted"},
	{sentence(`restriction of processing ended`), "detail.unrestricted"},

	// Of a trial of the seal, the time-stamp and the store.
	{sentence(`the content is what was signed`), "detail.content"},
	{sentence(`the signature value is that of (.*)`), "detail.value"},
	{sentence(`the signature names its certificate`), "detail.names"},
	{sentence(`the token covers the digest, (.*)`), "detail.imprint"},
	{sentence(`the certificate is for time-stamping alone`), "detail.stamp-use"},
	{sentence(`(?:token \d+|It) says (\S+?)\.?`), "detail.stamp-time"},
	{sentence(`the signer claims (\S+)`), "detail.claimed"},
	{sentence(`(.*) leads to a trust anchor, valid on (\S+)`), "detail.anchor"},
	{sentence(`No seal could be made: (.*)`), "detail.no-seal"},
	{sentence(`No time-stamp could be had: (.*)`), "detail.no-stamp"},
	{sentence(`The seal key was made at the first start and is not qualified: .*`), "detail.own-seal"},
	{sentence(`The time-stamps are made here and not qualified: .*`), "detail.own-stamp"},
	{sentence(`The embedded store enforces locks by software only: .*`), "detail.own-store"},
	{sentence(`The store keeps its promise: .*`), "detail.promise"},
	{sentence(`There is no room in the store to see whether .*?: (.*)\. Make some and try again\.`), "detail.store-full"},
	{sentence(`The store did not answer in time when it was tried out whether .*?: (.*)\. Try again when it is less busy\.`), "detail.store-slow"},
	{sentence(`The store does not keep the promise that .*?: (.*)\. Do not archive there\.`), "detail.store-breaks"},
	{sentence(`The clock of the store is (\S+) ahead of this machine's\. .*`), "detail.store-clock"},
	{sentence(`What an earlier probe left behind could not be removed: (.*)`), "detail.leftovers"},
	{sentence(`(\S+) was written, read back unchanged, and is locked until (\S+) \((\w+)\)\.`), "detail.bucket"},
	{sentence(`(\S+) was written with a lock and has none\.`), "detail.bucket-unlocked"},
	{sentence(`The bucket of the tenant does not keep what is written: (.*)`), "detail.bucket-breaks"},
	{sentence(`There is one copy of everything: .*`), "detail.no-copy"},
	{sentence(`The second copy cannot be reached: (.*)`), "detail.copy-away"},
	{sentence(`It keeps what an archive needs and lacks (\d+) objects at this moment\.`), "detail.copy"},

	// Of a disposal run: why something cannot be done now.
	{sentence(`disposal run \S+: its records are still being listed(?:; try again later)?`), "detail.run-collecting"},
	{sentence(`disposal run \S+: it is (\w+): withdraw the approval first`), "detail.run-withdraw"},
	{sentence(`disposal run \S+: it is (\w+)(?:, and an approved one can be carried out)?`), "detail.run-status"},
	{sentence(`disposal run \S+: it is (\w+), and packages are handed over when it is approved`), "detail.run-handing"},
	{sentence(`disposal run \S+: the archive claimed records that would be destroyed`), "detail.run-claimed"},
	{sentence(`disposal run \S+: (.+) decided about the same records in revision (\d+), later than revision \d+: look at it again`), "detail.run-decided"},
	{sentence(`disposal run \S+: revision \d+ is not the newest, which is (\d+): look at it again`), "detail.run-newer"},
	{sentence(`disposal run \S+: none of its (?:open )?records is to be offered`), "detail.run-none-offered"},
	{sentence(`disposal run \S+: it has more than (\d+) records to be offered.*`), "detail.run-offer-many"},
	{sentence(`disposal run \S+: it was not offered`), "detail.run-not-offered"},
	{sentence(`disposal run \S+: the archive may answer until (\S+)`), "detail.run-may-answer"},
	{sentence(`disposal run \S+: (\d+) of its records are on their way out: .*`), "detail.run-going"},
	{sentence(`disposal run \S+: of (\d+) of its records bytes are gone: go on with it`), "detail.run-gone"},
	{sentence(`disposal run \S+: it has no records`), "detail.run-empty"},
	{sentence(`disposal run \S+: (\d+) of its records are not assessed`), "detail.run-unassessed"},
	{sentence(`disposal run \S+: (\d+) records that are to be destroyed have to be offered to the archive`), "detail.run-unoffered"},
	{sentence(`disposal run \S+: the archive has not answered about (\d+) records that are to be destroyed; it may until (\S+)`), "detail.run-unanswered"},
	{sentence(`disposal run \S+: none of these records has the decision A`), "detail.run-no-archive"},
	{sentence(`disposal run \S+: that the archive took them over is noted already of all (\d+) of these records that have the decision A`), "detail.run-all-noted"},
	{sentence(`disposal run \S+: (\d+) of (\d+) records were not fetched for this run in their newest version, first (\S+?): .*`), "detail.run-unfetched"},
	{sentence(`disposal run \S+: the own copy of record (\S+) is to be kept, as was noted with the acknowledgement .*`), "detail.run-kept"},
	{sentence(`(?:disposal run \S+: )?record (\S+) is not open with decision A in disposal run \S+`), "detail.run-no-package"},
	{sentence(`disposal run \S+: it asks about (\d+) records: say allow: \d+ if they are right`), "detail.run-allow-as-asked"},
	{sentence(`disposal run \S+: .*: say allow: (\d+) if that is right`), "detail.run-allow"},
	{sentence(`disposal run \S+: it has not stopped itself for the number of its records: leave allow out`), "detail.run-unasked"},
	{sentence(`disposal run \S+: own copies are destroyed on this word: .*`), "run.own-copy-second"},

	// Of the way of a file into the archive.
	{sentence(`Readable pages; the XML file stays the record\.`), "detail.readable"},
	{sentence(`Header, list of attachments and body on pages; links, scripts and remote pictures left out\.`), "detail.mail"},
	{sentence(`Outlook message read as a message of RFC 5322\.`), "detail.outlook"},
	{sentence(`Attachment (\d+) of the message\.`), "detail.attachment"},
	{sentence(`Supporting document (\d+) of the invoice \(BG-24\)\.`), "detail.supporting"},
	{sentence(`electronic invoice inside of the PDF, byte for byte`), "detail.invoice"},
	{sentence(`Embedded file (\d+) of the PDF, taken out because the rendition cannot hold it\.`), "detail.embedded"},
	{sentence(`Text was not recognised\.`), "detail.no-text"},
	{sentence(`Text recognised by machine and laid over the pages invisibly\.`), "detail.text"},
	{sentence(`Printed without scripts and without anything from outside of the page\.`), "detail.printed"},
	{sentence(`Written anew as PDF/A-2b, colours as sRGB\.`), "detail.anew"},
	{sentence(`Pages drawn by poppler, as PDF\.`), "detail.drawn"},
	{sentence(`Claims PDF/A-(\w+) and is valid: it is its own rendition\.`), "detail.own"},
	{sentence(`Ghostscript reported defects of the source and went on\.`), "detail.defects"},
	{sentence(`Not in the rendition: (.*)\.`), "detail.lossy"},
	{sentence(`Nothing in the (?:file|page) (?:proves|says) its character set; read as (.*)\.`), "detail.charset"},
	{sentence(`the page shows the first (\d+) bytes`), "detail.cut"},
	{sentence(`(\d+) records of the package archived`), "detail.of-package"},
	{sentence(`(\S+) with (\d+) records`), "detail.delivery"},
	{sentence(`nested too deeply: the files within stay inside this one`), "detail.nested"},
	{sentence(`no rendition yet, it is tried again later: (.*)`), "detail.later"},
	{sentence(`no rendition yet: (.*)`), "detail.not-yet"},
	{sentence(`no file could be completed; the record stays as it is`), "detail.incomplete"},
	{sentence(`counter-statement attached`), "detail.statement"},

	// Of what the interface refuses.
	{sentence(`closed until (\S+), by (.*) \([a-z-]+\)`), "detail.closed"},
	{sentence(`restricted since (\S+): (.*)`), "detail.restricted-since"},
	{sentence(`(?:.*: )?record (\S+) is in another disposal run`), "detail.in-run"},
	{sentence(`(?:.*: )?record (\S+) is being destroyed`), "detail.in-destruction"},
	{sentence(`(?:.*: )?it is approved already`), "detail.approved"},
	{sentence(`(?:.*: )?it is in force already`), "detail.in-force"},
	{sentence(`(?:.*: )?(\S+) is another account of (\S+)`), "detail.same-person"},
	{sentence(`(?:.*: )?(\S+) had a part in it`), "detail.part"},
	{sentence(`(?:.*: )?subject request \S+ was decided on (\S+): .*`), "detail.request-decided"},
	{sentence(`(?:.*: )?subject request \S+ has no record that a disposal run of its erasure left: .*`), "detail.nothing-left"},
	{sentence(`(?:.*: )?submission \S+ is (\w+)(?: and not in quarantine)?`), "detail.submission-is"},
	{sentence(`(?:.*: )?somebody else decided on submission \S+`), "detail.submission-decided"},
	{sentence(`(?:.*: )?the package of submission \S+ is finished .*`), "detail.submission-finished"},
	{sentence(`(?:.*: )?(\d+) records of package \S+ were submitted already: .*`), "detail.package-begun"},
	{sentence(`job \S+`), "detail.job"},
	{sentence(`(?:.*: )?a time-stamp renewal is under way`), "detail.renewal"},
	{sentence(`nobody parts their own accounts: .*`), "detail.own-accounts"},
	{sentence(`nobody can lock themselves out: .*`), "detail.own-lock"},
	{sentence(`(\S+) keeps name, password and roles of this user: change them there`), "detail.provider"},
	{sentence(`nothing was kept of this request: .*`), "detail.nothing-kept"},
	{sentence(`the clock of the archive is in doubt: .*`), "detail.clock"},
	{sentence(`the text index (?:is not available now|does not know the newest records yet).*`), "detail.index"},
	{sentence(`the answer took too long; send the request again`), "detail.too-long"},
	{sentence(`(.*) is not available now: try again later.*`), "detail.away"},
	{sentence(`at most (\d+) bytes`), "detail.at-most"},
	{sentence(`pass .next. of the page before .*`), "detail.cursor"},
}

func sentence(form string) *regexp.Regexp { return regexp.MustCompile(`^(?s:` + form + `)$`) }

// detail is a sentence of the archive in the language, or "" where it has only the
// English one.
func (l *language) detail(text string) string {
	if l.tag == xlanguage.BritishEnglish {
		return text
	}
	for _, d := range details {
		if found := d.form.FindStringSubmatch(text); found != nil {
			return l.t(d.key, l.values(found[1:])...)
		}
	}
	return ""
}

// values writes what stands in a sentence of the archive as the language does: days,
// instants, whole numbers and the words for one that is not known, codes, and who a
// certificate names.
func (l *language) values(texts []string) (all []any) {
	for _, text := range texts {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			text = l.time(at)
		} else if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			text = l.number(n)
		} else if w := l.term(text); w != "" {
			text = w
		} else if text == "an unknown number" {
			text = l.t("detail.unknown")
		} else {
			text = l.holder(l.dayIn(text))
		}
		all = append(all, text)
	}
	return all
}

// term is the text of a code that stands in a sentence: how far a disposal run or a
// submission has come, or a part of the archive. "" for others.
func (l *language) term(text string) string {
	for _, area := range []string{"runstatus", "status", "outage"} {
		if w, ok := l.words[area+"."+strings.ReplaceAll(text, " ", "-")]; ok {
			return w.text
		}
	}
	return ""
}

// reported are the events that were reported for a record, by the archive's event.
func (v *visit) reported(id string) (map[string]catalog.Trigger, error) {
	record := preservation.RecordID(id)
	all, err := v.ui.Catalog.Tenant(v.who.Tenant).View().Triggers(v.r.Context(), record)
	if err != nil {
		return nil, err
	}
	by := map[string]catalog.Trigger{}
	for _, g := range all[record] {
		by[g.ID] = g
	}
	return by, nil
}
