package api

import (
	"context"

	"bestand/preservation/catalog"
)

// GetEquipment says what the archive of the tenant works with.
func (s *server) GetEquipment(ctx context.Context, _ GetEquipmentRequestObject) (GetEquipmentResponseObject, error) {
	e, err := s.config.Equipment(ctx, s.tenant(ctx))
	return GetEquipment200JSONResponse(e), err
}

// TrySeal makes a seal and a time-stamp, which the audit log tells: a time-stamp may
// cost something.
func (s *server) TrySeal(ctx context.Context, _ TrySealRequestObject) (TrySealResponseObject, error) {
	t := s.tenant(ctx)
	if err := t.Audit(ctx, catalog.AuditEntry{Actor: principal(ctx).Actor, Action: "equipment.try", Object: "seal"}); err != nil {
		return nil, err
	}
	findings, err := s.config.TrySeal(ctx, t)
	return TrySeal200JSONResponse{At: s.now().UTC(), Findings: list(findings)}, err
}

// TryStore tries the object store out. The entry in the audit log is what it stores in
// the bucket of the tenant.
func (s *server) TryStore(ctx context.Context, _ TryStoreRequestObject) (TryStoreResponseObject, error) {
	t := s.tenant(ctx)
	if err := t.Audit(ctx, catalog.AuditEntry{Actor: principal(ctx).Actor, Action: "equipment.try", Object: "store"}); err != nil {
		return nil, err
	}
	findings, err := s.config.TryStore(ctx, t)
	return TryStore200JSONResponse{At: s.now().UTC(), Findings: list(findings)}, err
}
