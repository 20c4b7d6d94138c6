//! The minute's sweep: what no hint told, dead letters nobody brought, and what changed in which
//! queue. Apart from listening, because hints may not be had at all, and so that they do not wait
//! for a sweep of many queues.

use std::sync::Arc;

use tokio::{select, sync::watch};

use super::{
    QueueError,
    carrier::Carrier,
    dead_letters::DeadLetters,
    hints::every_minute,
    history::{Sampler, ServerClock, TOUCHED_SECONDS, is_too_old},
    reply::{self, Page},
    waiting::Source,
};

/// How far the sweep looks: what is due later, the next one sees. In seconds.
const REACH_SECONDS: u64 = 60;
/// Queues of one page.
const PAGE: u64 = 1_000;

/// Sweeps.
#[derive(Debug)]
pub(super) struct Sweeper {
    carrier: Carrier,
    dead_letters: Arc<DeadLetters>,
    clock: Arc<ServerClock>,
    /// Told of the server's time after each sweep.
    swept: watch::Sender<u64>,
    sampler: Sampler,
    /// Whether the module on this connection does not know TOUCHED.
    is_module_old: bool,
}

impl Sweeper {
    pub(super) fn new(
        carrier: Carrier,
        dead_letters: Arc<DeadLetters>,
        clock: Arc<ServerClock>,
        swept: watch::Sender<u64>,
    ) -> Self {
        let sampler = Sampler::default();
        Self { carrier, dead_letters, clock, swept, sampler, is_module_old: false }
    }

    /// Looks at the start, every minute and after each reconnect, for ever.
    pub(super) async fn sweep(mut self) {
        let mut minute = every_minute();
        loop {
            let generation = self.carrier.client.up().await;
            // What went wrong shows at the connection all commands share.
            if let Err(error) = self.look().await {
                tracing::debug!("the sweep failed: {error}");
                self.sampler.reset();
            }
            select! {
                _ = minute.tick() => {}
                () = self.carrier.client.left(generation) => self.is_module_old = false,
            }
        }
    }

    /// Asks for everything that is due soon, in case a hint was lost, for dead letters, and for
    /// what changed of late.
    async fn look(&mut self) -> Result<(), QueueError> {
        let mut after = None;
        loop {
            let page = self.page(after.as_deref()).await?;
            let now_ms = page.now_ms;
            after.clone_from(&page.after);
            self.take(page);
            if after.is_some() {
                continue;
            }
            if let Some(now_ms) = now_ms {
                self.clock.set(now_ms);
                let Carrier { client, naming, .. } = &self.carrier;
                self.sampler.write(client, naming, now_ms).await;
                self.swept.send_replace(now_ms);
            }
            return Ok(());
        }
    }

    async fn page(&mut self, after: Option<&[u8]>) -> Result<Page, QueueError> {
        loop {
            let mut command = redis::cmd("KARIN.LIST");
            command.arg("PREFIX").arg(self.carrier.naming.key_start(""));
            command.arg("COUNT").arg(PAGE).arg("DUE").arg(REACH_SECONDS);
            if !self.is_module_old {
                command.arg("TOUCHED").arg(TOUCHED_SECONDS);
            }
            if let Some(after) = after {
                command.arg("AFTER").arg(after);
            }
            match self.carrier.client.call_idempotent(&command).await {
                Err(error) if is_too_old(&error) && !self.is_module_old => {
                    self.is_module_old = true;
                }
                answer => return reply::page(answer?),
            }
        }
    }

    fn take(&mut self, page: Page) {
        let Carrier { table, naming, .. } = &self.carrier;
        for row in page.rows {
            let Ok(key) = String::from_utf8(row.key) else { continue };
            let Some(queue) = naming.any_queue_of_key(&key) else { continue };
            table.with(|lines, now| lines.outlook(&queue, row.outlook, Source::List, now));
            if row.dead > 0 {
                self.dead_letters.found(&queue);
            }
            if let Some((state, queue)) = row.state.zip(naming.queue_of_key(&key)) {
                self.sampler.note(queue, state);
            }
        }
    }
}
