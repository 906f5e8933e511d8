-- +goose Up
-- People who log in at the pages. The name is folded, so that one person has one
-- account; the password is kept as argon2id in PHC form.
CREATE TABLE person (
  id           TEXT COLLATE "C" PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL REFERENCES tenant(id),
  name         TEXT COLLATE "C" NOT NULL,
  label        TEXT COLLATE "C" NOT NULL,
  roles        TEXT COLLATE "C" NOT NULL,
  installation BIGINT NOT NULL DEFAULT 0,
  password     TEXT COLLATE "C" NOT NULL,
  must_change  BIGINT NOT NULL DEFAULT 0,
  failures     BIGINT NOT NULL DEFAULT 0,
  barred_ms    BIGINT NOT NULL DEFAULT 0,
  locked_ms    BIGINT NOT NULL DEFAULT 0,
  login_ms     BIGINT NOT NULL DEFAULT 0,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL
);
CREATE UNIQUE INDEX person_name ON person(tenant, name);

-- Sessions by the SHA-256 of the secret that the cookie holds.
CREATE TABLE session (
  hash       TEXT COLLATE "C" PRIMARY KEY,
  id         TEXT COLLATE "C" NOT NULL,
  person_id  TEXT COLLATE "C" NOT NULL REFERENCES person(id),
  agent      TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL,
  seen_ms    BIGINT NOT NULL,
  ends_ms    BIGINT NOT NULL
);
CREATE INDEX session_person ON session(person_id, seen_ms);
CREATE INDEX session_ends ON session(ends_ms);
