-- Settings of the one writing connection. Run once after opening.
-- A commit is on the disk before it is answered (FULL in WAL mode syncs the log at each commit).
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA busy_timeout = 5000;
PRAGMA wal_autocheckpoint = 8000;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
PRAGMA foreign_keys = OFF
