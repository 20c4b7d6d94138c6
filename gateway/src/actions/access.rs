//! Who may do what, in SQS's words.
//!
//! Source: sqs-contract §§2.4, 2.5 and 11.4.

use bytes::Bytes;
use hyper::http::request::Parts;

use super::Sqs;
use super::move_task::Handle;
use super::shown_attributes::REDRIVE;
use crate::auth::{Caller, Entrance, Moment, Refused, permitted_as};
use crate::protocol::redrive::GivenRedrivePolicy;
use crate::protocol::request::{Action, Request};
use crate::protocol::{AccessError, Incoming, SqsError, echo, name_in_path};
use crate::queues::QueueName;

/// What a signature must be scoped to.
pub(crate) const SERVICE: &str = "sqs";

impl Sqs {
    /// Reads a request whose sender may make it. That the action is unknown is said before
    /// anything about credentials, and nothing but that.
    pub(super) fn read(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
        body: &Bytes,
        incoming: Incoming<'_>,
    ) -> Result<Request, SqsError> {
        let action = incoming.action().map_err(Clone::clone)?;
        let caller = entrance.caller(SERVICE, parts, body, Moment::now());
        let caller = caller.map_err(|refused| self.refused(refused, parts))?;
        let request = incoming.read();
        if let Some(limits) = caller.limits() {
            let queues = request.as_ref().map_or_else(|_| Vec::new(), queues);
            let is_allowed = |queue: &Option<QueueName>| {
                limits.allow_queue(queue.as_ref().map(QueueName::as_str))
            };
            let refused = queues.iter().find(|queue| !is_allowed(queue));
            if refused.is_some() || !limits.allow_action(action.name()) {
                let queue = refused.or(queues.first()).and_then(Option::as_ref);
                return Err(self.denied(caller, action, queue));
            }
        }
        request
    }

    /// What to answer, if anything, to a request whose body is not read.
    pub(crate) fn refusal_before_body(
        &self,
        entrance: Entrance<'_>,
        parts: &Parts,
    ) -> Option<SqsError> {
        let seen = entrance.before_body(SERVICE, parts, Moment::now());
        seen.err().map(|refused| self.refused(refused, parts))
    }

    fn refused(&self, refused: Refused, parts: &Parts) -> SqsError {
        SqsError::Access(match refused {
            Refused::NoCredentials => {
                let path = parts.uri.path();
                let queue = name_in_path(path).map_or("", |_| path.trim_start_matches('/'));
                let region = self.identity.region();
                AccessError::Denied(format!(
                    "Access to the resource https://sqs.{region}.amazonaws.com/{} is denied.",
                    echo(queue)
                ))
            }
            Refused::UnknownCredentials => AccessError::UnrecognizedClient,
            Refused::Malformed(text) => AccessError::IncompleteSignature(echo(&text).to_owned()),
            Refused::Invalid(text) => AccessError::InvalidSignature(text),
            Refused::Mismatch(calculated) => AccessError::SignatureDoesNotMatch(calculated),
        })
    }

    /// The same for a queue that exists and for one that does not.
    fn denied(&self, caller: Caller<'_>, action: Action, queue: Option<&QueueName>) -> SqsError {
        let user = self.identity.user_arn(caller.name());
        let action = permitted_as(action.name()).to_ascii_lowercase();
        let resource = self.identity.sqs_arn(queue.map_or("", QueueName::as_str));
        SqsError::Access(AccessError::Denied(format!(
            "User: {user} is not authorized to perform: sqs:{action} on resource: {resource} \
             because no identity-based policy allows the sqs:{action} action"
        )))
    }
}

/// The queues a request reaches; `None`: one that cannot be, or several that it does not name.
///
/// Where a queue's dead letters go to counts, because messages come there by this request; so does
/// the queue whose task is cancelled. A task that moves each message to where it came from may
/// reach any queue, so who is limited to some has to name one.
fn queues(request: &Request) -> Vec<Option<QueueName>> {
    match request {
        Request::CancelMessageMoveTask(input) => {
            let handle = Handle::parse(&input.task_handle).ok();
            vec![handle.and_then(|handle| QueueName::of_arn(&handle.source_arn))]
        }
        Request::CreateQueue(input) => {
            [request.queue()].into_iter().chain(redrive_targets(&input.attributes)).collect()
        }
        Request::ListMessageMoveTasks(input) => vec![QueueName::of_arn(&input.source_arn)],
        Request::SetQueueAttributes(input) => {
            [request.queue()].into_iter().chain(redrive_targets(&input.attributes)).collect()
        }
        Request::StartMessageMoveTask(input) => {
            vec![
                QueueName::of_arn(&input.source_arn),
                input.destination_arn.as_deref().and_then(QueueName::of_arn),
            ]
        }
        other => vec![other.queue()],
    }
}

/// The targets of all RedrivePolicies given; those that cannot be read set nothing.
fn redrive_targets(
    attributes: &[(String, String)],
) -> impl Iterator<Item = Option<QueueName>> + '_ {
    let policies = attributes.iter().filter(|(name, _)| name == REDRIVE);
    let policies = policies.filter_map(|(_, text)| GivenRedrivePolicy::parse(text).ok());
    policies.map(|policy| Some(policy.target.queue))
}
