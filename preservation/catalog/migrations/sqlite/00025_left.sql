-- +goose Up
-- What a run left is found by the record, among all that was disposed of.
CREATE INDEX run_item_left ON run_item(tenant, record_id, run) WHERE state = 'left';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('run_item', 'run_item_left', '100 100 1 1');
ANALYZE sqlite_schema;
