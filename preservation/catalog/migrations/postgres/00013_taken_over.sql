-- +goose Up
-- Records that an archive has taken over, of which the copy here was kept.
CREATE INDEX run_item_taken ON run_item(tenant, record_id) WHERE state = 'transferred';
