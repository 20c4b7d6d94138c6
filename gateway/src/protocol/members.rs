//! The members of a request, whichever protocol brought them.

use bytes::Bytes;

use super::error::SqsError;

/// A list: its JSON member, and the prefix of its elements in Query.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) json: &'static str,
    pub(super) query: &'static str,
}

/// A map: its JSON member, and in Query the prefix of its entries and the word for their keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    pub(super) json: &'static str,
    pub(super) query: &'static str,
    pub(super) key: &'static str,
}

/// Reads the members of one structure. Each member can be read once. Absent is `None` or empty.
///
/// Errors: [`SqsError::Serialization`] for a member of another type,
/// [`SqsError::MalformedQueryString`] for one that is not well encoded.
pub(super) trait Members: Sized {
    /// A String.
    fn text(&mut self, name: &'static str) -> Result<Option<String>, SqsError>;
    /// A String as bytes, without a copy where the request spells it literally.
    fn bytes(&mut self, name: &'static str) -> Result<Option<Bytes>, SqsError>;
    /// An Integer.
    fn integer(&mut self, name: &'static str) -> Result<Option<i64>, SqsError>;
    /// A Blob, decoded from base64.
    fn blob(&mut self, name: &'static str) -> Result<Option<Vec<u8>>, SqsError>;
    /// A list of Strings.
    fn list(&mut self, list: List) -> Result<Vec<String>, SqsError>;
    /// A map of Strings.
    fn map(&mut self, map: Map) -> Result<Vec<(String, String)>, SqsError>;
    /// A list of structures.
    fn structures(&mut self, list: List) -> Result<Vec<Self>, SqsError>;
    /// A map of structures.
    fn structure_map(&mut self, map: Map) -> Result<Vec<(String, Self)>, SqsError>;
    /// Whether a list has elements, of whatever type.
    fn has_elements(&mut self, list: List) -> bool;
}

/// Decodes a Blob.
pub(super) fn decode_blob(text: &str) -> Result<Vec<u8>, SqsError> {
    use base64::Engine as _;
    use base64::engine::DecodePaddingMode;
    use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let malformed = || SqsError::Serialization("A blob is not valid base64".to_owned());
    LENIENT.decode(text).map_err(|_| malformed())
}
