//! A value that cannot be printed, logged or serialised, and is wiped when dropped.

use zeroize::Zeroize;

/// Wraps a secret. There is deliberately no `Debug`, `Display` or `Serialize`; reading it is spelled [`Secret::expose`].
#[derive(Clone)]
pub struct Secret<T: Zeroize = String>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Self {
        Secret(value)
    }

    /// The value itself. Each call of this is a place where a secret may leave: keep it next to its use.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Secret(value.to_owned())
    }
}

impl Secret<String> {
    /// Compares in constant time, so that the answer's timing says nothing of where two secrets differ.
    pub fn matches(&self, other: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), other.as_bytes()).into()
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
