-- +goose Up
-- Lists leave out the records whose processing is restricted: they are found by kind.
CREATE INDEX annotation_kind ON annotation(tenant, kind);
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('annotation', 'annotation_kind', '10000 10000 1000');
ANALYZE sqlite_schema;
