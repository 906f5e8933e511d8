-- +goose Up
-- Searches that a person has kept to open them again, as the query of the list of
-- records. They are the person's own, and of no importance to the archive.
CREATE TABLE saved_search (
  id         TEXT PRIMARY KEY,
  tenant     TEXT NOT NULL REFERENCES tenant(id),
  actor      TEXT NOT NULL,
  name       TEXT NOT NULL,
  query      TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX saved_search_name ON saved_search(tenant, actor, name);
