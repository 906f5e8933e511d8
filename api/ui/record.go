package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// recordView is a record with everything that is known of it.
type recordView struct {
	api.Record
	ClassTitle string
	Rule       *retention.Rule
	Pairs      []pair
	Holds      []api.Hold // those on the record, where they may be seen
	Happened   []happening
	Verified   *api.Verification // when it was just verified
	Extra      []extra
	Reported   map[string]catalog.Trigger // by the event that tells of it
	Names      documents
	Findings   []preservation.Event // what the archive found wrong with every document
}

// pair is a document, as it was received or taken out of another, and what was made of it.
type pair struct {
	Original   api.File
	From       string // the name of the document that it was taken out of; "" for one received
	Renditions []api.File
	Findings   []preservation.Event // what the archive found wrong with it
}

type extra struct{ Name, Value string }

// eventsShown is how much of what happened last the record's page has.
const eventsShown = 8

func recordPage(v *visit) error { return v.record(nil) }

func (v *visit) record(verified *api.Verification) error {
	id := v.r.PathValue("id")
	p := recordView{Verified: verified}
	if err := v.get(joinPath("/v1/records/", id), &p.Record); err != nil {
		return err
	}
	classes, err := v.classes()
	if err != nil {
		return err
	}
	p.ClassTitle = classes[p.Class]
	if p.Retention.Rule != nil && v.may("GET /v1/rules") {
		rules, err := v.rules()
		if err != nil {
			return err
		}
		if r, ok := rules[p.Retention.Rule.ID]; ok {
			p.Rule = &r
		}
	}
	if len(p.Retention.Holds) > 0 && v.may("GET /v1/holds") {
		if p.Holds, err = v.holdsOn(p.Retention.Holds); err != nil {
			return err
		}
	}
	events, err := v.events(id)
	if err != nil {
		return err
	}
	p.Pairs = pairs(p.Files, events)
	for i := range p.Pairs {
		p.Pairs[i].Findings = findingsOf(events, p.Pairs[i].Original.ID, p.Pairs[i].Renditions)
	}
	p.Findings = shared(p.Pairs)
	p.Names = documentsIn(v.lang, p.Pairs)
	if p.Happened, _, err = v.happened(p.ID, events); err != nil {
		return err
	}
	p.Happened = p.Happened[:min(len(p.Happened), eventsShown)]
	if p.Reported, err = v.reported(id); err != nil {
		return err
	}
	for name, value := range p.Record.Extra {
		p.Extra = append(p.Extra, extra{name, value})
	}
	order := v.lang.collator()
	slices.SortFunc(p.Extra, func(a, b extra) int { return order.CompareString(a.Name, b.Name) })
	return v.show("record", p.Title, p, crumb{v.lang.t("search.title"), "/suche"})
}

// findRecord leads to the record whose identifier, or the address of whose page, somebody
// was given.
func findRecord(v *visit) error {
	said := strings.TrimSpace(v.r.URL.Query().Get("kennung"))
	id := said
	if _, path, address := strings.Cut(said, "/akte/"); address {
		id, _, _ = strings.Cut(path, "/")
		id, _, _ = strings.Cut(id, "?")
	}
	if id = strings.ToLower(id); !preservation.RecordID(id).Valid() {
		return v.start(http.StatusUnprocessableEntity, startView{Values: map[string]string{"kennung": said}, Fields: map[string]api.FieldError{"kennung": {Field: "kennung", Code: "id"}}})
	}
	return v.redirect(joinPath("/akte/", id), "")
}

// pairs puts what was made of a document beside it: renditions, and the text of these. A
// file that was taken out of another, such as the attachment of a message, is a document
// of its own after that one; the events tell which ones were.
func pairs(files []api.File, events []preservation.Event) (all []pair) {
	taken := map[preservation.FileID]bool{}
	for _, e := range events {
		if e.Type == preservation.EventExtract && len(e.Files) > 1 {
			for _, f := range e.Files[1:] {
				taken[f] = true
			}
		}
	}
	known, made := map[preservation.FileID]bool{}, map[preservation.FileID][]api.File{}
	for _, f := range files {
		known[f.ID] = true
	}
	var documents []api.File
	for _, f := range files {
		if f.Representation == preservation.Original || !known[f.DerivedFrom] {
			documents = append(documents, f)
		} else {
			made[f.DerivedFrom] = append(made[f.DerivedFrom], f)
		}
	}
	var add func(document api.File, from string)
	add = func(document api.File, from string) {
		p := pair{Original: document, From: from}
		var inner []api.File
		var beside func(of preservation.FileID)
		beside = func(of preservation.FileID) {
			for _, f := range made[of] {
				if taken[f.ID] {
					inner = append(inner, f)
					continue
				}
				p.Renditions = append(p.Renditions, f)
				beside(f.ID)
			}
		}
		beside(document.ID)
		all = append(all, p)
		for _, f := range inner {
			add(f, document.Name)
		}
	}
	for _, f := range documents {
		add(f, "")
	}
	return all
}

