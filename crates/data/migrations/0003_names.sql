-- What a read may leave is judged by the names that code names: `claim` stands in every `request.jwt.claim.sub`, and this
-- one takes a lock. Reads of nearly everybody were cleaned up after for nothing.
ALTER FUNCTION idempotency.claim(bytea, bytea, bytea, timestamptz, integer) RENAME TO claim_answer;
ALTER FUNCTION idempotency.keep(bytea, bytea, bytea, bytea, timestamptz) RENAME TO keep_answer;
