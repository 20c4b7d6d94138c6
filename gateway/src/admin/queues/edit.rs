//! Sending a changed message in the place of one that is there.
//!
//! The old one is leased first, so that nobody receives it meanwhile; then the changed one is sent;
//! then the old one is deleted, with the receipt of that lease. Should karin die in between, the
//! lease ends, and the old message is there beside the new one: twice rather than never.

use axum::extract;
use axum::response::Response;

use super::form::Form;
use super::outgoing::{Draft, LineEnds, is_new, kept_system_attributes};
use super::send::{self, Changed, Page};
use super::{NamedMessage, fault};
use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::page::{Section, Visitor, html};
use crate::protocol::SqsError;
use crate::protocol::response::SentMessage;
use crate::queues::{
    Demand, DropOutcome, MessageState, QueueName, ReceiptOutcome, ReceivedMessage, SeenMessage,
};

/// How long the old message is kept from others, in seconds: until the changed one was sent, which
/// takes as long as Redis may take to answer.
const LEASE_SECONDS: u32 = 60;

/// Who has the old message while the changed one is sent.
enum Hold {
    /// We; its receipt.
    Leased(String),
    /// Nobody can receive it: it is a dead letter.
    Dead,
    /// It stays, whoever has it.
    Kept,
}

async fn find(state: &State, queue: &QueueName, sequence: u64) -> Result<SeenMessage, Failure> {
    let seen = state.0.queues.look_at(queue, sequence).await?;
    seen.ok_or(Failure::NoMessage)
}

fn made(
    visitor: &Visitor,
    queue: QueueName,
    seen: &SeenMessage,
    uid: String,
    draft: Draft,
) -> Page {
    let body = String::from_utf8_lossy(&seen.message.body);
    let is_mixed = LineEnds::of(&body) == LineEnds::Mixed;
    let sequence = seen.message.sequence;
    let title = (visitor.lang.texts().messages.edit_title)(sequence);
    Page {
        frame: visitor.frame(Section::Queues, title),
        queue,
        error: None,
        draft,
        sent: None,
        changed: Some(Changed { sequence, uid, is_mixed }),
    }
}

pub(super) async fn page(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    NamedMessage(queue, sequence): NamedMessage,
) -> Result<Response, Failure> {
    let info = state.0.queues.info(&queue).await?;
    let seen = find(&state, &queue, sequence).await?;
    let t = &visitor.lang.texts().messages;
    let draft = Draft::of(&seen.message, || state.0.sqs.new_id());
    let draft = draft.ok_or_else(|| Failure::Refused(t.cannot_edit.to_owned()))?;
    let mut page = made(&visitor, queue, &seen, info.uid, draft);
    if seen.state == MessageState::InFlight {
        page.error = Some(t.edit_in_flight.to_owned());
    }
    Ok(html(&page))
}

pub(super) async fn act(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    NamedMessage(queue, sequence): NamedMessage,
    Form(form): Form,
) -> Result<Response, Failure> {
    let before = state.same_queue(&queue, form.get("uid")).await?;
    let seen = find(&state, &queue, sequence).await?;
    let draft = Draft::written(&form);
    let t = &visitor.lang.texts().messages;
    let refused = |error: String, draft| {
        let mut page = made(&visitor, queue.clone(), &seen, before.uid.clone(), draft);
        page.error = Some(error);
        Ok(page.refused())
    };
    let input = match draft.request(&queue, kept_system_attributes(&seen.message)) {
        Ok(input) => input,
        Err(error) => return refused(fault(error)?, draft),
    };
    let wants_both = form.get("old") == "keep";
    let Some(hold) = hold(&state, &queue, &seen, wants_both).await? else {
        return refused(t.edit_in_flight.to_owned(), draft);
    };
    let error = match send::send(&state, input).await {
        Ok(sent) if is_new(&sent, &before) => {
            return settle(&state, &queue, sequence, hold, &sent).await;
        }
        // Nothing was sent, so the old one must stay.
        Ok(_) => t.duplicate.to_owned(),
        Err(error) => {
            give_back(&state, &queue, &hold, Some(&error)).await?;
            return refused(fault(error)?, draft);
        }
    };
    give_back(&state, &queue, &hold, None).await?;
    refused(error, draft)
}

/// Keeps the old message from others. `None`: somebody else has it.
async fn hold(
    state: &State,
    queue: &QueueName,
    seen: &SeenMessage,
    wants_both: bool,
) -> Result<Option<Hold>, Failure> {
    if wants_both {
        return Ok(Some(Hold::Kept));
    }
    if seen.state == MessageState::Dead {
        return Ok(Some(Hold::Dead));
    }
    let leased = state.0.queues.lease(queue, seen.message.sequence, LEASE_SECONDS).await?;
    Ok(leased.map(|ReceivedMessage { receipt, .. }| Hold::Leased(receipt)))
}

/// Gives the old message back as if nobody had had it. After an error that leaves open whether the
/// changed one was sent, its lease ends by itself.
async fn give_back(
    state: &State,
    queue: &QueueName,
    hold: &Hold,
    error: Option<&SqsError>,
) -> Result<(), Failure> {
    let is_unknown = error.is_some_and(|error| !error.code().is_sender_fault());
    if let (Hold::Leased(receipt), false) = (hold, is_unknown) {
        state.0.queues.release(queue, &[receipt], 0).await?;
    }
    Ok(())
}

/// Deletes the old message, after the changed one was sent.
async fn settle(
    state: &State,
    queue: &QueueName,
    sequence: u64,
    hold: Hold,
    sent: &SentMessage,
) -> Result<Response, Failure> {
    let is_deleted = match hold {
        Hold::Kept => return Ok(send::told(queue, sent, "kept")),
        Hold::Leased(receipt) => {
            let outcomes = state.0.queues.acknowledge(queue, &[&receipt], Demand::Current).await?;
            outcomes.first() == Some(&ReceiptOutcome::Done)
        }
        Hold::Dead => {
            let outcomes = state.0.queues.drop_messages(queue, &[sequence], false).await?;
            outcomes.first() == Some(&DropOutcome::Done)
        }
    };
    Ok(send::told(queue, sent, if is_deleted { "deleted" } else { "stays" }))
}
