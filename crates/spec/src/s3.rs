//! An S3 store of another make (moto), which checks signatures and rights, and is read back by AWS's own client for Python.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::program::target;

/// The store, with one bucket, and one key that may write into it.
pub struct S3Store {
    /// Where it is, with the bucket.
    pub url: String,
    /// The key's name.
    pub key_id: String,
    /// The key.
    pub secret: String,
    _child: Child,
    asks: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

/// An object, as AWS's client read it.
#[derive(Debug)]
pub struct Object {
    /// Its type.
    pub kind: String,
    /// What is in it.
    pub body: String,
}

impl S3Store {
    /// Starts it.
    pub async fn start() -> Self {
        let python = target().join("tools/python/bin/python");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk/python/s3_store.py");
        let mut child = Command::new(python)
            .args(["-B", "-u", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = told.next_line().await.unwrap();
        let line = line.expect("moto and boto3 are not installed: `cargo xtask test` installs them");
        let words: Vec<&str> = line.split(' ').collect();
        let ["ready", url, bucket, key_id, secret] = words[..] else { panic!("{line}") };
        S3Store {
            url: format!("{url}/{bucket}"),
            key_id: key_id.to_owned(),
            secret: secret.to_owned(),
            asks: child.stdin.take().unwrap(),
            _child: child,
            told,
        }
    }

    /// Everything in the bucket, by name.
    pub async fn objects(&mut self) -> BTreeMap<String, Object> {
        self.asks.write_all(b"\n").await.unwrap();
        let line = self.told.next_line().await.unwrap().expect("the store goes on");
        let Value::Object(held) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        let text = |object: &Value, name: &str| object[name].as_str().unwrap().to_owned();
        let read = |object: &Value| Object { kind: text(object, "kind"), body: text(object, "body") };
        held.iter().map(|(name, object)| (name.clone(), read(object))).collect()
    }
}
