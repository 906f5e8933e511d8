-- +goose Up
-- What the evaluation says of the disposition, and the first day on which time alone
-- changes the evaluation; empty: none does.
ALTER TABLE record ADD COLUMN retention_disposition TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE record ADD COLUMN retention_next TEXT COLLATE "C" NOT NULL DEFAULT '';
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
-- somebody waits. Year: in which they become due; 0 without. The trigger keeps it.
CREATE TABLE retention_count (
  tenant      TEXT COLLATE "C" NOT NULL,
  class       TEXT COLLATE "C" NOT NULL,
  state       TEXT COLLATE "C" NOT NULL,
  year        BIGINT NOT NULL,
  disposition TEXT COLLATE "C" NOT NULL,
  records     BIGINT NOT NULL,
  PRIMARY KEY (tenant, class, state, year, disposition)
);
INSERT INTO retention_count
  SELECT tenant, class, retention_state, CAST('0' || substr(retention_due, 1, 4) AS BIGINT), retention_disposition, COUNT(*)
  FROM record WHERE retention_state <> '' GROUP BY 1, 2, 3, 4, 5;

-- +goose StatementBegin
CREATE FUNCTION record_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE retention_count SET records = records - 1 WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
      AND year = CAST('0' || substr(OLD.retention_due, 1, 4) AS BIGINT) AND disposition = OLD.retention_disposition;
    DELETE FROM retention_count WHERE tenant = OLD.tenant AND class = OLD.class AND state = OLD.retention_state
      AND year = CAST('0' || substr(OLD.retention_due, 1, 4) AS BIGINT) AND disposition = OLD.retention_disposition AND records = 0;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.retention_state <> '' THEN
    INSERT INTO retention_count VALUES (NEW.tenant, NEW.class, NEW.retention_state, CAST('0' || substr(NEW.retention_due, 1, 4) AS BIGINT), NEW.retention_disposition, 1)
      ON CONFLICT (tenant, class, state, year, disposition) DO UPDATE SET records = retention_count.records + 1;
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER record_counted AFTER INSERT ON record FOR EACH ROW WHEN (NEW.retention_state <> '') EXECUTE FUNCTION record_counted();
CREATE TRIGGER record_uncounted AFTER DELETE ON record FOR EACH ROW WHEN (OLD.retention_state <> '') EXECUTE FUNCTION record_counted();
CREATE TRIGGER record_recounted AFTER UPDATE OF class, retention_state, retention_due, retention_disposition ON record FOR EACH ROW
  WHEN ((OLD.class, OLD.retention_state, substr(OLD.retention_due, 1, 4), OLD.retention_disposition) IS DISTINCT FROM
        (NEW.class, NEW.retention_state, substr(NEW.retention_due, 1, 4), NEW.retention_disposition)) EXECUTE FUNCTION record_counted();
