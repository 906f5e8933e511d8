package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/search"
)

// formatNames keeps what the records of a tenant call a format: each was identified by
// the release of PRONOM of its day.
type formatNames struct {
	mu    sync.Mutex
	known map[formatOf]string
}

type formatOf struct {
	tenant preservation.TenantID
	puid   string
}

// formatsKnown bounds them. PRONOM has some 2,500 formats, a tenant dozens.
const formatsKnown = 5000

// named adds the names of formats to the facet that counts them. A format whose name
// cannot be found is shown by its identifier.
func (s *server) named(ctx context.Context, facets map[string][]FacetValue) map[string][]FacetValue {
	values := facets[string(search.FacetFormat)]
	for i, v := range values {
		if v.Value == search.Absent {
			continue
		}
		name, err := s.formats.of(ctx, s.tenant(ctx), v.Value)
		if err != nil {
			s.log.WarnContext(ctx, "formats without names", slog.String("request", requestID(ctx)), slog.Any("err", err))
			break
		}
		values[i].Name = name
	}
	return facets
}

// of is the name of a format of which a tenant has files, or nothing.
func (n *formatNames) of(ctx context.Context, t *catalog.Tenant, puid string) (string, error) {
	f := formatOf{t.ID(), puid}
	n.mu.Lock()
	name, ok := n.known[f]
	n.mu.Unlock()
	if ok {
		return name, nil
	}
	name, err := t.FormatName(ctx, puid)
	if errors.Is(err, catalog.ErrNotFound) {
		return "", nil // gone since the index saw it
	}
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= formatsKnown {
		n.known = map[formatOf]string{}
	}
	n.known[f] = name
	return name, nil
}
