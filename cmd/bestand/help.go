package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// asked is what became of a request that was not waited for.
const asked = "the archive may have done, or be doing, what it was asked for: look there before you ask again"

// interrupted says of commands, or of one of their subcommands, what is left when a person
// or the system ends them early, and how to go on.
var interrupted = map[string]string{
	"ingest":            "what the archive has accepted it goes on with by itself; the same command again takes nothing in twice, and with --wait waits for it and keeps its receipt",
	"export":            "the files that have their name are complete; the same command fetches the others",
	"evidence":          asked + " (bestand evidence due)",
	"classification":    asked + " (bestand classification list)",
	"rules":             asked + " (bestand rules export)",
	"schedule":          asked + " (bestand schedule list)",
	"disposal":          asked + " (bestand disposal show)",
	"reclassify":        "what was moved by then is moved; the same command again moves the others",
	"subject":           asked + " (bestand subject list)",
	"check":             "not everything was looked at; what was repaired by then is repaired. Run it again",
	"audit verify":      "not everything was looked at; run it again",
	"audit export":      "not everything is in the folder; run it again",
	"audit accept-fork": "what was taken up or accepted by then stays so; run it again without --reason, which tells the segments that are left",
	"tenant create":     "the tenant may be there (bestand tenant list); what it lacks then it gets at the next start of the service",
	"tenant settings":   asked + " (bestand tenant settings)",
	"backup":            "what was copied by then counts; run it again, it copies only what is missing. Until then the folder holds what it held before",
	"restore":           "the archive is not whole yet and does not start; run it again, it goes on",
	"rebuild":           "the catalog is not whole yet; run it again before you start the service",
}

