//! atoll-ports
