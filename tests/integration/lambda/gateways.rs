//! Several gateways share the mappings: each is served by one of them, also when one dies, stops,
//! stands still, or Redis does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use karin_tests::gateway::Gateway;
use karin_tests::redis::RedisServer;
use karin_tests::wait::{PATIENCE, until, until_some};
use serde_json::json;

use super::{Function, counts, now, send, wait_until_empty};

/// What a function does that notes when it ends, too.
const TIMED: &str = "sleep 0.05; echo \"$EPOCHREALTIME\" >> ends.$$; answer null";

/// One run of a function with one message.
#[derive(Debug)]
struct Run {
    body: String,
    start: Duration,
    /// It never came if the gateway died meanwhile.
    end: Option<Duration>,
}

/// The runs of a [`TIMED`] function, in the order of their starts.
fn runs(function: &Function) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut pids = function.lines("pids");
    pids.sort_unstable();
    pids.dedup();
    for pid in pids {
        let seconds = |text: &str| Duration::from_secs_f64(text.parse().unwrap());
        let ends = function.lines(&format!("ends.{pid}"));
        let events = function.lines(&format!("events.{pid}"));
        for (n, line) in events.iter().enumerate() {
            let (start, event) = line.split_once(' ').unwrap();
            let event: serde_json::Value = serde_json::from_str(event).unwrap();
            for record in event["Records"].as_array().unwrap() {
                runs.push(Run {
                    body: record["body"].as_str().unwrap().to_owned(),
                    start: seconds(start),
                    end: ends.get(n).map(|end| seconds(end)),
                });
            }
        }
    }
    runs.sort_by_key(|run| run.start);
    runs
}

/// Panics if a run starts before another one of the same message has ended.
#[track_caller]
fn assert_no_message_ran_twice_at_once(runs: &[Run]) {
    let mut by_body: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        by_body.entry(&run.body).or_default().push(run);
    }
    for (body, runs) in by_body {
        for pair in runs.windows(2) {
            assert!(pair[0].end.is_some_and(|end| end <= pair[1].start), "{body}: {pair:?}");
        }
    }
}

/// A gateway with this function as `f` and these mappings.
fn start(redis: &RedisServer, function: &Function, maps: &[&str]) -> Gateway {
    start_with(redis, &function.option("f"), maps)
}

fn start_with(redis: &RedisServer, function: &str, maps: &[&str]) -> Gateway {
    let mut arguments = vec!["--function", function];
    arguments.extend(maps.iter().flat_map(|map| ["--map", map]));
    Gateway::start(redis, &arguments)
}

/// Whether the gateway takes messages from the queue, as its log has it.
fn serves(gateway: &Gateway, queue: &str) -> bool {
    let log = gateway.log();
    let word = log.rfind(&format!("mapped queue={queue} "));
    word.is_some_and(|at| !log[..at].ends_with("un"))
}

/// Which one serves the queue, once exactly one does, and has for a moment: those who have just
/// met may be about to hand over.
fn owner(gateways: &[Gateway], queue: &str) -> usize {
    const MOMENT: Duration = Duration::from_millis(500);
    let mut last = (Instant::now(), Vec::new());
    until_some(PATIENCE, &format!("one gateway to serve {queue}"), || {
        let all = 0..gateways.len();
        let owners: Vec<usize> = all.filter(|n| serves(&gateways[*n], queue)).collect();
        if owners != last.1 {
            last = (Instant::now(), owners);
        }
        (last.1.len() == 1 && last.0.elapsed() >= MOMENT).then(|| last.1[0])
    })
}

/// Two gateways that know each other, the one that serves `q` first.
fn pair(redis: &RedisServer, function: &str, map: &str) -> [Gateway; 2] {
    let gateways = [(); 2].map(|()| start_with(redis, function, &[map]));
    acquainted(&gateways);
    let [first, second] = gateways;
    let gateways = [first, second];
    if owner(&gateways, "q") == 0 {
        return gateways;
    }
    let [first, second] = gateways;
    [second, first]
}

fn acquainted(gateways: &[Gateway]) {
    for gateway in gateways {
        until(PATIENCE, "the gateways to know each other", || {
            gateway.log().matches("another gateway is here").count() + 1 >= gateways.len()
        });
    }
}

