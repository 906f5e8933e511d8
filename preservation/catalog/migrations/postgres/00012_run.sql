-- +goose Up
-- Disposal runs by people; each is made of the versions of its document.
CREATE TABLE run (
  tenant TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  id     TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL,
  body   TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, id)
);
-- Their records, and what was decided about each. A record
-- is in one open run at most.
CREATE TABLE run_item (
  tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  run        TEXT COLLATE "C" NOT NULL,
  record_id  TEXT COLLATE "C" NOT NULL,
  state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'destroyed', 'transferred', 'left', 'refused')),
  depth      BIGINT NOT NULL,
  version    BIGINT NOT NULL,
  class      TEXT COLLATE "C" NOT NULL,
  rule       TEXT COLLATE "C" NOT NULL,
  ended      TEXT COLLATE "C" NOT NULL,
  proposed   TEXT COLLATE "C" NOT NULL,
  offer      BIGINT NOT NULL CHECK (offer IN (0, 1)),
  decision   TEXT COLLATE "C" NOT NULL DEFAULT '',
  until      TEXT COLLATE "C" NOT NULL DEFAULT '',
  note       TEXT COLLATE "C" NOT NULL DEFAULT '',
  decided_by TEXT COLLATE "C" NOT NULL DEFAULT '',
  answer     TEXT COLLATE "C" NOT NULL DEFAULT '',
  transfer   TEXT COLLATE "C" NOT NULL DEFAULT '',
  own_copy   TEXT COLLATE "C" NOT NULL DEFAULT '',
  reason     TEXT COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (tenant, run, record_id)
);
CREATE UNIQUE INDEX run_item_open ON run_item(tenant, record_id) WHERE state = 'open';
CREATE INDEX run_item_kept ON run_item(tenant, record_id) WHERE until <> '';
CREATE INDEX run_item_class ON run_item(tenant, run, class);
CREATE INDEX run_item_work ON run_item(tenant, run, state, decision, offer, answer, own_copy, depth);
-- The disposal run under which a record is being destroyed; empty: a standing permit.
ALTER TABLE disposal ADD COLUMN run TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX disposal_run ON disposal(tenant, run, phase) WHERE run <> '';
