//! Listening to the hints and to the gateways' bulletin: one subscription connection for all.
//! Without it there is the minute's [`super::sweep`].

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use redis::{Msg, aio::PubSubSink};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout},
};

use super::{
    Naming, QueueName,
    bulletin::{Board, Notice},
    client::Client,
    table::Table,
};

/// How often a lost hint is made good for (design §4).
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// How long a subscription may take to be confirmed.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a subscription connection ended.
const RESUBSCRIBE_PAUSE: Duration = Duration::from_millis(20);
/// The pause after one could not be made.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Listens for the table and the board.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) client: Arc<Client>,
    pub(super) table: Arc<Table>,
    pub(super) board: Arc<Board>,
    pub(super) naming: Naming,
}

impl Listener {
    /// Keeps the table told of what the hints say, and the board of what gateways say, for ever.
    pub(super) async fn listen(self) {
        let Self { client, table, board, .. } = &self;
        let mut told = None;
        loop {
            // Nobody waits, nobody listens.
            select! {
                _ = table.wanted() => {}
                _ = board.wanted() => {}
            }
            let generation = client.up().await;
            let notice = select! {
                why = self.listen_once() => {
                    // Without hints messages wait for the next sweep, so this must be seen; once.
                    if told.as_ref() != Some(&why) {
                        tracing::warn!("no hints from Redis: {why}");
                        told = Some(why.clone());
                    }
                    Notice::Deaf(why)
                }
                // That is told by the client.
                () = client.left(generation) => {
                    told = None;
                    Notice::Away
                }
            };
            // One who does not keep up hears of it by the next `Subscribed`.
            let _missed = board.post(notice);
            table.with(|lines, _| lines.forget());
            sleep(RESUBSCRIBE_PAUSE).await;
        }
    }

    /// One life of the subscription connection. Returns why it ended.
    async fn listen_once(&self) -> String {
        let (mut sink, mut stream) = match self.client.subscriber().await {
            Ok(connection) => connection.split(),
            Err(why) => {
                sleep(RECONNECT_PAUSE).await;
                return why;
            }
        };
        let mut minute = every_minute();
        let mut is_read = false;
        loop {
            let result = select! {
                message = stream.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return "it was closed".to_owned(),
                },
                channels = self.board.wanted(), if !is_read => {
                    is_read = true;
                    self.read(&mut sink, &channels).await
                }
                queues = self.table.wanted() => {
                    if let Err(why) = subscribe(&mut sink, &self.naming, &queues).await {
                        sleep(RECONNECT_PAUSE).await;
                        return why;
                    }
                    self.table.with(|lines, now| lines.subscribed(&queues, now));
                    Ok(())
                }
                _ = minute.tick() => tidy(&mut sink, &self.table, &self.naming).await,
            };
            if let Err(why) = result {
                return why;
            }
        }
    }

    fn hear(&self, message: &Msg) -> Result<(), String> {
        let (channel, payload) = (message.get_channel_name(), message.get_payload_bytes());
        if let Some(taken) = self.board.hear(channel, payload) {
            return taken;
        }
        note(&self.table, &self.naming, channel, payload);
        Ok(())
    }

    /// Listens to the bulletin. To be refused that is no reason to go without hints.
    async fn read(&self, sink: &mut PubSubSink, channels: &[String]) -> Result<(), String> {
        let notice = match confirmed(sink.subscribe(channels)).await {
            Ok(()) => Notice::Subscribed,
            Err(why) => Notice::Deaf(why),
        };
        self.board.post(notice)
    }
}

/// The first tick is a minute away.
pub(super) fn every_minute() -> Interval {
    let mut minute = interval_at(Instant::now() + SWEEP_INTERVAL, SWEEP_INTERVAL);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    minute
}

/// `<ms until due> <hint number>`
fn note(table: &Table, naming: &Naming, channel: &str, payload: &[u8]) {
    let hint = parse(payload);
    let Some((queue, (in_ms, number))) = naming.queue_of_channel(channel).zip(hint) else {
        tracing::debug!(channel, "a hint nobody can read");
        return;
    };
    table.with(|lines, now| lines.hint(&queue, number, in_ms, now));
}

fn parse(payload: &[u8]) -> Option<(u64, u64)> {
    let (in_ms, number) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some((in_ms.parse().ok()?, number.parse().ok()?))
}

async fn subscribe(
    sink: &mut PubSubSink,
    naming: &Naming,
    queues: &[QueueName],
) -> Result<(), String> {
    let channels: Vec<String> = queues.iter().map(|queue| naming.channel(queue)).collect();
    confirmed(sink.subscribe(&channels)).await
}

/// Leaves the lines nobody stands in.
async fn tidy(sink: &mut PubSubSink, table: &Table, naming: &Naming) -> Result<(), String> {
    let gone = table.with(|lines, _| lines.tidy());
    if gone.is_empty() {
        return Ok(());
    }
    let channels: Vec<String> = gone.iter().map(|queue| naming.channel(queue)).collect();
    confirmed(sink.unsubscribe(&channels)).await
}

async fn confirmed(request: impl Future<Output = redis::RedisResult<()>>) -> Result<(), String> {
    match timeout(SUBSCRIBE_TIMEOUT, request).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("no confirmation of a subscription".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_two_numbers() {
        assert_eq!(parse(b"0 7"), Some((0, 7)));
        assert_eq!(parse(b"2500 18446744073709551615"), Some((2500, u64::MAX)));
        for bad in [&b""[..], b"7", b"-1 7", b"1 2 3", b"a b", b"\xff 1"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
