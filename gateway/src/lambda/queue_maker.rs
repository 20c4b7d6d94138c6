//! Makes the queues that mappings name, like their namesakes on AWS.
//!
//! Source: design §4, "Sources of mappings".

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use crate::actions::CopiedQueue;
use crate::arn::QueueArn;
use crate::config::SyncAttributes;
use crate::identity::Identity;
use crate::lambda::aws::Aws;
use crate::lambda::mapping::Mapping;
use crate::lambda::store;
use crate::lambda::sync::call::Refused;
use crate::queues::{QueueError, QueueInfo, QueueName, Queues};

/// Queues that are read from AWS at the same time.
const READERS_MAX: usize = 8;
/// A queue, its dead-letter queue, that one's, and so on: this many are made at most.
const CHAIN_MAX: usize = 8;

/// What was seen of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenQueue {
    pub(super) queue: QueueName,
    /// Its VisibilityTimeout.
    pub(super) visibility: Option<Duration>,
    /// What people should know; `None`: nothing new.
    pub(super) remarks: Option<Vec<String>>,
}

/// See the module's head. Its clones share what they know.
#[derive(Debug, Clone)]
pub(super) struct QueueMaker {
    queues: Queues,
    identity: Identity,
    aws: Arc<Aws>,
    mode: SyncAttributes,
    readers: Arc<Semaphore>,
    /// QueueUrls on AWS, by ARN.
    urls: Arc<Mutex<HashMap<String, String>>>,
    /// Queues that were made while AWS was away.
    unread: Arc<Mutex<HashSet<QueueName>>>,
    /// Where the supervisor hears what was seen.
    seen: mpsc::UnboundedSender<SeenQueue>,
}

/// One queue of a chain, ready to be made.
struct ToMake {
    queue: QueueName,
    like: CopiedQueue,
    remarks: Vec<String>,
    /// Whether AWS is to be asked again, because it was away.
    is_unread: bool,
}

impl QueueMaker {
    /// One that has made nothing, and who hears of its queues.
    pub(super) fn new(
        queues: Queues,
        identity: Identity,
        aws: Arc<Aws>,
        mode: SyncAttributes,
    ) -> (Self, mpsc::UnboundedReceiver<SeenQueue>) {
        let (seen, hears) = mpsc::unbounded_channel();
        let readers = Arc::new(Semaphore::new(READERS_MAX));
        let (urls, unread) = (Arc::default(), Arc::default());
        (Self { queues, identity, aws, mode, readers, urls, unread, seen }, hears)
    }

    /// Remembers queues that were made while AWS was away.
    pub(super) fn remember(&self, unread: HashSet<QueueName>) {
        self.unread().extend(unread);
    }

