-- What a library of format 3 is: one that whichpage made before it noted how far a renewal has come.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE book (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 TEXT NOT NULL UNIQUE,
    pages INTEGER NOT NULL,
    title TEXT NOT NULL,
    source BLOB NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    added REAL NOT NULL
);
CREATE TABLE file (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,
    book INTEGER NOT NULL REFERENCES book ON DELETE CASCADE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
);
CREATE INDEX file_book ON file (book);
CREATE TABLE page (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    book INTEGER NOT NULL REFERENCES book ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    trouble TEXT,
    codes BLOB,
    UNIQUE (book, number),
    CHECK ((codes IS NULL) = (blank OR trouble IS NOT NULL))
);
CREATE TABLE thumbnail (
    page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
    image BLOB NOT NULL
);
CREATE VIRTUAL TABLE text USING fts5(lines, tokenize='trigram', columnsize=0);
CREATE TABLE place (
    page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
    lines BLOB NOT NULL
);
CREATE TRIGGER page_text AFTER DELETE ON page BEGIN DELETE FROM text WHERE rowid = old.id; END;
CREATE TABLE feature (
    page INTEGER PRIMARY KEY REFERENCES page ON DELETE CASCADE,
    packed BLOB NOT NULL
);
INSERT INTO meta VALUES ('features', NULL);
INSERT INTO meta VALUES ('format', 3), ('generation', 3), ('model', '0123456789abcdef');
