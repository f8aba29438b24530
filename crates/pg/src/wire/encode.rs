//! Frames to the server, written straight into the connection's buffer.
//!
//! Invariant: a frame is whole or not there. Whoever writes several takes a mark and truncates to it on failure.

use bytes::{BufMut, BytesMut};

use crate::{Error, Param};

/// Type oid of `text`, for parameters whose type must not be guessed.
pub(crate) const TEXT: u32 = 25;

fn body(out: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) -> Result<(), Error> {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(0);
    write(out);
    let length = i32::try_from(out.len() - start).map_err(|_| too_large())?;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn too_large() -> Error {
    Error::Bug("a message to PostgreSQL would be larger than 2 GiB".into())
}

fn cstr(out: &mut BytesMut, text: &[u8]) {
    out.put_slice(text);
    out.put_u8(0);
}

/// Parse: `types` are oids, none leaves them to the server.
pub(crate) fn parse(out: &mut BytesMut, name: &str, sql: &str, types: &[u32]) -> Result<(), Error> {
    if sql.as_bytes().contains(&0) {
        return Err(Error::Bug("SQL text with a NUL byte".into()));
    }
    body(out, b'P', |out| {
        cstr(out, name.as_bytes());
        cstr(out, sql.as_bytes());
        out.put_u16(types.len() as u16);
        types.iter().for_each(|oid| out.put_u32(*oid));
    })
}

/// Describe a prepared statement.
pub(crate) fn describe(out: &mut BytesMut, name: &str) -> Result<(), Error> {
    body(out, b'D', |out| {
        out.put_u8(b'S');
        cstr(out, name.as_bytes());
    })
}

/// Close a prepared statement, by a name of ours.
pub(crate) fn close(out: &mut BytesMut, name: &str) {
    // Our names are a few bytes: far from the length that could fail.
    let _fits = body(out, b'C', |out| {
        out.put_u8(b'S');
        cstr(out, name.as_bytes());
    });
}

/// Bind and Execute of the unnamed portal: text in, text out, all rows.
pub(crate) fn run<'a>(
    out: &mut BytesMut,
    name: &str,
    count: usize,
    params: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<(), Error> {
    let count = u16::try_from(count).map_err(|_| Error::Bug("more than 65535 parameters".into()))?;
    let mut oversized = false;
    body(out, b'B', |out| {
        out.put_u8(0); // the unnamed portal
        cstr(out, name.as_bytes());
        out.put_u16(0); // parameters: all text
        out.put_u16(count);
        for param in params {
            match param {
                None => out.put_i32(-1),
                Some(value) => match i32::try_from(value.len()) {
                    Ok(length) => {
                        out.put_i32(length);
                        out.put_slice(value);
                    }
                    Err(_) => oversized = true,
                },
            }
        }
        out.put_u16(0); // results: all text
    })?;
    if oversized {
        return Err(too_large());
    }
    out.put_slice(b"E\0\0\0\x09\0\0\0\0\0");
    Ok(())
}

/// [`run`] with a statement's own parameters.
pub(crate) fn run_with(out: &mut BytesMut, name: &str, params: &[Param]) -> Result<(), Error> {
    run(out, name, params.len(), params.iter().map(|param| param.0.as_deref()))
}

/// Sync: the end of a batch, and of its implicit transaction.
pub(crate) fn sync(out: &mut BytesMut) {
    out.put_slice(b"S\0\0\0\x04");
}

/// Terminate: a polite end of the session.
pub(crate) fn terminate(out: &mut BytesMut) {
    out.put_slice(b"X\0\0\0\x04");
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres_protocol::message::frontend;

    #[test]
    fn frames_are_those_of_the_reference_encoder() {
        let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
        parse(&mut ours, "s1", "select $1", &[TEXT]).unwrap();
        describe(&mut ours, "s1").unwrap();
        run_with(&mut ours, "s1", &[Param::from("a"), Param::NULL]).unwrap();
        close(&mut ours, "s1");
        sync(&mut ours);
        terminate(&mut ours);

        frontend::parse("s1", "select $1", [TEXT], &mut theirs).unwrap();
        frontend::describe(b'S', "s1", &mut theirs).unwrap();
        let value = |value: Option<&str>, out: &mut BytesMut| match value {
            None => Ok(postgres_protocol::IsNull::Yes),
            Some(text) => {
                out.put_slice(text.as_bytes());
                Ok(postgres_protocol::IsNull::No)
            }
        };
        assert!(frontend::bind("", "s1", [], [Some("a"), None], value, [], &mut theirs).is_ok());
        frontend::execute("", 0, &mut theirs).unwrap();
        frontend::close(b'S', "s1", &mut theirs).unwrap();
        frontend::sync(&mut theirs);
        frontend::terminate(&mut theirs);
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_nul_in_sql_is_refused_before_it_cuts_the_text() {
        assert!(parse(&mut BytesMut::new(), "s", "select 1\0; drop table x", &[]).is_err());
    }
}
