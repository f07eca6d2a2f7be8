-- Forgets all nodes, at opening: whoever holds the OS lock is the only process, so no earlier node lives.
-- Differs from PostgreSQL: there nodes of other processes live.
DELETE FROM node