#[test]
fn each_mapping_is_served_by_one_of_three_and_every_message_runs_once() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    let maps = ["q0=f", "q1=f", "q2=f", "q3=f", "q4=f", "q5=f", "q6=f", "q7=f"];
    let gateways = [(); 3].map(|()| start(&redis, &function, &maps));
    acquainted(&gateways);
    let owners: Vec<usize> = (0..8).map(|n| owner(&gateways, &format!("q{n}"))).collect();
    for n in 0..80 {
        send(&gateways[n % 3], &format!("q{}", n % 8), &n.to_string());
    }
    for n in 0..8 {
        wait_until_empty(&gateways[0], &format!("q{n}"));
    }
    let runs = runs(&function);
    let mut bodies: Vec<usize> = runs.iter().map(|run| run.body.parse().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..80).collect::<Vec<_>>());
    let still: Vec<usize> = (0..8).map(|n| owner(&gateways, &format!("q{n}"))).collect();
    assert_eq!(owners, still, "at rest nothing moves");
}

#[test]
fn the_mappings_of_a_killed_gateway_are_taken_over_within_5_s() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    for round in 0..3 {
        let [mut owner, other] = pair(&redis, &function.option("f"), "q=f");
        owner.kill();
        let killed = Instant::now();
        send(&other, "q", &round.to_string());
        until(PATIENCE, "the message to run", || runs(&function).len() > round);
        let time = killed.elapsed();
        println!("taken over after {time:?}");
        assert!(time <= Duration::from_secs(5), "{time:?}");
        wait_until_empty(&other, "q");
    }
}

#[test]
fn a_gateway_that_stops_hands_over_at_once_though_its_functions_still_run() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(
        "[[ -e blocked ]] || { touch blocked; while [[ ! -e go ]]; \
                                  do sleep 0.02; done; }; answer null",
    );
    let [mut owner, other] = pair(&redis, &function.option("f"), "q=f");
    send(&owner, "q", "blocks");
    function.wait_for(1, PATIENCE);
    owner.ask_to_stop();
    let asked = Instant::now();
    until(PATIENCE, "the other one to serve", || serves(&other, "q"));
    let time = asked.elapsed();
    println!("handed over after {time:?}");
    assert!(time < Duration::from_secs(1), "{time:?}");
    send(&other, "q", "runs");
    assert_eq!(function.wait_for(2, PATIENCE)[1].bodies(), ["runs"]);
    std::fs::write(function.file("go"), "").unwrap();
    let status = until_some(PATIENCE, "its end", || owner.ended());
    assert!(status.success(), "{status}");
    wait_until_empty(&other, "q");
    assert_eq!(function.events().len(), 2, "each ran once");
}

#[test]
fn a_gateway_that_stands_still_is_replaced_within_7_s_and_no_message_runs_twice_at_once() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    let option = format!("{},timeout=3", function.option("f"));
    let [owner, other] = pair(&redis, &option, "q=f,batch_size=1");
    let mut sent = 0;
    let mut send_some = |count: usize| {
        for _ in 0..count {
            send(&other, "q", &sent.to_string());
            sent += 1;
        }
    };
    // Some of these are running when it stops.
    send_some(40);
    function.wait_for(3, PATIENCE);
    owner.freeze();
    let frozen = Instant::now();
    let mut taken_over = None;
    until(PATIENCE, "10 s to pass", || {
        send_some(1);
        std::thread::sleep(Duration::from_millis(50));
        if taken_over.is_none() && serves(&other, "q") {
            taken_over = Some(frozen.elapsed());
        }
        frozen.elapsed() >= Duration::from_secs(10)
    });
    owner.thaw();
    let thawed = Instant::now();
    println!("replaced after {taken_over:?}");
    assert!(taken_over.is_some_and(|time| time <= Duration::from_secs(7)), "{taken_over:?}");
    until(PATIENCE, "it to notice", || owner.log().contains("this gateway stood still"));
    until(PATIENCE, "3 s to pass", || {
        send_some(1);
        std::thread::sleep(Duration::from_millis(20));
        thawed.elapsed() >= Duration::from_secs(3)
    });
    wait_until_empty(&other, "q");
    let gateways = [owner, other];
    super::gateways::owner(&gateways, "q");
    let runs = runs(&function);
    assert_no_message_ran_twice_at_once(&runs);
    let mut bodies: Vec<usize> = runs.iter().map(|run| run.body.parse().unwrap()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!(bodies, (0..sent).collect::<Vec<_>>());
}

