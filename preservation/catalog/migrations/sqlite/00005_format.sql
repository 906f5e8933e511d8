-- +goose Up
-- Records by the formats of their files: what is rare is found without a look at
-- any other record.
CREATE TABLE record_format (
  tenant    TEXT NOT NULL,
  record_id TEXT NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  format    TEXT NOT NULL,
  PRIMARY KEY (record_id, format)
) STRICT, WITHOUT ROWID;
INSERT INTO record_format (tenant, record_id, format)
  WITH RECURSIVE word(tenant, record_id, format, rest) AS (
    SELECT tenant, id, '', ltrim(formats) FROM record
    UNION ALL
    SELECT tenant, record_id, substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1) FROM word WHERE instr(rest, ' ') > 0)
  SELECT DISTINCT tenant, record_id, format FROM word WHERE format <> '';
CREATE INDEX record_format_list ON record_format(tenant, format, record_id);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('record_format', 'record_format_list', '2000000 2000000 1000 1');
ANALYZE sqlite_schema;
