//! Real SDKs and tools against the gateway (tests/clients).
