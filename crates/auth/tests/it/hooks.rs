//! Hooks as an operator writes them, over HTTP and in the database; CAPTCHA with a double of its provider.

use std::sync::{Arc, Mutex};

use auth::{Error, HookError};
use base::{Profile, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{PASSWORD, World, claims_of};

const KEY: [u8; 32] = [5; 32];

fn secret() -> String {
    format!("v1,whsec_{}", STANDARD.encode(KEY))
}

/// An HTTP server that answers as it is told and remembers what it was asked.
struct Double {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Double {
    async fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let log = asked.clone();
        tokio::spawn(async move {
            for n in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let mut text = Vec::new();
                let mut block = [0; 4096];
                loop {
                    let read = stream.read(&mut block).await.unwrap_or(0);
                    text.extend_from_slice(&block[..read]);
                    let all = String::from_utf8_lossy(&text).into_owned();
                    let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .lines()
                        .find_map(|line| {
                            line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                        })
                        .unwrap_or(0_usize);
                    if body.len() >= length || read == 0 {
                        let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
                        log.lock().unwrap().push((head.to_owned(), body));
                        break;
                    }
                }
                let answer = answers.get(n).or(answers.last()).cloned().unwrap_or_default();
                if answer == "never" {
                    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
                }
                let _gone = stream.write_all(answer.as_bytes()).await;
            }
        });
        Double { url, asked }
    }

    async fn saying(body: Value) -> Self {
        Self::answering(vec![json_answer(200, &body)]).await
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }
}

fn json_answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn world_with(hook: &str, uri: &str) -> World {
    let settings = Settings::default()
        .with(&*format!("auth.hooks.{hook}.uri").leak(), uri)
        .with(&*format!("auth.hooks.{hook}.secrets").leak(), &secret());
    World::with(settings, Profile::Dev).await
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[tokio::test]
async fn a_hook_is_asked_with_a_signature_that_its_own_code_can_check() {
    let double = Double::saying(json!({})).await;
    let world = world_with("before_user_created", &double.url).await;
    world.sign_up("ann@example.com").await;
    let (head, body) = double.asked().remove(0);
    let signed = format!("{}.{}.{body}", header(&head, "webhook-id"), header(&head, "webhook-timestamp"));
    let expected = STANDARD.encode(seal::keyed_mac(&KEY, signed.as_bytes()));
    assert_eq!(header(&head, "webhook-signature"), format!("v1,{expected}"));
    assert_eq!(body["user"]["email"], "ann@example.com");
    assert_eq!(body["metadata"]["name"], "before-user-created");
    assert!(!body.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_hook_refuses_an_account_in_its_own_words() {
    let no = json!({ "error": { "http_code": 403, "message": "not from there" } });
    let double = Double::saying(no).await;
    let world = world_with("before_user_created", &double.url).await;
    match world.try_sign_up("ann@example.com", PASSWORD).await {
        Err(Error::Hook(HookError::Refused { status: 403, message })) => {
            assert_eq!(message, "not from there")
        }
        _ => panic!("taken"),
    }
    assert_eq!(world.count("select count(*) from auth.users").await, 0);
}

#[tokio::test]
async fn a_hook_that_fails_refuses() {
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
            .to_owned();
    let long = json_answer(200, &json!({ "x": "x".repeat(300_000) }));
    for (answer, expected) in [
        (page, "Invalid JSON"),
        (json_answer(500, &json!({})), "Unexpected status"),
        (json_answer(200, &json!([1])), "unmarshaling"),
        (long, "size limit"),
    ] {
        let double = Double::answering(vec![answer]).await;
        let world = world_with("before_user_created", &double.url).await;
        let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(world.count("select count(*) from auth.users").await, 0);
    }
    // One that says when to come again is asked again; one that is not there is given up.
    let busy =
        "HTTP/1.1 503 X\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
    let double = Double::answering(vec![busy, json_answer(200, &json!({}))]).await;
    let world = world_with("before_user_created", &double.url).await;
    world.sign_up("ann@example.com").await;
    assert_eq!(double.asked().len(), 2);
    let world = world_with("before_user_created", "http://127.0.0.1:1/hook").await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::Hook(HookError::TimeoutAfterRetry)), "{refused}");
    let double = Double::answering(vec!["never".to_owned()]).await;
    let world = world_with("before_user_created", &double.url).await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::Hook(HookError::Timeout)), "{refused}");
}

