-- +goose Up
-- Disposal runs by people; each is made of the versions of its document.
CREATE TABLE run (
  tenant TEXT NOT NULL REFERENCES tenant(id),
  id     TEXT NOT NULL,
  status TEXT NOT NULL,
  body   TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
-- Their records, and what was decided about each. A record
-- is in one open run at most.
CREATE TABLE run_item (
  tenant     TEXT NOT NULL REFERENCES tenant(id),
  run        TEXT NOT NULL,
  record_id  TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'destroyed', 'transferred', 'left', 'refused')),
  depth      INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  class      TEXT NOT NULL,
  rule       TEXT NOT NULL,
  ended      TEXT NOT NULL,
  proposed   TEXT NOT NULL,
  offer      INTEGER NOT NULL CHECK (offer IN (0, 1)),
  decision   TEXT NOT NULL DEFAULT '',
  until      TEXT NOT NULL DEFAULT '',
  note       TEXT NOT NULL DEFAULT '',
  decided_by TEXT NOT NULL DEFAULT '',
  answer     TEXT NOT NULL DEFAULT '',
  transfer   TEXT NOT NULL DEFAULT '',
  own_copy   TEXT NOT NULL DEFAULT '',
  reason     TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant, run, record_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX run_item_open ON run_item(tenant, record_id) WHERE state = 'open';
CREATE INDEX run_item_kept ON run_item(tenant, record_id) WHERE until <> '';
CREATE INDEX run_item_class ON run_item(tenant, run, class);
CREATE INDEX run_item_work ON run_item(tenant, run, state, decision, offer, answer, own_copy, depth);
-- The disposal run under which a record is being destroyed; empty: a standing permit.
ALTER TABLE disposal ADD COLUMN run TEXT NOT NULL DEFAULT '';
CREATE INDEX disposal_run ON disposal(tenant, run, phase) WHERE run <> '';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('run',      'run',            '1000 1000 1'),
  ('run_item', 'run_item',       '1000000 1000000 100000 1'),
  ('run_item', 'run_item_open',  '100000 100000 1'),
  ('run_item', 'run_item_kept',  '10000 10000 1'),
  ('run_item', 'run_item_class', '1000000 1000000 100000 1000'),
  ('run_item', 'run_item_work',  '1000000 1000000 100000 50000 20000 20000 20000 20000 10000'),
  ('disposal', 'disposal_run',   '1000 1000 500 100');
ANALYZE sqlite_schema;
