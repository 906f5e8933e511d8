-- +goose Up
-- People who log in at the pages. The name is folded, so that one person has one
-- account; the password is kept as argon2id in PHC form.
CREATE TABLE person (
  id           TEXT PRIMARY KEY,
  tenant       TEXT NOT NULL REFERENCES tenant(id),
  name         TEXT NOT NULL,
  label        TEXT NOT NULL,
  roles        TEXT NOT NULL,
  installation INTEGER NOT NULL DEFAULT 0,
  password     TEXT NOT NULL,
  must_change  INTEGER NOT NULL DEFAULT 0,
  failures     INTEGER NOT NULL DEFAULT 0,
  barred_ms    INTEGER NOT NULL DEFAULT 0,
  locked_ms    INTEGER NOT NULL DEFAULT 0,
  login_ms     INTEGER NOT NULL DEFAULT 0,
  created_by   TEXT NOT NULL,
  created_ms   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX person_name ON person(tenant, name);

-- Sessions by the SHA-256 of the secret that the cookie holds.
CREATE TABLE session (
  hash       TEXT PRIMARY KEY,
  id         TEXT NOT NULL,
  person_id  TEXT NOT NULL REFERENCES person(id),
  agent      TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  seen_ms    INTEGER NOT NULL,
  ends_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX session_person ON session(person_id, seen_ms);
CREATE INDEX session_ends ON session(ends_ms);
