-- Pages of a tenant's tokens.

CREATE INDEX token_page ON token (tenant, id);
