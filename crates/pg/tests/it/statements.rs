//! What the embedded server reports of those who come with SQL themselves, with pgaudit and without.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

use base::Rng;
use pg::bootstrap::{self, Logins, Wanted};
use pg::managed::{Class, Durability, ManagedConfig, Ran, Server, Witness, witness};
use tokio::sync::broadcast::Receiver;

/// Reports until one holds `last`.
async fn until(heard: &mut Receiver<Arc<Ran>>, last: &str) -> Vec<Arc<Ran>> {
    let mut found = Vec::new();
    loop {
        let ran = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await.expect(last).unwrap();
        let is_last = ran.text.contains(last);
        found.push(ran);
        if is_last {
            return found;
        }
    }
}

#[tokio::test]
async fn without_the_extension_what_clients_send_is_reported() {
    // The same programs where no library of theirs is beside.
    let place = tempfile::tempdir().unwrap();
    let bin = place.path().join("bin");
    for dir in [place.path(), &bin] {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let found = pg::binaries::find(None).unwrap();
    for name in ["postgres", "initdb"] {
        symlink(found.program(name), bin.join(name)).unwrap();
    }
    assert_eq!(witness(&bin), Witness::Server);
    let data = place.path().join("data");
    let config = ManagedConfig {
        durability: Durability::Throwaway,
        pg_bin: Some(bin),
        ..ManagedConfig::new(&data, Rng::system())
    };
    let server = Server::start(config).await.unwrap();
    let logins = Logins::load_or_create(&data, &Rng::system()).unwrap();
    bootstrap::run(&server.admin("postgres"), &Wanted::embedded(logins.clone())).await.unwrap();

    let mut heard = server.statements();
    let ours = server.admin("palisade").connect().await.unwrap();
    ours.batch_execute("CREATE TABLE public.ours (id int)").await.unwrap();
    // A login of ours, which reports nothing whatever it sends.
    let caller = server.admin("palisade").login(&logins.authenticator).connect().await.unwrap();
    caller.batch_execute("SET ROLE anon; CREATE TEMPORARY TABLE never (id int)").await.unwrap_err();
    let psql = server.admin("palisade").reported().connect().await.unwrap();
    // Worded as the server words who comes and goes; it is still the same who did what follows.
    for forged in [
        "connection authorized: user=boss database=palisade",
        "disconnection: session time: 0:00:00.1 user=postgres database=palisade host=[local]",
        "connection received: host=192.0.2.1 port=1",
        "connection authorized: user=boss database=palisade",
    ] {
        psql.batch_execute(&format!("DO $$ BEGIN RAISE LOG '{forged}'; END $$")).await.unwrap();
    }
    psql.batch_execute("SELECT 1; INSERT INTO public.ours VALUES (42)").await.unwrap();
    psql.execute("UPDATE public.ours SET id = $1", &[&4711]).await.unwrap();
    psql.query("SELECT * FROM public.ours", &[]).await.unwrap();
    psql.batch_execute("CREATE ROLE eve PASSWORD 'secret'").await.unwrap();

    let ran = until(&mut heard, "CREATE ROLE").await;
    let seen: Vec<_> = ran.iter().map(|ran| (ran.class, ran.text.as_str(), ran.user.as_str())).collect();
    assert_eq!(
        seen,
        [
            (Class::Write, "SELECT …; INSERT INTO public.ours VALUES (…)", "postgres"),
            (Class::Write, "UPDATE public.ours SET id = $1", "postgres"),
            (Class::Role, "CREATE ROLE eve PASSWORD '…'", "postgres"),
        ]
    );
    assert!(ran.iter().all(|ran| ran.witness == Witness::Server && ran.database == "palisade"));
    assert!(ran.iter().all(|ran| ran.host == "[local]"));
    let log = std::fs::read_to_string(server.log_file()).unwrap_or_default();
    assert!(
        !log.contains("secret") && !log.contains("4711") && log.contains("authenticator@palisade"),
        "{log}"
    );
    server.stop().await.unwrap();
}

#[tokio::test]
async fn with_the_extension_what_functions_do_is_reported_too() {
    let found = pg::binaries::find(None).unwrap();
    if witness(&found.dir) == Witness::Server {
        // Covered above: this machine's packages have no pgaudit.
        return;
    }
    let database = testkit::Database::new(&[]).await;
    let mut heard = database.statements();
    let psql = database.target().reported().connect().await.unwrap();
    psql.batch_execute("CREATE TABLE public.hidden (id int)").await.unwrap();
    psql.batch_execute("DO $$ BEGIN EXECUTE 'DEL' || 'ETE FROM public.hidden'; END $$").await.unwrap();
    let mine = |ran: &&Arc<Ran>| ran.database == database.name();
    let ran = until(&mut heard, "DELETE FROM public.hidden").await;
    let ran: Vec<_> = ran.iter().filter(mine).collect();
    let last = ran.last().unwrap();
    assert_eq!((last.class, last.object.as_deref()), (Class::Write, Some("public.hidden")));
    assert_eq!((last.witness, last.host.as_str()), (Witness::Pgaudit, "[local]"));
}
