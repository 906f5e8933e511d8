-- +goose Up
-- The parts of a file are listed page by page, however many it has.
DROP INDEX record_parent;
CREATE INDEX record_parent ON record(tenant, parent, id) WHERE parent <> '';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('record', 'record_parent', '300000 300000 10 1');
ANALYZE sqlite_schema;
