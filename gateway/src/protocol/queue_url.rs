//! How a request names its queue.

use super::error::SqsError;
use super::request::NamedQueue;
use crate::queues::QueueName;

/// What stands for the account in the paths of old emulators.
const NO_ACCOUNT: &str = "queue";

/// The queue a QueueUrl names: by its last path segment, whatever host and region stand before it;
/// a bare name works too. The account before it counts only where there is an `only_account`.
///
/// Source: sqs-contract §1.2.
pub(super) fn queue_of_url(url: &str, only_account: Option<&str>) -> NamedQueue {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    let path = path.trim_end_matches('/');
    let (before, name) = path.rsplit_once('/').unwrap_or(("", path));
    queue_of(before, name, only_account)
}

/// The queue a request path of the form `/<account>/<name>` or `/queue/<name>` names.
///
/// Source: sqs-contract §1.2.
pub(super) fn queue_of_path(path: &str, only_account: Option<&str>) -> NamedQueue {
    let (before, name) = split(path).ok_or(SqsError::QueueDoesNotExist)?;
    queue_of(before, name, only_account)
}

/// The name in such a path.
pub(crate) fn name_in_path(path: &str) -> Option<&str> {
    split(path).map(|(_, name)| name)
}

/// The name, and what stands before it.
fn split(path: &str) -> Option<(&str, &str)> {
    let parts = path.trim_end_matches('/').rsplit_once('/');
    parts.filter(|(before, _)| !account(before).is_empty())
}

fn account(before: &str) -> &str {
    before.rsplit('/').next().unwrap_or_default()
}

fn queue_of(before: &str, name: &str, only_account: Option<&str>) -> NamedQueue {
    let queue = QueueName::parse(name).ok_or(SqsError::QueueDoesNotExist)?;
    let account = account(before);
    let is_ours = |only| account.is_empty() || account == NO_ACCOUNT || account == only;
    if only_account.is_none_or(is_ours) { Ok(queue) } else { Err(SqsError::QueueOfAnotherAccount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_url_names_the_same_queue() {
        for url in [
            "http://127.0.0.1:9324/000000000000/orders",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
            "https://eu-west-1.queue.amazonaws.com/123456789012/orders",
            "http://localhost:9324/queue/orders",
            "http://localhost:9324/123456789012/orders/",
            "/123456789012/orders",
            "orders",
        ] {
            let queue = queue_of_url(url, None);
            assert_eq!(queue.as_ref().map(QueueName::as_str), Ok("orders"), "{url}");
        }
    }

    #[test]
    fn what_names_no_queue_is_none() {
        for url in ["", "/", "http://h", "http://h/", "http://h/1/a b", "http://h/1/ü"] {
            assert_eq!(queue_of_url(url, None), Err(SqsError::QueueDoesNotExist), "{url}");
        }
    }

    #[test]
    fn only_a_path_with_an_account_names_a_queue() {
        for path in ["/000000000000/orders", "/queue/orders/"] {
            let queue = queue_of_path(path, None);
            assert_eq!(queue.as_ref().map(QueueName::as_str), Ok("orders"), "{path}");
            assert_eq!(name_in_path(path), Some("orders"), "{path}");
        }
        for path in ["/", "", "/orders", "//orders", "*"] {
            assert_eq!(queue_of_path(path, None), Err(SqsError::QueueDoesNotExist), "{path}");
            assert_eq!(name_in_path(path), None, "{path}");
        }
    }

    #[test]
    fn where_there_is_one_account_only_another_one_names_nothing() {
        let only = Some("123456789012");
        for url in [
            "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
            "http://localhost:9324/queue/orders",
            "/123456789012/orders",
            "http://localhost:9324/orders",
            "orders",
        ] {
            assert!(queue_of_url(url, only).is_ok(), "{url}");
        }
        for url in ["http://h/000000000000/orders", "/abc/orders", "000000000000/orders"] {
            let expected = Err(SqsError::QueueOfAnotherAccount);
            assert_eq!(queue_of_url(url, only), expected, "{url}");
        }
        assert!(queue_of_path("/123456789012/orders", only).is_ok());
        let foreign = queue_of_path("/000000000000/orders/", only);
        assert_eq!(foreign, Err(SqsError::QueueOfAnotherAccount));
        let nameless = queue_of_url("http://h/000000000000/a b", only);
        assert_eq!(nameless, Err(SqsError::QueueDoesNotExist));
    }
}
