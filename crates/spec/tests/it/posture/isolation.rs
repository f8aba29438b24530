//! People who are no longer kept apart, on an instance whose database opens what is made to close.

use super::turns_red;

/// Whatever policy is made, it lets everything through.
const OPENED: &str = "
CREATE FUNCTION palisade.opened() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE one record; BEGIN
  FOR one IN SELECT p.polname, p.polrelid::regclass AS of, p.polcmd FROM pg_policy p WHERE p.polname IN ('user_isolation', 'own') LOOP
    EXECUTE format('ALTER POLICY %I ON %s USING (true)%s', one.polname, one.of, CASE WHEN one.polcmd = 'r' THEN '' ELSE ' WITH CHECK (true)' END);
  END LOOP; END $$;
CREATE EVENT TRIGGER zzz_opened ON ddl_command_end WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION palisade.opened()";

/// What people say of themselves becomes what the server says of them.
const BELIEVED: &str = "
CREATE FUNCTION palisade.believed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN new.raw_app_meta_data := coalesce(new.raw_app_meta_data, '{}') || coalesce(new.raw_user_meta_data, '{}'); RETURN new; END $$;
CREATE TRIGGER aaa_believed BEFORE INSERT OR UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION palisade.believed()";

#[tokio::test]
async fn an_isolation_policy_that_isolates_nobody_is_seen() {
    turns_red(42, OPENED).await;
}

#[tokio::test]
async fn a_foreign_key_past_the_policies_is_seen() {
    turns_red(48, OPENED).await;
}

#[tokio::test]
async fn claims_that_people_make_themselves_are_seen() {
    turns_red(49, BELIEVED).await;
}
