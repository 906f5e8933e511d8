package api

import (
	"bytes"
	"context"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// ListEvents returns what happened to a record, as JSON or as PREMIS.
func (s *server) ListEvents(ctx context.Context, request ListEventsRequestObject) (ListEventsResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	events, err := s.tenant(ctx).Events(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	if accepted(note(ctx).accept, mediaJSON, mediaXML) == mediaJSON {
		return ListEvents200JSONResponse{Items: list(events)}, nil
	}
	return premis(e.Record, events)
}

// premis writes the record's objects and events in the schema of PREMIS 3.
func premis(r preservation.Record, events []preservation.Event) (ListEventsResponseObject, error) {
	var b bytes.Buffer
	if err := aip.WritePremis(&b, &r, events); err != nil {
		return nil, err
	}
	return ListEvents200ApplicationXMLResponse{Body: &b, ContentLength: int64(b.Len())}, nil
}
