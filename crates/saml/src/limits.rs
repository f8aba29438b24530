//! The bounds of this crate.

use base::Limit;

/// Longest message, decoded.
pub const MESSAGE_BYTES_MAX: Limit = Limit::new(
    "saml_message_bytes_max",
    192 * 1024,
    "a signed response with a large group list is a tenth of it; larger ones are not parsed",
);

/// Longest inflated message of a redirect.
pub const INFLATED_BYTES_MAX: Limit = Limit::new(
    "saml_inflated_bytes_max",
    64 * 1024,
    "a logout message is two kilobytes; a deflate bomb stops here (attack row 55)",
);

/// Longest metadata document.
pub const METADATA_BYTES_MAX: Limit =
    Limit::new("saml_metadata_bytes_max", 512 * 1024, "one entity's metadata is 10 KB, with logos 100 KB");

/// Deepest nesting of elements.
pub const DEPTH_MAX: Limit =
    Limit::new("saml_depth_max", 24, "a signed response is eleven deep; recursion stays small");

/// Most elements in a message.
pub const ELEMENTS_MAX: Limit =
    Limit::new("saml_elements_max", 4_000, "room for two thousand groups, not for a quadratic walk");

/// Most attributes of one element.
pub const ATTRIBUTES_MAX: Limit =
    Limit::new("saml_attributes_max", 24, "an element of SAML has at most seven");

/// Longest value of an XML attribute.
pub const ATTRIBUTE_BYTES_MAX: Limit =
    Limit::new("saml_attribute_bytes_max", 2_048, "URLs and identifiers; the longest is a URL");

/// Longest name of a person at its provider.
pub const NAME_ID_BYTES_MAX: Limit =
    Limit::new("saml_name_id_bytes_max", 512, "256 characters by the standard");

/// Most values taken of one attribute.
pub const VALUES_MAX: Limit = Limit::new("saml_values_max", 500, "group lists end somewhere");

/// How far another machine's clock may be off, in seconds.
pub const CLOCK_SKEW_SECONDS_MAX: Limit = Limit::new(
    "saml_clock_skew_seconds_max",
    60,
    "machines that keep time; five minutes would be a gift to replay",
);

/// Longest age of a logout message, in seconds.
pub const LOGOUT_AGE_SECONDS_MAX: Limit =
    Limit::new("saml_logout_age_seconds_max", 300, "it travels through a browser once");

/// Most certificates of one provider.
pub const CERTIFICATES_MAX: Limit =
    Limit::new("saml_certificates_max", 8, "one in use, one to come, and a few forgotten");

/// Shortest RSA key believed, in bits.
pub const RSA_BITS_MIN: Limit = Limit::new("saml_rsa_bits_min", 2_048, "NIST SP 800-131A");
