-- Settings of a reading connection. Run once after opening.
PRAGMA busy_timeout = 5000;
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
PRAGMA query_only = ON
