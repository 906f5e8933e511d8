-- +goose Up
-- What the evaluation says of the disposition, and the first day on which time alone
-- changes the evaluation; empty: none does.
ALTER TABLE record ADD COLUMN retention_disposition TEXT NOT NULL DEFAULT '';
ALTER TABLE record ADD COLUMN retention_next TEXT NOT NULL DEFAULT '';
UPDATE record SET
  retention_disposition = CASE WHEN retention LIKE '%"disposition":"V"%' THEN 'V' WHEN retention LIKE '%"disposition":"A"%' THEN 'A'
    WHEN retention LIKE '%"disposition":"B"%' THEN 'B' ELSE '' END,
  retention_next = CASE retention_state WHEN 'retention' THEN retention_due WHEN 'closed' THEN retention_start ELSE '' END,
  stale = CASE WHEN retention_state = 'active' OR retention_state = 'due' AND retention LIKE '%"ceiling":"%' THEN 1 ELSE stale END
  WHERE retention_state <> '';
CREATE INDEX record_next ON record(tenant, retention_next, id) WHERE retention_next <> '';
DROP INDEX record_due;
-- The records that are due in the order in which they are shown.
CREATE INDEX record_due_list ON record(tenant, closed, id) WHERE retention_state = 'due';

-- How many evaluated records are alike: those of a million cannot be counted while
-- somebody waits. Year: in which they become due; 0 without. The triggers keep it.
CREATE TABLE retention_count (
  tenant      TEXT NOT NULL,
  class       TEXT NOT NULL,
  state       TEXT NOT NULL,
  year        INTEGER NOT NULL,
  disposition TEXT NOT NULL,
  records     INTEGER NOT NULL,
  PRIMARY KEY (tenant, class, state, year, disposition)
) STRICT, WITHOUT ROWID;
INSERT INTO retention_count
  SELECT tenant, class, retention_state, CAST(substr(retention_due, 1, 4) AS INTEGER), retention_disposition, COUNT(*)
  FROM record WHERE retention_state <> '' GROUP BY 1, 2, 3, 4, 5;

-- +goose StatementBegin
CREATE TRIGGER record_counted AFTER INSERT ON record WHEN NEW.retention_state <> '' BEGIN
  INSERT INTO retention_count VALUES (NEW.tenant, NEW.class, NEW.retention_state, CAST(substr(NEW.retention_due, 1, 4) AS INTEGER), NEW.retention_disposition, 1)
    ON CONFLICT DO UPDATE SET records = records + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER record_uncounted AFTER DELETE ON record WHEN OLD.retention_state <> '' BEGIN
  UPDATE retention_count SET records = records - 1 WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
    AND year = CAST(substr(OLD.retention_due, 1, 4) AS INTEGER) AND disposition = OLD.retention_disposition;
  DELETE FROM retention_count WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
    AND year = CAST(substr(OLD.retention_due, 1, 4) AS INTEGER) AND disposition = OLD.retention_disposition AND records = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER record_recounted AFTER UPDATE OF class, retention_state, retention_due, retention_disposition ON record
WHEN (OLD.class, OLD.retention_state, substr(OLD.retention_due, 1, 4), OLD.retention_disposition) <>
     (NEW.class, NEW.retention_state, substr(NEW.retention_due, 1, 4), NEW.retention_disposition) BEGIN
  UPDATE retention_count SET records = records - 1 WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
    AND year = CAST(substr(OLD.retention_due, 1, 4) AS INTEGER) AND disposition = OLD.retention_disposition;
  DELETE FROM retention_count WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
    AND year = CAST(substr(OLD.retention_due, 1, 4) AS INTEGER) AND disposition = OLD.retention_disposition AND records = 0;
  INSERT INTO retention_count
    SELECT NEW.tenant, NEW.class, NEW.retention_state, CAST(substr(NEW.retention_due, 1, 4) AS INTEGER), NEW.retention_disposition, 1
    WHERE NEW.retention_state <> ''
    ON CONFLICT DO UPDATE SET records = records + 1;
END;
-- +goose StatementEnd

DELETE FROM sqlite_stat1 WHERE idx = 'record_due';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('record',          'record_next',     '700000 700000 200 1'),
  ('record',          'record_due_list', '20000 20000 2 1'),
  ('retention_count', 'retention_count', '20000 20000 40 20 1 1');
ANALYZE sqlite_schema;
