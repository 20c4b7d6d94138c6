//! How a request names its queue.

use crate::queues::QueueName;

/// The queue a QueueUrl names: by its last path segment, whatever host, region and account stand
/// before it; a bare name works too. `None` when no queue can have such a name.
///
/// Source: sqs-contract §1.2.
pub(super) fn queue_of_url(url: &str) -> Option<QueueName> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map(|(_, path)| path)?,
        None => url,
    };
    QueueName::parse(path.trim_end_matches('/').rsplit('/').next()?)
}

/// The name in a request path of the form `/<account>/<name>` or `/queue/<name>`.
///
/// Source: sqs-contract §1.2.
pub(crate) fn name_in_path(path: &str) -> Option<&str> {
    let (before, name) = path.trim_end_matches('/').rsplit_once('/')?;
    let has_account = before.rsplit('/').next().is_some_and(|segment| !segment.is_empty());
    has_account.then_some(name)
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
            assert_eq!(queue_of_url(url).as_ref().map(QueueName::as_str), Some("orders"), "{url}");
        }
    }

    #[test]
    fn what_names_no_queue_is_none() {
        for url in ["", "/", "http://h", "http://h/", "http://h/1/a b", "http://h/1/ü"] {
            assert_eq!(queue_of_url(url), None, "{url}");
        }
    }

    #[test]
    fn only_a_path_with_an_account_names_a_queue() {
        assert_eq!(name_in_path("/000000000000/orders"), Some("orders"));
        assert_eq!(name_in_path("/queue/orders/"), Some("orders"));
        for path in ["/", "", "/orders", "//orders", "*"] {
            assert_eq!(name_in_path(path), None, "{path}");
        }
    }
}
