-- Stops appends behind their fence while somebody holds the advisory lock 4711.
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4711);
    RETURN NEW;
END
$$;
CREATE TRIGGER hold BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION hold()
