-- +goose Up

-- Attempts of which another of the same task was faster.
ALTER TABLE tallies ADD COLUMN superseded BIGINT NOT NULL DEFAULT 0;
