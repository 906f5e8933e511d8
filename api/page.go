package api

import (
	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	defaultPage = 50
	maxPage     = 200
)

// pageSize is the limit of a list. Others than 1 to 200 do not come so far.
func pageSize(limit *Limit) int {
	if limit == nil {
		return defaultPage
	}
	return *limit
}

// afterID refuses what cannot be the cursor of a list that goes by identifier.
func afterID(after string) error {
	if after != "" && !preservation.RecordID(after).Valid() {
		return catalog.ErrCursor
	}
	return nil
}

// page cuts a list of which one item more than the limit was asked for, and
// returns the cursor of the next page if there is one.
func page[T any](items []T, limit int, cursor func(T) string) (cut []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], cursor(items[limit-1])
}

// list is never nil, so that it is [] in JSON and not null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
