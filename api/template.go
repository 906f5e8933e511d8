package api

import (
	"context"

	"bestand/retention"
)

// ListTemplates lists the templates that come with the program.
func (s *server) ListTemplates(context.Context, ListTemplatesRequestObject) (ListTemplatesResponseObject, error) {
	t, err := retention.SampleTemplate()
	if err != nil {
		return nil, err
	}
	return ListTemplates200JSONResponse{Items: []retention.Template{t}}, nil
}

// GetTemplate makes a template of what is in force.
func (s *server) GetTemplate(ctx context.Context, request GetTemplateRequestObject) (GetTemplateResponseObject, error) {
	p := request.Params
	t, err := s.config.Officer.Template(ctx, s.tenant(ctx), retention.TemplateRef{Name: p.Name, Version: p.Version})
	if err != nil {
		return nil, err
	}
	return GetTemplate200JSONResponse(t), nil
}

// AdoptTemplate brings a version of a template into force.
func (s *server) AdoptTemplate(ctx context.Context, request AdoptTemplateRequestObject) (AdoptTemplateResponseObject, error) {
	a, err := s.config.Officer.Adopt(ctx, s.tenant(ctx), *request.Body, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	if a.Unchanged {
		return AdoptTemplate200JSONResponse(a), nil
	}
	return AdoptTemplate201JSONResponse(a), nil
}

// PreviewTemplate says what that would do.
func (s *server) PreviewTemplate(ctx context.Context, request PreviewTemplateRequestObject) (PreviewTemplateResponseObject, error) {
	a, err := s.config.Officer.PreviewTemplate(ctx, s.tenant(ctx), *request.Body, examples(request.Params.Examples))
	if err != nil {
		return nil, err
	}
	return PreviewTemplate200JSONResponse(a), nil
}