#[tokio::test]
async fn a_function_in_the_database_gives_a_tokens_claims() {
    let world = world_with("custom_access_token", "pg-functions://postgres/public/claims_hook").await;
    let owner = world.db.owner().await;
    owner
        .batch_execute(
            "create table public.plans (email text primary key, plan text);
             insert into public.plans values ('ann@example.com', 'pro');
             create function public.claims_hook(event jsonb) returns jsonb language plpgsql stable as $$
             declare found text := (select plan from public.plans where email = event #>> '{claims,email}');
             begin return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object('plan', found)); end $$;
             revoke execute on function public.claims_hook(jsonb) from public;",
        )
        .await
        .unwrap();
    assert!(world.try_sign_up("ann@example.com", PASSWORD).await.is_err(), "it may not run it yet");
    assert_eq!(world.count("select count(*) from auth.sessions").await, 0, "no session without a token");
    owner
        .batch_execute(
            "grant usage on schema public to supabase_auth_admin;
             grant execute on function public.claims_hook(jsonb) to supabase_auth_admin;
             grant select on public.plans to supabase_auth_admin;
             create policy hooks on public.plans to supabase_auth_admin using (true)",
        )
        .await
        .unwrap();
    let grant = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(claims_of(grant.access_token.expose())["plan"], "pro");
    let next = world.refresh(&grant.refresh_token).await.unwrap();
    assert_eq!(claims_of(next.access_token.expose())["plan"], "pro");
    assert!(world.bearer(next.access_token.expose()).await.is_ok());
    // It may not say that it is somebody else, nor look at what it was not granted.
    for body in [
        "jsonb_build_object('claims', event -> 'claims' || '{\"sub\": \"00000000-0000-0000-0000-000000000001\"}')",
        "jsonb_build_object('claims', event -> 'claims' || '{\"role\": \"service_role\"}')",
        "jsonb_build_object('claims', event -> 'claims' || jsonb_build_object('x', (select count(*) from auth.users)))",
    ] {
        let change = format!(
            "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql stable as \
             $$ begin return {body}; end $$"
        );
        owner.batch_execute(&change).await.unwrap();
        assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err(), "{body}");
    }
    // What it says itself is heard; what the database says of it, or of its rows, is not.
    for (body, heard) in [
        ("perform count(*) from auth.users; return event;", None),
        ("perform ('a secret plan' || (event ->> 'user_id'))::int; return event;", None),
        ("raise exception 'come back on Monday'; return event;", Some("come back on Monday")),
    ] {
        let change = format!(
            "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql stable as \
             $$ begin {body} end $$"
        );
        owner.batch_execute(&change).await.unwrap();
        let refused = world.sign_in("ann@example.com", PASSWORD).await.err().unwrap();
        assert_eq!(refused.to_string(), heard.unwrap_or("The hook's function failed."), "{body}");
    }
    let slow = "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql as \
        $$ begin perform pg_sleep(10); return event; end $$";
    owner.batch_execute(slow).await.unwrap();
    let refused = world.sign_in("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::Hook(HookError::Timeout)), "{refused}");
}

