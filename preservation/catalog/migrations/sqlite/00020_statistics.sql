-- +goose Up
-- Each index has what the planner believes of it, once: without that the list of
-- submissions went by who handed them over, and was sorted.
DELETE FROM sqlite_stat1 WHERE idx IS NOT NULL AND stat LIKE '0 0%';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('submission',    'submission_actor',  '1000000 1000000 100000 1'),
  ('file',          'file_incomplete',   '1000 1000 2'),
  ('trigger_event', 'trigger_record',    '1000000 1000000 2'),
  ('disposal',      'disposal_try',      '1000 1000 1 1'),
  ('person',        'person_name',       '1000 1000 1'),
  ('person',        'person_subject',    '1000 1000 1000 1'),
  ('session',       'session_person',    '1000 2 1'),
  ('session',       'session_ends',      '1000 1'),
  ('saved_search',  'saved_search_name', '1000 1000 5 1');
-- What waits for a time-stamp is counted, and the oldest told, without its rows.
DROP INDEX record_object_unstamped;
CREATE INDEX record_object_unstamped ON record_object(tenant, record_id, version, stored_ms) WHERE kind = 'package' AND stamp = '';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('record_object', 'record_object_unstamped', '10000 10000 1 1 1');
ANALYZE sqlite_schema;
