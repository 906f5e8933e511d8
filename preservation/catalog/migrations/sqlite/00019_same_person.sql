-- +goose Up
-- Accounts with the same mark belong to one person, who is one pair of eyes.
-- '': an account is the only one of its person.
ALTER TABLE person ADD COLUMN one_person TEXT NOT NULL DEFAULT '';
