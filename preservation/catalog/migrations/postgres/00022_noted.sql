-- +goose Up
-- Who wrote the note of an item, why a sample chose it, and of when its record was when it
-- was listed: of one that is kept nothing else says that later.
ALTER TABLE run_item ADD COLUMN noted_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE run_item ADD COLUMN sampled TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE run_item ADD COLUMN opened TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE run_item ADD COLUMN closed TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE run_item SET noted_by = decided_by WHERE note <> '';
