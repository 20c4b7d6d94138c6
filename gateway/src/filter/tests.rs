//! The vectors of esm-contract §5, and what follows from its rules.

use super::*;
use crate::queues::attributes::MessageAttribute;

const ID: &str = "6c7a1f0e-2b54-4b0d-9b6e-0d5f5a3e9c11";

fn subject<'a>(
    body: &'a str,
    attributes: &'a [(&'static str, String)],
    message_attributes: &'a [MessageAttribute],
) -> Subject<'a> {
    Subject { message_id: ID, body, attributes, message_attributes }
}

fn filters(patterns: &[&str]) -> Filters {
    let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    Filters::parse(&patterns).unwrap_or_else(|e| panic!("{patterns:?}: {}", e.detail()))
}

fn refusal(patterns: &[String]) -> Option<String> {
    Filters::parse(patterns).err().map(|error| {
        assert_eq!(error.to_string(), "Invalid filter pattern definition.");
        assert!(!error.detail().is_empty() && !error.detail().contains('\n'), "{error:?}");
        error.detail().to_owned()
    })
}

/// Each (pattern for the body, body, whether it is accepted).
#[track_caller]
fn check(vectors: &[(&str, &str, bool)]) {
    for (pattern, body, expected) in vectors {
        let filters = filters(&[&format!(r#"{{"body":{pattern}}}"#)]);
        let accepted = filters.accepts(&subject(body, &[], &[]));
        assert_eq!(accepted, *expected, "{pattern} and {body}");
    }
}

/// Each (rules of the field "a", value of "a", whether it is accepted).
#[track_caller]
fn check_values(vectors: &[(&str, &str, bool)]) {
    for (rules, value, expected) in vectors {
        let (pattern, body) = (format!(r#"{{"a":{rules}}}"#), format!(r#"{{"a":{value}}}"#));
        check(&[(&pattern, &body, *expected)]);
    }
}

/// Each is refused as the rules of a field.
#[track_caller]
fn refuse_rules(rules: &[&str]) {
    for rules in rules {
        let detail = refusal(&[format!(r#"{{"body":{{"a":{rules}}}}}"#)]);
        let detail = detail.unwrap_or_else(|| panic!("{rules} is refused"));
        assert!(detail.starts_with("filter 1: body.a"), "{rules}: {detail}");
    }
}

#[test]
fn no_filter_accepts_everything() {
    let none = filters(&[]);
    assert!(none.is_empty() && none.accepts(&subject("", &[], &[])));
    assert_eq!(none, Filters::default());
    assert!(none.remarks().is_empty() && none.patterns().is_empty());
}

#[test]
fn filters_are_ored_fields_anded_and_values_ored() {
    let two = filters(&[r#"{"body":{"a":[1],"b":[2,3]}}"#, r#"{"body":["x"]}"#]);
    for (body, expected) in [
        (r#"{"a":1,"b":2}"#, true),
        (r#"{"a":1,"b":3}"#, true),
        (r#"{"a":1,"b":4}"#, false),
        (r#"{"a":1}"#, false),
        ("x", true),
        ("y", false),
    ] {
        assert_eq!(two.accepts(&subject(body, &[], &[])), expected, "{body}");
    }
    assert_eq!(two.patterns().len(), 2);
    assert!(!two.is_empty());
}

/// The contract's table of bodies.
#[test]
fn a_pattern_for_plain_bodies_drops_json_and_one_for_json_drops_plain_bodies() {
    check(&[
        (r#"[{"prefix":"Result:"}]"#, "Result: 7", true),
        (r#"[{"prefix":"Result:"}]"#, "result: 7", false),
        (r#"{"a":["b"]}"#, "plain", false),
        (r#"{"a":[{"exists":false}]}"#, "plain", false),
        (r#"[{"prefix":""}]"#, r#"{"a":"b"}"#, false),
        (r#"[{"exists":true}]"#, r#"{"a":"b"}"#, false),
        (r#"[{"exists":false}]"#, r#"{"a":"b"}"#, false),
        (r#"{"a":["b"]}"#, r#"{"a":"b"}"#, true),
        (r#"{"a":["b"]}"#, "\r\n\t {\"a\" : \"b\"} \n", true),
        // Derived: JSON that is no object is a plain text, and cannot meet a JSON pattern.
        (r#"{"a":[{"exists":false}]}"#, "123", false),
        (r#"{"a":[{"exists":false}]}"#, r#""x""#, false),
        (r#"{"a":[1]}"#, r#"[{"a":1}]"#, false),
        (r#"{"a":[{"exists":false}]}"#, "null", false),
        (r#"["123"]"#, "123", true),
        ("[123]", "123", false),
        ("[null]", "null", false),
        (r#"["null"]"#, "null", true),
        (r#"[{"numeric":["=",123]}]"#, "123", false),
        (r#"["\"x\""]"#, r#""x""#, true),
        (r#"[{"exists":true}]"#, "", true),
        (r#"[""]"#, "", true),
        // Derived: what only looks like JSON is plain.
        (r#"[{"prefix":"{"}]"#, r#"{"a":1"#, true),
        (r#"[{"prefix":"{"}]"#, r#"{"a":1}x"#, true),
        (r#"{"a":[1]}"#, r#"{"a":1}x"#, false),
        (r#"[{"suffix":"}"}]"#, "{a:1}", true),
    ]);
    // Without a body the body is ignored.
    let by_id = filters(&[&format!(r#"{{"messageId":["{ID}"]}}"#)]);
    assert!(by_id.accepts(&subject("plain", &[], &[])));
    assert!(by_id.accepts(&subject(r#"{"a":1}"#, &[], &[])));
    assert!(!filters(&[r#"{"messageId":["x"]}"#]).accepts(&subject("", &[], &[])));
    // Both at once can be had by none.
    let both = filters(&[r#"{"body":["x"],"body.a":["x"]}"#]);
    assert!(!both.accepts(&subject("x", &[], &[])));
    assert!(!both.accepts(&subject(r#"{"a":"x"}"#, &[], &[])));
}

#[test]
fn json_within_a_text_is_not_parsed() {
    check(&[
        (r#"{"Message":{"a":[1]}}"#, r#"{"Message":"{\"a\":1}"}"#, false),
        (r#"{"Message":["{\"a\":1}"]}"#, r#"{"Message":"{\"a\":1}"}"#, true),
        (r#"{"Message":{"a":[{"exists":false}]}}"#, r#"{"Message":"{\"a\":1}"}"#, true),
    ]);
}

#[test]
fn an_exact_value_is_accepted_by_its_kind_and_case() {
    check_values(&[
        // The contract's.
        ("[null]", "null", true),
        ("[null]", r#""null""#, false),
        ("[null]", "[]", false),
        ("[300]", "300.0", true),
        (r#"["b"]"#, r#"["a","b"]"#, true),
        // Derived.
        (r#"["a",3,true,null,""]"#, "3", true),
        (r#"["a",3,true,null,""]"#, "true", true),
        (r#"["a",3,true,null,""]"#, "false", false),
        (r#"["a",3,true,null,""]"#, r#""""#, true),
        (r#"["a",3,true,null,""]"#, r#""3""#, false),
        (r#"["a",3,true,null,""]"#, r#""A""#, false),
        ("[300]", "3e2", true),
        ("[3.018e2]", "301.8", true),
        ("[300]", r#""300""#, false),
        ("[0]", "-0.0", true),
        ("[123456789012]", "123456789012", true),
        ("[9007199254740993]", "9007199254740992", false),
        ("[18446744073709551615]", "18446744073709551615", true),
        ("[18446744073709551615]", "-1", false),
        ("[true]", r#""true""#, false),
        (r#"["ü"]"#, r#""\u00fc""#, true),
        ("[null]", r#"{"b":null}"#, false),
        (r#"["b"]"#, r#"[["a"],[["b"]]]"#, true),
        (r#"["b"]"#, r#"{"b":"b"}"#, false),
        (r#"["b"]"#, r#"[{"a":"b"}]"#, false),
    ]);
    // Contract: "key case differs".
    check(&[
        (r#"{"Key":["v"]}"#, r#"{"key":"v"}"#, false),
        (r#"{"key":["v"]}"#, r#"{"key":"v"}"#, true),
        (r#"{"":["v"]}"#, r#"{"":"v"}"#, true),
        (r#"{"a":["v"]}"#, r#"{"a":"w","a":"v"}"#, true),
        (r#"{"a":["w"],"a":["v"]}"#, r#"{"a":"v"}"#, true),
        (r#"{"a":["w"],"a":["v"]}"#, r#"{"a":"w"}"#, false),
    ]);
}

#[test]
fn texts_are_compared_from_either_end_and_without_case() {
    check_values(&[
        (r#"[{"equals-ignore-case":"a"}]"#, r#""A""#, true),
        (r#"[{"equals-ignore-case":"ÄÖ"}]"#, r#""äÖ""#, true),
        (r#"[{"equals-ignore-case":"a"}]"#, r#""aa""#, false),
        (r#"[{"equals-ignore-case":"aa"}]"#, r#""A""#, false),
        (r#"[{"equals-ignore-case":""}]"#, r#""""#, true),
        (r#"[{"equals-ignore-case":"1"}]"#, "1", false),
        // The contract's: an empty one matches any text.
        (r#"[{"prefix":""}]"#, r#""x""#, true),
        (r#"[{"suffix":""}]"#, r#""""#, true),
        (r#"[{"prefix":""}]"#, "1", false),
        (r#"[{"prefix":"a"}]"#, r#""abc""#, true),
        (r#"[{"prefix":"a"}]"#, r#""Abc""#, false),
        (r#"[{"prefix":"abc"}]"#, r#""ab""#, false),
        (r#"[{"prefix":"1"}]"#, "12", false),
        (r#"[{"suffix":"c"}]"#, r#""abc""#, true),
        (r#"[{"suffix":"C"}]"#, r#""abc""#, false),
        (r#"[{"prefix":{"equals-ignore-case":"AB"}}]"#, r#""abc""#, true),
        (r#"[{"prefix":{"equals-ignore-case":"AB"}}]"#, r#""a""#, false),
        (r#"[{"prefix":{"equals-ignore-case":"AB"}}]"#, r#""xab""#, false),
        (r#"[{"suffix":{"equals-ignore-case":".PNG"}}]"#, r#""a.png""#, true),
        (r#"[{"suffix":{"equals-ignore-case":".PNG"}}]"#, r#""png""#, false),
        (r#"[{"suffix":{"equals-ignore-case":"İ"}}]"#, r#""xİ""#, true),
        // One of several is enough, also of an array.
        (r#"[{"prefix":"x"},{"suffix":"c"}]"#, r#""abc""#, true),
        (r#"[{"prefix":"x"}]"#, r#"[1,null,"xyz"]"#, true),
    ]);
    refuse_rules(&[
        // The contract's.
        r#"[{"equals-ignore-case":["a","b"]}]"#,
        // Derived.
        r#"[{"equals-ignore-case":1}]"#,
        r#"[{"prefix":1}]"#,
        r#"[{"prefix":["a"]}]"#,
        r#"[{"suffix":null}]"#,
        r#"[{"prefix":{"suffix":"a"}}]"#,
        r#"[{"prefix":{}}]"#,
        r#"[{"prefix":{"equals-ignore-case":1}}]"#,
        r#"[{"prefix":{"equals-ignore-case":"a","suffix":"b"}}]"#,
        r#"[{"equals-ignore-case":{"prefix":"a"}}]"#,
    ]);
}

#[test]
fn anything_but_needs_a_value_that_is_different() {
    check_values(&[
        // The contract's.
        (r#"[{"anything-but":"x"}]"#, "null", true),
        (r#"[{"anything-but":{"prefix":"init"}}]"#, "12", true),
        // Derived.
        (r#"[{"anything-but":"x"}]"#, r#""x""#, false),
        (r#"[{"anything-but":"x"}]"#, r#""X""#, true),
        (r#"[{"anything-but":5}]"#, "5.0", false),
        (r#"[{"anything-but":5}]"#, r#""5""#, true),
        (r#"[{"anything-but":0}]"#, "0", false),
        (r#"[{"anything-but":["a","b"]}]"#, r#""b""#, false),
        (r#"[{"anything-but":["a","b"]}]"#, r#""c""#, true),
        (r#"[{"anything-but":[1,2]}]"#, "2", false),
        (r#"[{"anything-but":[1,2]}]"#, "true", true),
        (r#"[{"anything-but":"x"}]"#, "[]", false),
        (r#"[{"anything-but":"x"}]"#, "{}", false),
        (r#"[{"anything-but":"x"}]"#, r#"["x","y"]"#, true),
        (r#"[{"anything-but":"x"}]"#, r#"["x","x"]"#, false),
        (r#"[{"anything-but":{"prefix":"a"}}]"#, r#""ab""#, false),
        (r#"[{"anything-but":{"prefix":["a","b"]}}]"#, r#""ba""#, false),
        (r#"[{"anything-but":{"prefix":["a","b"]}}]"#, r#""ca""#, true),
        (r#"[{"anything-but":{"suffix":[".a",".b"]}}]"#, r#""x.b""#, false),
        (r#"[{"anything-but":{"suffix":".a"}}]"#, r#""x.b""#, true),
        (r#"[{"anything-but":{"equals-ignore-case":"a"}}]"#, r#""A""#, false),
        (r#"[{"anything-but":{"equals-ignore-case":["a","b"]}}]"#, "null", true),
        (r#"[{"anything-but":{"wildcard":"*/init/*"}}]"#, r#""dir/init/f""#, false),
        (r#"[{"anything-but":{"wildcard":["*x","*y"]}}]"#, r#""z""#, true),
        (r#"[{"anything-but":{"wildcard":""}}]"#, r#""z""#, true),
    ]);
    check(&[
        // The contract's.
        (r#"{"a":[{"anything-but":"x"}]}"#, "{}", false),
        // Derived.
        (r#"{"a":[{"anything-but":{"prefix":"x"}}]}"#, "{}", false),
        (r#"[{"anything-but":"x"}]"#, "y", true),
    ]);
    refuse_rules(&[
        r#"[{"anything-but":null}]"#,
        r#"[{"anything-but":true}]"#,
        r#"[{"anything-but":["a",null]}]"#,
        r#"[{"anything-but":["a",1]}]"#,
        r#"[{"anything-but":[]}]"#,
        r#"[{"anything-but":[["a"]]}]"#,
        r#"[{"anything-but":6e9}]"#,
        r#"[{"anything-but":{}}]"#,
        // The contract's: an empty one is an error.
        r#"[{"anything-but":{"prefix":""}}]"#,
        r#"[{"anything-but":{"suffix":["a",""]}}]"#,
        r#"[{"anything-but":{"prefix":1}}]"#,
        r#"[{"anything-but":{"prefix":[]}}]"#,
        r#"[{"anything-but":{"prefix":{"equals-ignore-case":"a"}}}]"#,
        r#"[{"anything-but":{"equals-ignore-case":[1,2]}}]"#,
        r#"[{"anything-but":{"numeric":["=",1]}}]"#,
        r#"[{"anything-but":{"cidr":"10.0.0.0/8"}}]"#,
        r#"[{"anything-but":{"prefix":"a","suffix":"b"}}]"#,
    ]);
}

#[test]
fn numeric_accepts_json_numbers_in_its_range() {
    check_values(&[
        // The contract's.
        (r#"[{"numeric":[">",100]}]"#, r#""300""#, false),
        (r#"[{"numeric":[">",100]}]"#, "null", false),
        // Derived.
        (r#"[{"numeric":[">",100]}]"#, "300", true),
        (r#"[{"numeric":[">",100]}]"#, "100", false),
        (r#"[{"numeric":[">=",100]}]"#, "100.0", true),
        (r#"[{"numeric":["<",0]}]"#, "-1e-6", true),
        (r#"[{"numeric":["<",0]}]"#, "0", false),
        (r#"[{"numeric":["<=",0]}]"#, "-0.0", true),
        (r#"[{"numeric":["=",301.8]}]"#, "3.018e2", true),
        (r#"[{"numeric":["=",301.8]}]"#, "301.81", false),
        (r#"[{"numeric":[">",0,"<=",5]}]"#, "5", true),
        (r#"[{"numeric":[">",0,"<=",5]}]"#, "0", false),
        (r#"[{"numeric":[">",0,"<=",5]}]"#, "5.000001", false),
        (r#"[{"numeric":[">=",0,"<",5]}]"#, "0", true),
        (r#"[{"numeric":[">=",0,"<",5]}]"#, "5", false),
        (r#"[{"numeric":[">",5]}]"#, "[1,6]", true),
        (r#"[{"numeric":["<=",5e9]}]"#, "5000000000", true),
        (r#"[{"numeric":[">",0]}]"#, "5000000001", false),
        (r#"[{"numeric":["<",0]}]"#, "-1e300", false),
    ]);
    refuse_rules(&[
        // The contract's: a bare number, and what is not lower then upper.
        r#"[{"numeric":100}]"#,
        r#"[{"numeric":["<",5,">",0]}]"#,
        r#"[{"numeric":[">",5,"<",5]}]"#,
        r#"[{"numeric":[">",5,"<",0]}]"#,
        r#"[{"numeric":["=",5000000001]}]"#,
        // Derived.
        r#"[{"numeric":[]}]"#,
        r#"[{"numeric":[">"]}]"#,
        r#"[{"numeric":[">",0,"<"]}]"#,
        r#"[{"numeric":[">",0,">",0]}]"#,
        r#"[{"numeric":["=",0,"<",1]}]"#,
        r#"[{"numeric":[">",0,"<",1,"<",2]}]"#,
        r#"[{"numeric":[">","0"]}]"#,
        r#"[{"numeric":["=>",0]}]"#,
        r#"[{"numeric":[0,">"]}]"#,
        r#"[{"numeric":">"}]"#,
        r#"[{"numeric":["=",null]}]"#,
    ]);
}

#[test]
fn exists_looks_at_leaves_only() {
    check_values(&[
        // The contract's.
        (r#"[{"exists":true}]"#, "[]", false),
        (r#"[{"exists":true}]"#, r#"{"b":1}"#, false),
        (r#"[{"exists":false}]"#, "[]", true),
        (r#"[{"exists":false}]"#, r#"{"b":1}"#, true),
        (r#"[{"exists":true},{"prefix":"x"}]"#, r#""y""#, true),
        // Derived.
        (r#"[{"exists":true}]"#, "null", true),
        (r#"[{"exists":false}]"#, "null", false),
        (r#"[{"exists":true}]"#, r#"[[],"x"]"#, true),
        (r#"[{"exists":false}]"#, "[[],{}]", true),
        (r#"[{"exists":false},{"prefix":"x"}]"#, r#""xy""#, true),
        (r#"[{"exists":false},{"prefix":"x"}]"#, r#""y""#, false),
        (r#"[{"exists":true},{"exists":false}]"#, "{}", true),
    ]);
    check(&[
        // The contract's: under a missing parent.
        (r#"{"a":{"b":[{"exists":false}]}}"#, "{}", true),
        (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":1}"#, true),
        (r#"{"a":{"b":[{"exists":true}]}}"#, "{}", false),
        (r#"{"a":{"S":[{"anything-but":["r"]},{"exists":false}]}}"#, r#"{"b":{"S":"1"}}"#, true),
    ]);
    refuse_rules(&[r#"[{"exists":"true"}]"#, r#"[{"exists":1}]"#, r#"[{"exists":null}]"#]);
}

#[test]
fn cidr_accepts_addresses_of_its_block() {
    check_values(&[
        (r#"[{"cidr":"10.0.0.0/24"}]"#, r#""10.0.0.255""#, true),
        (r#"[{"cidr":"10.0.0.0/24"}]"#, r#""10.0.1.0""#, false),
        // The contract's.
        (r#"[{"cidr":"10.0.0.0/24"}]"#, "123", false),
        // Derived.
        (r#"[{"cidr":"10.0.0.0/24"}]"#, r#""10.0.0.300""#, false),
        (r#"[{"cidr":"10.0.0.0/24"}]"#, r#""host.example""#, false),
        (r#"[{"cidr":"0.0.0.0/0"}]"#, r#""255.255.255.255""#, true),
        (r#"[{"cidr":"0.0.0.0/0"}]"#, r#""::1""#, false),
        (r#"[{"cidr":"10.0.0.7/32"}]"#, r#""10.0.0.7""#, true),
        (r#"[{"cidr":"10.0.0.7/32"}]"#, r#""10.0.0.6""#, false),
        (r#"[{"cidr":"10.0.0.7/24"}]"#, r#""10.0.0.1""#, true),
        (r#"[{"cidr":"2001:db8::/32"}]"#, r#""2001:0DB8:1::9""#, true),
        (r#"[{"cidr":"2001:db8::/32"}]"#, r#""2001:db9::""#, false),
        (r#"[{"cidr":"::/0"}]"#, r#""ffff::""#, true),
        (r#"[{"cidr":"::1/128"}]"#, r#""0:0:0:0:0:0:0:1""#, true),
    ]);
    refuse_rules(&[
        // The contract's: a bad mask.
        r#"[{"cidr":"10.0.0.0/33"}]"#,
        r#"[{"cidr":"bad-/64filter"}]"#,
        // Derived.
        r#"[{"cidr":"10.0.0.0"}]"#,
        r#"[{"cidr":"10.0.0/24"}]"#,
        r#"[{"cidr":"10.0.0.0/-1"}]"#,
        r#"[{"cidr":"10.0.0.0/+8"}]"#,
        r#"[{"cidr":"10.0.0.0/"}]"#,
        r#"[{"cidr":"::/129"}]"#,
        r#"[{"cidr":10}]"#,
        r#"[{"cidr":["10.0.0.0/8"]}]"#,
    ]);
}

#[test]
fn wildcard_accepts_texts_only() {
    check_values(&[
        (r#"[{"wildcard":"a*b"}]"#, r#""a-b""#, true),
        (r#"[{"wildcard":"a\\*b"}]"#, r#""a*b""#, true),
        (r#"[{"wildcard":"a\\*b"}]"#, r#""a-b""#, false),
        (r#"[{"wildcard":"*"}]"#, "1", false),
        (r#"[{"wildcard":"*"}]"#, r#""""#, true),
    ]);
    refuse_rules(&[
        // The contract's.
        r#"[{"wildcard":"a**b"}]"#,
        r#"[{"wildcard":"*:*:*:*:*:event-bus/*"}]"#,
        // Derived.
        r#"[{"wildcard":"a\\b"}]"#,
        r#"[{"wildcard":["a*"]}]"#,
        r#"[{"wildcard":1}]"#,
    ]);
}

#[test]
fn or_is_an_alternative_of_fields_at_any_level() {
    let or = r#"{"a":["1"],"$or":[{"b":["2"]},{"c":["3"],"d":["4"]}]}"#;
    check(&[
        (or, r#"{"a":"1","b":"2"}"#, true),
        (or, r#"{"a":"1","c":"3","d":"4"}"#, true),
        (or, r#"{"a":"1","c":"3"}"#, false),
        (or, r#"{"b":"2"}"#, false),
        // Within a field, and within itself.
        (r#"{"x":{"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"x":{"c":3}}"#, true),
        (r#"{"x":{"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"c":3}"#, false),
        (r#"{"$or":[{"a":[1]},{"$or":[{"b":[2]},{"c":[3]}]}]}"#, r#"{"c":3}"#, true),
        (r#"{"$or":[{"a":[1]},{"$or":[{"b":[2]},{"c":[3]}]}]}"#, r#"{"c":4}"#, false),
        // The same field in both.
        (r#"{"$or":[{"a":[1]},{"a":[2]}]}"#, r#"{"a":2}"#, true),
        // The contract's: fewer than two objects are an ordinary field.
        (r#"{"$or":["x","y"]}"#, r#"{"$or":"y"}"#, true),
        (r#"{"$or":[{"prefix":"x"}]}"#, r#"{"$or":"xy"}"#, true),
        // Derived: so is what holds operators.
        (r#"{"$or":[{"prefix":"x"},{"suffix":"z"}]}"#, r#"{"$or":"yz"}"#, true),
        (r#"{"$or":{"a":[1]}}"#, r#"{"$or":{"a":1}}"#, true),
        (r#"{"$or":{"a":[1]}}"#, r#"{"a":1}"#, false),
        // Derived: elements of an array are chosen for both sides of it.
        (r#"{"x":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"x":[{"a":1},{"c":3}]}"#, false),
        (r#"{"x":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"x":[{},{"a":1,"c":3}]}"#, true),
        (
            r#"{"$or":[{"x":{"b":[2]}},{"c":[3]}],"x":{"a":[1]}}"#,
            r#"{"x":[{"a":1},{"b":2}]}"#,
            false,
        ),
    ]);
    // At the very top, over body and metadata.
    let top =
        filters(&[&format!(r#"{{"$or":[{{"body":{{"a":[1]}}}},{{"messageId":["{ID}"]}}]}}"#)]);
    assert!(top.accepts(&subject("plain", &[], &[])));
    for bad in [
        r#"{"$or":[{"a":[1]}]}"#,
        r#"{"$or":[{},{"a":[1]}]}"#,
        r#"{"$or":[{"a":[1]},"x"]}"#,
        r#"{"$or":[]}"#,
        r#"{"$or":"x"}"#,
        r#"{"$or":[{"a":{"prefix":["x"]}},{"b":[1]}]}"#,
        r#"{"$or":[{"a":[]},{"b":[1]}]}"#,
    ] {
        assert!(refusal(&[bad.to_owned()]).is_some(), "{bad}");
    }
}

#[test]
fn a_dot_in_a_name_is_a_step() {
    check(&[
        // The contract's.
        (r#"{"a.b":["v"]}"#, r#"{"a":{"b":"v"}}"#, true),
        (r#"{"a":{"b":["v"]}}"#, r#"{"a.b":"v"}"#, true),
        // Derived.
        (r#"{"a.b":["v"]}"#, r#"{"a.b":"v"}"#, true),
        (r#"{"a":{"b.c":["v"],"d":["w"]}}"#, r#"{"a.b":{"c":"v"},"a.d":"w"}"#, true),
        (r#"{"a":{"b":{"c":["v"]}}}"#, r#"{"a.b.c":"v"}"#, true),
        (r#"{"a":{"b":{"c":["v"]}}}"#, r#"{"a.b.cc":"v"}"#, false),
        (r#"{"a.b":["v"]}"#, r#"{"a":"v","b":"v"}"#, false),
        (r#"{"a.b":[{"exists":false}]}"#, r#"{"a.b":1}"#, false),
        (r#"{"a.b":[{"exists":false}]}"#, r#"{"a.c":1}"#, true),
        (r#"{"a.b":["v"]}"#, r#"{"a":[{"b":"w"},{"b":"v"}]}"#, true),
        (r#"{"a":["1"],"a.b":["2"]}"#, r#"{"a":["1",{"b":"2"}]}"#, false),
        (r#"{"":{"":["v"]}}"#, r#"{".":"v"}"#, true),
        // Derived: members that stand beside each other, and which of two counts.
        (r#"{"a":{"b":[1],"c":{"d":[2]}}}"#, r#"{"a":{"b":1},"a.c.d":2}"#, true),
        (r#"{"a":{"b":[1],"c":{"d":[2]}}}"#, r#"{"a":{"c":{},"c.d":2},"a.b":1}"#, true),
        (r#"{"a":[1],"a.b":[2]}"#, r#"{"a":1,"a.b":2}"#, true),
        (r#"{"a.b.c":[2]}"#, r#"{"a":{"b.c":1},"a.b":{"c":2}}"#, true),
        (r#"{"a.b":[1]}"#, r#"{"a":{"b":1},"a.b":2}"#, true),
        (r#"{"a.b":[2]}"#, r#"{"a":{"b":1},"a.b":2}"#, false),
        (r#"{"a.b":[2]}"#, r#"{"a":[{"b":1}],"a.b":2}"#, false),
    ]);
    let whole = filters(&[r#"{"body.a":["v"]}"#]);
    assert!(whole.accepts(&subject(r#"{"a":"v"}"#, &[], &[])));
}

#[test]
fn fields_of_an_array_of_objects_come_from_one_element() {
    let both = r#"{"x":{"a":["1"],"b":["2"]}}"#;
    check(&[
        // The contract's.
        (r#"{"x":{"a":["1"]}}"#, r#"{"x":[{"a":"0"},{"a":"1"}]}"#, true),
        (both, r#"{"x":[{"a":"1","b":"2"}]}"#, true),
        (both, r#"{"x":[{"a":"1"},{"b":"2"}]}"#, false),
        (both, r#"{"x":[{"a":"1","b":"0"},{"a":"0","b":"2"}]}"#, false),
        (both, r#"{"x":[{"a":"1"},{"b":"2"},{"b":"2","a":["1"]}]}"#, true),
        // Derived: arrays in arrays, and two arrays are two choices.
        (both, r#"{"x":[[{"a":"1"}],[{"a":"1","b":"2"}]]}"#, true),
        (both, r#"{"x":[[{"a":"1"}],{"b":"2"}]}"#, false),
        (r#"{"x":{"a":[1]},"y":{"b":[2]}}"#, r#"{"x":[{},{"a":1}],"y":[{"b":2},{}]}"#, true),
        (r#"{"x":{"a":[1],"y":{"b":[2]}}}"#, r#"{"x":[{"a":1,"y":[{},{"b":2}]}]}"#, true),
        (r#"{"x":{"a":[1],"y":{"b":[2]}}}"#, r#"{"x":[{"a":1,"y":[]},{"y":[{"b":2}]}]}"#, false),
        // Derived: absent in the element that was chosen; in all, if there is nothing to choose by.
        (r#"{"x":{"a":[1],"b":[{"exists":false}]}}"#, r#"{"x":[{"a":1},{"b":2}]}"#, true),
        (r#"{"x":{"a":[1],"b":[{"exists":false}]}}"#, r#"{"x":[{"a":1,"b":2},{}]}"#, false),
        (r#"{"x":{"b":[{"exists":false}]}}"#, r#"{"x":[{"a":1},{"b":2}]}"#, false),
        (r#"{"x":{"b":[{"exists":false}]}}"#, r#"{"x":[{"a":1},{"c":2},3]}"#, true),
        (r#"{"x":{"b":[{"exists":false},2]}}"#, r#"{"x":[{"a":1},{"b":2}]}"#, true),
        (r#"{"x":{"b":[{"exists":false},2]}}"#, r#"{"x":[{"a":1},{"b":3}]}"#, false),
        (r#"{"x":{"b":[{"exists":true}]}}"#, r#"{"x":[{"b":[]},{"b":{}}]}"#, false),
    ]);
}

#[test]
fn metadata_are_texts_and_queue_and_region_are_not_there() {
    let attributes =
        [("ApproximateReceiveCount", "2".to_owned()), ("MessageGroupId", "acme".to_owned())];
    let attribute = |name: &str, data_type: &str, value: &[u8]| MessageAttribute {
        name: name.into(),
        data_type: data_type.into(),
        value: value.into(),
    };
    let message_attributes = [
        attribute("tenant", "String", b"acme"),
        attribute("budget.left", "Number.int", b"4"),
        attribute("tenant.id", "String", b"7"),
        attribute("sig", "Binary", b"abc"),
    ];
    let subject = subject(r#"{"a":1}"#, &attributes, &message_attributes);
    for (pattern, expected) in [
        (r#"{"attributes":{"MessageGroupId":["acme"]}}"#, true),
        (r#"{"attributes":{"MessageGroupId":["acme"]},"body":{"a":[2]}}"#, false),
        (r#"{"attributes":{"MessageGroupId":[{"prefix":"b"}]}}"#, false),
        (r#"{"attributes":{"SequenceNumber":[{"exists":false}]}}"#, true),
        // The contract's: numbers are texts here.
        (r#"{"attributes":{"ApproximateReceiveCount":[{"numeric":["=",2]}]}}"#, false),
        (r#"{"attributes":{"ApproximateReceiveCount":[2]}}"#, false),
        (r#"{"attributes":{"ApproximateReceiveCount":["2"]}}"#, true),
        (r#"{"messageAttributes":{"tenant":{"stringValue":["acme"]}}}"#, true),
        (r#"{"messageAttributes":{"budget.left":{"dataType":[{"prefix":"Number"}]}}}"#, true),
        (r#"{"messageAttributes":{"budget":{"left":{"stringValue":["4"]}}}}"#, true),
        (r#"{"messageAttributes":{"tenant.id":{"stringValue":["7"]}}}"#, true),
        (r#"{"messageAttributes":{"sig":{"dataType":["Binary"]}}}"#, true),
        (r#"{"messageAttributes":{"sig":{"stringValue":[{"exists":true}]}}}"#, false),
        (r#"{"messageAttributes":{"tenant":["acme"]}}"#, false),
        // The contract's: what is added later.
        (r#"{"eventSource":["aws:sqs"]}"#, false),
        (r#"{"eventSourceARN":[{"exists":false}]}"#, true),
        (r#"{"awsRegion":[{"exists":true}]}"#, false),
    ] {
        assert_eq!(filters(&[pattern]).accepts(&subject), expected, "{pattern}");
    }
}

#[test]
fn what_aws_refuses_is_refused() {
    for bad in [
        // The contract's.
        "null",
        "simple string",
        r#"{"eventSource":"aws:sqs"}"#,
        r#"{"eventSource":[]}"#,
        r#"{"k":"v"}"#,
        r#"{"k":42}"#,
        r#"{"k":[{"EXISTS":true}]}"#,
        // Derived.
        "",
        "[]",
        r#""x""#,
        "{}",
        r#"{"body":{}}"#,
        r#"{"body":null}"#,
        r#"{"body":{"a":true}}"#,
        r#"{"body":[[]]}"#,
        r#"{"body":[["a"]]}"#,
        r#"{"body":[{}]}"#,
        r#"{"body":[{"prefix":"a","suffix":"b"}]}"#,
        r#"{"body":[{"regex":"a"}]}"#,
        r#"{"body":["a"]} x"#,
        r#"{"body":["a"],}"#,
    ] {
        let detail = refusal(&[r#"{"body":["a"]}"#.to_owned(), bad.to_owned()]);
        assert!(detail.is_some_and(|detail| detail.starts_with("filter 2: ")), "{bad}");
    }
}

#[test]
fn what_is_said_is_one_line() {
    assert!(refusal(&[r#"{"a\n\rb":1}"#.to_owned()]).is_some_and(|why| why.contains("a  b")));
    let remarked = filters(&[r#"{"a\nb":["x"]}"#]).remarks();
    assert_eq!(remarked, ["filter 1: a b: filters see no such field in a message"]);
}

#[test]
fn limits_are_exact() {
    let pattern = r#"{"body":["a"]}"#.to_owned();
    assert_eq!(refusal(&vec![pattern.clone(); FILTERS_MAX]), None);
    assert!(refusal(&vec![pattern; FILTERS_MAX + 1]).is_some());
    let of = |characters: usize| {
        let pattern = format!(r#"{{"body":["{}"]}}"#, "ü".repeat(characters - 13));
        assert_eq!(pattern.chars().count(), characters);
        vec![pattern]
    };
    assert_eq!(refusal(&of(PATTERN_CHARACTERS_MAX)), None);
    assert!(refusal(&of(PATTERN_CHARACTERS_MAX + 1)).is_some());
    let names = |count: usize| vec![format!(r#"{{"{}a":["b"]}}"#, "a.".repeat(count - 1))];
    assert_eq!(refusal(&names(128)), None);
    assert!(refusal(&names(129)).is_some());
    assert!(refusal(&[r#"{"a":"#.repeat(200) + &"}".repeat(200)]).is_some());
}

#[test]
fn combinations_of_or_are_bounded() {
    let or = |name: usize, count: usize| {
        let objects: Vec<_> = (0..count).map(|n| format!(r#"{{"f{name}_{n}":[1]}}"#)).collect();
        format!(r#""g{name}":{{"$or":[{}]}}"#, objects.join(","))
    };
    let pattern = |counts: &[usize]| {
        let fields: Vec<_> = counts.iter().enumerate().map(|(n, count)| or(n, *count)).collect();
        vec![format!(r#"{{"body":{{{}}}}}"#, fields.join(","))]
    };
    let thousand = Filters::parse(&pattern(&[10, 10, 10])).unwrap();
    let accepts = |a: usize, b: usize, c: usize| {
        let fields = [(0, a), (1, b), (2, c)].map(|(g, f)| format!(r#""g{g}":{{"f{g}_{f}":1}}"#));
        thousand.accepts(&subject(&format!("{{{}}}", fields.join(",")), &[], &[]))
    };
    for way in 0..1_000 {
        assert!(accepts(way / 100, way / 10 % 10, way % 10), "{way}");
    }
    assert!(!accepts(10, 0, 0) && !accepts(0, 10, 0) && !accepts(0, 0, 10));
    assert!(refusal(&pattern(&[10, 10, 10, 2])).is_some_and(|why| why.contains("1000")));
    assert!(refusal(&pattern(&[2; 30])).is_some());
    let wide: Vec<_> = (0..100).map(|n| format!(r#""h{n}":[1]"#)).collect();
    let wide = format!("{{{},{},{},{}}}", or(0, 10), or(1, 10), or(2, 10), wide.join(","));
    assert!(refusal(&[wide]).is_some_and(|why| why.contains("fields")));
}

/// What would take for ever if it were not bounded.
#[test]
fn large_bodies_are_judged_in_time() {
    let or = |name: &str| {
        let objects: Vec<_> = (0..10).map(|n| format!(r#"{{"{name}{n}":[1]}}"#)).collect();
        format!(r#""$or":[{}]"#, objects.join(","))
    };
    let pattern = format!(r#"{{"body":{{"x":{{{},"y":{{{}}}}}}}}}"#, or("a"), or("b"));
    let body = format!(r#"{{"x":[{}{{}}]}}"#, r#"{"a1":1},"#.repeat(20_000));
    let started = std::time::Instant::now();
    assert!(!filters(&[&pattern]).accepts(&subject(&body, &[], &[])));
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(!filters(&[&pattern]).accepts(&subject(&deep, &[], &[])));
    let dots = format!(r#"{{"{}":1}}"#, "x.".repeat(500_000));
    assert!(!filters(&[&pattern]).accepts(&subject(&dots, &[], &[])));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn what_aws_may_not_evaluate_is_remarked_once() {
    let remarks = |pattern: &str| filters(&[r#"{"body":["a"]}"#, pattern]).remarks();
    assert_eq!(remarks(r#"{"body":{"a":[1,{"prefix":"x"},{"anything-but":["x"]}]}}"#), [""; 0]);
    assert_eq!(
        remarks(r#"{"attributes":{"SentTimestamp":[{"numeric":[">",1]}]}}"#),
        [
            "filter 2: attributes.SentTimestamp: AWS may filter SQS messages by their body only",
            "filter 2: attributes.SentTimestamp: it accepts nothing, attributes holds texts only",
        ]
    );
    assert_eq!(
        remarks(r#"{"awsRegion":["us-east-1"]}"#),
        ["filter 2: awsRegion: filters see no such field in a message"]
    );
    let promises = "Lambda does not promise";
    for (rules, operator) in [
        (r#"{"cidr":"10.0.0.0/8"},{"cidr":"11.0.0.0/8"}"#, "cidr"),
        (r#"{"wildcard":"*"}"#, "wildcard"),
        (r#"{"prefix":{"equals-ignore-case":"a"}}"#, "equals-ignore-case in prefix"),
        (r#"{"suffix":{"equals-ignore-case":"a"}}"#, "equals-ignore-case in suffix"),
        (r#"{"anything-but":{"suffix":"a"}}"#, "an operator in anything-but"),
    ] {
        let expected = format!("filter 2: body.a: {promises} {operator}, EventBridge does");
        assert_eq!(remarks(&format!(r#"{{"body":{{"a":[{rules}]}}}}"#)), [expected]);
    }
    assert_eq!(
        remarks(r#"{"body":{"a":[1],"$or":[{"a":[2]},{"b":[3]}]}}"#),
        ["filter 2: body.a is given twice, and only the later one counts"]
    );
}