#[test]
fn after_a_restart_of_redis_the_gateways_know_each_other_again() {
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let function = Function::new(TIMED);
    let [mut owner, mut other] = pair(&redis, &function.option("f"), "q=f");
    owner.tolerate_errors();
    other.tolerate_errors();
    redis.restart();
    for gateway in [&owner, &other] {
        let input = json!({"QueueName": "q"}).to_string();
        until(PATIENCE, "the gateway to be back", || {
            gateway.http().json("GetQueueUrl", &input).status == 200
        });
    }
    until(PATIENCE, "both to listen", || {
        redis.cli(&["PUBSUB", "NUMSUB", "karin:gateways"]).ends_with('2')
    });
    assert!(serves(&owner, "q") && !serves(&other, "q"), "who was there is there");
    owner.kill();
    let killed = Instant::now();
    until(PATIENCE, "the other one to serve", || serves(&other, "q"));
    assert!(killed.elapsed() <= Duration::from_secs(5), "{:?}", killed.elapsed());
    send(&other, "q", "x");
    function.wait_for(1, PATIENCE);
    wait_until_empty(&other, "q");
}

#[test]
fn a_subscription_that_is_lost_is_regained_and_moves_nothing() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    let [mut owner, other] = pair(&redis, &function.option("f"), "q=f");
    for _ in 0..3 {
        redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        until(PATIENCE, "both to listen", || {
            redis.cli(&["PUBSUB", "NUMSUB", "karin:gateways"]).ends_with('2')
        });
    }
    assert!(serves(&owner, "q") && !serves(&other, "q"));
    send(&other, "q", "x");
    function.wait_for(1, PATIENCE);
    owner.kill();
    let killed = Instant::now();
    until(PATIENCE, "the other one to serve", || serves(&other, "q"));
    assert!(killed.elapsed() <= Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(owner.log().matches("another gateway is gone").count(), 0);
}

#[test]
fn a_gateway_serves_what_only_it_has() {
    let redis = RedisServer::start(&[]);
    let (left, right) = (Function::new(TIMED), Function::new(TIMED));
    let gateways = [
        start(&redis, &left, &["l0=f", "l1=f", "l2=f", "l3=f"]),
        start(&redis, &right, &["r0=f", "r1=f", "r2=f", "r3=f"]),
        Gateway::start(&redis, &[]),
    ];
    acquainted(&gateways);
    for n in 0..4 {
        assert_eq!(owner(&gateways, &format!("l{n}")), 0);
        assert_eq!(owner(&gateways, &format!("r{n}")), 1);
        send(&gateways[2], &format!("l{n}"), "left");
        send(&gateways[2], &format!("r{n}"), "right");
    }
    for (function, word) in [(&left, "left"), (&right, "right")] {
        until(PATIENCE, "four runs", || runs(function).len() == 4);
        assert!(runs(function).iter().all(|run| run.body == word));
    }
}

#[test]
fn a_local_function_goes_before_lambda() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    let maps: Vec<String> = (0..6).map(|n| format!("q{n}=f")).collect();
    let maps: Vec<&str> = maps.iter().map(String::as_str).collect();
    let mut without = vec!["--lambda-endpoint", "http://127.0.0.1:1", "--sync-interval", "off"];
    without.extend(maps.iter().flat_map(|map| ["--map", map]));
    let gateways = [start(&redis, &function, &maps), Gateway::start(&redis, &without)];
    acquainted(&gateways);
    for n in 0..6 {
        assert_eq!(owner(&gateways, &format!("q{n}")), 0);
    }
}

#[test]
fn one_at_a_time_is_one_at_a_time_over_two_gateways() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    let gateways = pair(&redis, &function.option("f"), "q=f,batch_size=1,concurrency=1");
    for n in 0..40 {
        send(&gateways[n % 2], "q", &n.to_string());
    }
    wait_until_empty(&gateways[0], "q");
    let runs = runs(&function);
    assert_eq!(runs.len(), 40);
    for pair in runs.windows(2) {
        assert!(pair[0].end.is_some_and(|end| end <= pair[1].start), "{pair:?}");
    }
}

#[test]
fn gateways_of_two_databases_of_one_redis_do_not_know_each_other() {
    let redis = RedisServer::start(&[]);
    let functions = [(); 2].map(|()| Function::new(TIMED));
    let gateways: Vec<Gateway> = [0, 1]
        .map(|database| {
            let url = format!("{}/{database}", redis.tcp_url());
            let option = functions[database].option("f");
            let arguments = ["--redis-url", &url, "--function", &option, "--map", "q=f"];
            Gateway::start_with(&arguments, &[])
        })
        .into();
    for (gateway, function) in gateways.iter().zip(&functions) {
        send(gateway, "q", "x");
        function.wait_for(1, PATIENCE);
        assert!(!gateway.log().contains("another gateway"));
    }
}

