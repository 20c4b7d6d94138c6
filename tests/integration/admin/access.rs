//! Who sees the admin page, and what everybody else sees of it.

use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::http::Response;
use karin_tests::redis::RedisServer;

use super::routes;
use super::visitor::{Visitor, field};

const PASSWORD: &str = "correct horse";
const KEY: [&str; 2] = ["--key", "AKID:secret"];

fn protected(redis: &RedisServer) -> Gateway {
    Gateway::start(redis, &["--admin-password", PASSWORD])
}

/// The page without what differs from visitor to visitor.
fn bare(answer: &Response) -> String {
    let page = answer.text();
    let csrf = field(page, "csrf").expect("the form");
    let next = field(page, "next").expect("the form");
    assert_eq!(answer.status, 403, "{answer:?}");
    let page = page.replace(&csrf, "CSRF").replace(&format!("value=\"{next}\""), "NEXT");
    // The way to the same page in the other language.
    let (start, rest) = page.split_once("<a href=\"").expect("a link");
    let (_, end) = rest.split_once('"').expect("its end");
    format!("{start}{end}")
}

#[test]
fn without_a_session_every_path_gives_the_form_and_nothing_else() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let form = bare(&gateway.http().get("/admin"));
    assert!(form.contains("type=\"password\"") && !form.contains("/admin/queues"), "{form}");
    let routes = routes::all();
    let paths = routes.iter().map(routes::Route::path);
    let others =
        ["/admin/", "/admin/nothing", "/admin/queues/%FF", "/admin/..", "//admin", "/admin?x=1"];
    for path in paths.chain(others.map(str::to_owned)) {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = gateway.http().request(method, &path, &[], b"");
            assert_eq!(bare(&answer), form, "{method} {path}");
        }
        if path != "/admin/sign-in" {
            let posted = gateway.http().request("POST", &path, &[], b"csrf=&name=x");
            assert_eq!(posted.status, 403, "POST {path}");
            assert!(posted.text().contains("type=\"password\""), "POST {path}");
        }
    }
}

#[test]
fn a_form_without_the_right_token_changes_nothing() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let mut visitor = Visitor::signed_in(&gateway, PASSWORD);
    let other = Visitor::signed_in(&gateway, PASSWORD).token();
    let own = visitor.token();
    gateway.http().json("CreateQueue", r#"{"QueueName":"orders"}"#);
    gateway.http().json("SendMessage", r#"{"QueueUrl":"orders","MessageBody":"stays"}"#);
    let state =
        || (redis.cli(&["KARIN.PEEK", "karin:{orders}"]), redis.cli(&["HGETALL", "karin:map"]));
    let before = state();
    let host = format!("http://127.0.0.1:{}", gateway.port());
    for route in routes::all().iter().filter(|route| route.has_post) {
        let path = route.path();
        for token in ["", "0", &other, &own[1..]] {
            let answer = visitor.submit(&path, &[("csrf", token), ("confirm", "1")], &[]);
            assert_eq!(answer.status, 403, "{path} with {token:?}");
        }
        for header in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
            let answer = visitor.submit(&path, &[("csrf", &own)], &[header]);
            assert_eq!(answer.status, 403, "{path} from {header:?}");
        }
    }
    assert_eq!(state(), before);
    assert_eq!(visitor.get("/admin").status, 200, "still signed in");
    let ours = visitor.submit("/admin/sign-out", &[("csrf", &own)], &[("Origin", &host)]);
    assert_eq!(ours.status, 303, "{ours:?}");
}

#[test]
fn every_answer_has_the_headers_that_protect_it() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let mut visitor = Visitor::signed_in(&gateway, PASSWORD);
    let page = visitor.get("/admin");
    let asset = |name: &str| {
        let (before, _) = page.text().split_once(name).expect(name);
        format!("{}{name}", before.rsplit_once('"').expect(name).1)
    };
    let assets = ["admin.css", "admin.js", "htmx.min.js"].map(asset);
    let mut answers = vec![gateway.http().get("/admin"), visitor.post("/admin", &[])];
    for path in assets.iter().map(String::as_str).chain(["/admin/nothing", "/admin/settings"]) {
        answers.push(visitor.get(path));
    }
    for answer in &answers {
        let csp = answer.header("Content-Security-Policy").unwrap_or_default();
        assert!(csp.starts_with("default-src 'none'; script-src 'self';"), "{answer:?}");
        assert_eq!(csp.matches("'self'").count(), csp.matches('\'').count() / 2 - 3, "{csp}");
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        let is_asset = answer.header("Content-Type").is_some_and(|kind| !kind.contains("html"));
        let kept = answer.header("Cache-Control").unwrap_or_default();
        assert_eq!(kept.contains("immutable"), is_asset, "{answer:?}");
        assert_eq!(kept == "no-store", !is_asset, "{answer:?}");
    }
}

