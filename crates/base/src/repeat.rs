//! What makes a write that comes again the same write (`Idempotency-Key`).

use jiff::Timestamp;

/// A write that its sender may send again. All three are digests, so that nothing of a request is kept for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repeat {
    /// Who sends it: a key of one caller says nothing about another's.
    pub scope: [u8; 32],
    /// The key it came with.
    pub key: [u8; 32],
    /// Everything that was asked.
    pub request: [u8; 32],
    /// When it came.
    pub at: Timestamp,
}
