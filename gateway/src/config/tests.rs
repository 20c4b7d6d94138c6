use super::*;
use crate::queues::QueueName;

fn config(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        let value = Some((*value).to_owned());
        match *name {
            "listen" => options.listen = value,
            "redis-url" => options.redis_url = value,
            "key-prefix" => options.key_prefix = value,
            "account" => options.account = value,
            "base-url" => options.base_url = value,
            "lambda-endpoint" => options.lambda_endpoint = value,
            "lambda-profile" => options.lambda_profile = value,
            "max-hops" => options.max_hops = value,
            "sync-interval" => options.sync_interval = value,
            "sync-attributes" => options.sync_attributes = value,
            "sync-sqs-endpoint" => options.sync_sqs_endpoint = value,
            "queue-cooldown" => options.queue_cooldown = value,
            "function" => options.function.extend(value),
            "functions" => options.functions = value,
            "map" => options.map.extend(value),
            "key" => options.key.extend(value.map(Into::into)),
            "token" => options.token.extend(value.map(Into::into)),
            "admin-password" => options.admin_password = value.map(Into::into),
            "insecure" => options.insecure = true,
            other => panic!("{other}"),
        }
    }
    let environment = |name: &str| {
        environment.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(*value))
    };
    Config::from_options(options, environment).map_err(|e| e.to_string())
}

