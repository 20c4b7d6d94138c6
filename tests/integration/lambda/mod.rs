//! Mappings, pollers, Lambda endpoints and local functions.
