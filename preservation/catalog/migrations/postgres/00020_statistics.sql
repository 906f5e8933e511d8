-- +goose Up
-- What waits for a time-stamp is counted, and the oldest told, without its rows.
DROP INDEX record_object_unstamped;
CREATE INDEX record_object_unstamped ON record_object(tenant, record_id, version, stored_ms) WHERE kind = 'package' AND stamp = '';
