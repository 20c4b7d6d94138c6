//! The pages themselves: what they show, how fast, and what becomes of paths that are none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until};

use super::routes;
use super::visitor::Visitor;

/// On the server, with 1,000 queues; the goal for the release build is 50 ms.
const PAGE_TIME_MAX: Duration = Duration::from_millis(500);
/// A page with everything it loads.
const PAGE_BYTES_MAX: usize = 100 * 1024;

#[test]
fn paths_that_lead_nowhere_give_a_page_that_says_so() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let long = format!("/admin/{}", "x".repeat(30_000));
    let query = format!("/admin/nothing?{}", "y".repeat(30_000));
    for path in [
        "/admin/nothing",
        "/admin/..",
        "/admin/../..",
        "/admin/%",
        "/admin/%zz",
        "/admin/%FF%FE",
        "/admin/%00",
        "/admin/queues//x",
        "//admin/x",
        "/admin/%3Cscript%3E",
        &long,
        &query,
    ] {
        let answer = gateway.http().get(path);
        assert_eq!(answer.status, 404, "{}", &path[..path.len().min(80)]);
        assert!(answer.text().contains("There is no such page"), "{}", answer.text());
        assert!(answer.body.len() < 10_000, "{}", answer.body.len());
        assert!(!answer.text().contains("<script>"), "{}", answer.text());
    }
    for path in ["/admin/assets/x/nothing.css", "/admin/assets/admin.css", "/admin/assets/x/../y"] {
        assert_eq!(gateway.http().get(path).status, 404, "{path}");
    }
}

#[test]
fn a_method_that_a_page_has_not_gives_a_page_that_says_so() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--admin-password", "correct horse"]);
    let mut visitor = Visitor::signed_in(&gateway, "correct horse");
    let csrf = visitor.token();
    let body = format!("csrf={csrf}");
    for route in routes::all() {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = visitor.request(method, &route.path(), &[], body.as_bytes());
            assert_eq!(answer.status, 405, "{method} {route:?}");
            assert!(answer.text().contains("cannot be done here"), "{method} {route:?}");
            assert!(answer.header("Allow").is_some(), "{method} {route:?}");
        }
        if !route.has_get {
            assert_eq!(visitor.get(&route.path()).status, 405, "{route:?}");
        }
    }
}

#[test]
fn head_gives_the_head_of_the_page() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port())).expect("a connection");
    let request = "HEAD /admin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("to write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.to_lowercase().contains("content-security-policy"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn the_language_can_be_chosen_and_stays() {
    let redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--admin-password", "correct horse"]);
    let mut visitor = Visitor::new(&gateway);
    let korean = [("Accept-Language", "ko-KR,ko;q=0.9")];
    let page = visitor.request("GET", "/admin", &korean, b"");
    assert!(page.text().contains("<html lang=\"ko\">") && page.text().contains("비밀번호"));
    assert!(visitor.get("/admin").text().contains("<html lang=\"en\">"));
    let chosen = visitor.get("/admin/settings?x=1&lang=ko");
    assert_eq!((chosen.status, chosen.header("Location")), (303, Some("/admin/settings?x=1")));
    assert!(visitor.get("/admin").text().contains("<html lang=\"ko\">"));
    assert_eq!(visitor.sign_in("correct horse", "/admin").status, 303);
    assert!(visitor.get("/admin").text().contains("<h1>개요</h1>"));
    assert_eq!(visitor.get("/admin?lang=en").status, 303);
    let page = visitor.request("GET", "/admin", &korean, b"");
    assert!(page.text().contains("<h1>Overview</h1>"), "what was chosen wins");
}

#[test]
fn the_settings_show_what_is_in_force_and_no_secret() {
    let redis = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let password = "hunter2-hunter2";
    let arguments = [
        "--admin-password",
        password,
        "--key",
        "AKID:hunter2,actions=SendMessage,queues=orders",
        "--token",
        "hunter2-hunter2-hunter2-hunter2",
        "--map",
        "orders=worker",
    ];
    let gateway = Gateway::start(&redis, &arguments);
    let mut visitor = Visitor::signed_in(&gateway, password);
    let page = visitor.get("/admin/settings");
    let text = page.text();
    for shown in ["AKID", "SendMessage", "token 1", "orders=worker", "allkeys-lru", "needs the"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(text.contains("Redis deletes whole queues"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!gateway.log().contains("hunter2"));
}

#[test]
fn the_overview_is_friendly_while_redis_is_away() {
    let mut redis = RedisServer::start(&[]);
    let gateway = Gateway::start(&redis, &["--map", "orders=worker"]);
    redis.kill();
    let is_told = || {
        let page = gateway.http().get("/admin");
        assert_eq!(page.status, 200);
        page.text().contains("Redis is away, so") && page.text().contains("Mappings")
    };
    until(PATIENCE, "the overview to say so", is_told);
    let settings = gateway.http().get("/admin/settings");
    assert_eq!(settings.status, 200);
    assert!(settings.text().contains(">away<"), "{}", settings.text());
    redis.restart();
    let is_back = || !gateway.http().get("/admin").text().contains("Redis is away, so");
    until(PATIENCE, "Redis to be back", is_back);
}

#[test]
fn the_overview_of_a_thousand_queues_is_fast_and_small() {
    let server = RedisServer::start(&[]);
    let gateway = Gateway::start(&server, &[]);
    server.cli(&["KARIN.CREATE", "karin:{failed}"]);
    let mut all = redis::pipe();
    for number in 0..1_000 {
        let key = format!("karin:{{queue-with-a-rather-long-name-{number}}}");
        let target = "arn:aws:sqs:us-east-1:000000000000:failed";
        all.cmd("KARIN.CREATE").arg(&key).arg("deadLetterTargetArn").arg(target).ignore();
        all.cmd("KARIN.SEND").arg(&key).arg("x").ignore();
    }
    all.exec(&mut server.connection()).expect("queues");
    server.cli(&["KARIN.SEND", "karin:{failed}", "x"]);
    let is_known = || gateway.http().get("/admin").text().contains("Dead letters");
    until(PATIENCE, "the dead-letter queue to be known", is_known);
    let mut connection = gateway.http().connect();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(connection.request("GET", "/admin", &[], b"").status, 200);
        times.push(start.elapsed());
    }
    times.sort();
    let page = gateway.http().get("/admin");
    assert!(page.text().contains("1,001"), "{}", page.text());
    let sources = page.text().split('"').filter(|part| part.starts_with("/admin/assets/"));
    let assets = sources.map(|path| gateway.http().get(path).body.len()).sum::<usize>();
    let bytes = page.body.len() + assets;
    println!("median {:?}, slowest {:?}; {bytes} bytes with assets", times[10], times[19]);
    assert!(times[10] < PAGE_TIME_MAX, "{times:?}");
    assert!(bytes < PAGE_BYTES_MAX, "{bytes}");
}
