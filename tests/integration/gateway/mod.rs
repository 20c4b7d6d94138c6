//! The gateway as a process: configuration, Redis, hints, faults.
