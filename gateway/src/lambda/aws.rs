//! Clients for AWS's Lambda API, or for an endpoint that speaks it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Credentials, SharedHttpClient, StalledStreamProtectionConfig};
use aws_smithy_http_client::{Builder, tls};
use tokio::sync::OnceCell;

use crate::config::{Config, LambdaProfile};
use crate::lambda::invoke::{Endpoint, Signer};
use crate::lambda::outcome::Refusal;
use crate::lambda::profile::Profile;

/// How long a page of a list may take.
const LIST_MAX: Duration = Duration::from_secs(30);
/// How long a question about a queue may take, and how often it is put: who sends to the queue
/// waits for it.
const QUEUE_MAX: Duration = Duration::from_secs(5);
const QUEUE_ATTEMPTS: u32 = 2;
/// Attempts of a call that only reads, with the SDK's pauses in between: a second, then twice as
/// long each time.
const ATTEMPTS: u32 = 4;
/// Where nothing says a region.
const REGION_DEFAULT: &str = "us-east-1";

/// Makes clients, when they are first needed: a gateway without AWS loads no certificates and
/// looks for no credentials. None heeds `AWS_ENDPOINT_URL`, nor `_LAMBDA` and `_SQS`: where our own
/// clients are at home, those are our own address.
#[derive(Debug)]
pub(super) struct Aws {
    endpoint: Option<String>,
    given_profile: LambdaProfile,
    region: Option<String>,
    sqs_endpoint: Option<String>,
    shared: OnceCell<SdkConfig>,
    invokers: Mutex<HashMap<String, Client>>,
    direct: OnceCell<Endpoint>,
}

impl Aws {
    /// Clients as the configuration has them.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            endpoint: config.lambda_endpoint.clone(),
            given_profile: config.lambda_profile.unwrap_or(LambdaProfile::Auto),
            region: config.region.clone(),
            sqs_endpoint: config.sync_sqs_endpoint.clone(),
            shared: OnceCell::new(),
            invokers: Mutex::default(),
            direct: OnceCell::new(),
        }
    }

    /// Clients for this endpoint.
    #[cfg(test)]
    pub(super) fn at(url: &str) -> Self {
        Self {
            endpoint: Some(url.to_owned()),
            given_profile: LambdaProfile::Auto,
            region: Some(REGION_DEFAULT.to_owned()),
            sqs_endpoint: Some(url.to_owned()),
            shared: OnceCell::new(),
            invokers: Mutex::default(),
            direct: OnceCell::new(),
        }
    }

    /// Whether calls go to an endpoint that was given, rather than to AWS itself.
    pub(super) fn is_custom(&self) -> bool {
        self.endpoint.is_some()
    }

    /// How AWS answers, or an endpoint with TLS, which nobody asks what it is.
    pub(super) fn profile(&self) -> &'static Profile {
        let given = if self.is_custom() { self.given_profile } else { LambdaProfile::Aws };
        Profile::of(given).unwrap_or_else(Profile::unknown)
    }

    /// The endpoint to speak to without the SDK: one without TLS. `None`: there is none.
    pub(super) async fn endpoint(&self) -> Option<&Endpoint> {
        let url = self.plain_endpoint()?;
        let direct = self.direct.get_or_init(|| async {
            let shared = self.shared().await;
            let credentials = match shared.credentials_provider() {
                Some(provider) => provider.provide_credentials().await.ok(),
                None => None,
            };
            let signer = Signer::new(credentials.unwrap_or_else(nobody));
            Endpoint::new(url, self.given_profile, self.region().await, signer)
        });
        Some(direct.await)
    }

    /// At most this many invocations at a time, of all functions together, as far as is known
    /// now. `None`: no bound.
    pub(super) fn concurrency_max(&self) -> Option<u32> {
        let given = self.plain_endpoint().and_then(|_| Profile::of(self.given_profile));
        let profile = given.or_else(|| self.direct.get()?.known())?;
        profile.is_serial.then_some(1)
    }

    /// Whether there are mappings and functions to list. Errors: the endpoint cannot be asked what
    /// it is.
    pub(super) async fn lists(&self) -> Result<bool, Refusal> {
        match self.endpoint().await {
            Some(endpoint) => Ok(endpoint.profile().await?.lists),
            None => Ok(true),
        }
    }

    fn plain_endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref().filter(|url| url.starts_with("http://"))
    }

    /// The region that is read and that functions without one in their name are in.
    pub(super) async fn region(&self) -> &str {
        self.shared().await.region().map_or(REGION_DEFAULT, Region::as_ref)
    }

    /// The client for lists, which retries.
    pub(super) async fn control(&self) -> Client {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(LIST_MAX).build();
        let mut config = aws_sdk_lambda::Config::from(self.shared().await).to_builder();
        config.set_endpoint_url(self.endpoint.clone());
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        Client::from_conf(config.timeout_config(timeouts).retry_config(retries).build())
    }

    /// The client for looking at AWS's queues in a region.
    pub(super) async fn sqs(&self, region: &str) -> aws_sdk_sqs::Client {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(QUEUE_MAX).build();
        let retries = RetryConfig::standard().with_max_attempts(QUEUE_ATTEMPTS);
        let mut config = aws_sdk_sqs::Config::from(self.shared().await).to_builder();
        config.set_endpoint_url(self.sqs_endpoint.clone());
        config.set_region(Some(Region::new(region.to_owned())));
        let config = config.timeout_config(timeouts).retry_config(retries);
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// The client for invoking in the region of `function`, if that is an ARN. It never retries:
    /// a repeated Invoke runs the function again (esm-contract, fact 12).
    pub(super) async fn invoker(&self, function: &str) -> Client {
        let (shared, home) = (self.shared().await, self.region().await);
        let region = function.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2));
        let region = region.filter(|r| !r.is_empty()).unwrap_or(home);
        let mut invokers = self.invokers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = invokers.get(region) {
            return client.clone();
        }
        let mut config = aws_sdk_lambda::Config::from(shared).to_builder();
        config.set_endpoint_url(self.endpoint.clone());
        config.set_region(Some(Region::new(region.to_owned())));
        let config = config.retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.build());
        invokers.insert(region.to_owned(), client.clone());
        client
    }

    async fn shared(&self) -> &SdkConfig {
        self.shared.get_or_init(|| self.load()).await
    }

    async fn load(&self) -> SdkConfig {
        let is_plain =
            |url: &Option<String>| url.as_deref().is_some_and(|u| u.starts_with("http:"));
        let plain = self.plain_endpoint().is_some();
        // A slow function's answer is a stalled stream to the SDK; the timeouts bound it instead.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client(plain && is_plain(&self.sqs_endpoint)))
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if plain {
            // Such an endpoint checks no signature, and must not make us ask the network for keys.
            loader = loader.credentials_provider(
                CredentialsProviderChain::first_try(
                    "Environment",
                    EnvironmentVariableCredentialsProvider::new(),
                )
                .or_else("None", nobody()),
            );
        }
        let config = loader.load().await;
        if config.region().is_some() {
            return config;
        }
        config.into_builder().region(Region::new(REGION_DEFAULT)).build()
    }
}

fn nobody() -> Credentials {
    Credentials::new("karin", "karin", None, None, "karin")
}

fn http_client(plain: bool) -> SharedHttpClient {
    if plain {
        return Builder::new().build_http();
    }
    Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}
