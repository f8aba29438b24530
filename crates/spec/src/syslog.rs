//! A syslog server of other people's making (rsyslog), on this machine, that can be stopped and started again.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How it is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// In datagrams.
    Udp,
    /// As a stream.
    Tcp,
    /// As a stream with TLS.
    Tls,
}

/// The server.
pub struct Rsyslog {
    /// Its port.
    pub port: u16,
    wire: Wire,
    home: TempDir,
    child: Option<Child>,
}

/// A message as rsyslog understood it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Facility and severity in words: `local0.info`.
    pub priority: String,
    /// The application's name.
    pub app: String,
    /// The kind of message.
    pub kind: String,
    /// What it says.
    pub body: serde_json::Value,
}

impl Rsyslog {
    /// Starts it.
    pub async fn start(wire: Wire) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = TempDir::new().unwrap();
        let file = |name: &str| home.path().join(name);
        if wire == Wire::Tls {
            for (name, text) in ["ca.pem", "cert.pem", "key.pem"].into_iter().zip(crate::https::own()) {
                std::fs::write(file(name), text).unwrap();
            }
        }
        let path = |name: &str| file(name).display().to_string();
        let mut global = format!("workDirectory=\"{}\" maxMessageSize=\"64k\"", home.path().display());
        let listen = match wire {
            Wire::Udp => {
                format!("module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")")
            }
            Wire::Tcp => {
                format!("module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")")
            }
            Wire::Tls => {
                global += &format!(
                    " defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
                    path("ca.pem"),
                    path("cert.pem"),
                    path("key.pem")
                );
                format!(
                    "module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\n\
                     input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")"
                )
            }
        };
        let config = format!(
            "global({global})\n{listen}\n\
             template(name=\"heard\" type=\"string\" string=\"%pri-text%\\t%app-name%\\t%msgid%\\t%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{}\" template=\"heard\" asyncWriting=\"off\")\n",
            path("heard.txt")
        );
        std::fs::write(file("rsyslog.conf"), config).unwrap();
        let mut server = Rsyslog { port, wire, home, child: None };
        server.go_on().await;
        server
    }

    /// Starts it again, on the same port.
    pub async fn go_on(&mut self) {
        let mut command = Command::new("rsyslogd");
        command.args(["-n", "-i", "NONE", "-f"]).arg(self.home.path().join("rsyslog.conf"));
        // The machine's own settings and places are nothing to it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().expect("rsyslogd is installed: `cargo xtask test` installs it"));
        for _ in 0..400 {
            let there = match self.wire {
                // Nobody else can have the port once it has.
                Wire::Udp => std::net::UdpSocket::bind(("127.0.0.1", self.port)).is_err(),
                Wire::Tcp | Wire::Tls => {
                    tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
                }
            };
            if there {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("rsyslogd did not answer");
    }

    /// Stops it.
    pub async fn go_away(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    /// Where it is, as the setting has it.
    pub fn address(&self) -> String {
        let scheme = match self.wire {
            Wire::Udp => "udp",
            Wire::Tcp => "tcp",
            Wire::Tls => "tls",
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Who issued its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// Everything it understood, in the order it came. What it could not read as one of ours fails the test.
    pub fn heard(&self) -> Vec<Heard> {
        let text = std::fs::read_to_string(self.home.path().join("heard.txt")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let one = |line: &str| {
            let mut parts = line.splitn(4, '\t').map(str::to_owned);
            let (priority, app, kind) = (parts.next()?, parts.next()?, parts.next()?);
            let body = serde_json::from_str(parts.next()?.trim()).ok()?;
            Some(Heard { priority, app, kind, body })
        };
        let ours = whole.lines().filter(|line| !line.contains("\trsyslogd") && !line.is_empty());
        ours.map(|line| one(line).unwrap_or_else(|| panic!("not a message of ours: {line}"))).collect()
    }
}
