//! The bounds of this crate.

use base::Limit;

/// Longest password looked at. 128 characters of four bytes each fit with room; ten megabytes never reach a hash.
pub const PASSWORD_BYTES_MAX: Limit =
    Limit::new("password_bytes_max", 1024, "a long password must not cost memory or time (attack row 25)");

/// Password hashes waiting for a permit; more are refused at once.
pub const HASH_QUEUE_MAX: Limit =
    Limit::new("hash_queue_max", 256, "a login storm waits in a short line instead of filling memory");

/// Most memory a stored argon2 hash may ask for, in KiB.
pub const ARGON2_MEMORY_KIB_MAX: Limit =
    Limit::new("argon2_memory_kib_max", 256 * 1024, "an imported hash must not choose our memory use");

/// Most passes a stored argon2 hash may ask for.
pub const ARGON2_PASSES_MAX: Limit =
    Limit::new("argon2_passes_max", 10, "an imported hash must not choose our CPU use");

/// Most lanes a stored argon2 hash may ask for.
pub const ARGON2_LANES_MAX: Limit =
    Limit::new("argon2_lanes_max", 4, "an imported hash must not choose our CPU use");

/// Highest bcrypt cost looked at: about a second.
pub const BCRYPT_COST_MAX: Limit =
    Limit::new("bcrypt_cost_max", 14, "each step doubles the time; 31 would take days");

/// Most memory a stored scrypt hash may ask for, as a power of two: 128 * r bytes times this many.
pub const SCRYPT_MEMORY_BITS_MAX: Limit = Limit::new(
    "scrypt_memory_bits_max",
    16,
    "an imported hash must not choose our memory use; Firebase uses 14",
);

/// Most rounds a stored scrypt hash may ask for.
pub const SCRYPT_ROUNDS_MAX: Limit =
    Limit::new("scrypt_rounds_max", 16, "an imported hash must not choose our memory use; Firebase uses 8");

/// Makes of hashes besides ours and bcrypt's that a password is made to cost.
pub const HASH_MAKES_MAX: Limit = Limit::new(
    "hash_makes_max",
    4,
    "each stored make costs every sign-in as much, so that none tells itself",
);

/// Longest token looked at.
pub const TOKEN_BYTES_MAX: Limit =
    Limit::new("token_bytes_max", 16 * 1024, "tokens travel in headers; larger ones are not ours");

/// Longest token header, encoded.
pub const TOKEN_HEADER_BYTES_MAX: Limit =
    Limit::new("token_header_bytes_max", 512, "a header of ours is a tenth of this");
