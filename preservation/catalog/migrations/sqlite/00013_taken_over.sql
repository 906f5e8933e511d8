-- +goose Up
-- Records that an archive has taken over, of which the copy here was kept.
CREATE INDEX run_item_taken ON run_item(tenant, record_id) WHERE state = 'transferred';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('run_item', 'run_item_taken', '100000 100000 1');
ANALYZE sqlite_schema;
