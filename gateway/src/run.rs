//! karin from start to stop.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    join,
    net::TcpListener,
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::{
    actions::Sqs,
    admin::{Access, Admin, InForce, Inside},
    auth::{Auth, TokenSpec},
    browser::{BrowserRule, Reach},
    config::Config,
    data_dir::{DataDir, DataDirError},
    embedded::{Embedded, EmbeddedError, EmbeddedOptions},
    history::Recorder,
    http::{self, App},
    identity::Identity,
    lambda,
    metrics::{Metrics, Requests, Sources},
    queues::{ArnMaker, ConnectError, MoveTasks, Queues, QueuesOptions, RedisAddress},
    shutdown::{self, Shutdown, Stop},
    systemd::{self, Manager},
};

/// The module's file next to the binary.
const MODULE_FILE: &str = if cfg!(target_os = "macos") { "libkarin.dylib" } else { "libkarin.so" };

/// Open files: all connections, and as much again for functions and the rest.
const FILES_WANTED: u64 = 2 * http::CONNECTIONS_MAX as u64;

/// Why karin ended although nobody told it to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The socket that was handed over cannot be used.
    #[error("the socket handed over cannot be listened on: {0}")]
    HandedOver(io::Error),
    /// The socket that was handed over lets in who should not be let in.
    #[error(
        "the socket handed over listens on {0}, which is not a loopback address, and there are no \
         keys, so anybody who reaches it could read and delete messages; --key or --token protects \
         them, --insecure allows it"
    )]
    Unprotected(SocketAddr),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The embedded Redis.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The given Redis.
    #[error(transparent)]
    Redis(#[from] ConnectError),
    /// Something of the operating system.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Runs karin until SIGTERM or SIGINT; a second one ends it at once.
pub async fn run(config: Config) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    #[cfg(feature = "otel")]
    crate::otel::start().map_err(io::Error::other)?;
    let manager = Manager::of_environment();
    raise_file_limit();
    let (stop, shutdown) = shutdown::channel();
    let karin = std::env::current_exe()?;
    let listener = listener(&config).await?;
    let address = listener.local_addr()?;
    let data = data_dir(&config)?;
    let grace = config.shutdown_grace;
    let starting = start(config, address, data, karin, listener, shutdown);
    let running = select! {
        running = starting => running?,
        () = signals.next() => return Ok(()),
    };
    manager.ready();
    let _watchdog = manager.keep_alive();
    let result = loop {
        select! {
            () = ended(&mut signals.terminate, &mut signals.interrupt) => break Ok(()),
            error = running.failed() => break Err(error),
            _ = signals.report.recv() => {
                let control = running.lambda.control().clone();
                tokio::spawn(async move { control.report().await });
            }
        }
    };
    tracing::info!("stopping");
    manager.stopping();
    select! {
        () = running.stop(&stop, grace) => {}
        () = signals.next() => tracing::warn!("told twice; not waiting any longer"),
    }
    #[cfg(feature = "otel")]
    crate::otel::stop().await;
    result
}

/// The parts that stop in an order.
struct Running {
    server: tokio::task::JoinHandle<()>,
    lambda: lambda::Lambda,
    move_tasks: MoveTasks,
    history: Recorder,
    embedded: Option<Embedded>,
    _data: Option<DataDir>,
}

async fn start(
    config: Config,
    address: SocketAddr,
    data: Option<DataDir>,
    karin: PathBuf,
    listener: TcpListener,
    shutdown: Shutdown,
) -> Result<Running, RunError> {
    let holder = data.as_ref().map(DataDir::instance).transpose()?;
    let module = module(&config, &karin);
    let embedded = match (&config.redis_url, &data) {
        (None, Some(data)) => {
            let server = config.redis_server.clone();
            let options = EmbeddedOptions { server, module: module.clone(), karin: karin.clone() };
            Some(Embedded::start(data, options).await?)
        }
        _ => None,
    };
    let redis = match (&config.redis_url, &embedded) {
        (Some(url), _) => RedisAddress::Url(url.clone()),
        (None, Some(embedded)) => RedisAddress::Socket(embedded.socket().to_owned()),
        // Without a URL there is a data directory, and with it an embedded Redis.
        (None, None) => return Err(io::Error::other("no Redis").into()),
    };
    let hint = redis_cli(&redis, &config);
    let in_force = InForce::new(&config, address, redis_place(&redis));
    let identity =
        Identity::new(config.account.clone(), config.region.clone(), config.base_url.clone())
            .with_strict_account(config.strict_account);
    let names = identity.clone();
    let options = QueuesOptions {
        address: redis,
        key_prefix: config.key_prefix.clone(),
        module,
        arns: ArnMaker::new(move |queue| names.queue_arn(queue)),
    };
    let queues = Queues::connect(options, shutdown.clone()).await?;
    lambda::make_queues(&queues, &config, &identity).await;
    let (auth, endpoint) = auth(&config, address)?;
    let reached = (address, endpoint.as_str());
    let lambda =
        lambda::start(queues.clone(), &config, holder, identity.clone(), reached, Some(&karin))?;
    let move_tasks = MoveTasks::start(queues.clone(), shutdown.clone());
    let reach = if address.ip().is_loopback() { Reach::Loopback } else { Reach::Beyond };
    let browsers = BrowserRule::new(reach, config.base_url.as_deref());
    let sqs = Sqs::new(queues.clone(), identity, config.queue_cooldown);
    let history = Recorder::new(queues.clone(), lambda.control().clone());
    history.start();
    let admin_requests = Arc::new(Requests::new("admin", ["GET", "POST"]));
    let sources = Sources {
        queues: queues.clone(),
        control: lambda.control().clone(),
        company: lambda.company().clone(),
        requests: Sources::requests(&sqs, lambda.api(), &admin_requests),
    };
    let metrics = Metrics::new(sources, config.admin_password.as_ref());
    let inside = Inside {
        queues,
        sqs: sqs.clone(),
        control: lambda.control().clone(),
        lambda: lambda.api().clone(),
        history: history.clone(),
        in_force,
    };
    let access = Access::new(config.admin_password.clone(), auth.is_open());
    let admin = Admin::new(inside, access, config.base_url.clone());
    let admin = (admin, admin_requests);
    let app = App::new(sqs, lambda.api().clone(), admin, metrics, auth, browsers);
    let ready =
        format!("karin is listening on http://{address}\nA message from Redis's side: {hint}\n");
    // Nobody may be reading it; karin works all the same.
    let _ = io::stdout().write_all(ready.as_bytes()).and_then(|()| io::stdout().flush());
    let server = tokio::spawn(http::serve(listener, app, shutdown));
    Ok(Running { server, lambda, move_tasks, history, embedded, _data: data })
}