// shared takes the findings that are the same for each of several documents away from
// them, to be told once.
func shared(all []pair) (common []preservation.Event) {
	if len(all) < 2 {
		return nil
	}
	for _, e := range all[0].Findings {
		same := func(f preservation.Event) bool { return f.Code == e.Code && f.Detail == e.Detail }
		if slices.ContainsFunc(all, func(p pair) bool { return !slices.ContainsFunc(p.Findings, same) }) {
			continue
		}
		common = append(common, e)
		for i := range all {
			all[i].Findings = slices.DeleteFunc(slices.Clone(all[i].Findings), same)
		}
	}
	return common
}

// documents are the names of the documents of a record, by each file of theirs.
type documents struct {
	lang  *language
	names map[preservation.FileID]string
	all   int
}

func documentsIn(l *language, all []pair) documents {
	d := documents{lang: l, names: map[preservation.FileID]string{}, all: len(all)}
	for _, p := range all {
		d.names[p.Original.ID] = p.Original.Name
		for _, f := range p.Renditions {
			d.names[f.ID] = p.Original.Name
		}
	}
	return d
}

// documents are those of a record whose events the visitor was given. It is not read for
// them, so the audit log does not say that it was.
func (v *visit) documents(id string, events []preservation.Event) (documents, error) {
	e, err := v.ui.Catalog.Tenant(v.who.Tenant).Record(v.r.Context(), preservation.RecordID(id))
	if err != nil {
		return documents{}, err
	}
	files := make([]api.File, len(e.Files))
	for i, f := range e.Files {
		files[i] = api.File{ID: f.ID, Name: f.Name, Representation: f.Representation, DerivedFrom: f.DerivedFrom}
	}
	return documentsIn(v.lang, pairs(files, events)), nil
}

// namesShown is how many documents an event names.
const namesShown = 3

// Of names the documents that files belong to, or says how many more there are; it says
// nothing where it is all of them.
func (d documents) Of(files []preservation.FileID) string {
	var names []string
	for _, f := range files {
		if name := d.names[f]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) >= d.all {
		return ""
	}
	if more := len(names) - namesShown; more > 0 {
		return d.lang.n("history.more", more, strings.Join(names[:namesShown], ", "))
	}
	return strings.Join(names, ", ")
}

func (v *visit) holdsOn(ids []string) ([]api.Hold, error) {
	var all []api.Hold
	for after := ""; ; {
		var page struct {
			Items []api.Hold
			Next  string
		}
		if err := v.get("/v1/holds?limit=200&after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		for _, h := range page.Items {
			if slices.Contains(ids, h.ID) {
				all = append(all, h)
			}
		}
		if after = page.Next; after == "" || len(all) == len(ids) {
			return all, nil
		}
	}
}

// events are those of a record, newest first.
func (v *visit) events(id string) ([]preservation.Event, error) {
	var all struct{ Items []preservation.Event }
	if err := v.get(joinPath("/v1/records/", id, "/events"), &all); err != nil {
		return nil, err
	}
	slices.Reverse(all.Items)
	return all.Items, nil
}

// verifyRecord reads the record back and shows every finding.
func verifyRecord(v *visit) error {
	id := v.r.PathValue("id")
	var checked api.Verification
	if err := v.post(joinPath("/v1/records/", id, "/verification"), nil, &checked); err != nil {
		return err
	}
	return v.record(&checked)
}

func packageContent(v *visit) error {
	return v.stream(joinPath("/v1/records/", v.r.PathValue("id"), "/package") + params(v.r.URL.Query(), "profile", "disposal"))
}

func evidenceContent(v *visit) error {
	return v.stream(joinPath("/v1/records/", v.r.PathValue("id"), "/evidence") + params(v.r.URL.Query(), "format"))
}

// params passes parameters on.
func params(q url.Values, names ...string) string {
	some := url.Values{}
	for _, name := range names {
		if value := strings.TrimSpace(q.Get(name)); value != "" {
			some.Set(name, value)
		}
	}
	if len(some) == 0 {
		return ""
	}
	return "?" + some.Encode()
}
