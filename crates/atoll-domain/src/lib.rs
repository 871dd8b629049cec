//! atoll-domain
