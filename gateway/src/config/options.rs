//! What can be written, on the command line, in the environment and in the file.

use serde::Deserialize;

use crate::auth::Secret;

/// karin: Amazon SQS on your own Redis, and the trigger that invokes Lambda functions.
///
/// Every option can also be given as the environment variable shown with it, and in the
/// configuration file under its long name without the dashes (key-prefix = "karin:"). The command
/// line wins over the environment, the environment over the file.
#[derive(Debug, Clone, Default, clap::Parser, Deserialize)]
#[command(name = "karin", max_term_width = 100)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// The configuration file (TOML) [default: karin.toml, if there is one]
    #[arg(long, env = "KARIN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<String>,
    /// Where to listen for SQS clients; port 0 takes a free port [default: 127.0.0.1:9324]
    #[arg(long, env = "KARIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// The Redis to use: redis://[USER:PASSWORD@]HOST:PORT[/DATABASE] or unix:///PATH. It must
    /// have the module loaded [default: karin starts a Redis of its own]
    #[arg(long, env = "KARIN_REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// The redis-server program of karin's own Redis [default: redis-server, from the PATH]
    #[arg(long, env = "KARIN_REDIS_SERVER", value_name = "PROGRAM")]
    pub redis_server: Option<String>,
    /// The module that karin's own Redis loads [default: libkarin.so next to the karin binary, or
    /// in ../lib/karin]
    #[arg(long, env = "KARIN_MODULE", value_name = "FILE")]
    pub module: Option<String>,
    /// Where karin's own Redis keeps the queues [default: ./karin-data]
    #[arg(long, env = "KARIN_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Queue "orders" is the Redis key "<prefix>{orders}" [default: karin:]
    #[arg(long, env = "KARIN_KEY_PREFIX", value_name = "PREFIX")]
    pub key_prefix: Option<String>,
    /// The region in QueueUrls and ARNs [default: that of the first mapping read from AWS, else
    /// us-east-1]
    #[arg(long, env = "KARIN_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// The account in QueueUrls and ARNs [default: that of the first mapping read from AWS, else
    /// 000000000000]
    #[arg(long, env = "KARIN_ACCOUNT", value_name = "12 DIGITS")]
    pub account: Option<String>,
    /// What QueueUrls start with, such as https://queues.example.org [default: the Host the
    /// client asked for]
    #[arg(long, env = "KARIN_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,
    /// Know only the own account: QueueUrls and ARNs of another one, and ARNs of another region,
    /// name no queue here
    #[arg(long, env = "KARIN_STRICT_ACCOUNT")]
    pub strict_account: bool,
    /// How long after its deletion a queue cannot be created again, and after a purge not be
    /// purged again, in seconds; 0 switches both off [default: 60]
    #[arg(long, env = "KARIN_QUEUE_COOLDOWN", value_name = "SECONDS")]
    #[serde(deserialize_with = "number_or_text")]
    pub queue_cooldown: Option<String>,
    /// Read mappings from, and invoke functions at, this Lambda endpoint instead of AWS's
    #[arg(long, env = "KARIN_LAMBDA_ENDPOINT", value_name = "URL")]
    pub lambda_endpoint: Option<String>,
    /// What answers at the Lambda endpoint: auto, aws, cargo-lambda, serverless-offline, sam, rie,
    /// localstack or ministack [default: auto, which asks it]
    #[arg(long, env = "KARIN_LAMBDA_PROFILE", value_name = "PROFILE")]
    pub lambda_profile: Option<String>,
    /// How often a chain of messages, each sent by the run its predecessor caused, may run one
    /// function; 0 for without end [default: 16]
    #[arg(long, env = "KARIN_MAX_HOPS", value_name = "NUMBER")]
    #[serde(deserialize_with = "number_or_text")]
    pub max_hops: Option<String>,
    /// A function run on this machine: DIR/bootstrap, or a command started in DIR (it must come
    /// last and runs to the end of the value). Further options: memory=MEGABYTES, idle=SECONDS.
    /// Repeatable; in the environment one a line
    #[arg(
        long,
        env = "KARIN_FUNCTION",
        value_delimiter = '\n',
        value_name = "NAME=DIR[,timeout=SECONDS][,concurrency=N][,command=COMMAND]"
    )]
    pub function: Vec<String>,
    /// A folder of functions run on this machine: each directory in it that has a program named
    /// bootstrap, or a function.toml with a command
    #[arg(long, env = "KARIN_FUNCTIONS", value_name = "DIR")]
    pub functions: Option<String>,
    /// Invoke FUNCTION, a name or an ARN, with the messages of QUEUE. Further options:
    /// window=SECONDS, timeout=SECONDS, concurrency=N, report_batch_item_failures=true|auto,
    /// retry=backoff[:MIN:MAX], isolate=N, filtered=keep|move:QUEUE, acknowledge=function,
    /// malformed_report=success, fifo_failure=rest_of_group, filter=PATTERN (last; JSON). See
    /// docs/lambda.md. Repeatable; in the environment one a line
    #[arg(
        long,
        env = "KARIN_MAP",
        value_delimiter = '\n',
        value_name = "QUEUE=FUNCTION[,batch_size=N][,...]"
    )]
    pub map: Vec<String>,
    /// How often mappings are read from AWS, in seconds, or "off" [default: 300 if there is a
    /// Lambda endpoint or AWS credentials, else off]
    #[arg(long, env = "KARIN_SYNC_INTERVAL", value_name = "SECONDS|off")]
    #[serde(deserialize_with = "number_or_text")]
    pub sync_interval: Option<String>,
    /// When a queue takes over what its namesake on AWS has (attributes, tags, dead-letter queue):
    /// "once", when a mapping makes it; "always", at each reading; or "never" [default: once]
    #[arg(long, env = "KARIN_SYNC_ATTRIBUTES", value_name = "once|always|never")]
    pub sync_attributes: Option<String>,
    /// Where that is read, instead of AWS's SQS [default: the Lambda endpoint, if one is given]
    #[arg(long, env = "KARIN_SYNC_SQS_ENDPOINT", value_name = "URL")]
    pub sync_sqs_endpoint: Option<String>,
    /// An access key that requests must be signed with, and what it may do. Patterns may hold "*".
    /// Repeatable; in the environment one a line
    #[arg(
        long,
        env = "KARIN_KEY",
        hide_env_values = true,
        value_delimiter = '\n',
        value_name = "ID:SECRET[,actions=SendMessage|...][,queues=orders|...]"
    )]
    #[serde(deserialize_with = "secrets")]
    pub key: Vec<Secret>,
    /// A token, 22 characters or more, for those who cannot sign: the endpoint URL ends with
    /// "/~TOKEN". Repeatable; in the environment one a line
    #[arg(
        long,
        env = "KARIN_TOKEN",
        hide_env_values = true,
        value_delimiter = '\n',
        value_name = "TOKEN[,actions=...][,queues=...]"
    )]
    #[serde(deserialize_with = "secrets")]
    pub token: Vec<Secret>,
    /// The password of the admin page at /admin, 8 characters or more. Without one the page is
    /// open where everything else is, and closed where there are keys or tokens
    #[arg(long, env = "KARIN_ADMIN_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    #[serde(deserialize_with = "secret")]
    pub admin_password: Option<Secret>,
    /// Of which invocations the events and answers are kept for the admin page, to be looked at and
    /// run again: "none", "failed" or "all" [default: failed]
    #[arg(long, env = "KARIN_KEEP_PAYLOADS", value_name = "none|failed|all")]
    pub keep_payloads: Option<String>,
    /// How long karin goes on answering once it was told to end, in seconds: /readyz says at once
    /// that it leaves, so that load balancers and clients turn to another gateway [default: 0]
    #[arg(long, env = "KARIN_SHUTDOWN_GRACE", value_name = "SECONDS")]
    #[serde(deserialize_with = "number_or_text")]
    pub shutdown_grace: Option<String>,
    /// What to log: a level, or levels by part, such as info,karin_gateway=debug [default: info]
    #[arg(long, env = "KARIN_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How the log is written: "text" or "json", one object a line [default: text]
    #[arg(long, env = "KARIN_LOG_FORMAT", value_name = "text|json")]
    pub log_format: Option<String>,
    /// Listen on an address that is not loopback although no key and no token protects it
    #[arg(long, env = "KARIN_INSECURE")]
    pub insecure: bool,
}

