-- +goose Up
-- People whom an OpenID provider vouches for: issuer and subject name them, and are
-- empty for those who have a password here.
ALTER TABLE person ADD COLUMN issuer TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN subject TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX person_subject ON person(tenant, issuer, subject) WHERE issuer <> '';

-- What the provider gave at the login, to be named when it is asked to log out.
ALTER TABLE session ADD COLUMN id_token TEXT COLLATE "C" NOT NULL DEFAULT '';
