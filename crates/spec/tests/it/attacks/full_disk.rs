//! A disk that is full (row 101): said as what it is, nothing half written, and what was done is still recorded.
//!
//! The disk is a small file system in memory. Root mounts it; an ordinary user does so as root of a user namespace of their
//! own, in which the test then runs once more, as themselves.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{getegid, geteuid};
use serde_json::json;
use spec::TestApp;
use tempfile::TempDir;

/// Where a test that runs once more finds its disk.
const GIVEN: &str = "PALISADE_SPEC_DISK";
/// What the disk holds beside what is left for others.
const BALLAST_BYTES: usize = 8 << 20;
const OPTIONS: &str = "size=16m,mode=700";

/// A disk with eight megabytes left.
struct Small {
    place: PathBuf,
    mounted: Option<TempDir>,
}

impl Small {
    /// On a disk that was made for this run.
    fn given(place: &str) -> Self {
        Small::with_ballast(place.into(), None)
    }

    fn mount(owner: u32) -> Self {
        let for_all = std::fs::Permissions::from_mode(0o755);
        let place = tempfile::Builder::new().prefix("palisade-disk-").permissions(for_all).tempdir().unwrap();
        let options = format!("{OPTIONS},uid={owner}");
        let mut mount = Command::new("mount");
        let told = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place.path()).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        Small::with_ballast(place.path().to_owned(), Some(place))
    }

    fn with_ballast(place: PathBuf, mounted: Option<TempDir>) -> Self {
        std::fs::create_dir(place.join("rows")).unwrap();
        let owner = std::fs::metadata(&place).unwrap();
        std::os::unix::fs::chown(place.join("rows"), Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::write(place.join("ballast"), vec![b'x'; BALLAST_BYTES]).unwrap();
        Small { place, mounted }
    }

    /// Somebody makes room.
    fn make_room(&self) {
        std::fs::remove_file(self.place.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if self.mounted.is_some() {
            // The database may still have it open where the test failed.
            let _ = Command::new("umount").arg("--lazy").arg(&self.place).output();
        }
    }
}

/// Runs this very test once more where an ordinary user has a disk of their own. Two namespaces: root of the first mounts it,
/// and in the second they are themselves again, since PostgreSQL does not run as root.
fn once_more(test: &str) {
    let folder = tempfile::Builder::new().prefix("palisade-disk-").tempdir().unwrap();
    let (user, group) = (geteuid().to_string(), getegid().to_string());
    let script = format!(
        "mount -t tmpfs -o {OPTIONS} tmpfs \"${GIVEN}\" && exec unshare --user --map-user={user} --map-group={group} -- \"$0\" \"$@\""
    );
    let own = std::env::current_exe().unwrap();
    let mut run = Command::new("unshare");
    run.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", &script]).arg(own);
    let told = run.args([test, "--exact", "--nocapture"]).env(GIVEN, folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    let why = "an ordinary user needs user namespaces for a disk of their own (kernel.unprivileged_userns_clone, \
               user.max_user_namespaces, or an AppArmor rule forbids them): run this test as root instead";
    assert!(
        told.status.success() && said.contains("1 passed"),
        "{why}\n{said}\n{}",
        String::from_utf8_lossy(&told.stderr)
    );
}

/// What a test that runs once more was told by the first.
pub fn told(name: &str) -> Option<String> {
    let environment = std::fs::read(Path::new("/proc/self/environ")).unwrap();
    let named = format!("{name}=");
    let found = environment.split(|byte| *byte == 0).filter_map(|one| std::str::from_utf8(one).ok());
    found.filter_map(|one| one.strip_prefix(&named)).next().map(str::to_owned)
}

#[tokio::test]
async fn row_101_a_full_disk_is_said_leaves_nothing_half_written_and_what_is_done_is_still_recorded() {
    // In the second run its place is said.
    let given = told(GIVEN);
    if given.is_none() && !geteuid().is_root() {
        once_more(
            "attacks::full_disk::row_101_a_full_disk_is_said_leaves_nothing_half_written_and_what_is_done_is_still_recorded",
        );
        return;
    }
    let app = TestApp::builder().unlimited().start().await;
    let admin = app.database.admin().await;
    let kept: String = admin.query_one("show data_directory", &[]).await.unwrap().get(0);
    let disk = match given {
        Some(place) => Small::given(&place),
        None => Small::mount(std::fs::metadata(&kept).unwrap().uid()),
    };
    let rows = disk.place.join("rows");
    let place = rows.display();
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
    let said = refused.expect(507);
    assert_eq!(said.value()["code"], "53100", "{}", said.text());
    assert!(!said.text().contains("palisade-disk"), "no path of ours: {}", said.text());
    assert!(said.text().contains("There is no room left to store this"), "{}", said.text());
    // In every dialect: half as much does not fit either, once what is left is taken.
    let half = "x".repeat(1 << 19);
    for id in 300.. {
        assert!(id < 305, "less than a row was left");
        if ann.client.post("/rest/v1/papers", json!({ "id": id, "body": half })).await.status == 507 {
            break;
        }
    }
    let insert = "mutation($body: String) { insertIntopapersCollection(objects: [{id: 200, body: $body}]) { affectedCount } }";
    let query = json!({ "query": insert, "variables": { "body": half } });
    ann.client.post("/graphql/v1", query).await.expect(507);
    ann.client.post("/api/v1/tables/papers", json!({ "id": 201, "body": half })).await.expect(507);

    // Of two rows in one request that do not both fit, neither is there; and what is there is whole.
    let both = json!([{ "id": 100, "body": "small" }, { "id": 101, "body": body }]);
    ann.client.post("/rest/v1/papers", both).await.expect(507);
    let rows = ann.client.get("/rest/v1/papers?select=id,body&order=id&id=lt.300").await.expect(200).value();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), written);
    assert!(rows.iter().all(|row| row["body"].as_str().is_some_and(|text| text.len() == 1 << 20)));

    // What is done meanwhile is done and recorded; and once there is room, it goes on.
    let made = json!({ "email": "new@example.com", "password": spec::person::PASSWORD });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    assert!(app.audited("admin.user_create").await);
    disk.make_room();
    ann.client.post("/rest/v1/papers", json!({ "id": 100, "body": body })).await.expect(201);
    app.admin("drop table public.papers").await;
    admin.batch_execute("drop tablespace small").await.unwrap();
}
