-- +goose Up
-- Lists leave out the records whose processing is restricted: they are found by kind.
CREATE INDEX annotation_kind ON annotation(tenant, kind);
