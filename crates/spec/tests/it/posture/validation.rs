//! What may be written, what becomes of it, and how often: each probe turns red without its protection.

use super::turns_red;

#[tokio::test]
async fn control_125_turns_red_when_keys_are_forgotten() {
    // The answers are not kept: the same write happens again.
    turns_red(
        125,
        "CREATE OR REPLACE FUNCTION idempotency.keep(of_scope bytea, of_key bytea, of_request bytea, of_answer bytea, until timestamptz)
         RETURNS void LANGUAGE sql AS $$ SELECT NULL::void $$",
    )
    .await;
}

#[tokio::test]
async fn control_125_turns_red_when_requests_with_one_key_are_not_compared() {
    turns_red(
        125,
        "CREATE FUNCTION palisade.blur() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN DELETE FROM idempotency.answers; new.key := sha256(new.key); RETURN new; END $$;
         CREATE TRIGGER blur BEFORE INSERT ON idempotency.answers FOR EACH ROW EXECUTE FUNCTION palisade.blur()",
    )
    .await;
}
