//! A disk that is full (row 101): said as what it is, nothing half written, and what was done is still recorded.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use serde_json::json;
use spec::TestApp;
use tempfile::TempDir;

/// A disk of eight megabytes, gone with its test.
struct Small(TempDir);

impl Small {
    /// Nothing where this test may not mount one.
    fn mount(owner: u32) -> Option<Self> {
        let for_all = std::fs::Permissions::from_mode(0o755);
        let place = tempfile::Builder::new().prefix("palisade-disk-").permissions(for_all).tempdir().unwrap();
        let options = format!("size=8m,mode=700,uid={owner}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place.path()).output();
        let is_mounted = mounted.is_ok_and(|output| output.status.success());
        is_mounted.then_some(Small(place))
    }

    /// Twice as large.
    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=16m"]).arg(self.0.path()).output();
        assert!(grown.is_ok_and(|output| output.status.success()));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The database may still have it open where the test failed.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

#[tokio::test]
async fn row_101_a_full_disk_is_said_leaves_nothing_half_written_and_what_is_done_is_still_recorded() {
    let app = TestApp::builder().unlimited().start().await;
    let admin = app.database.admin().await;
    let kept: String = admin.query_one("show data_directory", &[]).await.unwrap().get(0);
    let Some(disk) = Small::mount(std::fs::metadata(&kept).unwrap().uid()) else {
        println!("skipped: this test may not mount a disk");
        return;
    };
    let place = disk.0.path().display();
    admin.batch_execute(&format!("create tablespace small location '{place}'")).await.unwrap();
    app.admin(
        "create table public.papers (id int primary key, body text) tablespace small;
         alter table public.papers alter column body set storage external;
         create policy everybody on public.papers to authenticated using (true) with check (true);
         grant select, insert on public.papers to authenticated",
    )
    .await;
    let ann = app.person("ann").await;
    let body = "x".repeat(1 << 20);
    let mut written = 0;
    let refused = loop {
        let seen = ann.client.post("/rest/v1/papers", json!({ "id": written, "body": body })).await;
        if seen.status != 201 {
            break seen;
        }
        written += 1;
        assert!(written < 20, "eight megabytes are full some time");
    };
    assert!(written > 2, "{written} fit");
    let said = refused.expect(503);
    assert_eq!(said.value()["code"], "53100", "{}", said.text());
    assert!(!said.text().contains("palisade-disk"), "no path of ours: {}", said.text());

    // Of two rows in one request that do not both fit, neither is there; and what is there is whole.
    let both = json!([{ "id": 100, "body": "small" }, { "id": 101, "body": body }]);
    ann.client.post("/rest/v1/papers", both).await.expect(503);
    let rows = ann.client.get("/rest/v1/papers?select=id,body&order=id").await.expect(200).value();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), written);
    assert!(rows.iter().all(|row| row["body"].as_str().is_some_and(|text| text.len() == 1 << 20)));

    // What is done meanwhile is done and recorded; and once there is room, it goes on.
    let made = json!({ "email": "new@example.com", "password": spec::person::PASSWORD });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    assert!(app.audited("admin.user_create").await);
    disk.grow();
    ann.client.post("/rest/v1/papers", json!({ "id": 100, "body": body })).await.expect(201);
    app.admin("drop table public.papers").await;
    admin.batch_execute("drop tablespace small").await.unwrap();
}
