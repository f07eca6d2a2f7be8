-- Records a migration. ?1 version, ?2 name.
INSERT INTO schema_migration (version, name, applied_at)
VALUES (?1, ?2, CAST(round(unixepoch('subsec') * 1000) AS INTEGER))
