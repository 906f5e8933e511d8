-- +goose Up
-- What lists filter by stands beside their order: a list of something frequent
-- goes along this index and looks at no row that it does not show.
CREATE INDEX record_browse ON record(tenant, archived_ms, id, class, closed, producer, kind, retention_state);
DROP INDEX record_list;
DELETE FROM sqlite_stat1 WHERE idx = 'record_list';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('record', 'record_browse', '1000000 1000000 2 1 1 1 1 1 1');
ANALYZE sqlite_schema;
