//! The MD5s by which clients check what was stored.

use md5::{Digest, Md5};

use crate::hex;
use crate::queues::attributes::MessageAttribute;

/// Lower-case hex MD5 of a body.
///
/// Source: sqs-contract §6.1.
pub fn of_body(body: &[u8]) -> String {
    hex::text(&Md5::digest(body))
}

/// Lower-case hex MD5 over attributes, `None` if there are none.
///
/// Sorted by name; each as length and bytes of name, data type and value, with a byte between
/// that says text (1) or binary (2).
///
/// Source: sqs-contract §6.3.
pub fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = &'a MessageAttribute>,
) -> Option<String> {
    let mut sorted: Vec<&MessageAttribute> = attributes.into_iter().collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let mut digest = Md5::new();
    for attribute in sorted {
        update_counted(&mut digest, attribute.name.as_bytes());
        update_counted(&mut digest, attribute.data_type.as_bytes());
        digest.update([if attribute.is_binary() { 2 } else { 1 }]);
        update_counted(&mut digest, &attribute.value);
    }
    Some(hex::text(&digest.finalize()))
}

fn update_counted(digest: &mut Md5, bytes: &[u8]) {
    // A request is far below 4 GiB, so the length fits.
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attributes: &[(&str, &str, &[u8])], expected: &str) {
        let attributes: Vec<MessageAttribute> = attributes
            .iter()
            .map(|(name, data_type, value)| MessageAttribute {
                name: (*name).into(),
                data_type: (*data_type).into(),
                value: (*value).into(),
            })
            .collect();
        assert_eq!(of_attributes(&attributes).as_deref(), Some(expected));
    }

    // contract: 6.4-bodies
    #[test]
    fn bodies_have_the_recorded_md5() {
        for (body, expected) in [
            ("hello", "5d41402abc4b2a76b9719d911017c592"),
            ("message", "78e731027d8fd50ed642340b7c9a63b3"),
            ("test", "098f6bcd4621d373cade4e832627b4f6"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("ü€😀", "267ea7ce5d600bbfc13a075d494f7617"),
        ] {
            assert_eq!(of_body(body.as_bytes()), expected, "{body}");
        }
    }

    // contract: 6.3-algorithm, 6.4-attributes
    #[test]
    fn attributes_have_the_recorded_md5() {
        check(&[("k", "String", b"x")], "a45daa70926828a2f0a1db3418e6feb4");
        let time: &[u8] = b"1493147359900";
        check(&[("timestamp", "Number", time)], "235c5c510d26fb653d073faed50ae77c");
        check(&[("timestamp", "Number.java.lang.Long", time)], "2e2e4876d8e0bd6b8c2c8f556831c349");
        check(
            &[(
                "attr1",
                "Binary",
                b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01",
            )],
            "8cbe4db156db8a94db8b801b7addb984",
        );
        check(
            &[
                ("Help.Me", "String", b"Me"),
                ("Hello", "String", b"There"),
                ("General", "String", b"Kenobi"),
            ],
            "4c360f3fdafd970e05fae2f149d997f5",
        );
        check(
            &[("Hello", "String", b"There"), ("General", "String", b"Kenobi")],
            "fca026605781cb4126a1e9044df24232",
        );
        check(&[("Hello", "String", b"There")], "a311262e065454b75da111d535b8dacd");
        check(
            &[("Hello", "String", b"There"), ("Help.Me", "String", b"Me")],
            "83fee93c1bcd8b9a5a923ffacdc636c7",
        );
        check(
            &[
                ("color", "String", b"blue"),
                ("count", "Number", b"3"),
                ("blob", "Binary", &[1, 2, 3]),
            ],
            "d838729972a4b70e2d2acd9d59ac847c",
        );
        check(&[("color", "String", b"blue")], "da1b33cc3cbfe8b1630921e78e6b9880");
        check(&[("MyAttribute", "String", b"foobar")], "adb59cd4678ea5a855436b949cd07ab6");
        check(&[("Foo", "String", b"Bar")], "ae7155c6026991b6d54b11589678bf9c");
        check(
            &[("é", "String", "ü€".as_bytes()), ("z", "Number.int", b"-1.50")],
            "969d8b28cd2a2e1b708b881400572e95",
        );
    }

    // contract: 6.4-attributes
    #[test]
    fn published_lambda_examples_and_the_trace_header_agree() {
        check(
            &[
                ("Author", "String", b"John Grisham"),
                ("Title", "String", b"The Whistler"),
                ("WeeksOn", "Number", b"6"),
            ],
            "d25a6aea97eb8f585bfa92d314504a92",
        );
        check(
            &[
                ("City", "String", b"Any City"),
                ("Greeting", "Binary", b"Hello, World!"),
                ("Population", "Number", b"1250800"),
            ],
            "28eb0e573cf8e8a77e349a2f968eac4a",
        );
        check(
            &[(
                "AWSTraceHeader",
                "String",
                b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            )],
            "5ae4d5d7636402d80f4eb6d213245a88",
        );
    }

    #[test]
    fn no_attributes_have_no_md5() {
        assert_eq!(of_attributes(&[]), None);
    }
}