#[test]
fn gateways_that_may_not_talk_say_so_once_and_work_as_if_alone() {
    let redis = RedisServer::start(&[]);
    let hints_only = ["on", ">secret", "~*", "+@all", "resetchannels", "&karin:due:*"];
    redis.cli(&[&["ACL", "SETUSER", "mute"], &hints_only[..]].concat());
    let url = format!("redis://mute:secret@127.0.0.1:{}", redis.port());
    let function = Function::new(TIMED);
    let option = function.option("f");
    let arguments = ["--redis-url", &url, "--function", &option, "--map", "q=f"];
    let gateways = [(); 2].map(|()| Gateway::start_with(&arguments, &[]));
    for gateway in &gateways {
        until(PATIENCE, "each to serve", || serves(gateway, "q"));
    }
    for n in 0..20 {
        send(&gateways[n % 2], "q", &n.to_string());
    }
    wait_until_empty(&gateways[0], "q");
    assert_eq!(runs(&function).len(), 20, "each ran once");
    for gateway in &gateways {
        assert_eq!(gateway.log().matches("cannot be heard or told").count(), 1);
        assert!(!gateway.log().contains("no hints"), "{}", gateway.log());
    }
}

#[test]
fn what_another_gateway_changed_in_the_map_is_read_at_once() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(TIMED);
    redis.cli(&["KARIN.CREATE", "karin:{q}"]);
    let gateway = start(&redis, &function, &[]);
    until(PATIENCE, "it to listen", || {
        redis.cli(&["PUBSUB", "NUMSUB", "karin:gateways"]).ends_with('1')
    });
    let uuid = "00000000-0000-4000-8000-000000000000";
    let arn =
        |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
    let mapping = json!({
        "UUID": uuid, "EventSourceArn": arn("sqs", "q"), "FunctionArn": arn("lambda", "function:f"),
        "State": "Enabled",
    });
    redis.cli(&["HSET", "karin:map", &format!("mapping:{uuid}"), &mapping.to_string()]);
    let changed = r#"{"from":"ab","number":1,"says":"map"}"#;
    redis.cli(&["PUBLISH", "karin:gateways", changed]);
    until(Duration::from_secs(5), "the mapping to be served", || serves(&gateway, "q"));
    send(&gateway, "q", "x");
    function.wait_for(1, PATIENCE);
    redis.cli(&["DEL", "karin:map"]);
    redis.cli(&["PUBLISH", "karin:gateways", changed]);
    until(Duration::from_secs(5), "the mapping to be gone", || !serves(&gateway, "q"));
}

#[test]
fn what_a_killed_gateways_functions_were_running_comes_back_at_its_restart_wherever_it_is_served() {
    let redis = RedisServer::start(&[]);
    let function = Function::new(
        "if [[ ! -e tried ]]; then touch tried; tail -f /dev/null & wait; fi
         answer null",
    );
    let option = format!("{},timeout=300", function.option("f"));
    let [mut owner, other] = pair(&redis, &option, "q=f");
    send(&other, "q", "x");
    until(PATIENCE, "the function to block", || function.file("tried").exists());
    owner.kill();
    until(PATIENCE, "the other one to serve", || serves(&other, "q"));
    assert_eq!(counts(&other, "q"), (0, 1, 0), "its lease is another gateway's");
    let before = now();
    owner.restart();
    let events = function.wait_for(2, PATIENCE);
    assert!(events[1].at < before + Duration::from_secs(10), "at once, not when the lease ends");
    assert_eq!(events[1].receive_count(), "1", "what never ran to its end costs no receive");
    wait_until_empty(&other, "q");
}