#[test]
fn a_session_is_good_at_every_gateway_of_the_password_and_after_a_restart() {
    let redis = RedisServer::start(&[]);
    let (mut one, two) = (protected(&redis), protected(&redis));
    let other = Gateway::start(&redis, &["--admin-password", "another horse"]);
    let mut visitor = Visitor::signed_in(&one, PASSWORD);
    assert_eq!(visitor.at(&two).get("/admin").status, 200);
    // The form of one gateway is good at the other.
    let csrf = visitor.token();
    assert_eq!(visitor.at(&two).token(), csrf);
    assert_eq!(visitor.at(&other).get("/admin").status, 403, "another password");
    one.restart();
    assert_eq!(visitor.get("/admin").status, 200);
    assert_eq!(visitor.token(), csrf);
    let cookie = visitor.cookies["karin_session"].clone();
    for index in [0, 31, 33, 40, cookie.len() - 64, cookie.len() - 1] {
        let mut changed = cookie.clone().into_bytes();
        changed[index] = if changed[index] == b'1' { b'2' } else { b'1' };
        let changed = String::from_utf8(changed).expect("text");
        visitor.cookies.insert("karin_session".to_owned(), changed.clone());
        assert_eq!(visitor.get("/admin").status, 403, "{changed}");
    }
}

#[test]
fn signing_out_ends_the_session_and_copies_of_it() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let mut visitor = Visitor::signed_in(&gateway, PASSWORD);
    let mut copy = visitor.at(&gateway);
    let answer = visitor.post("/admin/sign-out", &[]);
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/admin")));
    assert!(!visitor.cookies.contains_key("karin_session"), "{answer:?}");
    assert_eq!(visitor.get("/admin").status, 403);
    assert_eq!(copy.get("/admin").status, 403);
    assert_eq!(visitor.sign_in(PASSWORD, "/admin").status, 303);
    assert_eq!(visitor.get("/admin").status, 200);
}

#[test]
fn signing_in_leads_on_to_pages_of_ours_only_and_needs_our_form() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    for (next, location) in [
        ("/admin/settings?x=1", "/admin/settings?x=1"),
        ("https://evil.example/", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("/admin/\\evil.example", "/admin"),
    ] {
        let answer = Visitor::new(&gateway).sign_in(PASSWORD, next);
        assert_eq!(answer.header("Location"), Some(location), "{answer:?}");
        let cookie = answer.header("Set-Cookie").unwrap_or_default();
        assert!(
            cookie.contains("; HttpOnly; SameSite=Lax; Path=/admin; Max-Age=43200"),
            "{cookie}"
        );
    }
    let page = gateway.http().get("/admin/queues/a%20b?after=c");
    assert_eq!(field(page.text(), "next").as_deref(), Some("/admin/queues/a%20b?after=c"));

    // A page from elsewhere that signs its reader in has neither cookie nor token nor origin.
    let mut stranger = Visitor::new(&gateway);
    let answer = stranger.submit("/admin/sign-in", &[("password", PASSWORD)], &[]);
    assert_eq!(answer.status, 403, "{answer:?}");
    let csrf = field(stranger.get("/admin").text(), "csrf").expect("a form");
    let fields = [("password", PASSWORD), ("csrf", csrf.as_str())];
    let foreign = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(stranger.submit("/admin/sign-in", &fields, &foreign).status, 403);
    let mut another = Visitor::new(&gateway);
    another.get("/admin");
    assert_eq!(another.submit("/admin/sign-in", &fields, &[]).status, 403, "another's token");
    assert_eq!(stranger.submit("/admin/sign-in", &fields, &[]).status, 303);
}

