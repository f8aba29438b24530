//! The unmodified clients from the package registries sign up, work and sign out; each sees only its own rows.

use base::Clock;
use saml::KeyPair;
use spec::{Palisade, clients};
use tempfile::TempDir;

/// The clients' programs make more requests, and sign up more people, than the guide lets one address make in a minute.
pub const RAISED: &[&str] = &["--rate_limiting.enabled=false"];

pub fn check(held: bool, printed: &str, claims_min: usize) {
    println!("limits raised for this run: {RAISED:?}\n{printed}");
    let kept = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held, "broken:\n{printed}");
    assert!(kept >= claims_min, "only {kept} claims were tried");
}

#[tokio::test]
async fn supabase_js_works_unmodified_and_each_user_sees_only_their_own_rows() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "two_users.mjs").await;
    check(held, &printed, 39);
}

#[tokio::test]
async fn supabase_py_works_unmodified_and_each_user_sees_only_their_own_rows() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::python(&palisade, "two_users.py").await;
    check(held, &printed, 16);
}

#[tokio::test]
async fn every_method_of_auth_js_is_called_by_some_program_here() {
    let flags = ["--auth.anonymous_users=true", "--auth.mail_max_frequency=0s", "--sms.provider=twilio"];
    let sender = [
        "--sms.twilio_account_sid=AC00000000000000000000000000000000",
        "--sms.twilio_message_service_sid=MG00000000000000000000000000000000",
    ];
    let secret = [("PALISADE_SMS_TWILIO_AUTH_TOKEN".to_owned(), "a-token-of-nobody".to_owned())];
    let palisade = Palisade::start_told("dev", &[RAISED, &flags, &sender].concat(), &secret).await;
    let (held, printed) = clients::node(&palisade, "methods.mjs").await;
    check(held, &printed, 8);
}

/// The key of a company's identity provider, as two files.
pub struct CompanyKey {
    home: TempDir,
}

impl CompanyKey {
    pub fn make() -> Self {
        let home = tempfile::tempdir().unwrap();
        let pair = KeyPair::make("urn:company:idp", &Clock::system()).unwrap();
        std::fs::write(home.path().join("certificate.pem"), pair.certificate).unwrap();
        std::fs::write(home.path().join("key.pem"), pair.key.expose()).unwrap();
        CompanyKey { home }
    }

    pub fn told(&self) -> [(&'static str, std::path::PathBuf); 2] {
        [("PALISADE_IDP_CERT", "certificate.pem"), ("PALISADE_IDP_KEY", "key.pem")]
            .map(|(name, file)| (name, self.home.path().join(file)))
    }
}

/// Runs a script of ours that a company has a key for.
async fn through_a_company(palisade: &Palisade, script: &str, claims: usize) {
    let key = CompanyKey::make();
    let files = key.told();
    let told = files.each_ref().map(|(name, path)| (*name, path.as_path()));
    let (held, printed) = clients::node_told(palisade, script, &told).await;
    check(held, &printed, claims);
}

#[tokio::test]
async fn supabase_js_signs_in_through_the_identity_provider_saml_idp() {
    let palisade = Palisade::start("dev", RAISED).await;
    through_a_company(&palisade, "saml.mjs", 4).await;
}

/// Without PKCE, the company at another site: attack rows 28 and 88 as a browser sees them.
#[tokio::test]
async fn supabase_js_signs_in_through_a_company_in_a_real_browser_and_nobody_else_signs_it_in() {
    let more = ["--server.cors.allowed_origins=*", "--auth.uri_allow_list=http://localhost:*/**"];
    let palisade = Palisade::start("dev", &[RAISED, &more].concat()).await;
    through_a_company(&palisade, "saml_chromium.mjs", 2).await;
}

#[tokio::test]
async fn supabase_py_signs_in_through_an_identity_provider_of_pysaml2_by_the_address_of_its_metadata() {
    let by_address = ["--auth.saml.allow_insecure_metadata_url=true", "--outbound.allow=127.0.0.1"];
    let palisade = Palisade::start("dev", &[RAISED, &by_address].concat()).await;
    let key = CompanyKey::make();
    let files = key.told();
    let told = files.each_ref().map(|(name, path)| (*name, path.as_path()));
    let (held, printed) = clients::python_told(&palisade, "saml.py", &told).await;
    check(held, &printed, 3);
}

#[tokio::test]
async fn supabase_js_administers_accounts_and_ends_sessions_and_the_validator_agrees_with_the_server() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "accounts.mjs").await;
    check(held, &printed, 7);
}

#[tokio::test]
async fn supabase_py_administers_accounts_ends_sessions_and_reads_refusals_of_both_versions() {
    let palisade = Palisade::start("dev", &[RAISED, &["--auth.anonymous_users=true"]].concat()).await;
    let (held, printed) = clients::python(&palisade, "accounts.py").await;
    check(held, &printed, 11);
}

#[tokio::test]
async fn printed_types_compile_and_check_with_tsc_zod_and_supabase_js() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // Names and labels that try to be source.
    admin.batch_execute(include_str!("../../../data/tests/it/hostile.sql")).await.unwrap();
    let (held, printed) = clients::node(&palisade, "types.mjs").await;
    check(held, &printed, 4);
}

/// Members of the channel `team` hear, see, speak and appear in it, and everybody hears `news`.
const POLICIES: &str = "
    create table public.channel_members (user_email text primary key);
    alter table public.channel_members enable row level security;
    create policy own on public.channel_members for select to authenticated using (user_email = auth.jwt() ->> 'email');
    grant select on public.channel_members to authenticated;
    create policy members_in on realtime.messages for select to authenticated
        using (realtime.topic() = 'team' and exists (select from public.channel_members));
    create policy members_speak on realtime.messages for insert to authenticated
        with check (realtime.topic() = 'team' and exists (select from public.channel_members));
    create policy all_hear on realtime.messages for select to authenticated
        using (realtime.topic() = 'news' and extension = 'broadcast');
    insert into public.channel_members values ('ann-channels@example.com'), ('bea-channels@example.com')";

#[tokio::test]
async fn supabase_js_broadcasts_and_sees_who_is_there_in_a_private_channel_and_strangers_do_not() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(POLICIES).await.unwrap();
    let (held, printed) = clients::node(&palisade, "channels.mjs").await;
    check(held, &printed, 10);
}

/// Tasks belong to people; everything of a row that changes may be told.
const TASKS: &str = "
    create table public.watched_tasks (id bigint primary key, owner uuid not null default auth.uid(), list int, title text, tags text[], at timestamptz);
    alter table public.watched_tasks replica identity full;
    create policy own on public.watched_tasks to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
    alter publication supabase_realtime add table public.watched_tasks";

#[tokio::test]
async fn supabase_js_hears_of_rows_that_are_inserted_updated_and_deleted_and_strangers_do_not() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(TASKS).await.unwrap();
    let (held, printed) = clients::node(&palisade, "changes.mjs").await;
    check(held, &printed, 8);
}
