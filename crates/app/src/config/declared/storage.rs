//! Encryption of stored objects: named by the AppFlowy guide, built by the issue "storage".

use base::setting::Definition;
use base::{Secret, Setting};

use super::appflowy;

/// Whether stored objects are encrypted.
static SERVER_SIDE_ENCRYPTION: Setting<bool> = Setting::new("storage.server_side_encryption", "true")
    .also(&[appflowy("MINIO_SERVER_SIDE_ENCRYPTION")])
    .changes("whether stored objects are encrypted")
    .proven_by(&[60])
    .not_yet("storage");

/// The key that wraps each object's own key: 32 bytes as hex, or MinIO's name:base64.
static KMS_SECRET_KEY: Setting<Secret<String>> = Setting::unset("storage.kms_secret_key")
    .also(&[appflowy("MINIO_KMS_SECRET_KEY")])
    .changes("the key that wraps each object's own key: 32 bytes as hex, or MinIO's name:base64")
    .proven_by(&[60])
    .not_yet("storage");

/// What an S3 store is asked to encrypt objects with.
static S3_SERVER_SIDE_ENCRYPTION: Setting<String> =
    Setting::new("storage.s3.server_side_encryption", "AES256")
        .also(&[appflowy("S3_SERVER_SIDE_ENCRYPTION")])
        .choices(&["AES256", "aws:kms"])
        .changes("what an S3 store is asked to encrypt objects with")
        .proven_by(&[61])
        .not_yet("storage");

/// The key an S3 store is asked to use with aws:kms.
static S3_SSE_KMS_KEY_ID: Setting<String> = Setting::unset("storage.s3.kms_key_id")
    .also(&[appflowy("S3_SSE_KMS_KEY_ID")])
    .changes("the key an S3 store is asked to use with aws:kms")
    .proven_by(&[61])
    .not_yet("storage");

/// All of them.
pub(super) const SETTINGS: &[&Definition] = &[
    &SERVER_SIDE_ENCRYPTION.definition,
    &KMS_SECRET_KEY.definition,
    &S3_SERVER_SIDE_ENCRYPTION.definition,
    &S3_SSE_KMS_KEY_ID.definition,
];
