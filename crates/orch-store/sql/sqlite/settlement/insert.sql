-- How a dead letter was settled; the key allows one a job. ?1 tenant, ?2 job, ?3 at, ?4 by, ?5 reason, ?6 replayed_as.
-- Differs from PostgreSQL: one row a call, in the writer's transaction, which holds the file's write lock.
INSERT INTO settlement (tenant, job, at, "by", reason, replayed_as)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
