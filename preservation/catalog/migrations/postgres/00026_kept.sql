-- +goose Up
-- What runs decided to keep longer before that counted as its day: it is evaluated anew,
-- with everything that belongs to it.
WITH RECURSIVE kept(tenant, id) AS (
  SELECT tenant, record_id FROM run_item WHERE until <> '' AND state = 'left'
  UNION
  SELECT r.tenant, r.id FROM kept k JOIN record r ON r.tenant = k.tenant AND r.parent = k.id AND r.parent <> ''
)
UPDATE record SET stale = 1 WHERE (tenant, id) IN (SELECT tenant, id FROM kept);
