-- +goose Up
-- The last attempt in which a job got ahead: only those after it count against it.
ALTER TABLE job ADD COLUMN progressed BIGINT NOT NULL DEFAULT 0;