// purposes says of every command what it does, to whom, and what has to be minded.
var purposes = map[string]string{
	"serve": `Runs the archive: interface, search, conversion and deadlines, with the embedded
object store as a child unless another store is named. The first start makes
keys, a tenant, and an administrator's token and password, which it prints once. It ends with
SIGTERM; what is under way goes on at the next start.`,
	"ingest": `A file becomes one record. A folder becomes one record of all files in it; its
metadata.json, if there, is the metadata of the submission; without one the path
on this machine is its producer_record_id. Sending the same again is safe: what
was accepted before is not taken in twice.`,
	"verify": `Checks packages (ZIP), receipts (.jws) and evidence records (.er) offline and lists
every finding. An evidence record is checked against the files after it: a package,
of which it must cover everything, or single documents, each for itself.`,
	"evidence": `Asks a running archive about the proof that records are unchanged. stamp has those
that are new time-stamped now; it is done every hour anyway. due says what has to be
renewed because a certificate or an algorithm ends, today or at a day to come, and
changes nothing; renew does it now and not in the night. They take an operator's
token. bestand evidence due --help shows the flags.`,
	"export": `Fetches the packages of records into files that are complete when they have their
name. The profile asic is an ASiC-E (EN 319 162-1), xaip an XAIP 1.3 (BSI TR-03125-F):
every file of the package with the evidence record over exactly these. bagit is a bag
(RFC 8493) in a ZIP, ocfl an OCFL 1.1 object in a ZIP with all versions, xdomea a
message Aussonderung.0503 of xdomea 4.0.0 with its files. aip is the package as it is
stored, beside which stands its evidence record (.er) if there is one. Counter-statements
of persons concerned go with every form, in aip as a file beside it.`,
	"classification": `list shows the classification (Aktenplan) of a running archive, --versions who put which
version into force. export writes it as CSV for a spreadsheet, as xdomea or as JSON;
import puts a file in one of these forms into force as the next version, after telling
what it moves: with --preview it does no more than that. Without the column
"Übergeordnet" a CSV file says by its codes what lies below what; a row with
"Nachfolger" ends a class whose records then go by the rule of another. publish writes
classification and rules as a template for other tenants into a file; adopt brings that
file, a version of the template, into force: what it changed since the version before, but for what the tenant
changed itself. They take a records officer's token. bestand classification import --help shows the flags.`,
	"rules": `export writes the retention rules of a running archive as CSV for a spreadsheet, the
newest version of each, or with all versions as JSON. import puts those of a file into
force that differ from the newest version there, each as its next version, all or none,
after telling what they move: with --preview it does no more than that. Rules that the
file does not name stay, and so does what a CSV file has no column for.
They take a records officer's token. bestand rules import --help shows the flags.`,
	"report": `Fetches a report from a running archive, as CSV for a spreadsheet or as JSON: due says
what falls due by year, class and disposition; unresolved which records lack something,
such as the event that starts their period; conflicts which have a floor above their
ceiling; holds which legal holds stand, how far they are applied, and which are past
their review. They take a records officer's or an auditor's token.`,
	"schedule": `list says what a running archive does by itself, when it did so last, with what outcome,
and when it will again. run has it done now; pause keeps it from being done until
resume, which catches up once on what was missed. The extension of locks and the
storing of the audit log cannot be paused. run scrub leaves out what was read back a
short while ago, and says so; with --everything it leaves out nothing. They take an
operator's or a records officer's token.`,
	"disposal": `Works on disposal runs (Aussonderung) of a running archive. create lists records that
are due, by class, by day or one by one. show --csv writes them to a file, in which
decide --csv reads a decision for each: A archive, V destroy, K keep until a day, B not
decided yet. message fetches the offer to the archive as xdomea 0501; offer and answer
note that it was made and what the archive said, --xdomea as its message 0502. approve
takes another person than all that has a part in it; execute has it carried out after a
grace period, stop stops it at any time. export fetches the packages of what has decision
A; transfer notes that the archive took these over, and is refused before. decide, answer
and transfer are about all records, or about those of --class, --record and --records FILE.
certificate fetches the proof, as PDF/A or JSON by the name of the file. bestand disposal
decide --help shows the flags.`,
	"reclassify": `Moves records of a running archive to another class (Umsortierung): those that are
named, that a file lists, one a line, or that a query finds. --preview only tells where
each would stand. Each is moved for itself: one that is refused is named, the others go
on, and the same again moves what is left. It takes a records officer's token.`,
	"subject": `Works on requests of persons concerned (GDPR Art. 15 to 18, SächsArchivG §6). create
records those of a file, or with - of the standard input, each an object of JSON with kind (access,
erasure, restriction, counter-statement or rectification), subject (name, born, id),
received and, for a counter-statement, text; it lists the records that may be meant.
decide grants or refuses one for the records that are named. What is granted is carried
out: an erasure becomes a disposal run, and erase begins another over what that one left,
as for a hold that is released by now. statement fetches what is held about the person, as
PDF/A or JSON by the name of the file. They take a records officer's token.
bestand subject decide --help shows the flags.`,
	"check": `Reads every object of every tenant back and compares it with the catalog:
bytes, seals, receipts, locks, rows, audit log. Says what does not agree, and
ends with code 1 if anything does not. Changes nothing. The service must be
stopped; of a running one POST /v1/records/{id}/verification verifies a record.`,
	"audit": `verify checks the audit log of all tenants, with the service stopped: the chain of
hashes without a gap, seals, evidence records, the catalog against the bucket. With
segments or folders of an export it needs no archive; seals (.p7s) and evidence records
(.er) beside them are found by name. It ends with code 1 if anything does not hold.
export writes the segments with both into a folder, from a running service with an
auditor's token. accept-fork leads out where the bucket has segments that do not go with
the log and that rebuild does not take up (audit-fork): with the service stopped it tells
them, and with --by, --reason and their digests (--branch) it notes in the log that a
person has looked, and leaves them beside it, or takes up those that are the log itself
(--log), as where two without a seal begin with the same entry. Nothing is removed or changed; the log goes
on with what the catalog has, and verify tells the fork from then on as one that was
accepted. bestand audit verify --help shows the flags.`,
	"clock": `Says which time this machine has, which the archive believed last, and whether
destructions have stopped for it. While the clock is in doubt nothing is destroyed
and nothing is made that states its time for good. A person who knows that the
clock is right says so with --confirm. It may be used beside a running service.`,
	"backup": `Copies the buckets of all tenants, the catalog (SQLite) and the keys into a folder,
sealed, also beside a running service. Run again it copies only what is new. The copies
of records that were destroyed since are removed; what is gone from a bucket without a
tombstone stays, is read, is named, and ends it with code 1. Keys are encrypted with the
passphrase (age). Not in it: submissions without a receipt, files that settings name
outside of the data folder, a catalog on PostgreSQL. That is rebuilt from the buckets,
but for tokens and jobs: to keep these run pg_dump before each backup, and bring the
dump back before the restore. Whatever cut a run off, run it again.`,
	"restore": `Brings a backup into an empty data folder and empty buckets, with locks and holds;
flags of serve name another store or catalog. Every object is read back and compared.
What was destroyed does not come back, nor what a later backup (--newer) or the second
copy (--copy-endpoint, which has to be named where there is one) knows as destroyed;
holds, rules and permits are then those of the later one, too. A later backup with another authority is believed by the passphrase of the earlier one, or by the
certificate in --trust-file. Where a destruction had only begun the record is back. The
search index is made anew, and so is a catalog on PostgreSQL, without tokens. A damaged
copy is named and not stored. Whatever cut it off, run it again.`,
	"user": `Manages the people who log in at the pages. add and password print a password for
one login, which has to be changed then. lock ends a person's sessions and shuts it
out; API tokens stay and are revoked by bestand token. It may be used beside a running
service. bestand user add --help shows the flags.`,
	"rebuild": `Restores catalog and search index from the buckets alone. Sessions, tokens
and people, with their passwords and which accounts are one person's, are not in
the buckets and do not come back, nor does the audit log of the last minutes
before the loss; the next start prints a new administrator's token: bestand user
add makes people anew, and the page of users says again which accounts are one
person's. The service must be stopped. A catalog that is there already gets what
it lacks; what an older one noted in its audit log meanwhile goes behind the
newest entry of the bucket. --complete ends destructions that the loss cut off, if
nothing is held: neither the record nor the files that it belonged to.`,
	"doctor": `Looks for the programs that the archive uses and says of each which version is
here, what is lost without it and how to have it. With the flags of serve it tries the
seal key and what is told about its certificate, and the services that are named; one for
time-stamps may charge for it. Changes nothing, and may be used beside a running service.`,
	"tenant": `create makes a tenant with its bucket; the service must be
stopped, a running one is asked by POST /v1/tenants. list shows them. settings shows
and changes, in a running archive and with the token of an administrator, how the records
of a tenant are treated from then on; the value default is that of the installation.
bestand tenant create --help shows the flags.`,
	"token": `create makes a token for a person or a program and prints it once; list shows
what there is of all, without the secrets; revoke ends one at once. It may be used
beside a running service. bestand token create --help shows the flags.`,
	"config": `check prints the settings that serve would run with, from flags, environment and
file, without secrets, and every problem of them. It takes the flags of serve.`,
	"version":     `Prints the version.`,
	"objectstore": `The embedded object store: serve starts it.`,
}

// explain prints what stands above the flags of a command, or of one of its
// subcommands.
func explain(w io.Writer, name string) {
	first, sub, _ := strings.Cut(name, " ")
	for _, c := range commands() {
		if c.name == first {
			args := c.args
			if sub != "" {
				args = sub + " [flags]"
			}
			fmt.Fprintf(w, "Usage: bestand %s\n\n%s\n\n", strings.TrimSpace(c.name+" "+args), purposes[first])
		}
	}
}

func asksForHelp(arg string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, arg)
}
