-- +goose Up

CREATE TABLE files_home ( -- which --files has the workloads and the music
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
);

-- +goose Down
DROP TABLE files_home;
