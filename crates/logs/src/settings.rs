//! What can be set about the log's files, and about where logs are sent.

use std::time::Duration;

use base::setting::Definition;
use base::{Secret, Setting};

/// When a file is put aside.
pub static FILE_MEGABYTES: Setting<u32> = Setting::new("logging.file_megabytes", "16")
    .range("1", "4096")
    .changes("how large combined.log and error.log in logs/ of the data folder grow before each is put aside and begun anew")
    .proven_by(&[100]);

/// How many are kept.
pub static FILES_KEPT: Setting<u32> = Setting::new("logging.files_kept", "8")
    .range("1", "1000")
    .changes("how many files that were put aside are kept of each of the two streams; the oldest goes first")
    .proven_by(&[100]);

/// A syslog receiver.
pub static SYSLOG_ADDRESS: Setting<Option<String>> = Setting::unset("logging.syslog_address")
    .changes(
        "the syslog receiver that the log and the audit log are sent to in RFC 5424: tls://host:6514, tcp://host:514 or udp://host:514; \
         without TLS only to what outbound.allow names; what cannot be sent waits",
    )
    .proven_by(&[99]);

/// As whom we are known there.
pub static SYSLOG_TAG: Setting<String> = Setting::new("logging.syslog_tag", "palisade")
    .changes("the application's name in each syslog message")
    .proven_by(&[99]);

/// An OpenTelemetry collector.
pub static OTLP_ENDPOINT: Setting<Option<String>> = Setting::unset("logging.otlp_endpoint")
    .changes(
        "the OpenTelemetry collector that the log, the audit log and a span for each request are sent to over HTTP (/v1/logs and \
         /v1/traces below this URL)",
    )
    .proven_by(&[99]);

/// Who we are there.
pub static OTLP_HEADERS: Setting<Option<Secret<String>>> = Setting::unset("logging.otlp_headers")
    .changes("headers sent to the collector, as name=value with commas between them")
    .proven_by(&[99]);

/// Whether requests are sent as spans.
pub static OTLP_TRACES: Setting<bool> = Setting::new("logging.otlp_traces", "true")
    .changes("whether the collector gets a span for each request, or the logs only")
    .proven_by(&[99]);

/// An S3 bucket.
pub static S3_URL: Setting<Option<String>> = Setting::unset("logging.s3_url")
    .changes(
        "where in an S3 store the log and the audit log are put as objects of JSON lines: https://host/bucket/prefix; what cannot be put waits",
    )
    .proven_by(&[99]);

/// Its region.
pub static S3_REGION: Setting<String> = Setting::new("logging.s3_region", "us-east-1")
    .changes("the region that requests to the S3 store are signed for")
    .proven_by(&[99]);

/// Who we are there.
pub static S3_KEY_ID: Setting<Option<String>> = Setting::unset("logging.s3_access_key_id")
    .changes("the access key that requests to the S3 store are signed with")
    .proven_by(&[99]);

/// And the proof.
pub static S3_SECRET: Setting<Option<Secret<String>>> =
    Setting::unset("logging.s3_secret_access_key").changes("the secret of that access key").proven_by(&[99]);

/// How much goes into one object.
pub static S3_EVERY: Setting<Duration> = Setting::new("logging.s3_every", "1m")
    .range("1s", "1h")
    .changes("how long lines are gathered before they are put into the S3 store as one object")
    .proven_by(&[99]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &FILE_MEGABYTES.definition,
    &FILES_KEPT.definition,
    &SYSLOG_ADDRESS.definition,
    &SYSLOG_TAG.definition,
    &OTLP_ENDPOINT.definition,
    &OTLP_HEADERS.definition,
    &OTLP_TRACES.definition,
    &S3_URL.definition,
    &S3_REGION.definition,
    &S3_KEY_ID.definition,
    &S3_SECRET.definition,
    &S3_EVERY.definition,
];
