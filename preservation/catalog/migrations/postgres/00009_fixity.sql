-- +goose Up
-- When a record was last read back whole, or when it was stored: that reads it back
-- too.
ALTER TABLE record ADD COLUMN checked_ms BIGINT NOT NULL DEFAULT 0;
UPDATE record SET checked_ms = archived_ms;
CREATE INDEX record_checked ON record(tenant, checked_ms, id);

-- What the last check found wrong and is so still; of the whole bucket where
-- record_id is empty.
CREATE TABLE finding (
  tenant    TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  record_id TEXT COLLATE "C" NOT NULL,
  subject   TEXT COLLATE "C" NOT NULL,
  code      TEXT COLLATE "C" NOT NULL,
  detail    TEXT COLLATE "C" NOT NULL,
  found_ms  BIGINT NOT NULL,
  seen_ms   BIGINT NOT NULL,
  PRIMARY KEY (tenant, record_id, subject, code)
);
