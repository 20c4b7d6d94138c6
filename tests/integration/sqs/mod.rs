//! SQS as clients speak it, both protocols, over HTTP.
