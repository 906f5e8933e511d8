-- +goose Up
CREATE INDEX submission_actor ON submission(tenant, submitted_by, id);