/// Its function is written by whoever writes the application's schema, who has none of our own tables.
#[tokio::test]
async fn a_hooks_function_gets_back_to_no_role_of_ours() {
    let world = world_with("custom_access_token", "pg-functions://postgres/public/claims_hook").await;
    let owner = world.db.owner().await;
    for back in ["set_config('role', 'none', true)", "set_config('role', session_user, true)"] {
        for taken in [
            "select count(*) from palisade.api_keys",
            "select count(*) from auth.users where encrypted_password <> ''",
            "select count(*) from palisade.signing_keys",
        ] {
            let change = format!(
                "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql as $$
                 begin perform {back}; return jsonb_build_object('claims', event -> 'claims' || jsonb_build_object('n', ({taken})));
                 end $$;
                 grant usage on schema public to supabase_auth_admin;
                 grant execute on function public.claims_hook(jsonb) to supabase_auth_admin"
            );
            owner.batch_execute(&change).await.unwrap();
            let refused = world.try_sign_up("ann@example.com", PASSWORD).await;
            let entered = world.sign_in("ann@example.com", PASSWORD).await;
            assert!(refused.is_err() && entered.is_err(), "{back} {taken}");
        }
    }
    // Nor what waits for the end of its transaction.
    owner
        .batch_execute(
            "create table public.seen (n bigint);
             create function public.late() returns trigger language plpgsql as $$
             begin perform set_config('role', 'none', true); perform count(*) from palisade.api_keys; return null; end $$;
             create constraint trigger late after insert on public.seen deferrable initially deferred
                 for each row execute function public.late();
             grant insert on public.seen to supabase_auth_admin;
             create policy hooks on public.seen to supabase_auth_admin using (true) with check (true);
             create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql as $$
             begin insert into public.seen values (1); return jsonb_build_object('claims', event -> 'claims'); end $$",
        )
        .await
        .unwrap();
    assert!(world.sign_in("ann@example.com", PASSWORD).await.is_err());
}

/// Its own time limit is its own to lift, and what waits for the end of its transaction is asked by no statement.
#[tokio::test]
async fn a_hooks_function_holds_nobody_for_longer_than_a_hook_may_take() {
    let world = world_with("custom_access_token", "pg-functions://postgres/public/claims_hook").await;
    let owner = world.db.owner().await;
    let become_hook = async |body: &str| {
        let change = format!(
            "create or replace function public.claims_hook(event jsonb) returns jsonb language plpgsql as $$
             begin {body} return jsonb_build_object('claims', event -> 'claims'); end $$"
        );
        owner.batch_execute(&change).await.unwrap();
    };
    become_hook("").await;
    owner
        .batch_execute(
            "grant usage on schema public to supabase_auth_admin;
             grant execute on function public.claims_hook(jsonb) to supabase_auth_admin;
             create table public.seen (n bigint);
             create function public.late() returns trigger language plpgsql as $$
             begin perform pg_sleep(300); return null; end $$;
             create constraint trigger late after insert on public.seen deferrable initially deferred
                 for each row execute function public.late();
             grant insert on public.seen to supabase_auth_admin;
             create policy hooks on public.seen to supabase_auth_admin using (true) with check (true)",
        )
        .await
        .unwrap();
    world.sign_up("ann@example.com").await;
    let enter = async || {
        let entered = world.sign_in("ann@example.com", PASSWORD);
        tokio::time::timeout(std::time::Duration::from_secs(60), entered).await.expect("an answer")
    };
    for body in [
        "perform set_config('statement_timeout', '0', true); insert into public.seen values (1);",
        "loop begin perform pg_sleep(300); exception when query_canceled then null; end; end loop;",
    ] {
        become_hook(body).await;
        // More than there are connections for hooks: some wait for one as long.
        let entered = tokio::join!(enter(), enter(), enter(), enter());
        for entered in [entered.0, entered.1, entered.2, entered.3] {
            let refused = entered.err().unwrap();
            let late =
                matches!(refused, Error::Hook(HookError::Timeout) | Error::Database(pg::Error::Busy { .. }));
            assert!(late, "{body}: {refused:?}");
        }
        become_hook("").await;
        enter().await.unwrap();
        let held = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
        assert_eq!(world.count(held).await, 0, "{body}");
    }
}

