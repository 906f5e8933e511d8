-- +goose Up
-- What lists filter by stands beside their order: a list of something frequent
-- goes along this index and looks at no row that it does not show.
CREATE INDEX record_browse ON record(tenant, archived_ms, id, class, closed, producer, kind, retention_state);
DROP INDEX record_list;
