//! The firewall as a second host meets it: a machine and a stranger, two network namespaces with a cable between them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// Two hosts; gone when dropped. Only root makes them.
struct Hosts {
    name: String,
    _listening: tokio::sync::RwLockReadGuard<'static, ()>,
}

const HERE: &str = "198.18.77.1";

impl Hosts {
    async fn make() -> Option<Hosts> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: only root makes network namespaces with a cable between them");
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pt{}{count}", std::process::id());
        let hosts = Hosts { name, _listening: crate::LISTENING_CHILDREN.read().await };
        let (machine, stranger) = (hosts.machine(), hosts.stranger());
        for words in [
            format!("netns add {machine}"),
            format!("netns add {stranger}"),
            format!("-n {machine} link set lo up"),
            format!("-n {machine} link add near type veth peer name far netns {stranger}"),
            format!("-n {machine} addr add {HERE}/30 dev near"),
            format!("-n {machine} link set near up"),
            format!("-n {stranger} addr add 198.18.77.2/30 dev far"),
            format!("-n {stranger} link set far up"),
        ] {
            let done = Command::new("ip").args(words.split(' ')).output().await.unwrap();
            assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
        }
        hosts.own_files();
        Some(hosts)
    }

    /// The machine's own copy of what ufw keeps in files: `ip netns exec` lays it over `/etc`, and nothing of this machine is
    /// written.
    fn own_files(&self) {
        let over = self.over_etc();
        for folder in ["ufw", "default"] {
            let of_this_machine = Path::new("/etc").join(folder);
            if of_this_machine.is_dir() {
                std::fs::create_dir_all(&over).unwrap();
                let copied =
                    std::process::Command::new("cp").arg("-a").arg(of_this_machine).arg(&over).status();
                assert!(copied.unwrap().success());
            }
        }
    }

    fn over_etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(self.machine())
    }

    fn machine(&self) -> String {
        format!("{}m", self.name)
    }

    fn stranger(&self) -> String {
        format!("{}s", self.name)
    }

    fn at(host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", host, program]).kill_on_drop(true);
        command
    }

    /// What the program says on the machine.
    async fn palisade(&self, words: &str) -> (i32, String) {
        let program = spec::program::binary().display().to_string();
        let output = Self::at(&self.machine(), &program).args(words.split(' ')).output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Ports of the machine that let the stranger in.
    async fn open(&self, ports: &[u16]) -> Vec<u16> {
        let program = spec::program::binary().display().to_string();
        let targets = ports.iter().map(|port| format!("{HERE}:{port}"));
        let output = Self::at(&self.stranger(), &program).arg("scan").args(targets).output().await.unwrap();
        let seen: Vec<(std::net::SocketAddr, String)> = serde_json::from_slice(&output.stdout).unwrap();
        seen.iter().filter(|(_, reached)| reached == "open").map(|(address, _)| address.port()).collect()
    }

    /// Something on the machine that is called `name` and listens on every address.
    async fn listener(&self, folder: &std::path::Path, name: &str, ports: &[u16]) -> Child {
        let script = format!(
            "import socket,time\nall=[]\nfor p in {ports:?}:\n s=socket.socket()\n s.bind(('0.0.0.0',p))\n s.listen()\n all.append(s)\n\
             print('up',flush=True)\ntime.sleep(600)"
        );
        let link = folder.join(name);
        std::os::unix::fs::symlink("/usr/bin/python3", &link).unwrap();
        let mut child = Self::at(&self.machine(), &link.display().to_string())
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 2];
        child.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
        child
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [self.machine(), self.stranger()] {
            let _ = std::process::Command::new("ip").args(["netns", "del", &host]).output();
        }
        let _ = std::fs::remove_dir_all(self.over_etc());
    }
}

/// Whoever may make hosts may install: what is missing then is no reason to look away.
async fn require(program: &str) {
    let is_there = Command::new(program).arg("--version").output().await.is_ok();
    assert!(is_there, "{program} is not installed: `cargo xtask test` installs it");
}

const PORTS: [u16; 5] = [80, 443, 2222, 5432, 6379];