    fn unread(&self) -> MutexGuard<'_, HashSet<QueueName>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that the queue of a mapping exists. Errors: Redis cannot be asked.
    pub(super) async fn ensure(&self, mapping: &Mapping) -> Result<(), QueueError> {
        let queue = &mapping.queue;
        match self.queues.info(queue).await {
            Ok(info) => self.tell(queue, &info, None),
            Err(QueueError::NoQueue) => {
                let arn = mapping.source_arn.as_deref().and_then(|arn| QueueArn::parse(arn).ok());
                for queue in self.plan(queue, arn).await.into_iter().rev() {
                    self.make(queue).await?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The queue and the dead-letter queues behind it, as far as they do not exist.
    async fn plan(&self, queue: &QueueName, arn: Option<QueueArn>) -> Vec<ToMake> {
        let mut chain: Vec<ToMake> = Vec::new();
        let mut next = Some((queue.clone(), arn));
        while let Some((queue, arn)) = next.take() {
            let is_known = chain.iter().any(|known| known.queue == queue)
                || (!chain.is_empty() && self.queues.info(&queue).await.is_ok());
            if is_known || chain.len() >= CHAIN_MAX {
                break;
            }
            let like = self.like(queue, arn.as_ref()).await;
            next = like.like.target.clone().map(|target| (target.queue.clone(), Some(target)));
            chain.push(like);
        }
        chain
    }

    /// A queue like AWS's, if that can be read, else an ordinary one.
    async fn like(&self, queue: QueueName, arn: Option<&QueueArn>) -> ToMake {
        let ordinary = CopiedQueue::ordinary(&queue, &self.identity);
        let arn = arn.filter(|_| self.mode != SyncAttributes::Never);
        let Some(arn) = arn else {
            return ToMake { queue, like: ordinary, remarks: Vec::new(), is_unread: false };
        };
        match self.read(arn).await {
            Ok(like) => {
                let remark =
                    |remark: &String| format!("the queue {queue} was made like AWS's; {remark}");
                let remarks = like.remarks.iter().map(remark).collect();
                ToMake { queue, like, remarks, is_unread: false }
            }
            Err(error) => {
                let why = error.words();
                let remarks = vec![format!(
                    "the queue {queue} was made with default attributes, because AWS's cannot be \
                     read (sqs:GetQueueUrl, sqs:GetQueueAttributes, sqs:ListQueueTags): {why}"
                )];
                let is_unread = matches!(error, Refused::Failed(_));
                ToMake { queue, like: ordinary, remarks, is_unread }
            }
        }
    }

    async fn make(&self, made: ToMake) -> Result<(), QueueError> {
        let ToMake { queue, like, remarks, is_unread } = made;
        let mut result = self.queues.create(&queue, &like.for_new(), &like.tags).await;
        let mut remarks = remarks;
        if let Err(QueueError::Attribute(why)) = &result {
            remarks.push(format!("the queue {queue} was made with default attributes: {why}"));
            let ordinary = CopiedQueue::ordinary(&queue, &self.identity);
            result = self.queues.create(&queue, &ordinary.for_new(), &[]).await;
        }
        match result {
            Ok(()) => tracing::info!(%queue, "made"),
            // Somebody was faster.
            Err(QueueError::Exists) => return Ok(()),
            Err(error) => return Err(error),
        }
        if is_unread {
            store::keep_unread(&self.queues, &queue).await?;
            self.unread().insert(queue.clone());
        }
        let info = self.queues.info(&queue).await?;
        self.tell(&queue, &info, Some(remarks));
        Ok(())
    }

    /// Makes queues there are like their namesakes on AWS: all of these mappings' queues, or those
    /// that could not be read when they were made and were not changed since; and the dead-letter
    /// queues behind them.
    pub(super) async fn renew(&self, mappings: Vec<Mapping>) {
        let is_idle = match self.mode {
            SyncAttributes::Never => true,
            SyncAttributes::Always => false,
            SyncAttributes::Once => self.unread().is_empty(),
        };
        if is_idle {
            return;
        }
        let mut done: HashSet<QueueName> = HashSet::new();
        for mapping in mappings {
            let arn = mapping.source_arn.as_deref().and_then(|arn| QueueArn::parse(arn).ok());
            let mut next = arn;
            while let Some(arn) = next.take().filter(|arn| done.insert(arn.queue.clone())) {
                let once = self.mode == SyncAttributes::Once;
                let is_wanted = !once || self.unread().contains(&arn.queue);
                next = if is_wanted {
                    self.renew_one(&arn, once).await
                } else {
                    self.target_of(&arn.queue).await
                };
            }
        }
    }

    async fn target_of(&self, queue: &QueueName) -> Option<QueueArn> {
        let info = self.queues.info(queue).await.ok()?;
        QueueArn::parse(info.attribute("deadLetterTargetArn")?).ok()
    }

    /// Returns where the queue's dead letters go.
    async fn renew_one(&self, arn: &QueueArn, once: bool) -> Option<QueueArn> {
        let queue = &arn.queue;
        let like = match self.read(arn).await {
            Ok(like) => like,
            Err(error) => {
                let why = error.words();
                let remark =
                    format!("the queue {queue} keeps its attributes; AWS's cannot be read: {why}");
                self.say(queue, remark);
                return None;
            }
        };
        if let Some(target) = &like.target
            && matches!(self.queues.info(&target.queue).await, Err(QueueError::NoQueue))
        {
            for queue in self.plan(&target.queue, Some(target.clone())).await.into_iter().rev() {
                self.make(queue).await.ok()?;
            }
        }
        let info = self.queues.info(queue).await.ok()?;
        let changed_here = once && info.modified_ms != info.created_ms;
        if !changed_here && let Err(error) = self.adapt(queue, &info, &like).await {
            self.say(queue, format!("the queue {queue} is not like AWS's: {error}"));
            return None;
        }
        if once {
            self.unread().remove(queue);
            store::forget_unread(&self.queues, queue).await.ok()?;
        }
        let info = self.queues.info(queue).await.ok()?;
        self.tell(queue, &info, Some(Vec::new()));
        like.target
    }

    async fn adapt(
        &self,
        queue: &QueueName,
        info: &QueueInfo,
        like: &CopiedQueue,
    ) -> Result<(), QueueError> {
        let differing = like.differing_from(info);
        if !differing.is_empty() {
            let names: Vec<&str> = differing.iter().map(|(name, _)| *name).collect();
            self.queues.set(queue, &differing).await?;
            tracing::info!(%queue, ?names, "attributes were taken over from AWS");
        }
        let gone = info.tags.iter().map(|(name, _)| name);
        let gone = gone.filter(|name| !like.tags.iter().any(|(other, _)| other == *name));
        let gone: Vec<String> = gone.cloned().collect();
        if !gone.is_empty() {
            self.queues.untag(queue, &gone).await?;
        }
        let new = like.tags.iter().filter(|tag| !info.tags.contains(tag));
        let new: Vec<(String, String)> = new.cloned().collect();
        if !new.is_empty() {
            self.queues.tag(queue, &new).await?;
        }
        Ok(())
    }

    /// Reads a queue of AWS.
    async fn read(&self, arn: &QueueArn) -> Result<CopiedQueue, Refused> {
        let _turn = self.readers.acquire().await;
        let client = self.aws.sqs(&arn.region).await;
        let url = self.url(&client, arn).await?;
        let attributes = client
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All);
        let (attributes, tags) =
            tokio::join!(attributes.send(), client.list_queue_tags().queue_url(&url).send());
        let attributes = attributes.map_err(|error| Refused::of(&error))?;
        let attributes = attributes.attributes().into_iter().flatten();
        let attributes = attributes.map(|(name, value)| (name.as_str().to_owned(), value.clone()));
        let mut attributes: Vec<(String, String)> = attributes.collect();
        attributes.sort();
        let (tags, no_tags) = match tags {
            Ok(tags) => (tags.tags().cloned().unwrap_or_default().into_iter().collect(), None),
            Err(error) => match Refused::of(&error) {
                Refused::Failed(why) => return Err(Refused::Failed(why)),
                refused => (Vec::new(), Some(refused)),
            },
        };
        let mut copied = CopiedQueue::new(&arn.queue, &attributes, tags, &self.identity);
        copied.remarks.extend(no_tags.map(|refused| {
            format!("its tags cannot be read (sqs:ListQueueTags): {}", refused.words())
        }));
        Ok(copied)
    }

    async fn url(&self, client: &aws_sdk_sqs::Client, arn: &QueueArn) -> Result<String, Refused> {
        let key = format!("{}:{}:{}", arn.region, arn.account, arn.queue);
        let known = self.urls.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let call = client.get_queue_url().queue_name(arn.queue.as_str());
        let answer = call.queue_owner_aws_account_id(&arn.account).send().await;
        let answer = answer.map_err(|error| Refused::of(&error))?;
        let url = answer.queue_url().unwrap_or_default().to_owned();
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).insert(key, url.clone());
        Ok(url)
    }

    fn tell(&self, queue: &QueueName, info: &QueueInfo, remarks: Option<Vec<String>>) {
        let seconds = info.attribute("VisibilityTimeout").and_then(|text| text.parse().ok());
        let visibility = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let seen = SeenQueue { queue: queue.clone(), visibility, remarks };
        // Nobody hears it when karin stops.
        let _stopping = self.seen.send(seen);
    }

    fn say(&self, queue: &QueueName, remark: String) {
        let remarks = Some(vec![remark]);
        let seen = SeenQueue { queue: queue.clone(), visibility: None, remarks };
        let _stopping = self.seen.send(seen);
    }
}