#[test]
fn wrong_passwords_are_slowed_and_a_known_browser_is_not_kept_out() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let mut owner = Visitor::signed_in(&gateway, PASSWORD);
    owner.post("/admin/sign-out", &[]);
    let mut guesser = Visitor::new(&gateway);
    let start = Instant::now();
    for _ in 0..6 {
        let answer = guesser.sign_in("wrong horse", "/admin");
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("not the password"), "{}", answer.text());
    }
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(250 + 500 + 1_000), "{waited:?}");
    // Many at once do not all wait: most are told to come again.
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let guess = || scope.spawn(|| Visitor::new(&gateway).sign_in("wrong horse", "/admin"));
        let threads: Vec<_> = (0..12).map(|_| guess()).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() >= 8, "{} of 12", refused.len());
    assert!(refused.iter().all(|answer| answer.header("Retry-After").is_some()));
    let start = Instant::now();
    assert_eq!(owner.sign_in(PASSWORD, "/admin").status, 303);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let log = gateway.log();
    assert!(log.contains("a wrong password") && !log.contains("horse"), "{log}");
}

#[test]
fn strangers_cannot_fill_the_memory_with_forms() {
    let redis = RedisServer::start(&[]);
    let gateway = protected(&redis);
    let large = vec![b'x'; 500_000];
    let mut visitor = Visitor::new(&gateway);
    let answer = visitor.request("POST", "/admin/sign-in", &[], &large);
    assert_eq!((answer.status, answer.text()), (403, "access denied"));
    assert!(answer.header("Content-Security-Policy").is_some(), "{answer:?}");
    let mut visitor = Visitor::signed_in(&gateway, PASSWORD);
    let answer = visitor.request("POST", "/admin/sign-out", &[], &large);
    assert!(answer.text().contains("out of date"), "{answer:?}");
}

#[test]
fn with_keys_and_no_password_the_page_is_closed_and_says_how_to_open_it() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &KEY);
    for route in routes::all() {
        for method in ["GET", "POST"] {
            let answer = gateway.http().request(method, &route.path(), &[], b"password=");
            assert_eq!(answer.status, 403, "{route:?}");
            assert!(answer.text().contains("KARIN_ADMIN_PASSWORD"), "{route:?}");
            assert!(!answer.text().contains("<form"), "{route:?}");
        }
    }
}

#[test]
fn behind_https_cookies_are_for_https_only() {
    let redis = RedisServer::start(&[]);
    let base = ["--admin-password", PASSWORD, "--base-url", "https://queues.example.org"];
    let gateway = Gateway::start(&redis, &[&KEY[..], &base].concat());
    let is_secure = |headers: &[(&str, &str)]| {
        let answer = gateway.http().request("GET", "/admin", headers, b"");
        answer.header("Set-Cookie").expect("a cookie").contains("; Secure")
    };
    assert!(is_secure(&[("X-Forwarded-Proto", "https")]));
    assert!(is_secure(&[("Host", "queues.example.org")]));
    assert!(!is_secure(&[]));
}

#[test]
fn an_open_page_takes_forms_of_its_own_browser_only() {
    let redis = RedisServer::start(&[]);
    let (gateway, second) = (Gateway::start(&redis, &[]), Gateway::start(&redis, &[]));
    let mut visitor = Visitor::new(&gateway);
    assert_eq!(visitor.get("/admin").status, 200);
    let csrf = field(visitor.get("/admin").text(), "csrf");
    assert_eq!(csrf, None, "nobody can sign out, so the overview has no form");
    let answer = visitor.submit("/admin/sign-out", &[("csrf", "x")], &[]);
    assert_eq!(answer.status, 403);
    // The cookie ties forms to the browser, at every gateway.
    assert_eq!(visitor.at(&second).get("/admin").header("Set-Cookie"), None);
    let mut stranger = Visitor::new(&gateway);
    let cookie = stranger.get("/admin").header("Set-Cookie").map(str::to_owned);
    assert!(cookie.expect("a cookie").starts_with("karin_visit="));
    assert_ne!(stranger.cookies, visitor.cookies);
}

#[test]
fn a_browser_at_the_root_is_led_to_the_page_and_clients_are_not() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let html = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let at = |target: &str, headers: &[(&str, &str)]| {
        let answer = gateway.http().request("GET", target, headers, b"");
        (answer.status, answer.header("Location").map(str::to_owned))
    };
    assert_eq!(at("/", &html), (303, Some("/admin".to_owned())));
    assert_eq!(at("/?Action=ListQueues&Version=2012-11-05", &html), (200, None));
    assert_ne!(at("/", &[]).0, 303);
    assert_ne!(at("/", &[("Accept", "*/*")]).0, 303);
    let linked = [
        html[0],
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];
    assert_eq!(at("/admin", &linked).0, 200, "somebody follows a link");
}
