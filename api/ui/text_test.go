package ui

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/retention"
)

// TestPageTemplates: every page can be parsed, in every language, which is otherwise
// done only when it is shown.
func TestPageTemplates(t *testing.T) {
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	all, err := pageTemplates(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		for name, page := range all[l.code] {
			if _, err := page(); err != nil {
				t.Errorf("%s in %s: %v", name, l.code, err)
			}
		}
		if len(all[l.code]) == 0 {
			t.Errorf("no page in %s", l.code)
		}
	}
}

// TestTexts wants every text that a page asks for in every language, and no other.
func TestTexts(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	german := languages[0]
	for _, l := range languages[1:] {
		for key, p := range l.words {
			if _, ok := german.words[key]; !ok {
				t.Errorf("%s: %s is in no other language", l.code, key)
			}
			for form := range p.forms {
				if verbs(p.forms[form]) != verbs(german.words[key].forms[form]) {
					t.Errorf("%s: %s takes other values than in German", l.code, key)
				}
			}
			if verbs(p.text) != verbs(german.words[key].text) {
				t.Errorf("%s: %s takes other values than in German", l.code, key)
			}
		}
		for key := range german.words {
			if _, ok := l.words[key]; !ok {
				t.Errorf("%s: %s is missing", l.code, key)
			}
		}
	}
	used := map[string]string{}
	for _, pattern := range []string{"*.go", "template/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range quoted.FindAllStringSubmatch(string(b), -1) {
				used[m[1]] = name
			}
			for _, m := range named.FindAllStringSubmatch(string(b), -1) {
				if _, ok := german.words[m[1]]; !ok {
					t.Errorf("%s: there is no text %s", name, m[1])
				}
			}
			for _, m := range notices.FindAllStringSubmatch(string(b), -1) {
				if key := "notice." + m[1]; german.t(key) == key {
					t.Errorf("%s: there is no text %s", name, key)
				}
			}
		}
	}
	for _, key := range codes() {
		if german.t(key) == key {
			t.Errorf("there is no text %s", key)
		}
	}
	for key := range german.words {
		area, _, _ := strings.Cut(key, ".")
		if _, ok := used[key]; !ok && !slices.Contains(byCode, area) && !strings.HasPrefix(key, "record.") {
			t.Errorf("nothing uses the text %s", key)
		}
	}
}

var (
	quoted  = regexp.MustCompile(`"([a-z]+(?:\.[a-z-]+)?)"`)
	named   = regexp.MustCompile(`\b[tn][( ]"([a-z]+\.[a-z-]+)"`)
	notices = regexp.MustCompile(`redirect\([^\n]*"([a-z-]+)"\)`)
	verb    = regexp.MustCompile(`%[a-z]`)
)

func verbs(text string) string { return strings.Join(verb.FindAllString(text, -1), "") }

// byCode are the areas whose keys end in a code.
var byCode = []string{"accessgrant", "action", "answer", "applies", "audited", "away", "base", "bound", "confidence", "confidentiality", "decider", "decision", "detail", "disposal", "disposition", "effect", "event", "evidence", "facet", "fate", "fault", "field", "filefault", "finding", "fixity", "granted", "hold", "item",
	"job", "kind", "lock", "loginrefusal", "match", "month", "notice", "outage", "outcome", "owncopy", "package", "part", "permit", "planchoice", "problem", "query", "queue", "reason", "receiptchoice", "renditionchoice", "remedy", "renewal", "representation", "request", "requestoutcome", "requeststatus", "reportname", "role", "rulestatus", "runact", "runstatus", "runstep", "runview", "scope", "sealchoice", "sealsource", "section", "setupstep", "severity", "sort", "stampkind", "stampsource", "state", "status", "storesource",
	"theme", "token", "tokenlabel", "trigger", "trouble", "weekday", "user", "verdict", "verification", "why", "yesno"}

// TestReasons: sheets for people say in German what the pages say.
func TestReasons(t *testing.T) {
	for key, said := range languages[0].words {
		if code, ok := strings.CutPrefix(key, "reason."); ok && retention.GermanCode(code) != said.text {
			t.Errorf("%s: the page says %q, a sheet %q", code, said.text, retention.GermanCode(code))
		}
	}
}