impl Running {
    async fn failed(&self) -> RunError {
        match &self.embedded {
            Some(embedded) => embedded.failed().await.into(),
            None => std::future::pending().await,
        }
    }

    /// First functions finish, which may send to us until then, and clients get `grace` to find
    /// another gateway; then requests and move tasks; then their Redis.
    async fn stop(self, stop: &Stop, grace: Duration) {
        let Self { server, lambda, move_tasks, history, embedded, _data } = self;
        stop.announce();
        join!(lambda.stop(), sleep(grace));
        history.finish().await;
        stop.request();
        if let Err(error) = server.await {
            tracing::error!("the server ended: {error}");
        }
        move_tasks.stopped().await;
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
    }
}

/// Each connection is a file, and the usual limit of 1,024 is there for programs of the past that
/// cannot count further. Failing is no harm: then fewer connections are let in.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES_WANTED, |maximum| maximum.min(FILES_WANTED));
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = Rlimit { current: Some(wanted), ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// The socket that was handed over, else one of our own. Connections to the former wait in the
/// kernel's queue while one karin ends and the next one starts.
async fn listener(config: &Config) -> Result<TcpListener, RunError> {
    if let Some(listener) = systemd::listener().map_err(RunError::HandedOver)? {
        let address = listener.local_addr().map_err(RunError::HandedOver)?;
        if !config.may_listen_on(address) {
            return Err(RunError::Unprotected(address));
        }
        return TcpListener::from_std(listener).map_err(RunError::HandedOver);
    }
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })
}

/// The embedded Redis cannot do without the directory. With a given one it only holds the number
/// leases of local functions are taken under, and karin runs without.
fn data_dir(config: &Config) -> Result<Option<DataDir>, DataDirError> {
    let runs_functions = !config.functions.is_empty() || config.functions_folder.is_some();
    if config.redis_url.is_some() && !runs_functions {
        return Ok(None);
    }
    match DataDir::open(&config.data_dir) {
        Ok(data) => Ok(Some(data)),
        Err(error) if config.redis_url.is_some() => {
            tracing::warn!(
                "{error}; should karin be killed, what its functions were running comes back \
                 only when the leases end"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Where the module's file is: as configured, else next to the binary, else where an installation
/// has it, `bin/karin` and `lib/karin/libkarin.so`.
pub(crate) fn module(config: &Config, karin: &std::path::Path) -> PathBuf {
    let beside = || {
        let beside = karin.with_file_name(MODULE_FILE);
        let prefix = karin.parent().and_then(std::path::Path::parent);
        let installed = prefix.map(|prefix| prefix.join("lib/karin").join(MODULE_FILE));
        installed.filter(|file| file.is_file() && !beside.is_file()).unwrap_or(beside)
    };
    config.module.clone().unwrap_or_else(beside)
}

/// Who is let in, and the endpoint of our own functions: where there are keys or tokens, with a
/// token of theirs, made anew at each start and told to nobody else.
fn auth(config: &Config, address: SocketAddr) -> Result<(Auth, String), RunError> {
    let endpoint = format!("http://{}", reachable(address));
    if config.keys.is_empty() && config.tokens.is_empty() {
        return Ok((Auth::default(), endpoint));
    }
    let own = TokenSpec::random()?;
    let endpoint = endpoint + &own.prefix();
    let tokens: Vec<_> = config.tokens.iter().cloned().chain([own]).collect();
    Ok((Auth::new(&config.keys, &tokens), endpoint))
}

/// Where processes on this machine reach us.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return (IpAddr::from(Ipv4Addr::LOCALHOST), address.port()).into();
    }
    address
}

/// Where Redis is, for people: without a password.
fn redis_place(redis: &RedisAddress) -> String {
    match redis {
        RedisAddress::Socket(path) => format!("unix://{}", path.display()),
        RedisAddress::Url(url) => url.to_string(),
    }
}

/// The line to paste for a message from Redis's side.
fn redis_cli(redis: &RedisAddress, config: &Config) -> String {
    let queue = config.mappings.first().map_or("orders", |mapping| mapping.queue.as_str());
    let target = match redis {
        RedisAddress::Socket(path) => format!("-s {}", path.display()),
        RedisAddress::Url(url) => {
            let url = url.to_string();
            match url.split_once("unix://") {
                Some((_, path)) => format!("-s {path}"),
                None => format!("-u {url}"),
            }
        }
    };
    format!("redis-cli {target} KARIN.SEND '{}{{{queue}}}' hi", config.key_prefix)
}

/// SIGTERM and SIGINT, which end karin, and SIGUSR1, which has it report.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    report: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            report: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) {
        ended(&mut self.terminate, &mut self.interrupt).await;
    }
}

async fn ended(terminate: &mut Signal, interrupt: &mut Signal) {
    select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
