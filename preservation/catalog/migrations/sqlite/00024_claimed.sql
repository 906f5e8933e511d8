-- +goose Up
-- Destructions of which bytes may be gone are found among any number that wait for a lock.
CREATE INDEX disposal_claimed ON disposal(tenant, record_id) WHERE phase <> 'intended';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('disposal', 'disposal_claimed', '100 100 1');
ANALYZE sqlite_schema;
-- Nothing personal stays with a destroyed record: of a sample by persons only that it was one.
UPDATE run_item SET sampled = 'by name' WHERE sampled LIKE 'name with %';
UPDATE run_item SET sampled = 'by birthday' WHERE sampled LIKE 'born on a day %';
