package ui

import (
	"net/url"
	"strconv"
)

// listPage is a page of a list of the interface. First and Next are the addresses of
// others; Next is "" on the last one.
type listPage[T any] struct {
	Items       []T
	Begun       bool // it is not the first one
	First, Next string
}

// listPageSize is how many things such a page has.
const listPageSize = 30

// pageOf asks for the page of a list that the address of a visit names. The list is at
// first on the pages, and at path in the interface.
func pageOf[T any](v *visit, first, path string, q url.Values) (listPage[T], error) {
	after := v.r.URL.Query().Get("after")
	q.Set("limit", strconv.Itoa(listPageSize))
	if after != "" {
		q.Set("after", after)
	}
	p := listPage[T]{Begun: after != "", First: first}
	var page struct {
		Items []T
		Next  string
	}
	if err := v.get(path+"?"+q.Encode(), &page); err != nil {
		return p, err
	}
	if p.Items = page.Items; page.Next != "" {
		p.Next = first + "?" + url.Values{"after": {page.Next}}.Encode()
	}
	return p, nil
}
