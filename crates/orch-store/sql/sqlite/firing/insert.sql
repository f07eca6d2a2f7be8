-- What became of nominal instants, in the transaction of their commit.
-- ?1 tenant, ?2 schedule, ?3 nominal_at, ?4 last_at, ?5 count, ?6 at, ?7 job, ?8 run, ?9 cause.
INSERT INTO firing (tenant, schedule, nominal_at, last_at, count, at, job, run, cause)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