#[tokio::test]
async fn a_hook_judges_passwords_of_known_and_unknown_accounts_alike() {
    let double = Double::answering(vec![
        json_answer(200, &json!({ "decision": "continue" })),
        json_answer(200, &json!({ "decision": "continue" })),
        json_answer(200, &json!({ "decision": "continue" })),
        json_answer(
            200,
            &json!({ "decision": "reject", "message": "locked by policy", "should_logout_user": true }),
        ),
    ])
    .await;
    let world = world_with("password_verification_attempt", &double.url).await;
    let ann = world.sign_up("ann@example.com").await;
    assert!(matches!(
        world.sign_in("ann@example.com", "Wrong-horse*1").await,
        Err(Error::InvalidCredentials)
    ));
    assert!(matches!(
        world.sign_in("nobody@example.com", "Wrong-horse*1").await,
        Err(Error::InvalidCredentials)
    ));
    world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    match world.sign_in("ann@example.com", PASSWORD).await {
        Err(Error::RejectedPassword(message)) => assert_eq!(message, "locked by policy"),
        _ => panic!("let in"),
    }
    assert!(world.bearer(ann.access_token.expose()).await.is_err(), "it ended every session");
    let asked = double.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!((&asked[0].1["valid"], &asked[2].1["valid"]), (&json!(false), &json!(true)));
    assert_eq!(asked[0].1["user_id"], json!(ann.user.id));
    let invented = asked[1].1["user_id"].as_str().unwrap();
    assert!(invented.len() == 36 && invented != ann.user.id.to_string());
}

#[tokio::test]
async fn hooks_that_cannot_be_asked_safely_stop_the_start() {
    for (uri, secrets) in [("http://example.com/x", Some(secret())), ("https://example.com/x", None)] {
        let mut settings = Settings::default().with("auth.hooks.before_user_created.uri", uri);
        if let Some(secrets) = secrets {
            settings = settings.with("auth.hooks.before_user_created.secrets", &secrets);
        }
        let world = World::new().await;
        let refused = crate::world::open(
            &world.db,
            &world.audit,
            &world.root,
            settings,
            Profile::Dev,
            world.clock.clock(),
        );
        assert!(matches!(refused.await.err(), Some(Error::Unsafe { .. })), "{uri}");
    }
}

fn solve(work: &Value) -> String {
    let salt = work["salt"].as_str().unwrap();
    let number = (0..=work["maxnumber"].as_u64().unwrap())
        .find(|n| {
            hex::encode(seal::sha256(format!("{salt}{n}").as_bytes())) == work["challenge"].as_str().unwrap()
        })
        .unwrap();
    let mut solved = work.clone();
    solved["number"] = number.into();
    STANDARD.encode(solved.to_string())
}

#[tokio::test]
async fn a_proof_of_work_is_good_once_and_for_a_while() {
    let settings = Settings::default().with("auth.captcha.enabled", "true").with("auth.captcha.work", "2000");
    let world = World::with(settings, Profile::Dev).await;
    let check = async |token: Option<&str>| world.auth.require_captcha(token, None).await;
    assert!(matches!(check(None).await, Err(Error::Captcha(why)) if why == "no captcha_token found"));
    let work = world.auth.new_work().unwrap();
    let token = solve(&work);
    check(Some(&token)).await.unwrap();
    assert!(check(Some(&token)).await.is_err(), "twice");
    let mut easy = world.auth.new_work().unwrap();
    easy["salt"] = json!("mine?expires=9999999999");
    easy["challenge"] = json!(hex::encode(seal::sha256(b"mine?expires=99999999990")));
    assert!(check(Some(&solve(&easy))).await.is_err(), "a puzzle of one's own");
    for text in ["", "x", "e30=", &"A".repeat(10_000)] {
        assert!(check(Some(text)).await.is_err(), "{text}");
    }
    let old = solve(&world.auth.new_work().unwrap());
    world.clock.advance(std::time::Duration::from_secs(601));
    assert!(check(Some(&old)).await.is_err(), "ten minutes later");
}

