package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"bestand/preservation/catalog"
)

// ListSearches lists the caller's own searches.
func (s *server) ListSearches(ctx context.Context, _ ListSearchesRequestObject) (ListSearchesResponseObject, error) {
	all, err := s.tenant(ctx).SavedSearches(ctx, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	answer := ListSearches200JSONResponse{Items: make([]SavedSearch, len(all))}
	for i, one := range all {
		answer.Items[i] = savedSearch(one)
	}
	return answer, nil
}

// SaveSearch keeps a search for the caller.
func (s *server) SaveSearch(ctx context.Context, request SaveSearchRequestObject) (SaveSearchResponseObject, error) {
	b := request.Body
	query, err := s.searchQuery(b.Query)
	if err != nil {
		return nil, err
	}
	made, err := s.tenant(ctx).SaveSearch(ctx, principal(ctx).Actor, catalog.SavedSearch{Name: strings.TrimSpace(b.Name), Query: query})
	if err != nil {
		return nil, searchName(err)
	}
	return SaveSearch201JSONResponse(savedSearch(made)), nil
}

// RenameSearch gives a search of the caller another name.
func (s *server) RenameSearch(ctx context.Context, request RenameSearchRequestObject) (RenameSearchResponseObject, error) {
	one, err := s.tenant(ctx).RenameSearch(ctx, principal(ctx).Actor, request.ID, strings.TrimSpace(request.Body.Name))
	if err != nil {
		return nil, searchName(err)
	}
	return RenameSearch200JSONResponse(savedSearch(one)), nil
}

// DeleteSearch forgets a search of the caller.
func (s *server) DeleteSearch(ctx context.Context, request DeleteSearchRequestObject) (DeleteSearchResponseObject, error) {
	if err := s.tenant(ctx).DeleteSearch(ctx, principal(ctx).Actor, request.ID); err != nil {
		return nil, err
	}
	return DeleteSearch204Response{}, nil
}

// searchName says what is wrong with the name that a search should get.
func searchName(err error) error {
	switch {
	case errors.Is(err, catalog.ErrConflict):
		return conflict.in(fieldError("name", "taken", "another search of yours has this name"))
	case errors.Is(err, catalog.ErrFull):
		return conflict.in(fieldError("name", "searches-full", "there is no room for another one: delete one first"))
	}
	return err
}

// searchQuery is a query of GET /v1/records from its first page on, in one form.
func (s *server) searchQuery(text string) (string, error) {
	q, err := url.ParseQuery(strings.TrimPrefix(text, "?"))
	if err != nil {
		return "", invalid.in(fieldError("query", "query", "is not the query of an address"))
	}
	q.Del("limit")
	q.Del("after")
	if len(q) == 0 {
		return "", invalid.in(fieldError("query", "required", "searches for nothing"))
	}
	err = checkQuery(&http.Request{URL: &url.URL{RawQuery: q.Encode()}}, s.spec.operation("GET /v1/records"))
	var wrong *fault
	if errors.As(err, &wrong) {
		err = invalid.in(fieldError("query", wrong.fields[0].Code, wrong.fields[0].Field+" "+wrong.fields[0].Detail))
	}
	return q.Encode(), err
}

func savedSearch(s catalog.SavedSearch) SavedSearch {
	return SavedSearch{ID: s.ID, Name: s.Name, Query: s.Query, Created: s.Created}
}
