package api

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/search"
)

// count is what the index counts of a list.
type count struct {
	total  int64
	exact  bool // the index has seen every change; otherwise total is about right
	facets map[string][]FacetValue
}

// counted counts what a list by properties has found. A list without facets is
// better than none: when the index cannot answer there are no facets.
func (s *server) counted(ctx context.Context, p ListRecordsParams, hidden []preservation.RecordID) count {
	if p.Reference != "" {
		return count{facets: facetValues(nil)} // the index knows references as text only
	}
	c, err := s.indexCount(ctx, p, hidden)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "list without facets", slog.String("request", requestID(ctx)), slog.Any("err", err))
	}
	return c
}

func (s *server) indexCount(ctx context.Context, p ListRecordsParams, hidden []preservation.RecordID) (count, error) {
	none := count{facets: facetValues(nil)}
	t := s.tenant(ctx)
	index, err := s.config.Search.Tenant(t.ID())
	if err != nil {
		return none, err
	}
	reached, err := index.Checkpoint(ctx)
	if err != nil {
		return none, err
	}
	q := query(p, hidden)
	q.Order, q.Limit, q.Cursor = search.ByNewest, -1, ""
	found, err := index.Search(ctx, q)
	if err != nil {
		return none, err
	}
	end, err := t.FeedEnd(ctx) // last: what came meanwhile makes it differ
	return count{total: int64(found.Total), exact: err == nil && reached == end, facets: s.named(ctx, facetValues(found.Facets))}, err
}

// searchOrders are the sorts that the index knows.
var searchOrders = map[ListRecordsParamsSort]search.Order{
	"relevance": search.ByRelevance,
	"closed":    search.ByOldest,
	"-closed":   search.ByNewest,
	"reference": search.ByReference,
	"title":     search.ByTitle,
}

// facets are counted with every list.
var facets = []search.Facet{search.FacetClass, search.FacetProducer, search.FacetKind, search.FacetState,
	search.FacetFormat, search.FacetConfidentiality, search.FacetYear, search.FacetHold, search.FacetEvidence}

// query asks the index for what a list is about, without what is hidden.
func query(p ListRecordsParams, hidden []preservation.RecordID) search.Query {
	q := search.Query{Text: p.Q, Limit: pageSize(p.Limit), Cursor: p.After, Facets: facets,
		Filter: search.Filter{Values: map[search.Facet][]string{}, Closed: search.Range{From: p.From, To: p.To}, Without: hidden}}
	format := search.FacetFormat
	if pronom.MatchString(p.Format) {
		p.Format = strings.ToLower(p.Format)
	} else if strings.Contains(p.Format, "/") {
		format = search.FacetMIME
	}
	for facet, value := range map[search.Facet]string{search.FacetClass: p.Class, search.FacetProducer: p.Producer, search.FacetKind: p.Kind,
		search.FacetState: p.State, format: p.Format, search.FacetConfidentiality: p.Confidentiality, search.FacetYear: p.Year,
		search.FacetHold: p.Hold, search.FacetEvidence: p.Evidence} {
		if value != "" {
			q.Filter.Values[facet] = []string{value}
		}
	}
	return q
}

// searchRecords asks the index, without what is hidden.
func (s *server) searchRecords(ctx context.Context, p ListRecordsParams, hidden []preservation.RecordID) (page RecordPage, err error) {
	orders := "-closed, closed, reference or title"
	if p.Q != "" {
		orders = "relevance, " + orders
	}
	q := query(p, hidden)
	q.Snippets = p.Q != ""
	switch order, ok := searchOrders[p.Sort]; {
	case p.Sort == "" && p.Q != "":
		q.Order = search.ByRelevance
	case p.Sort == "":
		q.Order = search.ByNewest
	case !ok || order == search.ByRelevance && p.Q == "":
		return page, badParameter.in(fieldError("sort", "oneof", "with text, confidentiality, year, hold, evidence, a media type or `-`: "+orders))
	default:
		q.Order = order
	}
	if p.Reference != "" {
		return page, badParameter.in(fieldError("reference", "excluded", "cannot be combined with confidentiality, year, hold, evidence, a media type, `-` or sort=title"))
	}
	t := s.tenant(ctx)
	index, err := s.config.Search.Tenant(t.ID())
	if err != nil {
		return page, err
	}
	found, err := index.Search(ctx, q)
	if err != nil {
		return page, err
	}
	ids := make([]preservation.RecordID, len(found.Hits))
	for i, h := range found.Hits {
		ids[i] = h.ID
	}
	entries, err := t.EntriesByID(ctx, ids) // the index may lag: what is gone is not shown
	if err != nil {
		return page, err
	}
	shown, err := s.summaries(ctx, entries)
	for i := range shown {
		shown[i].Snippets = snippets(found.Hits, shown[i].ID)
	}
	return RecordPage{Total: int64(found.Total), Items: shown, Facets: s.named(ctx, facetValues(found.Facets)), Next: found.Next}, err
}

// snippets are where a record was found.
func snippets(hits []search.Hit, id preservation.RecordID) (all [][]SnippetPart) {
	i := slices.IndexFunc(hits, func(h search.Hit) bool { return h.ID == id })
	for _, s := range hits[i].Snippets {
		parts := make([]SnippetPart, len(s))
		for j, p := range s {
			parts[j] = SnippetPart{Text: p.Text, Match: p.Match}
		}
		all = append(all, parts)
	}
	return all
}

func facetValues(found map[search.Facet]search.FacetCounts) map[string][]FacetValue {
	all := map[string][]FacetValue{}
	for facet, counts := range found {
		values := make([]FacetValue, len(counts.Values))
		for i, c := range counts.Values {
			values[i] = FacetValue{Value: c.Value, Count: int64(c.Count)}
		}
		all[string(facet)] = values
	}
	return all
}
