-- +goose Up
-- Records by the formats of their files: what is rare is found without a look at
-- any other record.
CREATE TABLE record_format (
  tenant    TEXT COLLATE "C" NOT NULL,
  record_id TEXT COLLATE "C" NOT NULL REFERENCES record(id) ON DELETE CASCADE,
  format    TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (record_id, format)
);
INSERT INTO record_format (tenant, record_id, format)
  SELECT DISTINCT tenant, id, word FROM record, unnest(string_to_array(trim(formats), ' ')) word WHERE word <> '';
CREATE INDEX record_format_list ON record_format(tenant, format, record_id);