// codes are keys of codes that the packages below list.
func codes() (keys []string) {
	add := func(area string, codes ...any) {
		for _, c := range codes {
			keys = append(keys, area+"."+strings.ReplaceAll(fmt.Sprint(c), " ", "-"))
		}
	}
	add("state", retention.Active, retention.Closed, retention.Retained, retention.Due, retention.Held, retention.Unresolved, retention.Conflict, retention.Permanent)
	add("reason", retention.UnknownClass, retention.NoRule, retention.NotInForce, retention.MissingTrigger, retention.ImplausibleDate, retention.UnknownFile, retention.OutlivesFile,
		retention.CeilingBelowFloor, retention.CeilingUnknown, retention.CeilingPassed, retention.OfFile, retention.Sampled, retention.OfSuccessor)
	add("fate", retention.Purging, retention.Stuck, retention.Gone, retention.Saved, retention.Since, retention.Unclear)
	add("event", preservation.EventReceive, preservation.EventUnpack, preservation.EventScan, preservation.EventIdentify, preservation.EventValidate, preservation.EventConvert,
		preservation.EventExtract, preservation.EventCheck, preservation.EventSeal, preservation.EventDigest, preservation.EventPackage, preservation.EventStore, preservation.EventFixity,
		preservation.EventReplicate, preservation.EventHold, preservation.EventRetention, preservation.EventQuarantine, preservation.EventRelease, preservation.EventRefuse,
		preservation.EventIntent, preservation.EventDelete, preservation.EventAccess, preservation.EventReclassify, preservation.EventRestrict, preservation.EventStatement)
	add("verdict", preservation.VerdictValid, preservation.VerdictInvalid, preservation.VerdictNotValidated, preservation.VerdictNoRendition, preservation.VerdictPending)
	add("severity", preservation.Passed, preservation.Notice, preservation.Failed)
	add("outcome", preservation.Success, preservation.Warning, preservation.Failure)
	for _, p := range preservation.Parts() {
		add("away", p.Code())
		add("trouble", p.Code())
	}
	for _, r := range auth.Roles {
		add("role", r)
	}
	for _, s := range statuses {
		add("status", s)
	}
	for _, s := range sections {
		add("section", s.key)
	}
	for _, f := range filters {
		add("facet", f)
	}
	for _, s := range sorts {
		add("sort", s)
	}
	for m := range 12 {
		add("month", m+1)
	}
	add("problem", 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 503, 507)
	return keys
}

// TestHelp wants every page of help in every language.
func TestHelp(t *testing.T) {
	files, err := fs.Glob(helpFiles, "help/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range append(slices.Clone(helpNames), "barrierefreiheit", "schnittstelle") {
		for _, l := range languages {
			if !slices.Contains(files, "help/"+name+"."+l.code+".md") {
				t.Errorf("%s is missing in %s", name, l.name)
			}
		}
	}
}

func TestFormats(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	de, en := languages[0], languages[1]
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{de.number(1234567), "1.234.567"},
		{en.number(1234567), "1,234,567"},
		{de.size(999), "999 Byte"},
		{de.size(1_500_000), "1,5 MB"},
		{en.size(0), "0 bytes"},
		{en.size(1), "1 byte"},
		{de.time(at), "02.07.2026, 00:30 Uhr"},
		{de.date(preservation.Date{Year: 2024, Month: 2, Day: 29}), "29.02.2024"},
		{en.date(preservation.Date{Year: 2024, Month: 2, Day: 29}), "29 Feb 2024"},
		{de.date(preservation.Date{}), ""},
		{de.n("search.hits", 1), "1 Treffer"},
		{en.n("search.hits", int64(1)), "1 hit"},
		{en.n("search.hits", int64(12345)), "12,345 hits"},
		{de.coded("verdict", "not validated"), "noch nicht validiert"},
		{de.coded("finding", "never-heard-of"), "never-heard-of"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	names := []string{"Öl", "Zaun", "Akte 10", "Akte 9", "Ofen"}
	slices.SortFunc(names, de.collator().CompareString)
	if got := strings.Join(names, ", "); got != "Akte 9, Akte 10, Ofen, Öl, Zaun" {
		t.Errorf("sorted: %s", got)
	}
}