#[tokio::test]
async fn a_provider_is_asked_and_its_silence_is_a_no() {
    let double = Double::answering(vec![
        json_answer(200, &json!({ "success": true })),
        json_answer(200, &json!({ "success": false, "error-codes": ["timeout-or-duplicate"] })),
        json_answer(500, &json!({})),
    ])
    .await;
    let settings = |url: &str| {
        Settings::default()
            .with("auth.captcha.enabled", "true")
            .with("auth.captcha.provider", "turnstile")
            .with("auth.captcha.secret", "the-site-secret")
            .with("auth.captcha.verify_url", url)
    };
    let world = World::with(settings(&double.url), Profile::Dev).await;
    let check = async || world.auth.require_captcha(Some("token-1"), Some([192, 0, 2, 1].into())).await;
    check().await.unwrap();
    assert!(matches!(check().await, Err(Error::Captcha(why)) if why == "timeout-or-duplicate"));
    assert!(check().await.is_err());
    let said = double.asked()[0].1.as_str().unwrap().to_owned();
    assert!(said.contains("response=token") && said.contains("remoteip=192"), "{said}");
    let gone = World::with(settings("http://127.0.0.1:1/x"), Profile::Dev).await;
    assert!(matches!(gone.auth.require_captcha(Some("token"), None).await, Err(Error::Captcha(_))));
    let world = World::new().await;
    let without =
        Settings::default().with("auth.captcha.enabled", "true").with("auth.captcha.provider", "hcaptcha");
    let refused =
        crate::world::open(&world.db, &world.audit, &world.root, without, Profile::Dev, world.clock.clock());
    assert!(matches!(refused.await.err(), Some(Error::Unsafe { .. })));
}

#[tokio::test]
async fn a_password_is_looked_up_by_five_digits_of_its_digest_and_padding_is_no_find() {
    let digits = hex::encode_upper(seal::sha1_for_lookup(PASSWORD.as_bytes()));
    let (range, rest) = digits.split_at(5);
    let plain = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let others = "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2";
    let known = plain(&format!("{others}\r\n{rest}:37"));
    let double = Double::answering(vec![
        known.clone(),
        plain(&format!("{others}\r\n{rest}:0")),
        known,
        json_answer(503, &json!({})),
    ])
    .await;
    let settings = |url: &str| {
        Settings::default()
            .with("auth.password_breached_api", "true")
            .with("auth.password_breached_api_url", &format!("{url}/range/"))
    };
    let world = World::with(settings(double.url.trim_end_matches("/hook")), Profile::Dev).await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(&refused, Error::WeakPassword { reasons, .. } if reasons == &["pwned"]), "{refused}");
    world.sign_up("ann@example.com").await;
    // It joined the list since: whoever signs in with it has to change it.
    let grant = world.sign_in("ann@example.com", PASSWORD).await.unwrap();
    assert_eq!(grant.owes, Some(base::Owed::NewPassword));
    // A list that does not answer keeps nobody out.
    world.sign_up("bob@example.com").await;
    for (head, _) in double.asked() {
        assert!(head.starts_with(&format!("GET /range/{range} ")), "five digits leave, no more: {head}");
        assert!(head.to_lowercase().contains("add-padding: true") && !head.contains(rest), "{head}");
    }
    let closed = settings("http://127.0.0.1:1").with("auth.password_breached_api_fail_closed", "true");
    let world = World::with(closed, Profile::Dev).await;
    let refused = world.try_sign_up("ann@example.com", PASSWORD).await.err().unwrap();
    assert!(matches!(refused, Error::BreachedList(_)), "{refused}");
    let clear = settings("http://list.example");
    let refused =
        crate::world::open(&world.db, &world.audit, &world.root, clear, Profile::Dev, world.clock.clock());
    assert!(matches!(refused.await.err(), Some(Error::Setting { .. })));
}
