//! What happens among gateways, for people.

use super::message::GatewayId;

/// What has happened, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Joined(GatewayId),
    Left(GatewayId, Leaving),
    /// We have slept, so others have our mappings.
    Slept,
    /// Others cannot be heard or told.
    Alone(String),
    /// Another gateway takes leases under our number.
    Namesake(GatewayId),
}

/// How a gateway went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It said so.
    Bye,
    /// Its connection is gone.
    Closed,
    /// It says nothing.
    Silent,
}

impl Event {
    /// Writes it to the log; so many `others` live now.
    pub(super) fn tell(&self, others: usize) {
        match self {
            Self::Joined(id) => tracing::info!(gateway = %id, others, "another gateway is here"),
            Self::Left(id, how) => {
                let how = match how {
                    Leaving::Bye => "it was stopped",
                    Leaving::Closed => "its connection is gone",
                    Leaving::Silent => "it is silent",
                };
                tracing::info!(gateway = %id, others, how, "another gateway is gone");
            }
            Self::Slept => tracing::warn!(
                "this gateway stood still; it serves nothing until it has heard what others do"
            ),
            Self::Alone(why) => tracing::warn!(
                why,
                "other gateways cannot be heard or told; this one serves all mappings, as if alone"
            ),
            Self::Namesake(id) => tracing::warn!(
                gateway = %id,
                "another gateway has a copy of this one's data directory; should this one be \
                 killed, what its functions were running comes back only when the leases end"
            ),
        }
    }
}
