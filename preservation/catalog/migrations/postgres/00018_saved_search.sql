-- +goose Up
-- Searches that a person has kept to open them again, as the query of the list of
-- records. They are the person's own, and of no importance to the archive.
CREATE TABLE saved_search (
  id         TEXT COLLATE "C" PRIMARY KEY,
  tenant     TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  actor      TEXT COLLATE "C" NOT NULL,
  name       TEXT COLLATE "C" NOT NULL,
  query      TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX saved_search_name ON saved_search(tenant, actor, name);
