//! atoll-http
