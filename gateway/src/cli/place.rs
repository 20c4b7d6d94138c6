//! Where the queues are that a command looks at.

use std::{io, path::Path};

use super::CliError;
use crate::{
    config::{Config, Options},
    embedded::Embedded,
    queues::{ArnMaker, QueueName, Queues, QueuesOptions, RedisAddress},
    run::module,
    shutdown,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where the queues are")]
pub(super) struct Place {
    /// The configuration file (TOML) [default: karin.toml, if there is one]
    #[arg(long, env = "KARIN_CONFIG", value_name = "FILE")]
    config: Option<String>,
    /// The Redis with the queues [default: that of the karin that runs on the data directory]
    #[arg(long, env = "KARIN_REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis_url: Option<String>,
    /// Where the running karin's own Redis keeps the queues [default: ./karin-data]
    #[arg(long, env = "KARIN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,
    /// Queue "orders" is the Redis key "<prefix>{orders}" [default: karin:]
    #[arg(long, env = "KARIN_KEY_PREFIX", value_name = "PREFIX")]
    key_prefix: Option<String>,
}

impl Place {
    /// The configuration as far as it says where the queues are; `before`: what stood before the
    /// command.
    pub(super) fn config(self, before: Options) -> Result<Config, CliError> {
        let Self { config, redis_url, data_dir, key_prefix } = self;
        let own = Options { config, redis_url, data_dir, key_prefix, ..Options::default() };
        Ok(Config::of_queues(own.or(before))?)
    }
}

/// Connects to look only.
pub(super) async fn connect(config: &Config) -> Result<Queues, CliError> {
    let address = match &config.redis_url {
        Some(url) => RedisAddress::Url(url.clone()),
        None => RedisAddress::Socket(socket(&config.data_dir)?),
    };
    let module = module(config, &std::env::current_exe()?);
    // No dead letter is brought anywhere, so none asks where it came from.
    let arns = ArnMaker::new(QueueName::to_string);
    let key_prefix = config.key_prefix.clone();
    let options = QueuesOptions { address, key_prefix, module, arns };
    let (_stop, shutdown) = shutdown::channel();
    Ok(Queues::connect_to_look(options, shutdown).await?)
}

fn socket(data_dir: &Path) -> Result<std::path::PathBuf, CliError> {
    let no_data = |why: &io::Error| {
        CliError::Failed(format!(
            "{}: {why}; karin must be running on this --data-dir, or its Redis be named with \
             --redis-url",
            data_dir.display()
        ))
    };
    let socket = Embedded::socket_in(data_dir).map_err(|error| no_data(&error))?;
    // One that was killed leaves its socket behind; that is found out by connecting.
    socket.metadata().map_err(|error| no_data(&error))?;
    Ok(socket)
}
