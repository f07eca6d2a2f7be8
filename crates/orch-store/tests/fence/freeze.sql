-- The old owner's transaction, behind its fence, with a row that it never commits.
BEGIN;
SELECT FROM shard_owner WHERE shard = 2 AND epoch = 1 FOR KEY SHARE;
INSERT INTO history (shard, commit_no, stream, first_seq, last_seq, at, facts, leaves)
VALUES (2, 2, -1, 0, 0, 0, '', '')