/// With each tool that this machine has.
async fn keeps_all_but_what_is_meant(tool: &str, program: &str) {
    let Some(hosts) = Hosts::make().await else { return };
    require(program).await;
    let folder = tempfile::TempDir::new().unwrap();
    // SSH has moved, and nobody says where.
    let _ssh = hosts.listener(folder.path(), "sshd", &[2222]).await;
    let _others = hosts.listener(folder.path(), "others", &[80, 443, 5432, 6379]).await;
    assert_eq!(hosts.open(&PORTS).await, PORTS, "before");
    let (code, said) = hosts.palisade(&format!("firewall apply --{tool} --port 80 --port 443")).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("SSH at") && said.contains("2222"), "{said}");
    assert_eq!(hosts.open(&PORTS).await, [80, 443, 2222], "with {tool}");
    // Setting it again changes nothing, and adds the database's network.
    let words = format!("firewall apply --{tool} --port 80 --port 443 --database-from 198.18.77.0/30");
    let (code, said) = hosts.palisade(&words).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(hosts.open(&PORTS).await, [80, 443, 2222, 5432], "with {tool}, again");
    let (_, said) = hosts.palisade("doctor --json").await;
    assert!(said.contains("\"drops_by_default\":true"), "{said}");
}

#[tokio::test]
async fn nftables_lets_in_what_is_meant_and_ssh_where_it_is() {
    keeps_all_but_what_is_meant("nftables", "nft").await;
}

#[tokio::test]
async fn iptables_lets_in_what_is_meant_and_ssh_where_it_is() {
    keeps_all_but_what_is_meant("iptables", "iptables").await;
}

#[tokio::test]
async fn ufw_lets_in_what_is_meant_and_ssh_where_it_is() {
    keeps_all_but_what_is_meant("ufw", "ufw").await;
}

#[tokio::test]
async fn the_doctor_looks_from_a_second_host_and_names_what_is_reachable() {
    let Some(hosts) = Hosts::make().await else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let _others = hosts.listener(folder.path(), "redis-server", &[6379]).await;
    let (code, said) = hosts.palisade("doctor --outside-in").await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("0.0.0.0:6379") && said.contains("redis-server"), "{said}");
    assert!(said.contains("a second host was let in"), "{said}");
    let (code, said) = hosts.palisade("doctor --outside-in --meant 6379").await;
    assert_eq!(code, 0, "{said}");
    if Command::new("nft").arg("--version").output().await.is_ok() {
        hosts.palisade("firewall apply --nftables --port 443").await;
        let (code, said) = hosts.palisade("doctor --outside-in").await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("kept from others; a second host got no answer"), "{said}");
    }
    // What Docker's proxy holds is named, with what to do about it.
    let _docker = hosts.listener(folder.path(), "docker-proxy", &[9200]).await;
    let (code, said) = hosts.palisade("doctor").await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("published by Docker") && said.contains("127.0.0.1:9200:9200"), "{said}");
}

