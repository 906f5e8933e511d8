-- +goose Up
-- PostgreSQL counts for itself: nothing to say here.
SELECT 1;
