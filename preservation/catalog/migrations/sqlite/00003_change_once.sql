-- +goose Up
-- A record stands in the feed once, at its newest change: who follows looks at
-- what it is now, and the feed stays as long as there are records.
DELETE FROM change WHERE seq NOT IN (SELECT MAX(seq) FROM change GROUP BY tenant, record_id);
CREATE UNIQUE INDEX change_record ON change(tenant, record_id);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('change', 'change_record', '1000000 1000000 1');
ANALYZE sqlite_schema;
