package api

import "context"

// ListRules returns all versions of all rules.
func (s *server) ListRules(ctx context.Context, _ ListRulesRequestObject) (ListRulesResponseObject, error) {
	rules, err := s.config.Officer.Rules(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	return ListRules200JSONResponse{Items: list(rules)}, nil
}

// AddRule puts the next version of a rule into force.
func (s *server) AddRule(ctx context.Context, request AddRuleRequestObject) (AddRuleResponseObject, error) {
	rule, err := s.config.Officer.AddRule(ctx, s.tenant(ctx), *request.Body, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return AddRule201JSONResponse(rule), nil
}

// ApproveRule puts a draft into force.
func (s *server) ApproveRule(ctx context.Context, request ApproveRuleRequestObject) (ApproveRuleResponseObject, error) {
	rule, err := s.config.Officer.ApproveRule(ctx, s.tenant(ctx), request.ID, request.Version, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	return ApproveRule200JSONResponse(rule), nil
}

// GetPolicy returns what the tenant decided about its officers.
func (s *server) GetPolicy(ctx context.Context, _ GetPolicyRequestObject) (GetPolicyResponseObject, error) {
	p, err := s.config.Officer.Policy(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	return GetPolicy200JSONResponse(p), nil
}

// SetPolicy changes it.
func (s *server) SetPolicy(ctx context.Context, request SetPolicyRequestObject) (SetPolicyResponseObject, error) {
	if err := s.config.Officer.SetPolicy(ctx, s.tenant(ctx), *request.Body, principal(ctx).Actor); err != nil {
		return nil, err
	}
	return SetPolicy200JSONResponse(*request.Body), nil
}

// PreviewRule says what the next version of a rule would do.
func (s *server) PreviewRule(ctx context.Context, request PreviewRuleRequestObject) (PreviewRuleResponseObject, error) {
	p, err := s.config.Officer.PreviewRule(ctx, s.tenant(ctx), *request.Body, examples(request.Params.Examples))
	if err != nil {
		return nil, err
	}
	return PreviewRule200JSONResponse(p), nil
}

// examples is how many records a preview names of each move.
func examples(n *Examples) int {
	if n == nil {
		return 5
	}
	return *n
}
