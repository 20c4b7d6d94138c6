//! An endpoint other than AWS that answers Lambda's Invoke, without TLS: a tool on this machine or
//! in the neighbourhood. We speak to it ourselves, because its answers are to be seen as they are
//! (esm-contract §8).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::config::LambdaProfile;
use crate::lambda::invoke::wire::{Silence, Wire};
use crate::lambda::invoke::{ANSWER_MARGIN, ASK_MAX, Call, Kind, Signer, TRACE_HEADER, too_late};
use crate::lambda::outcome::{Answer, Fault, Refusal, Told};
use crate::lambda::profile::{NO_FUNCTION, Profile, Reply, in_path, recognise};

const INVOCATION_TYPE: &str = "x-amz-invocation-type";

/// The endpoint.
#[derive(Debug)]
pub(in crate::lambda) struct Endpoint {
    /// Without a slash at the end.
    url: String,
    region: String,
    signer: Signer,
    wire: Wire,
    given: Option<&'static Profile>,
    found: Mutex<Option<&'static Profile>>,
    asking: tokio::sync::Mutex<()>,
    /// For tools that run one function at a time.
    alone: Semaphore,
}

impl Endpoint {
    /// The endpoint at `url`; `region` is the one of functions without a region in their name.
    pub(in crate::lambda) fn new(
        url: &str,
        profile: LambdaProfile,
        region: &str,
        signer: Signer,
    ) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            signer,
            wire: Wire::new(),
            given: Profile::of(profile),
            found: Mutex::new(None),
            asking: tokio::sync::Mutex::new(()),
            alone: Semaphore::new(1),
        }
    }

    /// What answers here: as configured, else as it shows when it is asked, which is done once
    /// until it is away. Errors: it is away, or no Lambda endpoint.
    pub(in crate::lambda) async fn profile(&self) -> Result<&'static Profile, Refusal> {
        if let Some(profile) = self.known() {
            return Ok(profile);
        }
        let _one_asks = self.asking.lock().await;
        if let Some(profile) = self.known() {
            return Ok(profile);
        }
        let profile = recognise(&self.dry_run(NO_FUNCTION, &self.region).await?)?;
        tracing::info!(endpoint = self.url, profile = profile.name, "a Lambda endpoint was found");
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(profile);
        Ok(profile)
    }

    /// The profile, if it is known without asking.
    pub(in crate::lambda) fn known(&self) -> Option<&'static Profile> {
        self.given.or_else(|| *self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a function, a name or an ARN, and waits for what it answers.
    pub(super) async fn invoke(&self, function: &str, call: Call) -> Told {
        let profile = match self.profile().await {
            Ok(profile) => profile,
            Err(refusal) => return Answer::Refused(refusal).into(),
        };
        // To ask it what it is may have taken a while.
        if Instant::now() >= call.start_by {
            return too_late().into();
        }
        let turn = if profile.is_serial {
            match timeout_at(call.start_by.into(), self.alone.acquire()).await {
                Ok(turn) => turn.ok(),
                Err(_) => return Answer::Refused(busy(profile)).into(),
            }
        } else {
            None
        };
        let invocation_type = match call.kind {
            Kind::Wait => "RequestResponse",
            Kind::Handover => "Event",
        };
        let headers = [
            (INVOCATION_TYPE, Some(invocation_type)),
            (TRACE_HEADER, call.trace_header.as_deref()),
        ];
        let patience = call.timeout + ANSWER_MARGIN;
        let (name, region) = (profile.name_of(function), self.region_of(function));
        let reply = self.post(name, region, &headers, call.event, patience).await;
        drop(turn);
        let answer = match reply {
            Ok(Ok(mut reply)) => {
                let request_id = reply.request_id.take().unwrap_or_default();
                return Told { request_id, ..profile.answer(reply, call.kind).into() };
            }
            Ok(Err(Silence::NotSent(why))) => Answer::Refused(self.away(&why)),
            Ok(Err(Silence::Lost(reason))) => Answer::Unknown { reason },
            Err(refusal) => Answer::Refused(refusal),
        };
        answer.into()
    }

    /// Whether the function could be invoked now, without running it; `None` if so, or if only an
    /// invocation can tell.
    pub(super) async fn probe(&self, function: &str) -> Option<Refusal> {
        let profile = match self.profile().await {
            Ok(profile) => profile,
            Err(refusal) => return Some(refusal),
        };
        if !profile.has_dry_run {
            return None;
        }
        match self.dry_run(profile.name_of(function), self.region_of(function)).await {
            Ok(reply) if reply.status == 204 => None,
            Ok(reply) => match profile.answer(reply, Kind::Wait) {
                Answer::Refused(refusal) => Some(refusal),
                _ => None,
            },
            Err(refusal) => Some(refusal),
        }
    }

    async fn dry_run(&self, name: &str, region: &str) -> Result<Reply, Refusal> {
        let headers = [(INVOCATION_TYPE, Some("DryRun"))];
        let event = Bytes::from_static(b"{}");
        let reply = self.post(name, region, &headers, event, ASK_MAX).await?;
        reply.map_err(|(Silence::NotSent(why) | Silence::Lost(why))| self.away(&why))
    }

    /// Sends an Invoke. Errors: it cannot even be written.
    async fn post(
        &self,
        name: &str,
        region: &str,
        headers: &[(&'static str, Option<&str>)],
        event: Bytes,
        patience: Duration,
    ) -> Result<Result<Reply, Silence>, Refusal> {
        let request = self.request(name, region, headers, &event).map_err(|reason| Refusal {
            fault: Fault::Operator,
            reason,
            retry_after: None,
        })?;
        Ok(self.wire.send(request, patience).await)
    }

    /// The region in an ARN, by which some endpoints tell their functions.
    fn region_of<'a>(&'a self, function: &'a str) -> &'a str {
        let region = function.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2));
        region.filter(|region| !region.is_empty()).unwrap_or(&self.region)
    }

    fn request(
        &self,
        name: &str,
        region: &str,
        headers: &[(&'static str, Option<&str>)],
        event: &Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/2015-03-31/functions/{}/invocations", self.url, in_path(name)))
            // Old versions of SAM take nothing else.
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            // A trace header that cannot be sent is none.
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                request = request.header(*name, value);
            }
        }
        let request = request.body(Full::new(event.clone()));
        let mut request = request.map_err(|error| error.to_string())?;
        self.signer.sign(&mut request, event, region)?;
        Ok(request)
    }

    /// It cannot be reached. What comes back there may be something else.
    fn away(&self, why: &str) -> Refusal {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let reason = format!("the Lambda endpoint {} is away: {why}", self.url);
        Refusal { fault: Fault::Transient, reason, retry_after: None }
    }
}

fn busy(profile: &Profile) -> Refusal {
    let reason = format!("{} runs one function at a time, and it was not our turn", profile.name);
    Refusal { fault: Fault::Throttled, reason, retry_after: None }
}

#[cfg(test)]
mod tests;