/// What the machine's own nft says.
async fn nft(hosts: &Hosts, words: &str) -> String {
    let output = Hosts::at(&hosts.machine(), "nft").args(words.split(' ')).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The system's nft as the server finds it: by `mood`, the real one, or one that says why not, or one that only says that all is
/// well. And another one, of somebody who could set the server's `PATH`.
fn moody_nft(home: &Path) {
    std::fs::create_dir(home.join("bait")).unwrap();
    std::fs::copy(SYSTEMS_NFT, home.join("real")).unwrap();
    let home = home.display();
    let moody = format!(
        "#!/bin/sh\ncase $(cat {home}/mood) in\n silent) exec cat >/dev/null;;\n failing) echo Operation not permitted >&2; exit 1;;\nesac\n\
         exec {home}/real \"$@\"\n"
    );
    let bait = format!("#!/bin/sh\necho \"$@\" >> {home}/bitten\nexec {home}/real \"$@\"\n");
    for (name, script) in [("moody", moody), ("bait/nft", bait)] {
        let place = format!("{home}/{name}");
        std::fs::write(&place, script).unwrap();
        std::fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
}

const SYSTEMS_NFT: &str = "/usr/sbin/nft";

/// A server on every address of the machine, with bans in the kernel at these ports.
fn serving(hosts: &Hosts, home: &std::path::Path, nftables: &str) -> Child {
    let log = std::fs::File::create(home.join("output.txt")).unwrap();
    // What `ip netns exec` starts sees files of its own.
    let mut command = Hosts::at(&hosts.machine(), "sh");
    command.args(["-c", "mount --bind \"$0\" \"$1\" && shift && exec \"$@\""]);
    command.arg(home.join("moody")).arg(SYSTEMS_NFT).arg(spec::program::binary());
    command.args(["serve", "--listen", "0.0.0.0:443", "--server.tls.local_ca", "true"]);
    command.args(["--server.http_port", "0", "--server.hosts", HERE, "--detection.nftables", nftables]);
    command.args(["--monitoring.enabled", "false", "--data"]).arg(home.join("data"));
    command.arg("--ready-file").arg(home.join("ready.json")).current_dir(home);
    command.env("PATH", format!("{}/bait:/usr/sbin:/usr/bin:/sbin:/bin", home.display()));
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

#[tokio::test]
async fn whoever_is_kept_out_meets_the_kernel_first_at_our_ports_and_at_no_others() {
    let Some(hosts) = Hosts::make().await else { return };
    require("nft").await;
    let for_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let home = tempfile::Builder::new().prefix("palisade-nft-").permissions(for_all).tempdir().unwrap();
    let (data, ready) = (home.path().join("data"), home.path().join("ready.json"));
    let _ssh = hosts.listener(home.path(), "sshd", &[2222]).await;
    let mood = |word: &str| std::fs::write(home.path().join("mood"), word).unwrap();
    moody_nft(home.path());
    mood("well");
    let start = |nftables: &str| serving(&hosts, home.path(), nftables);
    let output = || std::fs::read_to_string(home.path().join("output.txt")).unwrap_or_default();
    // What is no port is refused, not passed over.
    let refused = async |ports: &str, why: &str| {
        let ended = tokio::time::timeout(std::time::Duration::from_secs(60), start(ports).wait()).await;
        assert!(!ended.unwrap().unwrap().success() && output().contains(why), "{}", output());
    };
    refused("443,https", "`https` is no port").await;
    mood("failing");
    refused("443", "the set cannot be made: Operation not permitted. It needs nft").await;
    mood("well");

    let mut server = start("443");
    for _ in 0..1200 {
        if ready.exists() {
            break;
        }
        assert!(server.try_wait().unwrap().is_none(), "{}", output());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let bans = async |words: &str| {
        let (code, said) = hosts.palisade(&format!("bans {words} --data {}", data.display())).await;
        assert_eq!(code, 0, "{said}");
    };
    // On every address, as `up` listens, each probe finds its way; and what the kernel should keep is looked for there.
    let check =
        async |control: u16| hosts.palisade(&format!("check {control} --data {}", data.display())).await;
    for control in [37, 71, 103, 106] {
        let (code, said) = check(control).await;
        assert_eq!(code, 0, "{said}");
    }
    assert!(check(106).await.1.contains("stands in the set of nftables"));
    // What is let in is what really listens: nobody says a port.
    let (code, said) = hosts.palisade(&format!("firewall print --nftables --data {}", data.display())).await;
    assert!(code == 0 && said.contains("tcp dport { 443, 2222 } accept"), "{said}");
    mood("silent");
    let (code, said) = check(106).await;
    assert!(
        code != 0 && said.contains("does not stand in the set"),
        "an nft that does nothing is seen: {said}"
    );
    mood("well");
    assert_eq!(hosts.open(&[443, 2222]).await, [443, 2222], "before");
    bans("add 198.18.77.2 --for 1h").await;
    // An address within a network, and one of the other family: the set takes them together.
    bans("add 198.18.77.0/30 --for 2h").await;
    bans("add 2001:db8:1:2::/64").await;
    for _ in 0..200 {
        if hosts.open(&[443, 2222]).await == [2222] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(hosts.open(&[443, 2222]).await, [2222], "{}", nft(&hosts, "list ruleset").await);
    let set = nft(&hosts, "list set inet palisade_bans_443 kept4").await;
    assert!(set.contains("198.18.77.0/30 timeout 1h59m") && !set.contains("198.18.77.2 "), "{set}");
    assert!(nft(&hosts, "list set inet palisade_bans_443 kept6").await.contains("2001:db8:1:2::/64"));
    bans("remove 198.18.77.0/30").await;
    bans("remove 198.18.77.2").await;
    for _ in 0..200 {
        if hosts.open(&[443]).await == [443] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(hosts.open(&[443]).await, [443], "{}", nft(&hosts, "list ruleset").await);
    let pid = server.id().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(server.wait().await.unwrap().success(), "{}", output());
    assert!(!nft(&hosts, "list tables").await.contains("palisade"), "a stopped program keeps nobody out");
    let bitten = std::fs::read_to_string(home.path().join("bitten"));
    assert!(bitten.is_err(), "another nft was run, as PATH has it: {bitten:?}");
}
