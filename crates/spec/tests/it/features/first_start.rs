//! What the program does on its own at its first start.

use std::net::Ipv4Addr;
use std::process::Output;
use std::time::Duration;

use spec::{Client, Palisade};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program alarms about what others do, not about its own first start.
#[tokio::test]
async fn the_first_start_of_dev_alarms_nobody_and_what_an_operator_does_then_still_does() {
    let palisade = Palisade::start("dev", &[]).await;
    let made = palisade.command(&["audit", "list", "--event", "admin.user_create"]).await;
    assert!(
        said(&made).contains("admin.user_create"),
        "the people of the demo stand in the log: {}",
        said(&made)
    );
    // This is judged after whatever came before it.
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let key = palisade.ready.secret_key.as_str();
    let service = Client::new(address, Ipv4Addr::LOCALHOST.into()).with("apikey", key);
    let body = serde_json::json!({ "email": "new@example.com", "password": spec::person::PASSWORD });
    let service = service.with("authorization", &format!("Bearer {key}"));
    service.post("/auth/v1/admin/users", body).await.expect(200);
    for _ in 0..200 {
        if palisade.output().contains("admin_actions") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = said(&palisade.command(&["alerts", "list"]).await);
    assert!(told.contains("admin_actions") && told.contains("admin.user_create by key:"), "{told}");
    assert!(!told.contains("admin.user_create by operator"), "{told}");
    assert!(!palisade.output().contains("admin.user_create by operator"), "{}", palisade.output());
    assert!(palisade.stop().await.success());
}
