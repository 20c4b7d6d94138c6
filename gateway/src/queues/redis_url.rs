//! Where a Redis is.

/// The URL of a Redis. It may hold a password, so it is never shown whole.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// Checks a URL. Errors: what is wrong with it, in one line.
    pub fn parse(written: &str) -> Result<Self, String> {
        let known = ["redis://", "redis+unix://", "unix://"];
        if written.starts_with("rediss://") {
            return Err("rediss:// (TLS) is not supported by this version".to_owned());
        }
        if !known.iter().any(|scheme| written.starts_with(scheme)) {
            return Err("give redis://HOST:PORT/DATABASE or unix:///PATH".to_owned());
        }
        match redis::IntoConnectionInfo::into_connection_info(written) {
            Ok(_) => Ok(Self(written.to_owned())),
            Err(error) => Err(error.to_string().replace('\n', " ")),
        }
    }

    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let rest = rest.split_once('?').map_or(rest, |(place, _)| place);
        write!(f, "{scheme}://{rest}")
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_url_is_shown_without_its_password() {
        let url = RedisUrl::parse("redis://user:secret@127.0.0.1:6379/3").unwrap();
        assert_eq!(url.to_string(), "redis://127.0.0.1:6379/3");
        assert!(!format!("{url:?}").contains("secret"));
    }
}
