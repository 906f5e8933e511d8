package api

import (
	"context"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/search"
)

// ListRecords finds records: by text in the index, by their properties in the
// catalog.
func (s *server) ListRecords(ctx context.Context, request ListRecordsRequestObject) (ListRecordsResponseObject, error) {
	if request.Params.Q != "" {
		return s.searchRecords(ctx, request.Params)
	}
	p, t := request.Params, s.tenant(ctx)
	f := catalog.RecordFilter{Class: p.Class, Producer: p.Producer, Reference: p.Reference, From: p.From, To: p.To,
		State: p.State, Format: p.Format, Status: live}
	entries, next, err := t.Records(ctx, f, string(p.Sort), p.After, pageSize(p.Limit))
	if err != nil {
		return nil, err
	}
	total, err := t.CountRecords(ctx, f)
	if err != nil {
		return nil, err
	}
	return ListRecords200JSONResponse{Total: total, Items: summaries(entries), Facets: map[string][]FacetValue{}, Next: next}, nil
}

// searchOrders are the sorts that the index knows.
var searchOrders = map[ListRecordsParamsSort]search.Order{
	"":          search.ByRelevance,
	"relevance": search.ByRelevance,
	"closed":    search.ByOldest,
	"-closed":   search.ByNewest,
	"reference": search.ByReference,
	"title":     search.ByTitle,
}

// facets are counted with every search by text.
var facets = []search.Facet{search.FacetClass, search.FacetProducer, search.FacetKind, search.FacetState,
	search.FacetFormat, search.FacetConfidentiality, search.FacetYear}

func (s *server) searchRecords(ctx context.Context, p ListRecordsParams) (ListRecordsResponseObject, error) {
	order, ok := searchOrders[p.Sort]
	if !ok {
		return nil, badParameter.in(fieldError("sort", "oneof", "with q: relevance, closed, -closed, reference or title"))
	}
	if p.Reference != "" {
		return nil, badParameter.in(fieldError("reference", "excluded", "cannot be combined with q, which finds references too"))
	}
	q := search.Query{Text: p.Q, Order: order, Limit: pageSize(p.Limit), Cursor: p.After, Facets: facets,
		Filter: search.Filter{Values: map[search.Facet][]string{}, Closed: search.Range{From: p.From, To: p.To}}}
	for facet, value := range map[search.Facet]string{search.FacetClass: p.Class, search.FacetProducer: p.Producer,
		search.FacetState: p.State, search.FacetFormat: p.Format} {
		if value != "" {
			q.Filter.Values[facet] = []string{value}
		}
	}
	t := s.tenant(ctx)
	index, err := s.config.Search.Tenant(t.ID())
	if err != nil {
		return nil, err
	}
	found, err := index.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	ids := make([]preservation.RecordID, len(found.Hits))
	for i, h := range found.Hits {
		ids[i] = h.ID
	}
	entries, err := t.EntriesByID(ctx, ids) // the index may lag: what is gone is not shown
	if err != nil {
		return nil, err
	}
	answer := ListRecords200JSONResponse{Total: int64(found.Total), Items: summaries(entries), Facets: map[string][]FacetValue{}, Next: found.Next}
	for facet, counts := range found.Facets {
		values := make([]FacetValue, len(counts.Values))
		for i, c := range counts.Values {
			values[i] = FacetValue{Value: c.Value, Count: int64(c.Count)}
		}
		answer.Facets[string(facet)] = values
	}
	return answer, nil
}

// live is the status of records whose destruction has not begun.
const live = "live"

func summaries(entries []catalog.Entry) []RecordSummary {
	all := []RecordSummary{}
	for _, e := range entries {
		if e.Status == live {
			all = append(all, summary(e))
		}
	}
	return all
}

func summary(e catalog.Entry) RecordSummary {
	return RecordSummary{
		ID: e.ID, Kind: e.Kind, Title: e.Title, Reference: e.Reference, Class: e.Class, Creator: e.Creator,
		Producer: e.Producer, ProducerRecordID: e.ProducerRecordID, Opened: e.Opened, Closed: e.Closed, Archived: e.Archived,
		State: e.Retention.State, End: e.Retention.End, Links: recordLinks(e.ID),
	}
}
