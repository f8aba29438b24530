//! A bound with a name. Every queue, body, page, retry and cache names its own in its crate's `limits.rs`.

/// One named bound. `value` is in `unit`; crossing it is a refusal that says the name, never a surprise.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Grep-able name, units last: `"body_bytes_max"`.
    pub name: &'static str,
    /// The bound itself.
    pub value: u64,
    /// What it protects and why this number.
    pub why: &'static str,
}

impl Limit {
    /// Declares a bound.
    pub const fn new(name: &'static str, value: u64, why: &'static str) -> Self {
        Limit { name, value, why }
    }

    /// The bound as a size in memory.
    pub const fn size(&self) -> usize {
        self.value as usize
    }
}
