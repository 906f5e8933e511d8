-- +goose Up
-- What a run left is found by the record, among all that was disposed of.
CREATE INDEX run_item_left ON run_item(tenant, record_id, run) WHERE state = 'left';
