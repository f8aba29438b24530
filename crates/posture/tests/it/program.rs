//! What the program refuses to start with, seen from its exit.

use posture::State;

use crate::place::{lay, nowhere, probe};
use crate::server::{Does, start};

/// Does what the program does for the three controls, as far as their probes look.
const PROGRAM: &str = r#"
file=$(eval echo "${JWT_SECRET_FILE:-$PALISADE_AUTH_JWT_SECRET_FILE}")
name=JWT_SECRET_FILE; [ -n "$PALISADE_AUTH_JWT_SECRET_FILE" ] && name=PALISADE_AUTH_JWT_SECRET_FILE
if [ "$2" = explain ]; then echo "auth.jwt_secret  set  environment $name"; exit 0; fi
if [ -n "$file" ]; then [ -r "$file" ] || exit 78; exit 0; fi
if [ -n "$4" ]; then [ -n "$PROBE_SECRET" ] && exit 0; echo "PROBE_SECRET is not set"; exit 78; fi
exit 78
"#;

async fn found(control: u16, program: &str) -> posture::Finding {
    let laid = lay(start(Does::everything()).await, nowhere(), program);
    probe(&laid.bench, control).await
}

#[tokio::test]
async fn an_undefined_reference_that_does_not_stop_the_start_is_seen() {
    assert_eq!(found(115, PROGRAM).await.state, State::Proven);
    assert_eq!(found(115, "exit 0").await.state, State::Failing);
    assert_eq!(
        found(115, "echo $PROBE_SECRET PROBE_SECRET; [ -n \"$PROBE_SECRET\" ] || exit 78").await.state,
        State::Failing,
        "it was printed"
    );
}

#[tokio::test]
async fn a_secret_file_that_is_not_read_or_is_printed_is_seen() {
    let finding = found(117, PROGRAM).await;
    assert_eq!(finding.state, State::Proven, "{}", finding.evidence);
    assert_eq!(found(117, "echo auth.jwt_secret  unset  default").await.state, State::Failing);
    let printing = format!("cat $JWT_SECRET_FILE $PALISADE_AUTH_JWT_SECRET_FILE 2>/dev/null\n{PROGRAM}");
    assert_eq!(found(117, &printing).await.state, State::Failing);
}