#[track_caller]
fn refuses(arguments: &[&str], words: &str) {
    let error = config(arguments, &[]).expect_err("it should be refused");
    assert!(error.contains(words), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn nothing_given_means_the_documented_defaults() {
    let config = config(&[], &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:9324");
    assert_eq!(config.redis_url, None);
    assert_eq!(config.data_dir, Path::new("./karin-data"));
    assert_eq!(config.key_prefix, "karin:");
    assert_eq!((config.region, config.account), (None, None));
    assert_eq!(config.sync_interval, None);
    assert_eq!((config.sync_attributes, config.sync_sqs_endpoint), (SyncAttributes::Once, None));
    assert_eq!(config.queue_cooldown, Duration::from_mins(1));
    assert!(!config.strict_account);
    assert_eq!(config.log, "info");
}

#[test]
fn an_address_that_is_not_loopback_needs_insecure() {
    refuses(&["listen", "0.0.0.0:9324"], "--insecure");
    assert!(config(&["listen", "0.0.0.0:9324", "insecure", ""], &[]).is_ok());
    assert!(config(&["listen", "[::1]:0"], &[]).is_ok());
    assert_eq!(config(&["listen", "localhost:1"], &[]).unwrap().listen.to_string(), "127.0.0.1:1");
}

#[test]
fn an_address_that_is_not_loopback_is_fine_with_a_key_or_a_token() {
    let token = "0123456789abcdefABCD-_";
    assert!(config(&["listen", "0.0.0.0:1", "key", "AKID:secret"], &[]).is_ok());
    assert!(config(&["listen", "0.0.0.0:1", "token", token], &[]).is_ok());
    refuses(&["listen", "0.0.0.0:1", "key", " "], "--key or --token protects them");
}

#[test]
fn no_secret_is_repeated() {
    let secret = "hunter2hunter2hunter2hunter2";
    let pair = format!("AKID:{secret}");
    for (arguments, words) in [
        (["key", &pair, "key", &pair], "--key: AKID: there is another key"),
        (["key", secret, "listen", "127.0.0.1:1"], "--key: it starts with ID:SECRET"),
        (["token", secret, "token", secret], "--token: number 2: the token is there already"),
        (["token", "hunter2", "listen", "127.0.0.1:1"], "--token: number 1: a token has 22"),
    ] {
        let error = config(&arguments, &[]).expect_err("it should be refused");
        assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
    }
    let options = Options {
        key: vec![pair.clone().into()],
        token: vec![secret.to_owned().into()],
        ..Options::default()
    };
    let shown = format!("{options:?} {:?}", config(&["key", &pair, "token", secret], &[]));
    assert!(shown.contains("AKID") && !shown.contains("hunter2"), "{shown}");
    for text in [
        "key = 3",
        "key = \"hunter2\"\nkey = \"hunter2\"",
        "token = [[\"hunter2\"]]",
        "key = { id = \"hunter2\" }",
        "admin-password = [\"hunter2\"]",
        "admin-password = { is = \"hunter2\" }",
    ] {
        let error = file::parse(text).expect_err(text);
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(file::parse("key = [\"a:b\", \"c:d\"]").unwrap().key.len(), 2);
    assert_eq!(file::parse("token = \"x\"").unwrap().token.len(), 1);
}

#[test]
fn the_password_of_the_admin_page_is_no_short_one_and_not_repeated() {
    let error = config(&["admin-password", "hunter2"], &[]).expect_err("7 characters");
    assert!(error.contains("--admin-password: a password has at least 8"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let config = config(&["admin-password", "hunter22"], &[]).unwrap();
    assert_eq!(config.admin_password.as_ref().map(Secret::reveal), Some("hunter22"));
    assert!(!format!("{config:?}").contains("hunter22"));
    let read = file::parse("admin-password = \"hunter22\"").unwrap();
    assert!(read.admin_password.is_some() && !format!("{read:?}").contains("hunter22"));
    assert!(file::parse("admin-password = 12345678").is_err());
    assert!(file::parse("").unwrap().admin_password.is_none());
}

#[test]
fn bad_values_give_one_line_that_names_the_option() {
    refuses(&["listen", "9324"], "--listen: ");
    refuses(&["redis-url", "localhost:6379"], "--redis-url: ");
    refuses(&["redis-url", "rediss://localhost"], "TLS");
    refuses(&["key-prefix", "a{b"], "--key-prefix: ");
    refuses(&["account", "12345678901"], "12 digits");
    refuses(&["base-url", "queues.example.org"], "--base-url: ");
    for no_port in ["http://127.0.0.1:99999", "http://localhost:", "http://[::1]:x"] {
        refuses(&["lambda-endpoint", no_port], "--lambda-endpoint: ");
    }
    for address in ["http://127.0.0.1:9001/path", "https://example.org", "http://[::1]:80"] {
        assert!(config(&["lambda-endpoint", address], &[]).is_ok(), "{address}");
    }
    refuses(&["sync-interval", "0"], "--sync-interval: ");
    refuses(&["sync-interval", "soon"], "\"off\"");
    refuses(&["lambda-profile", "cargo"], "--lambda-profile: \"cargo\" is none of auto, aws, ");
    for hops in ["-1", "many", "30001"] {
        refuses(&["max-hops", hops], "--max-hops: ");
    }
    refuses(&["sync-attributes", "daily"], "--sync-attributes: \"daily\" is neither");
    refuses(&["sync-sqs-endpoint", "localhost"], "--sync-sqs-endpoint: ");
    for cooldown in ["-1", "soon", "1.5", "86401"] {
        refuses(&["queue-cooldown", cooldown], "--queue-cooldown: ");
    }
    let off = config(&["queue-cooldown", "0"], &[]).unwrap();
    assert_eq!(off.queue_cooldown, Duration::ZERO);
}

#[test]
fn every_profile_has_a_name_and_the_guard_can_be_switched_off() {
    let given = |name: &str| config(&["lambda-profile", name], &[]).unwrap().lambda_profile;
    assert_eq!(given(""), None);
    for name in ["auto", "aws", "cargo-lambda", "serverless-offline", "sam", "rie", "localstack"] {
        assert_eq!(given(name).map(LambdaProfile::name), Some(name));
    }
    assert_eq!(given("ministack"), Some(LambdaProfile::Ministack));
    assert_eq!(config(&[], &[]).unwrap().max_hops, MAX_HOPS_DEFAULT);
    assert_eq!(config(&["max-hops", "0"], &[]).unwrap().max_hops, 0);
}

#[test]
fn queues_attributes_are_read_where_the_mappings_are_unless_told_otherwise() {
    let given = ["lambda-endpoint", "http://a:1", "sync-attributes", "always"];
    let read = config(&given, &[]).unwrap();
    assert_eq!(read.sync_attributes, SyncAttributes::Always);
    assert_eq!(read.sync_sqs_endpoint.as_deref(), Some("http://a:1"));
    let other = [&given[..], &["sync-sqs-endpoint", "https://b/"]].concat();
    assert_eq!(config(&other, &[]).unwrap().sync_sqs_endpoint.as_deref(), Some("https://b"));
}

#[test]
fn aws_is_asked_only_where_credentials_or_an_endpoint_say_so() {
    let with = |environment: &[(&str, &str)]| config(&[], environment).unwrap().sync_interval;
    assert_eq!(with(&[("AWS_PROFILE", "work")]), Some(SYNC_INTERVAL_DEFAULT));
    assert_eq!(with(&[("AWS_ACCESS_KEY_ID", "")]), None);
    assert_eq!(with(&[("HOME", "/nonexistent")]), None);
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(with(&[("AWS_SHARED_CREDENTIALS_FILE", path)]), Some(SYNC_INTERVAL_DEFAULT));
    let endpoint = ["lambda-endpoint", "http://127.0.0.1:4570/"];
    let given = config(&endpoint, &[]).unwrap();
    assert_eq!(given.lambda_endpoint.as_deref(), Some("http://127.0.0.1:4570"));
    assert_eq!(given.sync_interval, Some(SYNC_INTERVAL_DEFAULT));
    let off = config(&["sync-interval", "off"], &[("AWS_PROFILE", "work")]).unwrap();
    assert_eq!(off.sync_interval, None);
}

#[test]
fn a_function_is_read_whole() {
    let text = "hello=examples/hello,timeout=5,concurrency=2,memory=256,idle=60,\
                command=sh -c 'echo a,b'";
    let config = config(&["function", text, "function", "b=/b"], &[]).unwrap();
    assert_eq!(
        config.functions[0],
        FunctionSpec {
            name: "hello".to_owned(),
            directory: "examples/hello".into(),
            timeout: Some(Duration::from_secs(5)),
            concurrency: Some(2),
            memory: Some(256),
            idle: Some(Duration::from_mins(1)),
            command: Some("sh -c 'echo a,b'".to_owned()),
        }
    );
    assert_eq!(config.functions[1], FunctionSpec::new("b", "/b".into()));
}

#[test]
fn a_folder_of_functions_is_taken_and_an_empty_one_is_none() {
    let folder = |value| config(&["functions", value], &[]).unwrap().functions_folder;
    assert_eq!(folder("./functions"), Some("./functions".into()));
    assert_eq!(folder(""), None);
    let file = super::file::parse("functions = \"f\"").unwrap();
    assert_eq!(Options::default().or(file).functions.as_deref(), Some("f"));
}

#[test]
fn a_function_that_is_half_said_is_refused() {
    refuses(&["function", "hello"], "NAME=DIRECTORY");
    refuses(&["function", "he llo=d"], "not a function's name");
    refuses(&["function", "hello="], "directory");
    refuses(&["function", "hello=d,timeout=0"], "from 1 to 900");
    refuses(&["function", "hello=d,timout=1"], "timout");
    refuses(&["function", "hello=d,memory=127"], "from 128 to 10240");
    refuses(&["function", "hello=d,idle=0"], "from 1 to 604800");
    refuses(&["function", "hello=d,command= "], "command is empty");
    refuses(&["function", "a=b", "function", "a=c"], "another function");
}

#[test]
fn a_mapping_is_read_whole() {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:hello";
    let text = format!(
        "orders={arn},batch_size=100,window=2,timeout=7,concurrency=3,\
         report_batch_item_failures=true"
    );
    let config = config(&["map", &text, "map", "a=b"], &[]).unwrap();
    let expected = MappingSpec {
        queue: QueueName::parse("orders").unwrap(),
        function: arn.to_owned(),
        batch_size: Some(100),
        window: Some(Duration::from_secs(2)),
        timeout: Some(Duration::from_secs(7)),
        concurrency: Some(3),
        report_batch_item_failures: Some(FailureReport::PerMessage),
        filters: None,
        options: MappingOptions::default(),
    };
    assert_eq!(config.mappings[0], expected);
    assert_eq!(config.mappings[1].batch_size, None);
    assert_eq!(config.mappings[1].report_batch_item_failures, None);
}

#[test]
fn a_mapping_out_of_range_is_refused() {
    refuses(&["map", "orders"], "QUEUE=FUNCTION");
    refuses(&["map", "or ders=f"], "not a queue's name");
    for function in ["f/g", "arn:", "arn:aws:lambda:eu-west-1:111122223333:function:"] {
        let text = format!("orders={function}");
        refuses(&["map", &text], "neither a function's name nor an ARN");
    }
    refuses(&["map", "orders=f,filtered=move:orders"], "to where they are");
    refuses(&["map", "orders=f,batch_size=10001"], "from 1 to 10000");
    refuses(&["map", "orders=f,batch_size=11"], "window");
    refuses(&["map", "orders=f,window=301"], "from 0 to 300");
    refuses(&["map", "orders=f,report_batch_item_failures=yes"], "true, false, auto");
    refuses(&["map", "a=f", "map", "a=f"], "already");
}

#[test]
fn the_file_takes_every_option_and_no_unknown_one() {
    let text = "listen = \"127.0.0.1:1\"\nmap = [\"a=b\"]\nsync-interval = 60\ninsecure = true\n";
    let options = file::parse(text).unwrap();
    assert_eq!(options.listen.as_deref(), Some("127.0.0.1:1"));
    assert_eq!(options.sync_interval.as_deref(), Some("60"));
    assert_eq!(options.map, ["a=b"]);
    assert!(options.insecure);
    let error = file::parse("listen = \"127.0.0.1:1\"\nlistne = 1\n").unwrap_err();
    assert!(error.starts_with("line 2: ") && error.contains("listne"), "{error}");
    assert!(file::parse("listen = 3").is_err());
}

#[test]
fn the_command_line_wins_over_the_file() {
    let given = Options {
        listen: Some("127.0.0.1:1".to_owned()),
        map: vec!["a=b".to_owned()],
        ..Options::default()
    };
    let file =
        super::file::parse("listen = \"127.0.0.1:2\"\nmap = [\"c=d\"]\nregion = \"r\"").unwrap();
    let options = given.or(file);
    assert_eq!(options.listen.as_deref(), Some("127.0.0.1:1"));
    assert_eq!(options.map, ["a=b"]);
    assert_eq!(options.region.as_deref(), Some("r"));
}

/// A key in the environment may protect the address in the file, and only karin itself reads both.
#[test]
fn who_only_looks_at_queues_takes_from_the_file_where_they_are_and_nothing_else() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "listen = \"0.0.0.0:1\"\nkey-prefix = \"a:\"\nredis-url = \"unix:///a\"\n";
    std::fs::write(file.path(), text).unwrap();
    let config_file = Some(file.path().to_str().unwrap().to_owned());
    let given = Options {
        config: config_file.clone(),
        redis_url: Some("redis://127.0.0.1:1".to_owned()),
        ..Options::default()
    };
    let config = Config::of_queues(given).unwrap();
    assert_eq!(config.redis_url.unwrap().to_string(), "redis://127.0.0.1:1");
    assert_eq!(
        (config.key_prefix.as_str(), config.data_dir.to_str()),
        ("a:", Some(DATA_DIR_DEFAULT))
    );
    std::fs::write(file.path(), "key-prefix = \"{\"").unwrap();
    let given = Options { config: config_file, ..Options::default() };
    assert!(Config::of_queues(given).unwrap_err().to_string().contains("--key-prefix"));
}