#[test]
fn a_copied_data_directory_takes_no_leases_from_the_original() {
    let redis = RedisServer::start(&[]);
    let function = Function::new("while [[ ! -e go ]]; do sleep 0.02; done; answer null");
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for directory in &directories {
        std::fs::write(directory.path().join("instance"), "7\n").unwrap();
    }
    let (url, option) = (redis.url(), function.option("f"));
    let start = |n: usize| {
        let data = directories[n].path().to_str().unwrap();
        let maps = ["--function", &option, "--map", "q=f,batch_size=1"];
        let all = [&["--redis-url", &url, "--data-dir", data], &maps[..]].concat();
        Gateway::start_with(&all, &[])
    };
    let original = start(0);
    until(PATIENCE, "the original to serve", || serves(&original, "q"));
    send(&original, "q", "x");
    function.wait_for(1, PATIENCE);
    let copy = start(1);
    until(PATIENCE, "the word about the copy", || copy.log().contains("a copy of this one's"));
    assert!(!original.log().contains("a copy of this one's"));
    let gateways = [original, copy];
    owner(&gateways, "q");
    send(&gateways[0], "q", "y");
    function.wait_for(2, PATIENCE);
    assert_eq!(counts(&gateways[0], "q"), (0, 2, 0), "the original's lease goes on");
    std::fs::write(function.file("go"), "").unwrap();
    wait_until_empty(&gateways[0], "q");
    assert_eq!(function.events().len(), 2, "each ran once");
}

/// Seconds of processor time a process has used.
fn processor_time(process_id: u32) -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: f64 = fields.split(' ').skip(11).take(2).map(|t| t.parse::<f64>().unwrap()).sum();
    ticks / TICKS_A_SECOND
}

/// Redis's commands and the gateways' processor time, in seconds, during `window`.
fn cost(redis: &RedisServer, gateways: &[Gateway], window: Duration) -> (u32, f64) {
    let commands = || redis.info_number("stats", "total_commands_processed");
    let time = || gateways.iter().map(|gateway| processor_time(gateway.process_id())).sum::<f64>();
    let before = (commands(), time());
    std::thread::sleep(window);
    let (after, time) = (commands(), time() - before.1);
    (u32::try_from(after - before.0).unwrap(), time)
}

/// For 20 s; with `KARIN_TEST_LONG` for two minutes, and then also that it is once a minute.
#[test]
fn at_rest_gateways_cost_next_to_nothing() {
    let redis = RedisServer::start(&[]);
    let mut pipeline = redis::pipe();
    for n in 0..1_000 {
        pipeline.cmd("KARIN.CREATE").arg(format!("karin:{{q{n}}}")).ignore();
    }
    pipeline.exec(&mut redis.connection()).unwrap();
    let maps: Vec<String> = (0..200).map(|n| format!("q{n}=f")).collect();
    let endpoint = ["--lambda-endpoint", "http://127.0.0.1:1", "--sync-interval", "off"];
    let maps = maps.iter().flat_map(|map| ["--map", map]);
    let arguments: Vec<&str> = endpoint.into_iter().chain(maps).collect();
    let long = std::env::var_os("KARIN_TEST_LONG").is_some();
    let window = Duration::from_secs(if long { 120 } else { 20 });
    let minutes = window.as_secs_f64() / 60.0;
    let at_rest = |gateways: &[Gateway]| {
        until(PATIENCE, "all mappings to be served", || {
            let served = |n: u32| gateways.iter().filter(|g| serves(g, &format!("q{n}"))).count();
            (0..200).all(|n| served(n) == 1)
        });
        // For a second there was nothing but our looking and a few beats.
        let mut rest = (Instant::now(), 0, 0);
        until(PATIENCE, "rest", || {
            let commands = redis.info_number("stats", "total_commands_processed");
            rest.1 += 1;
            if commands > rest.2 + rest.1 + 3 {
                rest = (Instant::now(), 0, commands);
            }
            rest.0.elapsed() >= Duration::from_secs(1)
        });
    };
    let mut gateways = vec![Gateway::start(&redis, &arguments)];
    at_rest(&gateways);
    let (commands, seconds) = cost(&redis, &gateways, window);
    // Each look at the number is one.
    let commands = commands - 1;
    println!("alone: {commands} commands and {seconds} s of processor time in {window:?}");
    assert!(f64::from(commands) <= minutes.ceil(), "{commands} commands in {window:?}");
    assert!(seconds <= 0.1 * minutes.ceil(), "{seconds} s");

    gateways.push(Gateway::start(&redis, &arguments));
    acquainted(&gateways);
    at_rest(&gateways);
    let (commands, seconds) = cost(&redis, &gateways, window);
    let commands = commands - 1;
    println!("two: {commands} commands and {seconds} s of processor time in {window:?}");
    assert!(f64::from(commands) <= 2.0 * 40.0 * minutes, "{commands} commands in {window:?}");
    assert!(seconds <= 2.0 * 0.1 * minutes.ceil(), "{seconds} s");
}
