package api

import (
	"context"
	"log/slog"
	"strings"

	"bestand/preservation"
	"bestand/search"
)

// facetsOf counts what a list by properties has found. A list without facets is
// better than none: when the index cannot answer there are no facets.
func (s *server) facetsOf(ctx context.Context, p ListRecordsParams) map[string][]FacetValue {
	if p.Reference != "" {
		return facetValues(nil) // the index knows references as text only
	}
	q := query(p)
	q.Order, q.Limit, q.Cursor = search.ByNewest, -1, ""
	index, err := s.config.Search.Tenant(s.tenant(ctx).ID())
	var found search.Page
	if err == nil {
		found, err = index.Search(ctx, q)
	}
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "list without facets", slog.String("request", requestID(ctx)), slog.Any("err", err))
	}
	return facetValues(found.Facets)
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
	search.FacetFormat, search.FacetConfidentiality, search.FacetYear}

// query asks the index for what a list is about.
func query(p ListRecordsParams) search.Query {
	q := search.Query{Text: p.Q, Limit: pageSize(p.Limit), Cursor: p.After, Facets: facets,
		Filter: search.Filter{Values: map[search.Facet][]string{}, Closed: search.Range{From: p.From, To: p.To}}}
	format := search.FacetFormat
	if pronom.MatchString(p.Format) {
		p.Format = strings.ToLower(p.Format)
	} else if strings.Contains(p.Format, "/") {
		format = search.FacetMIME
	}
	for facet, value := range map[search.Facet]string{search.FacetClass: p.Class, search.FacetProducer: p.Producer, search.FacetKind: p.Kind,
		search.FacetState: p.State, format: p.Format, search.FacetConfidentiality: p.Confidentiality, search.FacetYear: p.Year} {
		if value != "" {
			q.Filter.Values[facet] = []string{value}
		}
	}
	return q
}

// searchRecords asks the index.
func (s *server) searchRecords(ctx context.Context, p ListRecordsParams) (page RecordPage, err error) {
	orders := "-closed, closed, reference or title"
	if p.Q != "" {
		orders = "relevance, " + orders
	}
	q := query(p)
	switch order, ok := searchOrders[p.Sort]; {
	case p.Sort == "" && p.Q != "":
		q.Order = search.ByRelevance
	case p.Sort == "":
		q.Order = search.ByNewest
	case !ok || order == search.ByRelevance && p.Q == "":
		return page, badParameter.in(fieldError("sort", "oneof", "with text, confidentiality, year, a media type or `-`: "+orders))
	default:
		q.Order = order
	}
	if p.Reference != "" {
		return page, badParameter.in(fieldError("reference", "excluded", "cannot be combined with confidentiality, year, a media type, `-` or sort=title"))
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
	return RecordPage{Total: int64(found.Total), Items: summaries(entries), Facets: facetValues(found.Facets), Next: found.Next}, nil
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
