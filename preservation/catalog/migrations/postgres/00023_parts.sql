-- +goose Up
-- The parts of a file are listed page by page, however many it has.
DROP INDEX record_parent;
CREATE INDEX record_parent ON record(tenant, parent, id) WHERE parent <> '';
