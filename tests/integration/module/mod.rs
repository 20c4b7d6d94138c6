//! The module on a real redis-server.
