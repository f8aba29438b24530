-- Only those who may write have an Idempotency-Key to claim: a read-only login of the database writes nowhere, not even here.
REVOKE USAGE ON SCHEMA idempotency FROM PUBLIC;
GRANT USAGE ON SCHEMA idempotency TO anon, authenticated, service_role;
REVOKE EXECUTE ON FUNCTION idempotency.claim, idempotency.keep FROM PUBLIC;
GRANT EXECUTE ON FUNCTION idempotency.claim, idempotency.keep TO anon, authenticated, service_role;
