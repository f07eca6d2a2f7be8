-- The database's time in ms. Differs from PostgreSQL: there it is part of the ownership statements.
SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)
