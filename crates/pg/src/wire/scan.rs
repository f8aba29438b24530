//! Frames from the server, cut out of the read buffer without copying.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::rows::{FRAME_HEAD, Frames};
use crate::{Column, DbError};

/// One frame: its tag, its body as a slice of the read buffer.
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) body: Bytes,
}

/// A frame's tag and whole length, when its head is there.
fn head(buffer: &[u8]) -> io::Result<Option<(u8, usize)>> {
    let Some(([tag, length @ ..], _)) = buffer.split_first_chunk::<FRAME_HEAD>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(length) if length >= 4 => Ok(Some((*tag, length + 1))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "PostgreSQL sent a frame of impossible length")),
    }
}

/// The next whole frame, if there is one. Makes room for the rest of a large one.
pub(crate) fn next(buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
    let Some((tag, length)) = head(buffer)? else { return Ok(None) };
    if buffer.len() < length {
        buffer.reserve(length - buffer.len());
        return Ok(None);
    }
    // Most frames say nothing but their tag: those are skipped without touching the buffer's reference count.
    if length == FRAME_HEAD {
        buffer.advance(FRAME_HEAD);
        return Ok(Some(Frame { tag, body: Bytes::new() }));
    }
    let mut body = buffer.split_to(length).freeze();
    body.advance(FRAME_HEAD);
    Ok(Some(Frame { tag, body }))
}

/// All whole DataRow frames that come next, in one piece and counted, if there are any.
pub(crate) fn rows(buffer: &mut BytesMut) -> io::Result<Option<Frames>> {
    let (mut length, mut count) = (0, 0);
    while let Some((b'D', frame)) = head(buffer.get(length..).unwrap_or_default())? {
        if buffer.len() - length < frame {
            break;
        }
        length += frame;
        count += 1;
    }
    Ok((count > 0).then(|| Frames::of(buffer.split_to(length).freeze(), count)))
}

/// Text up to a NUL, and what follows it.
fn cstr(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// ErrorResponse.
pub(crate) fn error(mut body: &[u8]) -> Box<DbError> {
    let mut error = DbError::default();
    while let Some((kind, rest)) = body.split_first()
        && *kind != 0
        && let Some((value, rest)) = cstr(rest)
    {
        let text = String::from_utf8_lossy(value).into_owned();
        match kind {
            b'C' => error.sqlstate = text,
            b'V' => error.severity = text,
            b'M' => error.message = text,
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            b't' => error.table = Some(text),
            b'c' => error.column = Some(text),
            b'n' => error.constraint = Some(text),
            b's' => error.schema = Some(text),
            b'd' => error.data_type = Some(text),
            _ => {}
        }
        body = rest;
    }
    Box::new(error)
}

/// RowDescription.
pub(crate) fn columns(body: &[u8]) -> Arc<[Column]> {
    let mut rest = body.get(2..).unwrap_or_default();
    let mut columns = Vec::new();
    // After the name: table oid 4, attribute 2, type oid 4, size 2, modifier 4, format 2.
    while let Some((name, after)) = cstr(rest)
        && let Some((fixed, after)) = after.split_first_chunk::<18>()
    {
        let [_, _, _, _, _, _, a, b, c, d, ..] = *fixed;
        let name = String::from_utf8_lossy(name).into_owned();
        columns.push(Column { name, type_oid: u32::from_be_bytes([a, b, c, d]) });
        rest = after;
    }
    columns.into()
}

/// Rows touched, from a command tag such as `INSERT 0 5` or `SELECT 3`.
pub(crate) fn affected(tag: &[u8]) -> u64 {
    let digits = tag.strip_suffix(b"\0").unwrap_or(tag);
    let start = digits.iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1);
    std::str::from_utf8(digits.get(start..).unwrap_or_default())
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;

    #[test]
    fn rows_touched_are_read_from_every_kind_of_tag() {
        assert_eq!(affected(b"INSERT 0 5\0"), 5);
        assert_eq!(affected(b"SELECT 3\0"), 3);
        assert_eq!(affected(b"CREATE TABLE\0"), 0);
        assert_eq!(affected(b"\0"), 0);
    }

    #[test]
    fn rows_are_taken_together_as_far_as_they_are_whole() {
        let one = |text: &str| {
            let length = u32::try_from(4 + 2 + 4 + text.len()).unwrap().to_be_bytes();
            let field = u32::try_from(text.len()).unwrap().to_be_bytes();
            [&b"D"[..], &length, &[0, 1], &field, text.as_bytes()].concat()
        };
        let whole = [one("a"), one(""), one("bc"), b"Z\0\0\0\x05I".to_vec()].concat();
        for cut in 0..=whole.len() {
            let (mut buffer, mut got) = (BytesMut::from(&whole[..cut]), Vec::new());
            let mut take = |buffer: &mut BytesMut| {
                if let Some(frames) = rows(buffer).unwrap() {
                    let rows = Rows { frames, ..Rows::default() };
                    assert_eq!(rows.len(), rows.iter().count(), "{cut}");
                    got.extend(rows.iter().map(|row| row.field(0).unwrap().to_vec()));
                }
            };
            take(&mut buffer);
            buffer.extend_from_slice(&whole[cut..]);
            take(&mut buffer);
            assert_eq!(got, [&b"a"[..], b"", b"bc"], "{cut}");
            assert_eq!(&buffer[..], b"Z\0\0\0\x05I", "{cut}");
        }
        assert!(rows(&mut BytesMut::from(&b"D\0\0\0\x03"[..])).is_err());
    }

    #[test]
    fn a_frame_is_given_only_when_it_is_whole() {
        let whole = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
        for cut in 0..14 {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert!(next(&mut buffer).unwrap().is_none(), "{cut}");
        }
        let mut buffer = BytesMut::from(&whole[..]);
        let frame = next(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.tag, &frame.body[..]), (b'C', &b"SELECT 1\0"[..]));
        let frame = next(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.tag, &frame.body[..]), (b'Z', &b"I"[..]));
        assert!(next(&mut BytesMut::from(&b"C\0\0\0\x03"[..])).is_err());
    }
}
