package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"bestand/retention"
	"bestand/retention/fileplan"
)

// ListRules returns all versions of all rules, or as CSV the newest of each.
func (s *server) ListRules(ctx context.Context, _ ListRulesRequestObject) (ListRulesResponseObject, error) {
	rules, err := s.config.Officer.Rules(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	if !csvWanted(ctx) {
		return ListRules200JSONResponse{Items: list(rules)}, nil
	}
	var b bytes.Buffer
	err = fileplan.WriteRules(&b, retention.NewestRules(rules))
	return ListRules200TextCsvResponse{Body: &b, ContentLength: int64(b.Len())}, err
}

// importRules puts the next versions of several rules into force at once.
func (s *server) importRules(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	takeRules(s, w, r, func(rules []retention.Rule) (int, retention.RuleChange, error) {
		out, err := s.config.Officer.AddRules(ctx, s.tenant(ctx), rules, principal(ctx).Actor)
		return made(len(out.Rules) > 0), out, err
	})
}

// previewRules says what that would do.
func (s *server) previewRules(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	n, err := examplesOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	takeRules(s, w, r, func(rules []retention.Rule) (int, retention.RuleChange, error) {
		out, err := s.config.Officer.PreviewRules(ctx, s.tenant(ctx), rules, n)
		return http.StatusOK, out, err
	})
}

// takeRules reads rules as JSON or CSV, and answers with what fn makes of them.
func takeRules(s *server, w http.ResponseWriter, r *http.Request, fn func([]retention.Rule) (int, retention.RuleChange, error)) {
	ctx := r.Context()
	if mediaType(r.Header) == mediaJSON {
		var given struct{ Rules []retention.Rule }
		err := json.NewDecoder(r.Body).Decode(&given)
		reply(s, w, r, err, func() (int, retention.RuleChange, error) { return fn(given.Rules) })
		return
	}
	now, err := s.config.Officer.Rules(ctx, s.tenant(ctx))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sheet, err := fileplan.ReadRules(r.Body, now)
	if sheet != nil && err != nil { // what else is wrong is told at once
		_, more := s.config.Officer.PreviewRules(ctx, s.tenant(ctx), sheet.Rules, 0)
		err = together(err, sheet.Locate(more))
	}
	reply(s, w, r, err, func() (int, retention.RuleChange, error) {
		status, out, err := fn(sheet.Rules)
		return status, out, sheet.Locate(err)
	})
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
