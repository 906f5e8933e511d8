package ui

import (
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
	Events     []preservation.Event
	Verified   *api.Verification // when it was just verified
	Extra      []extra
	Reported   map[string]catalog.Trigger // by the event that tells of it
}

// pair is an original and what was made of it.
type pair struct {
	Original   api.File
	Renditions []api.File
	Findings   []preservation.Event // what the archive found wrong with it
}

type extra struct{ Name, Value string }

// eventsShown is how many of the newest events the record's page has.
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
	if p.Events, err = v.events(id); err != nil {
		return err
	}
	p.Pairs = pairs(p.Files)
	for i := range p.Pairs {
		p.Pairs[i].Findings = findingsOf(p.Events, p.Pairs[i].Original.ID, p.Pairs[i].Renditions)
	}
	p.Events = p.Events[:min(len(p.Events), eventsShown)]
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

// pairs puts each rendition beside the file that it was made from.
func pairs(files []api.File) (all []pair) {
	at := map[preservation.FileID]int{}
	for _, f := range files {
		if f.Representation == preservation.Original {
			at[f.ID] = len(all)
			all = append(all, pair{Original: f})
		}
	}
	for _, f := range files {
		if f.Representation == preservation.Original {
			continue
		}
		if i, ok := at[f.DerivedFrom]; ok {
			all[i].Renditions = append(all[i].Renditions, f)
		} else {
			all = append(all, pair{Original: f})
		}
	}
	return all
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

// historyView is everything that happened to a record.
type historyView struct {
	ID       string
	Events   []preservation.Event
	Reported map[string]catalog.Trigger
}

func historyPage(v *visit) error {
	p := historyView{ID: v.r.PathValue("id")}
	var err error
	if p.Events, err = v.events(p.ID); err != nil {
		return err
	}
	if p.Reported, err = v.reported(p.ID); err != nil {
		return err
	}
	return v.show("history", v.lang.t("history.title"), p, crumb{v.lang.t("search.title"), "/suche"}, crumb{v.lang.t("record.record"), joinPath("/akte/", p.ID)})
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