impl Options {
    /// These options, and `other`'s where these have nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            config: self.config.or(other.config),
            listen: self.listen.or(other.listen),
            redis_url: self.redis_url.or(other.redis_url),
            redis_server: self.redis_server.or(other.redis_server),
            module: self.module.or(other.module),
            data_dir: self.data_dir.or(other.data_dir),
            key_prefix: self.key_prefix.or(other.key_prefix),
            region: self.region.or(other.region),
            account: self.account.or(other.account),
            base_url: self.base_url.or(other.base_url),
            strict_account: self.strict_account || other.strict_account,
            queue_cooldown: self.queue_cooldown.or(other.queue_cooldown),
            lambda_endpoint: self.lambda_endpoint.or(other.lambda_endpoint),
            lambda_profile: self.lambda_profile.or(other.lambda_profile),
            max_hops: self.max_hops.or(other.max_hops),
            function: list(self.function, other.function),
            functions: self.functions.or(other.functions),
            map: list(self.map, other.map),
            sync_interval: self.sync_interval.or(other.sync_interval),
            sync_attributes: self.sync_attributes.or(other.sync_attributes),
            sync_sqs_endpoint: self.sync_sqs_endpoint.or(other.sync_sqs_endpoint),
            key: list(self.key, other.key),
            token: list(self.token, other.token),
            admin_password: self.admin_password.or(other.admin_password),
            keep_payloads: self.keep_payloads.or(other.keep_payloads),
            shutdown_grace: self.shutdown_grace.or(other.shutdown_grace),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
            insecure: self.insecure || other.insecure,
        }
    }

    /// An empty value means "not given": that is what composed environments hand over. Only an
    /// empty key prefix means something.
    pub(super) fn without_empty(mut self) -> Self {
        for (name, option) in self.texts() {
            if name != "key-prefix" && option.as_deref().is_some_and(str::is_empty) {
                *option = None;
            }
        }
        self.admin_password = self.admin_password.filter(|password| !password.reveal().is_empty());
        self.function.retain(|f| !f.trim().is_empty());
        self.map.retain(|m| !m.trim().is_empty());
        self.key.retain(|key| !key.reveal().trim().is_empty());
        self.token.retain(|token| !token.reveal().trim().is_empty());
        self
    }

    /// Takes back what was said of the option of this long name. Returns whether anything was.
    pub(crate) fn forget(&mut self, option: &str) -> bool {
        fn clear<T>(list: &mut Vec<T>) -> bool {
            !std::mem::take(list).is_empty()
        }
        match option {
            "function" => clear(&mut self.function),
            "map" => clear(&mut self.map),
            "key" => clear(&mut self.key),
            "token" => clear(&mut self.token),
            name => {
                let mut texts = self.texts().into_iter();
                let text = texts.find(|(other, _)| *other == name);
                text.and_then(|(_, text)| text.take()).is_some()
            }
        }
    }

    /// The options that are one text and no secret, by their long names.
    fn texts(&mut self) -> [(&'static str, &mut Option<String>); 21] {
        [
            ("listen", &mut self.listen),
            ("redis-url", &mut self.redis_url),
            ("redis-server", &mut self.redis_server),
            ("module", &mut self.module),
            ("data-dir", &mut self.data_dir),
            ("key-prefix", &mut self.key_prefix),
            ("region", &mut self.region),
            ("account", &mut self.account),
            ("base-url", &mut self.base_url),
            ("queue-cooldown", &mut self.queue_cooldown),
            ("lambda-endpoint", &mut self.lambda_endpoint),
            ("lambda-profile", &mut self.lambda_profile),
            ("max-hops", &mut self.max_hops),
            ("functions", &mut self.functions),
            ("sync-interval", &mut self.sync_interval),
            ("sync-attributes", &mut self.sync_attributes),
            ("sync-sqs-endpoint", &mut self.sync_sqs_endpoint),
            ("keep-payloads", &mut self.keep_payloads),
            ("shutdown-grace", &mut self.shutdown_grace),
            ("log", &mut self.log),
            ("log-format", &mut self.log_format),
        ]
    }
}

/// The own list unless it is empty.
fn list<T>(own: Vec<T>, other: Vec<T>) -> Vec<T> {
    if own.is_empty() { other } else { own }
}

/// One secret. What it says of anything else does not repeat it.
fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text")]
    enum Written {
        Text(Secret),
    }
    let Written::Text(secret) = Written::deserialize(deserializer)?;
    Ok(Some(secret))
}

/// A list of secrets, or a single one. What it says of anything else does not repeat it.
fn secrets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of texts")]
    enum Written {
        One(Secret),
        Many(Vec<Secret>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(secret) => vec![secret],
        Written::Many(secrets) => secrets,
    })
}

/// `sync-interval = 300` reads as well as `sync-interval = "off"` and `queue-cooldown = "60"`.
fn number_or_text<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number of seconds or \"off\"")]
    enum Written {
        Number(u64),
        Text(String),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    }))
}
