package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"bestand/retention"
)

// TestTags holds the validator's tags against the limits in openapi.yaml, field
// by field, for every type that comes in with a request.
func TestTags(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{}
	for _, v := range []any{SubmissionMetadata{}, VersionMetadata{}, Subject{}, AnnouncedFile{}, TriggerReport{}, ReclassificationRequest{}, ClassRequest{}, HoldRequest{}, HoldReview{}, RecordQuery{}, Reason{}, PermitRequest{}, TokenRequest{}, UserRequest{}, RolesRequest{}, SamePersonRequest{}, TenantRequest{}, TenantNameRequest{}, SetupRequest{}, TenantSettings{}, LabelRequest{}, SavedSearchRequest{}, SearchNameRequest{},
		DisposalRequest{}, DisposalDecisions{}, DisposalDecision{}, DisposalOffer{}, DisposalAnswers{}, DisposalAnswer{}, DisposalApproval{}, DisposalExecution{}, DisposalTransfer{}, ScheduleRun{},
		AccessGrantRequest{}, RestrictionRequest{}, SubjectRequestBody{}, SubjectSought{}, SubjectDecisionBody{},
		retention.Scheme{}, retention.Class{}, retention.Rule{}, retention.Duration{}, retention.Bound{}, retention.Scope{}, retention.Sampling{}, retention.Policy{}, retention.Template{}, retention.TemplateRef{}} {
		name := reflect.TypeOf(v).Name()
		if name == "Rule" {
			name = "RuleRequest"
		}
		types[name] = reflect.TypeOf(v)
	}
	for name, ref := range d.doc.Components.Schemas {
		if closed := ref.Value.AdditionalProperties.Has; closed == nil || *closed {
			continue // it is not of a request
		}
		if name == "VersionChanges" {
			continue // merged into the metadata, whose limits hold
		}
		typ, ok := types[name]
		if !ok {
			t.Errorf("%s comes in with requests and is not checked here", name)
			continue
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() {
				continue
			}
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			p, ok := ref.Value.Properties[field]
			if !ok {
				if field != "approved_by" && field != "proposed_by" { // the archive's, not the client's
					t.Errorf("%s.%s is not described", name, field)
				}
				continue
			}
			// What retention.AddRule fills in may be left out of a request.
			filled := name == "RuleRequest" && slices.Contains([]string{"disposition", "confidence", "valid_from"}, field)
			required := slices.Contains(ref.Value.Required, field) || filled
			if f.Tag.Get("validate") != "-" {
				compare(t, name+"."+field, p.Value, f.Tag.Get("validate"), required)
			}
		}
	}
}

// TestParameterTags does the same for query parameters.
func TestParameterTags(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]reflect.Type{}
	for _, v := range []any{ListSubmissionsParams{}, GetReceiptParams{}, ListSubjectRequestsParams{}, GetAccessStatementParams{}, ListRecordsParams{}, GetFileParams{}, GetPackageParams{}, GetEvidenceParams{}, ListRenewalsParams{}, ListHoldsParams{},
		ListDisposalsParams{}, GetDisposalParams{}, GetCertificateParams{}, GetClassificationParams{}, PreviewRuleParams{}, ReportDueParams{}, ListAuditParams{}, ListTokensParams{}, ListUsersParams{}, GetTemplateParams{}, PreviewTemplateParams{}} {
		params[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	for _, r := range routes {
		op := (&description{doc: d.doc}).operation(r.pattern)
		for _, ref := range op.Parameters {
			p := ref.Value
			if p.In != openapi3.ParameterInQuery {
				continue
			}
			if slices.Contains(op.Tags, "forms") {
				continue // a plain handler checks them
			}
			typ, ok := params[strings.ToUpper(op.OperationID[:1])+op.OperationID[1:]+"Params"]
			if !ok {
				t.Errorf("%s: its parameters are not checked here", op.OperationID)
				continue
			}
			found := false
			for i := range typ.NumField() {
				f := typ.Field(i)
				if name, _, _ := strings.Cut(f.Tag.Get("form"), ","); name == p.Name {
					found = true
					compare(t, op.OperationID+"?"+p.Name, p.Schema.Value, f.Tag.Get("validate"), p.Required)
				}
			}
			if !found {
				t.Errorf("%s: no field for %s", op.OperationID, p.Name)
			}
		}
	}
}

// compare checks one field: what the schema limits the tag limits, and the
// other way round.
func compare(t *testing.T, at string, s *openapi3.Schema, tag string, required bool) {
	t.Helper()
	own, rest, dives := strings.Cut(tag, "dive")
	rules := map[string]string{}
	for rule := range strings.SplitSeq(strings.Trim(own, ","), ",") {
		name, value, _ := strings.Cut(rule, "=")
		rules[name] = value
	}
	if _, ok := rules["required"]; ok != required {
		t.Errorf("%s: required is %v in the description and %v in the tag", at, required, ok)
	}
	is := func(kind string) bool { return s.Type != nil && slices.Contains(*s.Type, kind) }
	want := map[string]string{}
	number := func(name string, limit *float64) {
		if limit != nil {
			want[name] = strconv.FormatFloat(*limit, 'f', -1, 64)
		}
	}
	count := func(name string, limit *uint64) {
		if limit != nil {
			want[name] = fmt.Sprint(*limit)
		}
	}
	switch {
	case is("integer"):
		number("min", s.Min)
		number("max", s.Max)
	case is("array"):
		count("max", s.MaxItems)
		if s.MinItems > 0 {
			count("min", &s.MinItems)
		}
	case is("object"):
		count("max", s.MaxProps)
	case is("string"):
		count("max", s.MaxLength)
		if s.MinLength > 0 && !required {
			count("min", &s.MinLength)
		}
		var enum []string
		for _, v := range s.Enum {
			if v != nil {
				enum = append(enum, fmt.Sprint(v))
			}
		}
		if len(enum) > 0 {
			want["oneof"] = strings.Join(enum, " ")
		}
	}
	for _, name := range []string{"min", "max", "oneof"} {
		if rules[name] != want[name] {
			t.Errorf("%s: %s is %q in the description and %q in the tag", at, name, want[name], rules[name])
		}
	}
	length := map[string]string{"^[0-9A-Fa-f]{64}$": "64", "^[0-9A-Fa-f]{128}$": "128", "^[0-9a-f]{32}$": "32"}[s.Pattern]
	if rules["len"] != length {
		t.Errorf("%s: pattern %q and len=%s", at, s.Pattern, rules["len"])
	}
	if s.Pattern != "" && length == "" {
		_, id := rules["id"]
		_, file := rules["fileid"]
		_, tenant := rules["tenant"]
		_, filled := rules["filled"]
		_, login := rules["login"]
		if !id && !file && !tenant && !login && !(filled && s.Pattern == `\S`) {
			t.Errorf("%s: pattern %q has no tag", at, s.Pattern)
		}
	}
	if dives && is("array") && s.Items.Value.Type != nil && slices.Contains(*s.Items.Value.Type, "string") && len(s.Items.Value.Enum) == 0 && s.Items.Value.Pattern == "" {
		compare(t, at+"[]", s.Items.Value, strings.Trim(rest, ","), s.Items.Value.MinLength > 0)
	}
	if dives && is("object") && s.AdditionalProperties.Schema != nil {
		_, values, _ := strings.Cut(rest, "endkeys")
		compare(t, at+"{}", s.AdditionalProperties.Schema.Value, strings.Trim(values, ","), false)
	}
}
